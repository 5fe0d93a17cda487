"""Scheduling a call over the API, in the backend's shape."""

import json
from typing import Any

import pytest

from core import app as application
from core.access import Identity
from core.http.api import api_routes
from core.outbound.queue import OutboundQueue
from tests import running
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


def bare(path: str, body: Any, identity: Identity | None) -> tuple[int, Any]:
    """Ask the routes themselves, without a gate in front."""
    sent: list[Any] = []
    text = json.dumps(body).encode()

    async def receive() -> Any:
        return {"type": "http.request", "body": text, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
             "headers": [(b"content-type", b"application/json")], "patchbay.identity": identity}  # fmt: skip
    route = next(route for route in api_routes() if route.matches(scope)[0].value == 2)
    running.run(route.handle({**scope, **route.matches(scope)[1]}, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def test_a_viewer_is_refused_behind_the_door_too(api: Api) -> None:
    status, told = bare("/api/queue/schedule-call", {"to": TO}, Identity("Vera", "viewer"))
    assert (status, told["success"]) == (403, False)
    assert sum(application.shared().queue.counts().values()) == 0


def test_a_fault_of_ours_is_answered_and_its_words_go_nowhere(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"about {TO}")

    monkeypatch.setattr(OutboundQueue, "schedule", broken)
    status, told = bare("/api/queue/schedule-call", {"to": TO}, None)
    assert (status, told["success"]) == (500, False)
    assert "RuntimeError" in caplog.text and TO not in caplog.text + told["error"]
