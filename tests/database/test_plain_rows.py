"""Rows read as tuples are what ``to_json`` makes of them, whatever the session's settings and the column's type."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core.store.gateway import Row
from core.store.postgres import PostgresGateway

VALUES = {
    "timestamptz": ["2026-01-05 09:00+00", "2026-01-05 09:00:00.120003+05:30", "0044-03-15 00:00+00 BC", "infinity",
                    "-infinity", "12026-01-05 09:00+00", "1891-01-01 00:00:13+00"],
    "timestamp": ["2026-01-05 09:00", "2026-01-05 09:00:00.5", "0044-03-15 00:00 BC", "infinity"],
    "date": ["2026-01-05", "0044-03-15 BC", "infinity"],
    "time": ["09:00:00.5"],
    "timetz": ["09:00:00+00"],
    "interval": ["1 day 02:03:04"],
    "uuid": ["0b7c1c1e-6a43-4d3c-9f0b-0d6c3c1c3a11"],
    "bool": ["true", "false"],
    "int2": ["-7"],
    "int8": ["9007199254740993"],
    "numeric": ["1.50", "NaN", "12345678901234567890"],
    "float8": ["1.5", "NaN", "1e300"],
    "text": ["", "+00 +00", "2026-01-05 09:00:00+00", 'a "quote"', "back\\slash", "Ünïcødé 🎧"],
    "char(5)": ["ab"],
    "name": ["ab"],
    "bytea": ["\\x00ff"],
    "json": ['{"a": [1, 2.5, null, "x"]}', "null", '"+00 "'],
    "jsonb": ['{"a": [1, 2.50, null, "x"]}', "7"],
    "bigint[]": ["{}", "{1,NULL,3}", "{{1,2},{3,4}}"],
    "text[]": ['{a,"b c",NULL,""}'],
    "timestamptz[]": ['{"2026-01-05 09:00+00"}'],
    "mood": ["so so"],
    "pair": ['(1,"a b")'],
    "inet": ["10.0.0.1/24"],
    "percent": ["50"],
}  # fmt: skip
"""Texts that each SQL type reads its values from."""


@pytest.fixture
def gateway(empty_database: str) -> Iterator[PostgresGateway]:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("create type mood as enum ('fine', 'so so')")
        connection.execute("create type pair as (n int, said text)")
        connection.execute("create domain percent as int check (value between 0 and 100)")
        connection.execute("alter role current_user set datestyle = 'German'")
        connection.execute("alter role current_user set timezone = 'Asia/Kolkata'")
        for place, (kind, values) in enumerate(VALUES.items()):
            connection.execute(f"create table t{place} (value {kind})".encode())
            for value in (*values, None):
                connection.execute(f"insert into t{place} values (%s)".encode(), [value])
    opened = PostgresGateway(empty_database)
    yield opened
    opened.close()
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("alter role current_user reset all")


def test_every_type_is_read_as_json_says_it(gateway: PostgresGateway, empty_database: str) -> None:
    for place, kind in enumerate(VALUES):
        with psycopg.connect(empty_database, options="-c timezone=UTC") as connection:
            statement = f"select coalesce(json_agg(t), '[]')::text from (select * from t{place}) t"
            expected: list[Row] = json.loads(connection.execute(statement.encode()).fetchall()[0][0])
        for _ in range(7):  # the sixth time the statement is a prepared one
            assert _shown(gateway.select(f"t{place}")) == _shown(expected), kind


def _shown(rows: list[Row]) -> list[Any]:
    return [repr(row["value"]) for row in rows]  # so that 1 is not true, and what is no number is itself
