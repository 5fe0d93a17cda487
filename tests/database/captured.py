"""Rows captured from a real backend, loaded as they are."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

TABLES = ("leads", "call_events", "conversation_transcripts", "call_recordings")
CUSTOMER_SIDE = """
    select setval(pg_get_serial_sequence({table}, 'id'), greatest((select max(id) from {name}), 1))
    where pg_get_serial_sequence({table}, 'id') is not null
"""


def load(database_url: str, folder: Path, tables: tuple[str, ...] = TABLES) -> dict[str, int]:
    """Copy the CSVs of a folder into the tables of the same names, in one transaction; returns the rows of each table.

    An empty field is NULL; columns that a table has not are left out, tables that are missing are skipped. Sequences
    continue after the largest id.
    """
    with psycopg.connect(database_url) as connection:
        return {
            table: _load(connection, table, folder / f"{table}.csv") for table in tables if _exists(connection, table)
        }


def truth(folder: Path) -> dict[str, dict[str, Any]]:
    """By Call SID, what is true of each captured call."""
    found: dict[str, dict[str, Any]] = json.loads((folder / "truth.json").read_text())
    return found


def _load(connection: psycopg.Connection[Any], table: str, path: Path) -> int:
    with path.open(newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
        kept = [column for column in header if column in _columns(connection, table)]
        places = [header.index(column) for column in kept]
        name, columns = sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, kept))
        copy = sql.SQL("copy {} ({}) from stdin").format(name, columns)
        rows = 0
        with connection.cursor().copy(copy) as target:
            for row in _rows(file, places):
                target.write_row(row)
                rows += 1
    connection.execute(sql.SQL(CUSTOMER_SIDE).format(table=sql.Literal(table), name=name))
    return rows


def _rows(file: Any, places: list[int]) -> Iterator[list[str | None]]:
    for row in csv.reader(file):
        yield [row[place] or None for place in places]


def _columns(connection: psycopg.Connection[Any], table: str) -> set[str]:
    rows = connection.execute(
        "select column_name from information_schema.columns where table_schema = 'public' and table_name = %s", (table,)
    )
    return {row[0] for row in rows}


def _exists(connection: psycopg.Connection[Any], table: str) -> bool:
    return bool(_columns(connection, table))
