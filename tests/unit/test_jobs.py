"""Jobs of the queue as BullMQ gives them: what is read, what is forgiven, and what is never kept."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput
from core.linking import jobs
from core.linking.jobs import JobResult

SID = "CA" + "1" * 32
KEY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"
JOB: dict[str, Any] = {
    "id": 7,
    "name": "make-call",
    "data": {"to": "+14155550101", "lead_id": 12, "type": "immediate", "priority": "high"},
    "returnvalue": {"success": True, "callSid": SID, "to": "+14155550101", "lead_id": 12},
    "timestamp": 1790170743474,
    "processedOn": 1790170743482,
    "finishedOn": 1790170751641,
    "attemptsMade": 1,
    "state": "completed",
}


class Taking:
    """A gateway that takes the rows of jobs."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []

    def call(self, function: str, **given: Any) -> int:
        assert function == "note_job_results"
        self.batches.append(given["p_jobs"])
        return len(given["p_jobs"])


def test_a_finished_job() -> None:
    job = JobResult.from_bullmq(JOB)
    assert (job.job_id, job.queue, job.name, job.type, job.state) == (
        "7", "outbound-calls", "make-call", "immediate", "completed",
    )  # fmt: skip
    assert (job.lead_id, job.call_sid, job.to_number, job.attempts) == (12, SID, "+14155550101", 1)
    assert job.job_at == datetime(2026, 9, 23, 13, 39, 3, 474000, tzinfo=UTC)


def test_a_job_as_redis_holds_it() -> None:
    texts = {key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in JOB.items()}
    assert JobResult.from_bullmq(texts) == JobResult.from_bullmq(JOB)


def test_a_stalled_job_was_begun_once_more() -> None:
    assert JobResult.from_bullmq({**JOB, "attemptsMade": 1, "stalledCounter": 1}).attempts == 2
    assert JobResult.from_bullmq({**JOB, "attemptsMade": 1, "attemptsStarted": 3}).attempts == 3


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"data": {"to": "+1"}, "returnvalue": {"callSid": SID}}, "lead_id", None),
        ({"data": {"lead_id": "34"}, "returnvalue": None}, "lead_id", 34),
        ({"data": {"lead_id": "b7c0"}, "returnvalue": {"lead_id": True}}, "lead_id", None),
        ({"data": {"lead_id": 2**70}, "returnvalue": {}}, "lead_id", None),
        ({"returnvalue": "no json"}, "call_sid", None),
        ({"returnvalue": {"callSid": "x" * 51}}, "call_sid", None),
        ({"returnvalue": {"callSid": "  "}}, "call_sid", None),
        ({"finishedOn": "soon"}, "finished_at", None),
        ({"finishedOn": 1e300}, "finished_at", None),
        ({"state": None, "failedReason": "no"}, "state", "failed"),
        ({"state": None, "finishedOn": None}, "state", "unknown"),
        ({"attemptsMade": -3}, "attempts", 0),
    ],
)
def test_what_is_odd_is_unknown(change: dict[str, Any], field: str, value: object) -> None:
    assert getattr(JobResult.from_bullmq({**JOB, **change}), field) == value


@pytest.mark.parametrize("job", [None, 3, [], {}, {"id": 1}, {"timestamp": 1}, {**JOB, "timestamp": "later"}])
def test_what_is_no_job_is_refused(job: Any) -> None:
    with pytest.raises(BadInput):
        JobResult.from_bullmq(job)


def test_credentials_are_never_kept() -> None:
    data = {**JOB["data"], "supabaseUrl": "https://abc.supabase.co", "supabaseKey": KEY}
    reason = f"fetch https://abc.supabase.co/rest/v1/leads?apikey={KEY} failed, key: sb_secret_0123456789, Bearer {KEY}"
    rows = json.dumps(JobResult.from_bullmq({**JOB, "data": data, "failedReason": reason}).to_row())
    assert not any(word in rows for word in ("supabase.co", "eyJ", "sb_secret", "c2lnbmF0dXJl"))
    assert "fetch" in rows


def test_a_reason_stays_readable() -> None:
    reason = "Failed to initiate call: socket hang up\n    at processCallJob (/srv/callWorker.js:205:11)"
    assert JobResult.from_bullmq({**JOB, "failedReason": reason}).failure == "Failed to initiate call: socket hang up"


@pytest.mark.parametrize(("odd", "kept"), [("\x00", None), ("\ud800", None), ("a\ud800b\x00", "ab")])
def test_what_postgres_cannot_hold_is_left_out(odd: str, kept: str | None) -> None:
    job = JobResult.from_bullmq({**JOB, "name": odd, "failedReason": odd})
    assert (job.name, job.failure) == (kept, kept)


def test_jobs_are_noted_in_batches() -> None:
    taking = Taking()
    many = (JobResult.from_bullmq({**JOB, "id": number}) for number in range(1200))
    assert jobs.note(taking, many) == 1200  # type: ignore[arg-type]
    assert [len(batch) for batch in taking.batches] == [500, 500, 200]


def test_an_export_with_jobs_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps([JOB, {"id": 1}, "x", None]))
    loaded = jobs.load_export(Taking(), path)  # type: ignore[arg-type]
    assert loaded.to_json() == {"read": 1, "malformed": 3, "changed": 1}


@pytest.mark.parametrize("text", ["{}", "no json", "[" * 100_000, ""])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "jobs.json"
    path.write_text(text)
    with pytest.raises(BadInput, match="FILE"):
        jobs.load_export(Taking(), path)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="FILE"):
        jobs.load_export(Taking(), tmp_path / "none.json")  # type: ignore[arg-type]
