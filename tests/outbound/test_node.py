"""The same queue from Node: jobs of a backend run here, and ours run there."""

import json
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.outbound.harvest import Harvest
from core.outbound.jobs import ScheduleRequest
from tests.outbound.conftest import Line

NODE = Path(__file__).parent / "node"
NUMBER = "+14155550101"

pytestmark = pytest.mark.parametrize("line", ["redis"], indirect=True)


def node(*words: str) -> Any:
    """Run the backend's side; it prints one JSON document."""
    assert (NODE / "node_modules").is_dir(), "bullmq for Node is needed: make tools"
    done = subprocess.run(
        ["node", str(NODE / "backend.mjs"), *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def url(line: Line) -> str:
    assert line.redis is not None
    return line.redis.url


def test_a_job_of_the_backends_runs_here(line: Line) -> None:
    lead = line.lead()
    data = {
        "to": NUMBER, "message": "Hello from the backend", "lead_id": lead, "priority": "high",
        "metadata": {"campaign": "trial"}, "scheduledAt": "2026-11-22T08:00:00.000Z", "type": "immediate",
    }  # fmt: skip
    jobs = [
        {"name": "make-call", "data": data, "opts": {"priority": 1}},
        {"name": "start-media-stream", "data": {"to": NUMBER, "type": "scheduled"}, "opts": {"delay": 300}},
        {"name": "make-call", "data": {"to": "nobody"}, "opts": {}},
    ]
    first, second, third = node("produce", url(line), json.dumps(jobs))
    assert first.isdigit()
    with line.working():
        done = [line.until_finished(job_id) for job_id in (first, second, third)]
    assert [job.state for job in done] == ["completed", "completed", "failed"]
    seen = node("read", url(line), first)
    assert seen["state"] == "completed" and seen["attemptsMade"] == 1
    sid = next(dial["sid"] for dial in line.peer.dials if "backend" in dial["url"])
    result = seen["returnvalue"]
    assert result.pop("timestamp").endswith("Z")
    assert result == {
        "success": True, "callSid": sid, "to": NUMBER, "status": "queued", "lead_id": lead, "priority": "high",
        "metadata": {"campaign": "trial"},
    }  # fmt: skip
    assert "lead_id" not in node("read", url(line), second)["returnvalue"]
    assert "expected a phone number" in node("read", url(line), third)["failedReason"]


def test_our_jobs_run_there_and_their_results_are_kept(line: Line) -> None:
    request = ScheduleRequest(to=NUMBER, lead_id=7, message="Hi", priority="low", metadata={"a": 1})
    now = line.queue.schedule(request)
    later = line.queue.schedule(replace(request, delay=timedelta(milliseconds=400)))
    bulk = line.queue.schedule_many([replace(request, batch_index=0, lead_id=None)])
    seen = {job["id"]: job for job in node("work", url(line), "3")}
    assert set(seen) >= {now.job_id, bulk[0].job_id}
    assert seen[now.job_id]["data"] == now.data
    assert (seen[now.job_id]["name"], seen[now.job_id]["attempts"], seen[now.job_id]["priority"]) == ("make-call", 3, 3)
    if later.job_id not in seen:
        node("work", url(line), "3")
    assert line.queue.job(now.job_id).state == "completed"
    Harvest(line.queue, line.app.gateway).collect()
    kept = line.row("select state, call_sid, lead_id, type from job_results where job_id = %s", now.job_id)
    assert kept == ("completed", f"CA{now.job_id}"[:34], 7, "immediate")
    assert not line.peer.dials
