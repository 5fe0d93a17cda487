"""Eight connections fight over the same calls: nothing is lost, no writer notices us, no deadlock of ours."""

from typing import Any

import psycopg

from tests.database.contention import fight
from tests.database.desk import Desk

SECONDS = 15.0


def test_eight_connections_fighting_over_the_same_calls_lose_nothing(pg18: Any, db: str) -> None:
    report = fight(pg18, db, SECONDS)
    print(dict(sorted(report.counts.items())), report.slowest)
    with psycopg.connect(db, autocommit=True) as connection:
        report.check(Desk(connection))
