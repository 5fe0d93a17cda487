"""System: the lines about the queue and who works it, each red one with something to copy."""

from dataclasses import replace
from typing import Any

import pytest

from core.app import App, build
from core.outbound.connection import QueueConnection
from core.outbound.queue import OutboundQueue, Workers
from core.settings import Settings
from dashboard import queue_health, queue_reads
from tests.ui.conftest import Console, text_of


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other tests of this process left running."""
    monkeypatch.setattr(queue_reads, "dialling_here", lambda: False)


def copyable(visit: Any) -> list[str]:
    return [code.value for code in visit.code]


def test_nobody_takes_jobs(console: Console) -> None:
    visit = console("system")
    words = text_of(visit)
    assert "answers for outbound-calls: 0 waiting, 0 failed." in words
    assert "Nobody takes jobs from the queue" in words
    assert queue_health.START in copyable(visit)


@pytest.mark.parametrize(
    ("here", "workers", "said"),
    [
        (True, Workers(ours=True, theirs=False), "This app takes jobs."),
        (False, Workers(ours=True, theirs=False), "A worker outside this app takes jobs."),
        (False, None, "does not tell who takes jobs"),
    ],
)
def test_somebody_takes_jobs(
    console: Console, monkeypatch: pytest.MonkeyPatch, here: bool, workers: Workers | None, said: str
) -> None:
    monkeypatch.setattr(queue_reads, "dialling_here", lambda: here)
    monkeypatch.setattr(OutboundQueue, "workers", lambda _: workers)
    visit = console("system")
    assert said in text_of(visit)
    assert queue_health.START not in copyable(visit)


def test_a_redis_that_is_away(world: App, db: str, serve: Any, free_port: int) -> None:
    app = build(Settings.load(env={"DATABASE_URL": db, "REDIS_URL": f"redis://127.0.0.1:{free_port}/0"}))
    visit = serve(app)("system")
    assert f"Redis at 127.0.0.1:{free_port} does not answer" in text_of(visit)
    assert queue_health.ASK_REDIS in copyable(visit)
    assert not visit.error
    app.close()


def test_no_place_for_a_queue(world: App, serve: Any) -> None:
    queue = OutboundQueue(lambda: QueueConnection.of(Settings(), None), world.gateway, region="US")
    visit = serve(replace(world, queue=queue))("system")
    assert "There is no queue" in text_of(visit)
    assert queue_health.SET_A_QUEUE in copyable(visit)
