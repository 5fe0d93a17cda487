"""Rows as JSON values, read as the tuples that the server sends: no JSON is written there to be parsed here.

PostgreSQL's ``to_json`` and its plain text say the same of whole numbers, truth values and texts, and nearly the same
of times; :class:`_Moment` is the difference. Rows with a column of another type (a composite one, a float, an enum of
the customer's) are left to ``json_agg``.
"""

from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader
from psycopg.types.string import TextLoader

from core.store.gateway import Row


class _Moment(Loader):
    """A time as ISO 8601: ``2026-01-05 09:00:00+00``, as a session in UTC with DateStyle ISO says it, gets its T."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode().replace(" ", "T", 1).replace("+00", "+00:00")


_READ_AS_TEXT = ("date", "uuid")
_MOMENTS = ("timestamp", "timestamptz")
_AS_THEY_ARE = ("bool", "int2", "int4", "int8", "text", "varchar", "bpchar", "name", "json", "jsonb")
_ARRAYS = ("int4", "int8", "text", "varchar")


def adapters() -> AdaptersMap:
    """What a connection must know so that :func:`plain_rows` can read from it."""
    known = AdaptersMap(psycopg.adapters)
    for name in _READ_AS_TEXT:
        known.register_loader(name, TextLoader)
    for name in _MOMENTS:
        known.register_loader(name, _Moment)
    return known


def _plain() -> frozenset[int]:
    types = psycopg.adapters.types
    singles = {types[name].oid for name in (*_READ_AS_TEXT, *_MOMENTS, *_AS_THEY_ARE)}
    return frozenset(singles | {types[name].array_oid for name in _ARRAYS})


_PLAIN = _plain()


def plain_rows(cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[Row] | None:
    """The rows of a finished select, or None where a column's type is not one of those that are read here."""
    result = cursor.pgresult
    if result is None or any(result.ftype(place) not in _PLAIN for place in range(result.nfields)):
        return None
    names = [(result.fname(place) or b"").decode() for place in range(result.nfields)]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
