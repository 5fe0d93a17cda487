"""Telephony on real parts. ``saving``: a fresh database on PostgreSQL 15 and 18, by psycopg and through PostgREST."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.store.failures import MIGRATE_HINT
from core.store.gateway import Gateway
from core.store.migrate import migrate
from core.store.postgres import PostgresGateway
from core.store.supabase import SupabaseGateway
from tests.conftest import CAPTURED_DATA
from tests.contract.absence import leave_out
from tests.contract.rest import SECRET_KEY, prepare, serving
from tests.database.conftest import (
    Cluster,
    app,
    cluster,
    cluster_folder,
    cluster_user,
    connection,
    database_url,
    db,
    gateway,
    pg15,
    pg18,
)
from tests.telephony.prism_proxy import PRISM, proxying
from tests.telephony.twilio_server import LocalTwilio

__all__ = [
    "app",
    "cluster",
    "cluster_folder",
    "cluster_user",
    "connection",
    "database_url",
    "db",
    "gateway",
    "pg15",
    "pg18",
]

HERE = Path(__file__).parent
DESCRIPTION = CAPTURED_DATA.parent / "twilio_api_v2010.json"
"""Twilio's description of its own API; not part of this project."""


class Saving:
    """A gateway to save through, and a connection to look at what was saved."""

    def __init__(self, gateway: Gateway, connection: psycopg.Connection[Any]) -> None:
        self.gateway, self.connection = gateway, connection

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), values).fetchall()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = [item for item in items if HERE in item.path.parents]
    leave_out(config, items, [item for item in here if "[rest" in item.name], "tests/telephony")
    missing = [str(path.name) for path in (DESCRIPTION, PRISM) if not path.is_file()]
    if DESCRIPTION.is_file() and (not missing or os.environ.get("CI")):
        return
    absent = [item for item in here if item in items and "checked" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in items if item not in absent]
    config.hook.pytest_deselected(items=absent)
    if absent:
        config.pluginmanager.register(_NotRun(absent, missing), "twilio-description-absent")


class _NotRun:
    def __init__(self, items: list[pytest.Item], missing: list[str]) -> None:
        self._items, self._missing = items, missing

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("not run")
        terminalreporter.write_line(f"Twilio's own description, or what checks by it, is absent: {self._missing}")
        for item in self._items:
            terminalreporter.write_line(item.nodeid)


@pytest.fixture(autouse=True)
def nothing_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """No request of these tests reaches anybody but this machine, whatever is set wrongly."""
    look_up = socket.getaddrinfo

    def local_only(host: Any, *args: Any, **more: Any) -> Any:
        if host not in ("127.0.0.1", "localhost", b"127.0.0.1", None):
            raise socket.gaierror(socket.EAI_NONAME, "only this machine is reached in tests")
        return look_up(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", local_only)


@contextmanager
def _by_rest(cluster: Cluster) -> Iterator[Saving]:
    with cluster.database(cluster.new_database()) as url:
        prepare(url)
        migrate(url)
        with serving(url) as running, psycopg.connect(url, autocommit=True) as looking:
            gateway = SupabaseGateway(running.url, SECRET_KEY, migrate_hint=MIGRATE_HINT)
            yield Saving(gateway, looking)
            gateway.close()


@pytest.fixture(params=["pg15", "pg18", "rest"])
def saving(request: pytest.FixtureRequest) -> Iterator[Saving]:
    if request.param == "rest":
        with _by_rest(request.getfixturevalue("pg18")) as found:
            yield found
        return
    cluster: Cluster = request.getfixturevalue(request.param)
    with cluster.database(cluster.migrated_database()) as url, psycopg.connect(url, autocommit=True) as looking:
        gateway = PostgresGateway(url)
        yield Saving(gateway, looking)
        gateway.close()


@pytest.fixture(scope="session")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, LocalTwilio]]:
    """The local Twilio behind the proxy that checks everything by Twilio's own description."""
    running = LocalTwilio()
    with proxying(DESCRIPTION, running.url, tmp_path_factory.mktemp("prism")) as url:
        yield url, running
    running.close()


@pytest.fixture
def checked(described: tuple[str, LocalTwilio]) -> str:
    """Address of the checked Twilio; ``twilio`` is then the one behind it."""
    return described[0]


@pytest.fixture
def twilio(request: pytest.FixtureRequest) -> Iterator[LocalTwilio]:
    """The local Twilio with an empty account."""
    if "checked" in request.fixturenames:
        running: LocalTwilio = request.getfixturevalue("described")[1]
        running.forget()
        yield running
        return
    running = LocalTwilio()
    yield running
    running.close()
