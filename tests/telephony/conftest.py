"""Telephony on real parts. ``saving``: a fresh database on PostgreSQL 15 and 18, by psycopg and through PostgREST."""

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


class Saving:
    """A gateway to save through, and a connection to look at what was saved."""

    def __init__(self, gateway: Gateway, connection: psycopg.Connection[Any]) -> None:
        self.gateway, self.connection = gateway, connection

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query.encode(), values).fetchall()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    needing = [item for item in items if HERE in item.path.parents and "[rest" in item.name]
    leave_out(config, items, needing, "tests/telephony")


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
