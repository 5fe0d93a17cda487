"""Which call is whose: what the carrier lists is taken for an attempt's only where nobody else can have dialled it."""

import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.outbound.attempts import Attempt, Claim
from core.outbound.carrier import CarrierCall
from core.outbound.jobs import QUEUE, ScheduleRequest
from tests.outbound.conftest import Line

NUMBER = "+14155550101"
SID = "CA" + "1" * 32
LATER = timedelta(minutes=11)


class Knows:
    """A carrier that lists these calls."""

    def __init__(self, *calls: CarrierCall) -> None:
        self.calls = calls

    def calls_to(self, number: str, since: datetime) -> Sequence[CarrierCall]:
        return [call for call in self.calls if call.created_at is None or call.created_at >= since]


def call(at: datetime) -> CarrierCall:
    return CarrierCall(SID, NUMBER, "completed", "outbound-api", at)


def claimed(line: Line, job: str) -> Attempt:
    return line.app.attempts.claim(Claim(QUEUE, job, datetime.now(UTC), str(uuid.uuid4()), NUMBER, None))


def broken(line: Line, job: str) -> Attempt:
    """An attempt of which nobody knows what came of it."""
    attempt = claimed(line, job)
    return line.app.attempts.settle(attempt.attempt_id, "unknown", "The connection broke.")


def settled(line: Line, *calls: CarrierCall, later: timedelta = timedelta(0)) -> int:
    return line.settling(Knows(*calls)).settle(datetime.now(UTC) + later)


def test_a_call_that_another_worker_may_just_have_dialled_is_not_taken(line: Line) -> None:
    ours = broken(line, "a")
    other = claimed(line, "b")  # it has dialled, and its answer is on its way
    assert settled(line, call(datetime.now(UTC))) == 0
    assert "which call is whose" in (line.app.attempts.find(ours.attempt_id).problem or "")
    line.app.attempts.place(other.attempt_id, SID, datetime.now(UTC))
    assert settled(line, call(datetime.now(UTC)), later=LATER) == 1
    assert line.app.attempts.find(ours.attempt_id).state == "not_dialled"


@pytest.mark.parametrize("sid", [SID, None])
def test_a_test_call_is_not_taken_for_a_job_s(line: Line, sid: str | None) -> None:
    ours = broken(line, "a")
    line.connection.execute(
        "insert into test_calls (key, actor, to_number, via, carrier, state, call_sid)"
        " values ('k', 'ann', %s, 'direct', 'twilio', %s, %s)",
        [NUMBER, "placed" if sid else "placing", sid],
    )
    assert settled(line, call(datetime.now(UTC))) == 0
    assert line.app.attempts.find(ours.attempt_id).state == "unknown"


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_clock_that_is_wrong_never_makes_a_dialled_call_one_that_was_not(line: Line, minutes: int) -> None:
    ours = broken(line, "a")
    assert settled(line, call(datetime.now(UTC) + timedelta(minutes=minutes)), later=LATER) == 0
    found = line.app.attempts.find(ours.attempt_id)
    assert found.state == "unknown" and SID in (found.problem or "")


def test_calls_of_another_day_are_not_this_one(line: Line) -> None:
    ours = broken(line, "a")
    assert settled(line, call(datetime.now(UTC) + timedelta(days=1)), later=LATER) == 1
    assert line.app.attempts.find(ours.attempt_id).state == "not_dialled"


def test_what_was_claimed_anew_meanwhile_is_left_alone(line: Line) -> None:
    ours = broken(line, "a")

    class Slow(Knows):
        def calls_to(self, number: str, since: datetime) -> Sequence[CarrierCall]:
            line.app.attempts.settle(ours.attempt_id, "not_dialled", "another process asked too")
            at = ours.job_at
            assert line.app.attempts.claim(Claim(QUEUE, "a", at, str(uuid.uuid4()), NUMBER, None)).go
            return ()

    settling = line.settling(Slow())
    assert settling.settle(datetime.now(UTC) + LATER) == 0
    assert line.app.attempts.find(ours.attempt_id).state == "dialling"


class Elsewhere:
    """What the backend's worker does with a job: it claims nothing, dials, and answers when it may."""

    def __init__(self) -> None:
        self.begun, self.may_answer = threading.Event(), threading.Event()

    def __call__(self, _taken: Any) -> dict[str, Any]:
        self.begun.set()
        self.may_answer.wait(30)
        return {"success": True, "callSid": SID, "to": NUMBER, "status": "queued"}


def test_a_call_of_the_backends_worker_is_not_taken_while_its_job_runs_nor_after(line: Line) -> None:
    ours, backend = broken(line, "a"), Elsewhere()
    with line.doing(backend):
        theirs = line.queue.schedule(ScheduleRequest(to=NUMBER))
        assert backend.begun.wait(30)
        assert settled(line, call(datetime.now(UTC))) == 0
        assert "which call is whose" in (line.app.attempts.find(ours.attempt_id).problem or "")
        backend.may_answer.set()
        line.until_finished(theirs.job_id)
    assert settled(line, call(datetime.now(UTC)), later=LATER) == 1
    assert line.app.attempts.find(ours.attempt_id).state == "not_dialled"


def test_a_job_to_another_number_does_not_matter(line: Line) -> None:
    ours, backend = broken(line, "a"), Elsewhere()
    with line.doing(backend):
        line.queue.schedule(ScheduleRequest(to="+14155550199"))
        assert backend.begun.wait(30)
        assert settled(line, call(datetime.now(UTC))) == 1
        backend.may_answer.set()
    assert line.app.attempts.find(ours.attempt_id).call_sid == SID
