"""``kill -9`` at every step of a real worker process: whatever happens afterwards, the number is dialled at most once.

Nothing in the worker knows of these tests. A step is held by what it waits for: a lock in the database, an answer of
the carrier, or a queue that stands still.

The fast one runs with every test; the others are marked ``kill``.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.outbound.attempts import Claim
from core.outbound.jobs import QUEUE, ScheduleRequest
from core.outbound.processor import Again, Taken
from tests import running
from tests.outbound.carrier_peer import Request
from tests.outbound.conftest import Line, until

NUMBER = "+14155550101"
LATER = timedelta(minutes=11)


@contextmanager
def held(line: Line, statement: str) -> Iterator[None]:
    """Hold a lock in the database for as long as the block runs."""
    assert line.settings.database_url
    with psycopg.connect(line.settings.database_url) as holding:
        holding.execute(statement.encode())
        yield
        holding.rollback()


@contextmanager
def queue_standing(line: Line, arrived: threading.Event) -> Iterator[None]:
    """From when the carrier is asked until the block ends nothing is written into the queue."""
    assert arrived.wait(30)
    if line.redis is None:
        with held(line, "lock table bullmq.job in exclusive mode"):
            yield
        return
    line.redis.hold(True)
    try:
        yield
    finally:
        line.redis.hold(False)


def forget_waiting(line: Line) -> None:
    """End the statements that wait for our lock: a server does them for a client that is gone, too."""
    line.connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock'"
    )


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_again(line: Line, job_id: str) -> None:
    """What a worker with BullMQ's own settings does with a job whose worker ended: it goes back into the queue."""

    async def again() -> None:
        from bullmq import Job, Queue

        queue = Queue(QUEUE, line.queue.connection.options)
        job = await Job.fromId(queue, job_id)
        assert job is not None
        await job.retry("failed")
        await queue.close()

    running.run(again())


def afterwards(line: Line, job_id: str, dials: int, state: str) -> None:
    """New workers, stalled jobs, a person who tries again, and asking the carrier: nothing dials a second time."""
    with line.worker_process():
        job = line.until_finished(job_id, 40)
        assert job.state == "failed", "a job whose worker ended is not run again"
        run_again(line, job_id)
        time.sleep(0.3)
        line.until_finished(job_id, 40)
    settling = line.settling()
    settling.settle(datetime.now(UTC) + LATER, everything=True)
    assert len(line.peer.dials) == dials
    assert line.attempt().state == state
    slot = line.peer.dials[0]["sid"] if dials else None
    assert line.row("select call_sid, lead_status from leads") == (slot, "contacted" if dials else "new")
    assert not list(line.journal.kept())


def scheduled(line: Line) -> str:
    return str(line.queue.schedule(ScheduleRequest(to=NUMBER, lead_id=line.lead())).job_id)


def is_active(line: Line, job_id: str) -> bool:
    job = line.queue.job(job_id)
    return job is not None and job.state == "active"


@pytest.mark.kill
def test_killed_before_the_claim(line: Line) -> None:
    """The one step after which the job may be done: nothing was claimed, so nothing was dialled."""
    job_id = scheduled(line)
    with line.worker_process() as process, held(line, "lock table call_attempts in exclusive mode"):
        until(lambda: is_active(line, job_id), "the worker has the job")
        time.sleep(0.5)
        kill(process)
        forget_waiting(line)
    with line.worker_process():
        assert line.until_finished(job_id, 40).state == "failed"
        assert not line.peer.dials
        run_again(line, job_id)
        until(lambda: line.queue.job(job_id).state == "completed", "the job is done")
    assert len(line.peer.dials) == 1


@pytest.mark.kill
def test_killed_after_the_claim_and_before_anything_is_dialled(line: Line) -> None:
    arrived, never = threading.Event(), threading.Event()

    def way(_request: Request) -> None:
        arrived.set()
        never.wait(60)  # read, and nothing done

    line.peer.behave(NUMBER, way)
    job_id = scheduled(line)
    with line.worker_process() as process:
        assert arrived.wait(30)
        kill(process)
    afterwards(line, job_id, dials=0, state="not_dialled")


@pytest.mark.kill
def test_killed_while_dialling(line: Line) -> None:
    dialled, never = threading.Event(), threading.Event()

    def way(request: Request) -> None:
        request.dial()
        dialled.set()
        never.wait(60)

    line.peer.behave(NUMBER, way)
    job_id = scheduled(line)
    with line.worker_process() as process:
        assert dialled.wait(30)
        kill(process)
    afterwards(line, job_id, dials=1, state="placed")


@pytest.mark.kill
def test_killed_between_the_carriers_answer_and_our_commit(line: Line) -> None:
    job_id = scheduled(line)
    kept = line.journal
    lock = "select from leads for update"
    with line.worker_process() as process, held(line, lock):
        until(lambda: list(kept.kept()), "the Call SID is on disk")
        kill(process)
        forget_waiting(line)
        assert line.attempt().state == "dialling"
    afterwards(line, job_id, dials=1, state="placed")


