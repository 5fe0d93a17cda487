"""Jobs that cannot be done fail at once with a reason that a person understands, and nothing is dialled for them."""

from typing import Any

import pytest

from core.errors import BadInput
from core.outbound.jobs import QUEUE, ScheduleRequest
from tests import running
from tests.outbound.conftest import Line


def add(line: Line, data: Any, name: str = "make-call", **options: Any) -> str:
    """As any other producer does: nothing is checked."""

    async def adding() -> str:
        from bullmq import Queue

        queue = Queue(QUEUE, line.queue.connection.options)
        job = await queue.add(name, data, {"attempts": 3, "backoff": {"type": "exponential", "delay": 2000}, **options})
        await queue.close()
        return str(job.id)

    return running.run(adding())


BAD = {
    "nothing": ({}, "to is missing"),
    "no number": ({"to": None, "lead_id": 1}, "to is missing"),
    "blank": ({"to": "  "}, "to is missing"),
    "a list": ([{"to": "+14155550101"}], "data is a list"),
    "text": ("+14155550101", "data is text"),
    "a number without quotes": ({"to": 14155550101}, "to is a number"),
    "numbers in a list": ({"to": ["+14155550101"]}, "to is a list"),
    "no phone number": ({"to": "call me"}, "expected a phone number"),
    "a short code": ({"to": "911"}, "expected a phone number"),
    "a withheld number": ({"to": "+266696687"}, "withheld"),
    "a browser": ({"to": "client:ana"}, "expected a phone number"),
    "two numbers": ({"to": "+14155550101, +14155550102"}, "phone number"),
    "a lead by name": ({"to": "+14155550101", "lead_id": "Ana"}, "lead_id"),
    "half a lead": ({"to": "+14155550101", "lead_id": 1.5}, "lead_id"),
    "a true lead": ({"to": "+14155550101", "lead_id": True}, "lead_id"),
    "lead zero": ({"to": "+14155550101", "lead_id": 0}, "lead_id"),
    "too many leads": ({"to": "+14155550101", "lead_id": 2**63}, "lead_id"),
    "metadata as text": ({"to": "+14155550101", "metadata": "x"}, "metadata is text"),
    "a message in parts": ({"to": "+14155550101", "message": ["a"]}, "message is a list"),
    "a lead that is gone": ({"to": "+14155550101", "lead_id": 987654}, "no lead 987654"),
}


def test_a_job_that_cannot_be_meant_fails_with_its_reason(line: Line) -> None:
    jobs = {name: add(line, data) for name, (data, _) in BAD.items()}
    with line.working():
        failed = {name: line.until_finished(job_id, 40) for name, job_id in jobs.items()}
    for name, (_, reason) in BAD.items():
        assert failed[name].state == "failed", name
        assert reason in failed[name].failure, (name, failed[name].failure)
        assert failed[name].attempts_made == 1, name
    assert not line.peer.dials


def test_a_lead_whose_current_call_is_claimed_is_not_called(line: Line) -> None:
    connection = line.connection
    connection.execute("alter table leads drop constraint if exists leads_call_sid_key")
    first, second = line.lead(call_sid="CA1"), line.lead("Ben")
    connection.execute("update leads set call_sid = 'CA1' where id = %s", [second])
    owner = line.row("select lead_id from calls where call_sid = 'CA1'")[0]
    job = line.queue.schedule(ScheduleRequest(to="+14155550101", lead_id=owner))
    with line.working():
        failed = line.until_finished(job.job_id)
    assert f"Lead {second if owner == first else first} claims" in failed.failure
    assert not line.peer.dials


def test_people_write_numbers_in_many_ways(line: Line) -> None:
    written = ["(415) 555-0101", "415.555.0101", "4155550101.0", " +1 415 555 0101 ", "0014155550101"]
    jobs = [add(line, {"to": text, "lead_id": "" if index else None}) for index, text in enumerate(written)]
    with line.working():
        states = [line.until_finished(job_id).state for job_id in jobs]
    assert states == ["completed"] * len(written)
    assert {dial["to"] for dial in line.peer.dials} == {"+14155550101"}


def test_a_job_that_is_not_ours_is_handed_back(line: Line) -> None:
    data = {"type": "automation", "supabaseUrl": "https://abc.supabase.co", "supabaseKey": "eyJhbGciOi.eyJpc3M.sig"}
    job_id = add(line, data, "fetch-and-schedule-leads")
    with line.working():
        call = line.queue.schedule(ScheduleRequest(to="+14155550101"))
        line.until_finished(call.job_id)
        job = line.queue.job(job_id)
        assert job.state == "delayed"  # for another worker; ours does not swallow it
    assert "supabase" not in str(job).lower().replace("supabaseurl", "").replace("supabasekey", "")
    assert job.data == {"type": "automation", "supabaseUrl": "[redacted]", "supabaseKey": "[redacted]"}


def test_a_job_that_nobody_takes_fails_in_the_end_and_says_so(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.outbound.worker.HANDED_BACK_SECONDS", 0.01)
    job_id = add(line, {}, "fetch-and-schedule-leads")
    with line.working():
        failed = line.until_finished(job_id)
    assert "does not do jobs named 'fetch-and-schedule-leads'" in failed.failure
    assert failed.attempts_made == 10


@pytest.mark.parametrize(
    "request_",
    [
        ScheduleRequest(to=""),
        ScheduleRequest(to="nobody"),
        ScheduleRequest(to="+14155550101", lead_id=0),
        ScheduleRequest(to="+14155550101", priority="urgent"),  # type: ignore[arg-type]
        ScheduleRequest(to="+14155550101", metadata=[]),  # type: ignore[arg-type]
        ScheduleRequest(to="+14155550101", metadata={"a": float("nan")}),
        ScheduleRequest(to="+14155550101", metadata={"a": ["\0"]}),
        ScheduleRequest(to="+14155550101", metadata={"a": object()}),
    ],
)
def test_nothing_is_queued_that_cannot_be_meant(line: Line, request_: ScheduleRequest) -> None:
    with pytest.raises(BadInput):
        line.queue.schedule(request_)
    assert sum(line.queue.counts().values()) == 0
