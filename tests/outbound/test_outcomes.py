"""What an answer of the carrier means for the job, for the attempt and for whether it may be dialled again."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import NotAllowed
from core.outbound.carrier import Dialled
from core.outbound.jobs import ScheduleRequest
from core.telephony.client import TwilioCarrier
from tests.outbound.carrier_peer import Request
from tests.outbound.conftest import Line, until

NUMBER = "+14155550101"


def _failed(line: Line, request: ScheduleRequest | None = None, seconds: float = 20.0) -> Any:
    job = line.queue.schedule(request or ScheduleRequest(to=NUMBER, lead_id=line.lead()))
    with line.working():
        return line.until_finished(job.job_id, seconds)


def test_too_many_requests_are_tried_again_later(line: Line) -> None:
    answers = iter([429, 201])

    def way(request: Request) -> None:
        request.placed() if next(answers) == 201 else request.refused(429, 20429, "Too Many Requests")

    line.peer.behave(NUMBER, way)
    began = time.monotonic()
    done = _failed(line)
    assert (done.state, done.attempts_made) == ("completed", 2)
    assert time.monotonic() - began > 1.9  # exponential back-off from two seconds
    assert len(line.peer.dials) == 1
    assert (line.attempt().state, line.attempt().tries) == ("placed", 2)


def test_a_refused_connection_is_tried_again_later(line: Line) -> None:
    class Down:
        def __init__(self) -> None:
            self.tries = 0

        def dial(self, to: str, **rest: Any) -> Dialled:
            self.tries += 1
            base = "http://127.0.0.1:1" if self.tries == 1 else line.peer.url
            carrier = TwilioCarrier(replace(line.settings, twilio_api_base_url=base))
            return carrier.dial(to, **rest)

    carrier = Down()
    job = line.queue.schedule(ScheduleRequest(to=NUMBER))
    with line.working(carrier):
        assert line.until_finished(job.job_id).state == "completed"
    assert (carrier.tries, len(line.peer.dials)) == (2, 1)


@pytest.mark.parametrize(
    "way",
    [
        lambda request: (request.dial(), request.refused(500, 20500, "Internal error")),
        lambda request: (request.dial(), request.dropped()),
        lambda request: request.dropped(),
    ],
    ids=["500", "dialled-and-dropped", "dropped"],
)
def test_what_may_have_been_dialled_is_never_dialled_again(line: Line, way: Any) -> None:
    line.peer.behave(NUMBER, way)
    failed = _failed(line)
    assert (failed.state, failed.attempts_made) == ("failed", 1)
    assert failed.failure.startswith("Perhaps dialled, and not tried again: ")
    assert line.attempt().state == "unknown"
    with pytest.raises(NotAllowed, match="may have been dialled"):
        line.queue.retry(failed.job_id)
    assert len(line.peer.dials) <= 1


def test_an_unknown_outcome_is_settled_by_asking(line: Line) -> None:
    line.peer.behave(NUMBER, lambda request: (request.dial(), request.dropped()))
    _failed(line)
    assert line.settling().settle() == 1
    (dial,) = line.peer.dials
    assert (line.attempt().state, line.attempt().call_sid) == ("placed", dial["sid"])
    assert line.row("select call_sid, lead_status from leads") == (dial["sid"], "contacted")


def test_an_unknown_outcome_is_settled_by_the_callback(line: Line) -> None:
    line.peer.behave(NUMBER, lambda request: (request.dial(), request.dropped()))
    _failed(line)
    (dial,) = line.peer.dials
    attempt_id = dial["callback"].partition("attempt=")[2]
    query = "select public.settle_attempt(%s, %s, 'initiated', now())"
    assert line.row(query, attempt_id, dial["sid"]) == (True,)
    assert line.row(query, attempt_id, dial["sid"]) == (False,)
    assert line.attempt().call_sid == dial["sid"]
    assert line.row("select call_sid, lead_status from leads") == (dial["sid"], "contacted")


@pytest.mark.parametrize("attempt_id", ["nonsense", "test-12", "00000000-0000-0000-0000-000000000000"])
def test_a_callback_for_no_attempt_changes_nothing(line: Line, attempt_id: str) -> None:
    assert line.row("select public.settle_attempt(%s, 'CA1', 'initiated', now())", attempt_id) == (False,)


def test_what_the_carrier_does_not_know_was_not_dialled_and_a_person_may_try_again(line: Line) -> None:
    line.peer.behave(NUMBER, lambda request: request.dropped())
    failed = _failed(line)
    settling = line.settling()
    assert settling.settle() == 0  # the carrier may not know it yet
    later = datetime.now(UTC) + timedelta(minutes=11)
    assert settling.settle(later, everything=True) == 1
    assert line.attempt().state == "not_dialled"
    line.peer.behave(NUMBER, lambda request: request.placed())
    line.queue.retry(failed.job_id)
    with line.working():
        until(lambda: line.queue.job(failed.job_id).state == "completed", "the job is done")
    assert len(line.peer.dials) == 1


def test_two_calls_to_one_number_cannot_be_told_apart(line: Line) -> None:
    line.peer.behave(NUMBER, lambda request: (request.dial(), request.dial(), request.dropped()))
    _failed(line)
    settling = line.settling()
    assert settling.settle(datetime.now(UTC) + timedelta(hours=1)) == 0
    attempt = line.attempt()
    assert attempt.state == "unknown" and "2 calls" in (attempt.problem or "")


def test_calls_of_other_jobs_are_not_taken_for_this_one(line: Line) -> None:
    job = line.queue.schedule(ScheduleRequest(to=NUMBER, lead_id=line.lead()))
    with line.working():
        line.until_finished(job.job_id)
    line.peer.behave(NUMBER, lambda request: request.dropped())
    _failed(line, ScheduleRequest(to=NUMBER))
    assert line.settling().settle(datetime.now(UTC) + timedelta(minutes=11)) == 1
    states = line.connection.execute("select state from call_attempts order by claimed_at").fetchall()
    assert states == [("placed",), ("not_dialled",)]


def test_a_worker_that_cannot_reach_the_database_dials_nobody(line: Line) -> None:
    job = line.queue.schedule(ScheduleRequest(to=NUMBER))
    line.connection.execute("alter table call_attempts rename to away")
    with line.working():
        until(lambda: line.queue.job(job.job_id).attempts_made >= 1, "it was tried")
        time.sleep(0.5)
        assert not line.peer.dials
        line.connection.execute("alter table away rename to call_attempts")
        assert line.until_finished(job.job_id).state == "completed"
    assert len(line.peer.dials) == 1
