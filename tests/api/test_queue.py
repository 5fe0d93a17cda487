"""Scheduling a call over the API, in the backend's shape."""

from core import app as application
from tests.api.conftest import ANN, Api

TO = "+14155550101"


def test_a_call_is_scheduled_for_a_lead(api: Api) -> None:
    told = api.post("/api/queue/schedule-call", {"to": TO, "lead_id": ANN, "message": "Hello", "priority": "high"}).json
    assert (told["success"], told["message"], told["status"]) == (True, "Call scheduled successfully", "scheduled")
    assert (told["data"]["to"], told["data"]["lead_id"], told["data"]["type"]) == (TO, ANN, "immediate")
    job = application.shared().queue.job(told["jobId"])
    assert job is not None
    assert job.data["message"] == "Hello"


def test_the_same_key_schedules_once(api: Api) -> None:
    first = api.post("/api/queue/schedule-call", {"to": TO}, Idempotency_Key="once").json
    again = api.post("/api/queue/schedule-call", {"to": TO}, Idempotency_Key="once").json
    assert first["jobId"] == again["jobId"]
    assert sum(application.shared().queue.counts().values()) == 1
    assert api.post("/api/queue/schedule-call", {"to": "+14155550102"}, Idempotency_Key="once").status == 409


def test_what_cannot_be_dialled_is_refused(api: Api) -> None:
    missing = api.post("/api/queue/schedule-call", {"message": "Hello"})
    assert (missing.status, missing.json) == (400, {"success": False, "error": "Phone number is required"})
    for body, names in (
        ({"to": "hello"}, "to"),
        ({"to": TO, "priority": "urgent"}, "priority"),
        ({"to": TO, "lead_id": True}, "lead_id"),
        ({"to": TO, "metadata": [1]}, "metadata"),
        ({"to": TO, "metadata": {"a": ["\0"]}}, "metadata"),
    ):
        reply = api.post("/api/queue/schedule-call", body)
        assert (reply.status, names in reply.json["error"]) == (400, True), reply.json
    assert api.post("/api/queue/schedule-call", {"to": TO, "lead_id": 999}).status == 404
    assert api.post("/api/queue/schedule-call", {"to": TO}, role="viewer").status == 403
    assert sum(application.shared().queue.counts().values()) == 0
