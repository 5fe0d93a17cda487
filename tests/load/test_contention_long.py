"""A minute of eight connections fighting over the same calls, on both servers."""

from typing import Any

import psycopg
import pytest

from tests.database.contention import fight
from tests.database.desk import Desk

SECONDS = 60.0


@pytest.mark.load
@pytest.mark.parametrize("server", ["pg15", "pg18"])
def test_a_minute_of_fighting_loses_nothing(request: pytest.FixtureRequest, server: str) -> None:
    cluster: Any = request.getfixturevalue(server)
    with cluster.database(cluster.migrated_database()) as url:
        report = fight(cluster, url, SECONDS, seed=2)
        print(dict(sorted(report.counts.items())), report.slowest)
        with psycopg.connect(url, autocommit=True) as connection:
            report.check(Desk(connection))
