"""The queue on real parts. What to ask for:

=============== ==================================================================================================
``redis``       URL of an empty Redis (one server a session, in a process group of its own).
``peer``        a :class:`tests.outbound.carrier_peer.CarrierPeer`: a local Twilio that counts what it dialled.
``line``        a :class:`Line` on each backend: an app over a fresh database, its queue, and ``peer`` as carrier.
=============== ==================================================================================================

and the databases of ``tests/database/conftest.py``.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.app import App, build
from core.outbound.attempts import Attempt
from core.outbound.harvest import Harvest
from core.outbound.journal import Journal
from core.outbound.processor import Processor
from core.outbound.settling import Settling
from core.outbound.worker import CallWorker, Pace
from core.settings import Settings
from tests.contract.absence import leave_out
from tests.database.conftest import cluster, cluster_folder, cluster_user, connection, database_url, db, pg15, pg18
from tests.outbound.carrier_peer import ACCOUNT, OUR_NUMBER, TOKEN, CarrierPeer
from tests.outbound.redis_server import RedisServer

__all__ = ["cluster", "cluster_folder", "cluster_user", "connection", "database_url", "db", "pg15", "pg18"]

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
WORKER = HERE / "worker_process.py"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where PostgREST is absent, its tests are named as not run."""
    by_rest = [item for item in items if HERE in item.path.parents and "[rest" in item.name]
    leave_out(config, items, by_rest, "tests/outbound")


class Line:
    """Everything between a request for a call and the carrier, on one backend."""

    def __init__(self, settings: Settings, peer: CarrierPeer, connection: psycopg.Connection[Any]) -> None:
        self.settings, self.peer, self.connection = settings, peer, connection
        self.app: App = build(settings)
        self.redis: RedisServer | None = None

    @property
    def queue(self) -> Any:
        return self.app.queue

    @property
    def journal(self) -> Journal:
        return self.app.journal()

    def processor(self, carrier: Any = None) -> Processor:
        return Processor(self.app.attempts, carrier or self.app.carrier(), self.journal, region="US")

    def settling(self, carrier: Any = None) -> Settling:
        """Who asks the carrier, the peer unless another is given, what became of attempts."""
        asked = carrier or self.app.carrier()
        return Settling(self.app.gateway, asked, self.queue, Harvest(self.queue, self.app.gateway))

    def lead(self, name: str = "Ana", phone: str = "+14155550101", **columns: Any) -> int:
        names = ["name", "phone", *columns]
        places = ", ".join(["%s"] * len(names))
        row = self.connection.execute(
            f"insert into leads ({', '.join(names)}) values ({places}) returning id".encode(),
            [name, phone, *columns.values()],
        ).fetchone()
        assert row
        return int(row[0])

    def row(self, query: str, *values: Any) -> tuple[Any, ...]:
        found = self.connection.execute(query.encode(), values).fetchone()
        assert found is not None
        return found

    def attempt(self) -> Attempt:
        """The only one there is."""
        (found,) = self.app.attempts.matching()
        return found

    @contextmanager
    def working(self, carrier: Any = None, pace: Pace | None = None) -> Iterator[CallWorker]:
        """A worker in a thread of this process."""
        with self._at_work(
            CallWorker(self.queue.connection, self.processor(carrier), pace or Pace(5, 0, 60))
        ) as worker:
            yield worker

    @contextmanager
    def doing(self, does: Callable[[Any], Any]) -> Iterator[CallWorker]:
        """The same with what is done with each job."""
        script: Any = type("Script", (), {"process": staticmethod(does)})()
        with self._at_work(CallWorker(self.queue.connection, script, Pace(5, 0, 60))) as worker:
            yield worker

    @contextmanager
    def _at_work(self, worker: CallWorker) -> Iterator[CallWorker]:
        import threading

        thread = threading.Thread(target=worker.run, daemon=True)
        thread.start()
        until(lambda: worker.running or not thread.is_alive(), "the worker begins")
        try:
            yield worker
        finally:
            worker.stop()
            thread.join(15)
            assert not thread.is_alive()

    def until_finished(self, job_id: str, seconds: float = 60.0) -> Any:
        """The job, once it is completed or failed."""

        def finished() -> Any:
            job = self.queue.job(job_id)
            return job if job is not None and job.state in ("completed", "failed") else None

        return until(finished, f"job {job_id} is finished", seconds)

    def environment(self) -> dict[str, str]:
        """For a process that works on the same things."""
        given = {
            "DATABASE_URL": self.settings.database_url,
            "REDIS_URL": self.settings.redis_url,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_PHONE_NUMBER": OUR_NUMBER,
            "TWILIO_API_BASE_URL": self.peer.url,
            "PUBLIC_URL": self.settings.public_url,
            "PATCHBAY_DATA_DIR": str(self.settings.data_dir),
            "PYTHONPATH": str(ROOT),
            "PATH": os.environ["PATH"],
        }
        return {name: value for name, value in given.items() if value is not None}

    @contextmanager
    def worker_process(self, *, lock_seconds: float = 2.0) -> Iterator[subprocess.Popen[str]]:
        """A worker in a process of its own; whatever is left of it is ended."""
        process = subprocess.Popen(
            [sys.executable, str(WORKER), str(lock_seconds)], cwd=self.settings.data_dir, text=True,
            env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def close(self) -> None:
        self.app.close()


def until(ready: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """Wait for something to become true and return it."""
    end = time.monotonic() + seconds
    while True:
        found = ready()
        if found:
            return found
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain until {what}"
        time.sleep(0.03)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis") / "server")
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: RedisServer) -> str:
    redis_server.empty()
    return redis_server.url


@pytest.fixture
def peer() -> Iterator[CarrierPeer]:
    started = CarrierPeer()
    yield started
    started.close()


@pytest.fixture
def settings(db: str, peer: CarrierPeer, tmp_path: Path) -> Settings:
    return Settings(
        database_url=db,
        data_dir=tmp_path,
        public_url="https://console.example.com",
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=TOKEN,
        twilio_phone_number=OUR_NUMBER,
        twilio_api_base_url=peer.url,
    )


@pytest.fixture(params=["redis", "postgres"])
def line(
    request: pytest.FixtureRequest, settings: Settings, peer: CarrierPeer, connection: psycopg.Connection[Any]
) -> Iterator[Line]:
    """On both backends, one after the other."""
    from dataclasses import replace

    url = request.getfixturevalue("redis") if request.param == "redis" else None
    opened = Line(replace(settings, redis_url=url), peer, connection)
    if url is not None:
        opened.redis = request.getfixturevalue("redis_server")
    yield opened
    opened.close()
