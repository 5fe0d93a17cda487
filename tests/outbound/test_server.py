"""In the web server: without a Redis it dials by itself, with one it only keeps results."""

import time

import pytest

from core import app as application
from core.errors import DatabaseDown
from core.http.outbound import Calling
from core.outbound.jobs import ScheduleRequest
from tests.outbound.conftest import Line, until
from tests.outbound.test_node import node, url
from tests.outbound.test_refused_jobs import add

NUMBER = "+14155550101"


def test_the_server_dials_only_where_nobody_else_would(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "shared", lambda: line.app)
    calling = Calling(pause=0.05)
    calling.start()
    try:
        job = line.queue.schedule(ScheduleRequest(to=NUMBER, lead_id=line.lead()))
        if line.redis is None:
            assert line.until_finished(job.job_id).state == "completed"
        else:
            node("work", url(line), "3")  # the backend's worker
            assert not line.peer.dials
        until(
            lambda: line.connection.execute("select from job_results where state = 'completed'").fetchall(),
            "its result is kept",
        )
    finally:
        began = time.monotonic()
        calling.stop()
    assert time.monotonic() - began < 10
    assert not calling.is_alive()


def test_a_database_that_is_down_only_makes_it_wait(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([DatabaseDown("away"), ValueError("odd")])

    def shared() -> object:
        for error in answers:
            raise error
        return line.app

    monkeypatch.setattr(application, "shared", shared)
    calling = Calling(pause=0.02)
    calling.start()
    until(lambda: calling._calls is not None, "it works")
    calling.stop()
    assert not calling.is_alive()


def test_a_worker_without_a_twilio_account_leaves_the_backends_jobs_alone(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = add(line, {"to": NUMBER})
    processor = line.processor()
    processor._simulated = True
    from core.outbound.worker import CallWorker, Pace

    worker = CallWorker(line.queue.connection, processor, Pace(5, 0, 60))
    import threading

    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    ours = line.queue.schedule(ScheduleRequest(to=NUMBER, simulated=True))
    real = line.queue.schedule(ScheduleRequest(to=NUMBER))
    assert line.until_finished(ours.job_id).state == "completed"
    until(lambda: line.queue.job(real.job_id).state == "delayed", "one that is meant is handed back")
    until(lambda: line.queue.job(theirs).state == "delayed", "it is handed back")
    monkeypatch.setattr("core.outbound.worker.HANDED_BACK_SECONDS", 0.001)
    line.queue.promote(theirs)
    until(lambda: line.queue.job(theirs).attempts_made > 12, "it is handed back however often")
    worker.stop()
    thread.join(10)
    assert line.queue.job(theirs).state in ("delayed", "waiting")
    assert len(line.peer.dials) == 1
