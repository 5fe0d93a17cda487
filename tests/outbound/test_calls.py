"""A job becomes a call, a link, and a result, on both backends."""

import pytest

from core.outbound.jobs import ScheduleRequest
from tests.outbound.conftest import Line


def test_a_scheduled_call_is_dialled_and_linked(line: Line) -> None:
    lead = line.lead(notes="Prefers mornings.", lead_status="new")
    job = line.queue.schedule(ScheduleRequest(to="+14155550101", lead_id=lead, message="Hello", metadata={"a": 1}))
    assert (job.name, job.state, job.lead_id, job.priority) == ("make-call", "waiting", lead, 2)
    with line.working():
        done = line.until_finished(job.job_id)
    assert done.state == "completed", done.failure
    (dial,) = line.peer.dials
    attempt = line.attempt()
    assert attempt.attempt_id in dial["url"] and attempt.attempt_id in dial["callback"]
    assert (attempt.state, attempt.call_sid, attempt.link_problem) == ("placed", dial["sid"], None)
    result = done.returnvalue
    assert result.pop("timestamp")
    assert result == {
        "success": True, "callSid": dial["sid"], "to": "+14155550101", "status": "queued", "lead_id": lead,
        "priority": "normal", "metadata": {"a": 1},
    }  # fmt: skip
    status, notes, sid = line.row("select lead_status, notes, call_sid from leads where id = %s", lead)
    assert (status, sid) == ("contacted", dial["sid"])
    assert notes == f"Outbound call {dial['sid']} initiated\nPrefers mornings."
    assert line.row("select count(*) from link_events where source = 'worker'") == (1,)
    assert not list(line.journal.kept())


def test_an_event_can_be_undone(line: Line) -> None:
    lead = line.lead(notes="Prefers mornings.", lead_status="new")
    job = line.queue.schedule(ScheduleRequest(to="+14155550101", lead_id=lead))
    with line.working():
        line.until_finished(job.job_id)
    event_id = line.attempt().event_id
    assert event_id is not None
    line.app.linking.undo(event_id)
    assert line.row("select lead_status, notes, call_sid, last_contacted_at from leads") == (
        "new",
        "Prefers mornings.",
        None,
        None,
    )


@pytest.mark.parametrize("status,code", [(400, 21211), (401, 20003)])
def test_a_refused_number_fails_once_with_the_reason(line: Line, status: int, code: int) -> None:
    lead = line.lead()
    line.peer.behave("+14155550101", lambda request: request.refused(status, code, "It is not valid."))
    job = line.queue.schedule(ScheduleRequest(to="+14155550101", lead_id=lead))
    with line.working():
        failed = line.until_finished(job.job_id)
    assert (failed.state, failed.attempts_made) == ("failed", 1)
    assert failed.failure.startswith("Not dialled: ")
    assert line.attempt().state == "rejected"
    assert line.row("select call_sid from leads") == (None,)
