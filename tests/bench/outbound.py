"""How fast the queue is, on Redis and in the database: putting jobs in, doing them, and how soon an idle worker begins.

What is done for a job is everything but the telephone network: a carrier that answers at once, and the claim, link,
status, note and ledger event in PostgreSQL. ``bare`` is BullMQ itself with a job that does nothing.
"""

import asyncio
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from core.app import App, build
from core.outbound.carrier import CarrierCall, Dialled
from core.outbound.jobs import QUEUE, ScheduleRequest
from core.outbound.journal import Journal
from core.outbound.processor import Processor
from core.outbound.worker import CallWorker, Pace
from core.settings import Settings
from core.store.migrate import migrate
from tests.outbound.redis_server import RedisServer

NUMBER = "+14155550101"
BULK = 500


class Answering:
    """A carrier that answers at once."""

    def dial(self, to: str, *, attempt_id: str, message: str | None, metadata: Mapping[str, Any]) -> Dialled:
        """A call that nobody hears."""
        return Dialled(f"CA{uuid.uuid4().hex}", "queued", datetime.now(UTC))

    def calls_to(self, number: str, since: datetime) -> list[CarrierCall]:
        """None."""
        return []

    def fetch(self, call_sid: str) -> CarrierCall | None:
        """None."""
        return None


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on one backend: jobs a second, and milliseconds."""

    add_each: float
    add_bulk: float
    calls: float
    bare: float
    idle_ms: float
    idle_worst_ms: float


def measure(server: str, jobs: int = 1000) -> dict[str, dict[str, float]]:
    """Measure both backends in a database of their own and print what was found.

    :param server: URL of a server on which a database may be made.
    """
    name = f"bench_queue_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
        try:
            url = make_conninfo(server, dbname=name)
            migrate(url)
            return _on_both(url, jobs)
        finally:
            connection.execute(f"drop database {name} with (force)".encode())


def _on_both(url: str, jobs: int) -> dict[str, dict[str, float]]:
    results = {}
    print(f"\n  {'queue':10}{'add/s':>9}{'bulk/s':>9}{'calls/s':>9}{'bare/s':>9}{'idle':>11}{'worst':>11}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="patchbay-bench-queue-")))
        redis = RedisServer(folder / "redis")
        stack.callback(redis.stop)
        for name, redis_url in (("redis", redis.url), ("postgres", None)):
            settings = replace(Settings(database_url=url, data_dir=folder), redis_url=redis_url)
            app = build(settings)
            try:
                found = _measured(app, url, jobs)
            finally:
                app.close()
            results[name] = asdict(found)
            print(
                f"  {name:10}{found.add_each:9,.0f}{found.add_bulk:9,.0f}{found.calls:9,.0f}{found.bare:9,.0f}"
                f"{found.idle_ms:8.1f} ms{found.idle_worst_ms:8.1f} ms",
                flush=True,
            )
    return results


def _measured(app: App, url: str, jobs: int) -> Figures:
    lead = _lead(url)
    request = ScheduleRequest(to=NUMBER, lead_id=None)
    app.queue.schedule(request)
    began = time.perf_counter()
    for _ in range(jobs // 5):
        app.queue.schedule(request)
    add_each = jobs // 5 / (time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(jobs // BULK):
        app.queue.schedule_many([replace(request, lead_id=lead + n % 200) for n in range(BULK)])
    add_bulk = jobs / (time.perf_counter() - began)
    waiting = app.queue.counts()["waiting"]
    began = time.perf_counter()
    with _working(app):
        _until(lambda: app.queue.counts()["waiting"] + app.queue.counts()["active"] == 0)
        calls = waiting / (time.perf_counter() - began)
        idle = [_idle(app) for _ in range(12)]
    return Figures(add_each, add_bulk, calls, asyncio.run(_bare(app, jobs)), statistics.median(idle), max(idle))


def _lead(url: str) -> int:
    """Two hundred leads; the id of the first."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "insert into leads (name, phone) select 'Lead', '+1415555' || lpad(n::text, 4, '0')"
            " from generate_series(1, 200) n returning id"
        ).fetchall()
    return min(int(row[0]) for row in rows)


@contextmanager
def _working(app: App) -> Iterator[None]:
    processor = Processor(
        app.attempts, Answering(), Journal(app.settings.data_dir or Path(), "bench"), region="US", simulated=True
    )
    worker = CallWorker(app.queue.connection, processor, Pace(5, 0, 60))
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        worker.stop()
        thread.join(20)


def _idle(app: App) -> float:
    """Milliseconds from scheduling until a worker that has nothing to do has taken the job, by the job's own times."""
    time.sleep(1.0)
    job_id = app.queue.schedule(ScheduleRequest(to=NUMBER)).job_id
    done = _until(lambda: job if (job := app.queue.job(job_id)) and job.state == "completed" else None)
    return float(done.wait) * 1000


async def _bare(app: App, jobs: int) -> float:
    """BullMQ with the same concurrency, doing nothing."""
    from bullmq import Queue, Worker

    options, name = app.queue.connection.options, f"{QUEUE}-bare"
    queue, done, all_done = Queue(name, options), 0, asyncio.Event()
    for _ in range(jobs // BULK):
        await queue.addBulk([{"name": "nothing", "data": {}, "opts": {"attempts": 3}} for _ in range(BULK)])

    async def nothing(_job: Any, _token: str) -> None:
        nonlocal done
        done += 1
        if done == jobs:
            all_done.set()

    began = time.perf_counter()
    worker = Worker(name, nothing, {**options, "concurrency": 5})
    await all_done.wait()
    took = time.perf_counter() - began
    await worker.close()
    await queue.close()
    return jobs / took


def _until(ready: Callable[[], Any]) -> Any:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = ready()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("the queue did not finish")