@pytest.mark.kill
def test_killed_after_the_commit_and_before_the_job_is_completed(line: Line) -> None:
    job_id = scheduled(line)
    arrived, standing = threading.Event(), threading.Event()

    def way(request: Request) -> None:
        arrived.set()
        standing.wait(30)
        request.placed()

    line.peer.behave(NUMBER, way)
    with line.worker_process() as process, queue_standing(line, arrived):
        standing.set()
        until(lambda: line.attempt().state == "placed", "the call is in the database")
        time.sleep(0.3)
        kill(process)
        forget_waiting(line)
    with line.worker_process():
        assert line.until_finished(job_id, 40).state == "failed"
        assert line.row("select call_sid from job_results")[0] == line.peer.dials[0]["sid"], "its proof is kept"
        run_again(line, job_id)
        until(lambda: line.queue.job(job_id).state == "completed", "it gives the result of the first time")
    assert len(line.peer.dials) == 1


@pytest.mark.kill
def test_killed_again_and_again_at_any_moment(line: Line, tmp_path: Path) -> None:
    """Forty calls, and a worker that is killed at random moments and started anew."""
    import random

    chance = random.Random(7)
    line.peer.behave(NUMBER, lambda request: (time.sleep(chance.uniform(0, 0.2)), request.placed()))
    jobs = [line.queue.schedule(ScheduleRequest(to=NUMBER)).job_id for _ in range(40)]
    line.settings.data_dir and (line.settings.data_dir / ".env").write_text("CALL_WORKER_LIMIT=0\n")
    for _ in range(8):
        with line.worker_process() as process:
            until(lambda: line.queue.counts()["active"], "it works", 30)
            time.sleep(chance.uniform(0, 0.8))
            kill(process)
    with line.worker_process():
        for job_id in jobs:
            line.until_finished(job_id, 60)
    attempts = line.app.attempts.matching(limit=1000)
    used = [dial["callback"].partition("attempt=")[2] for dial in line.peer.dials]
    assert len(used) == len(set(used)), "an attempt was dialled twice"
    assert len({(a.job_id, a.job_at) for a in attempts}) == len(attempts)
    placed = {a.call_sid for a in attempts if a.state == "placed"}
    open_ones = [a for a in attempts if a.state != "placed"]
    print(f"{len(line.peer.dials)} dials, {len(placed)} placed, {len(open_ones)} open of {len(jobs)}")
    assert placed <= {dial["sid"] for dial in line.peer.dials}


def test_a_worker_that_is_killed_while_dialling_leaves_a_claim_that_nobody_may_use(line: Line) -> None:
    """The fast one: a process that has claimed and sent its request ends; another takes the same job."""
    job_id = scheduled(line)
    at = line.queue.job(job_id).at
    claim = Claim(QUEUE, job_id, at, "6f1c0a52-3f0e-4a5e-8a63-0d9a41f3c001", NUMBER, None)
    assert line.app.attempts.claim(claim).go  # and from here on nothing is heard of it
    with line.working():
        failed = line.until_finished(job_id)
    assert failed.failure.startswith("Perhaps dialled, and not tried again")
    assert (line.attempt().state, line.peer.dials) == ("unknown", [])


def test_a_claim_whose_answer_was_lost_is_had_by_asking_again(line: Line) -> None:
    claim = Claim(QUEUE, "a-1", datetime.now(UTC), "6f1c0a52-3f0e-4a5e-8a63-0d9a41f3c001", NUMBER, None)
    assert line.app.attempts.claim(claim).go
    assert line.app.attempts.claim(claim).go
    assert not line.app.attempts.claim(
        Claim(QUEUE, "a-1", claim.job_at, "6f1c0a52-3f0e-4a5e-8a63-0d9a41f3c002", NUMBER, None)
    ).go
    assert not line.app.attempts.claim(claim).go


def test_of_many_that_claim_at_once_one_may_dial(line: Line) -> None:
    import uuid
    from concurrent.futures import ThreadPoolExecutor

    at = datetime.now(UTC)

    def one(_: int) -> Any:
        return line.app.attempts.claim(Claim(QUEUE, "a-1", at, str(uuid.uuid4()), NUMBER, None)).go

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(one, range(32))) == 1


def test_job_ids_that_start_again_are_other_jobs(line: Line) -> None:
    """After a flush of Redis job 1 is another job: it is dialled."""
    token = "6f1c0a52-3f0e-4a5e-8a63-0d9a41f3c00"
    first = Claim(QUEUE, "1", datetime(2026, 1, 1, tzinfo=UTC), token + "1", NUMBER, None)
    second = Claim(QUEUE, "1", datetime(2026, 1, 2, tzinfo=UTC), token + "2", NUMBER, None)
    assert line.app.attempts.claim(first).go and line.app.attempts.claim(second).go


def test_a_worker_that_stood_still_after_its_claim_does_not_dial(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Taken("j1", "make-call", {"to": NUMBER}, datetime.now(UTC))
    monkeypatch.setattr("core.outbound.processor.DIAL_WITHIN", timedelta(seconds=-1))
    with pytest.raises(Again, match="stood still"):
        line.processor().process(job)
    assert line.attempt().state == "retryable" and not line.peer.dials
    monkeypatch.undo()
    line.processor().process(job)
    assert line.attempt().state == "placed" and len(line.peer.dials) == 1
