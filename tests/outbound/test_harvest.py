"""Results are kept as they finish, from whatever worker, and everything that the queue has at the start."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from core.app import build
from core.errors import Unavailable
from core.outbound.connection import QueueConnection
from core.outbound.harvest import Harvest
from core.outbound.jobs import ScheduleRequest
from core.outbound.queue import STATES, OutboundQueue, RawJob
from core.outbound.service import Calls, Parts
from core.outbound.upkeep import Upkeep
from core.outbound.worker import Pace
from core.settings import Settings
from tests.outbound.conftest import Line, until
from tests.outbound.redis_server import RedisServer

NUMBER = "+14155550101"


def test_a_backends_queue_is_kept_with_everything_it_still_knows(
    captured_data: Path, settings: Settings, tmp_path: Path, connection: psycopg.Connection[tuple[object, ...]]
) -> None:
    import json

    jobs = json.loads((captured_data / "redis_jobs_retained.json").read_text())
    server = RedisServer(tmp_path / "redis", captured_data / "redis_retained.rdb")
    app = build(replace(settings, redis_url=server.url))
    try:
        assert sum(app.queue.counts().values()) == len(jobs)
        began = time.perf_counter()
        harvest = Harvest(app.queue, app.gateway)
        assert harvest.collect() == len(jobs)
        assert harvest.collect() == 0
        print(f"{len(jobs)} jobs kept in {time.perf_counter() - began:.2f} s")
        kept = connection.execute("select job_id, lead_id, call_sid, state from job_results").fetchall()
        proofs = {
            (job["id"], job["returnvalue"].get("lead_id"), job["returnvalue"]["callSid"])
            for job in jobs
            if job["returnvalue"] and job["returnvalue"].get("callSid")
        }
        assert proofs and proofs <= {row[:3] for row in kept}
        shown = str([app.queue.jobs(state, 0, 1000) for state in STATES])
        assert "eyJ" not in shown and "supabase.co" not in shown
    finally:
        app.close()
        server.stop()


def test_results_of_a_running_service_are_kept_at_once(line: Line) -> None:
    lead = line.lead()
    parts = Parts(line.queue, line.app.gateway, line.app.carrier(), line.journal, Pace(5, 0, 60), "US", False)
    calls = Calls(parts)
    import threading

    thread = threading.Thread(target=calls.run, daemon=True)
    thread.start()
    until(lambda: calls.dialling, "it takes jobs")
    line.queue.schedule(ScheduleRequest(to=NUMBER, lead_id=lead))
    kept = until(
        lambda: line.connection.execute("select call_sid from job_results where state = 'completed'").fetchone(),
        "the result is kept",
        4,
    )
    assert kept == (line.peer.dials[0]["sid"],)
    calls.stop()
    thread.join(20)
    assert not thread.is_alive()


def test_what_waits_is_kept_too(line: Line) -> None:
    line.queue.schedule(ScheduleRequest(to=NUMBER, delay=timedelta(hours=1), lead_id=3))
    line.connection.execute("delete from job_results")
    assert Harvest(line.queue, line.app.gateway).collect() == 1
    assert line.row("select state, lead_id from job_results") == ("delayed", 3)


class Finished:
    """A queue with many finished jobs, newest first, that counts how many were read."""

    def __init__(self, jobs: int) -> None:
        self.read = 0
        self.jobs: list[RawJob] = []
        self.add(jobs)

    def add(self, jobs: int) -> None:
        first = len(self.jobs)
        self.jobs = [
            {"id": f"j{n}", "timestamp": 1_760_000_000_000 + n, "finishedOn": 1_760_000_000_000 + n, "data": {}}
            for n in reversed(range(first, first + jobs))
        ] + self.jobs

    def raw_jobs(self, state: str, offset: int, limit: int) -> list[RawJob]:
        page = self.jobs[offset : offset + limit] if state == "completed" else []
        self.read += len(page)
        return page


@pytest.mark.parametrize("line", ["redis"], indirect=True)
def test_only_news_are_read(line: Line) -> None:
    queue = Finished(2500)
    harvest = Harvest(queue, line.app.gateway)
    assert (harvest.collect(), queue.read) == (2500, 2500)
    queue.read = 0
    assert (harvest.collect(), queue.read) == (0, 200)
    queue.add(450)
    assert harvest.collect() == 450
    assert line.row("select count(*) from job_results") == (2950,)


@pytest.mark.parametrize("line", ["redis"], indirect=True)
def test_what_was_not_kept_is_kept_next_time(line: Line) -> None:
    queue = Finished(3)
    harvest = Harvest(queue, line.app.gateway)
    line.connection.execute("alter table job_results rename to away")
    with pytest.raises(Unavailable):
        harvest.collect()
    line.connection.execute("alter table away rename to job_results")
    assert harvest.collect() == 3


def test_a_queue_that_stays_away_is_logged_once_however_often_it_is_tried(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    app = build(settings)
    try:
        known: dict[str, str] = {}

        def nowhere() -> QueueConnection:
            raise Unavailable("There is no queue.")

        queue = OutboundQueue(nowhere, app.gateway, region="US")
        for _ in range(3):
            Upkeep(queue, app.gateway, known=known).once()
        told = [record.message for record in caplog.records if "harvest" in record.message]
        assert told == ["outbound harvest waits: unavailable"]
        Upkeep(app.queue, app.gateway, known=known).once()
        assert "outbound harvest goes on" in caplog.text
    finally:
        app.close()
