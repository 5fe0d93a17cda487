"""The way into a database by ``DATABASE_URL``, and into the embedded one: psycopg 3 behind the gateway Protocol."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import psycopg

from core.errors import Busy, MigrationNeeded
from core.store.connections import Connections, Plans, readable
from core.store.failures import RETRYABLE, Way, function_missing, place, statement_failure
from core.store.gateway import Condition, Order, Row
from core.store.plain_rows import plain_rows
from core.store.races import RETRY_SECONDS, until_won
from core.store.statements import (
    Params,
    Signature,
    as_json,
    call_function,
    count_rows,
    function_source,
    relation_source,
    select_rows,
)

STATEMENT_TIMEOUT = 15.0
"""Seconds that one statement may take on the server; people do not wait longer for a page."""
Cursor: TypeAlias = psycopg.Cursor[tuple[Any, ...]]
_Answer = TypeVar("_Answer")
_SIGNATURE = """
select coalesce(jsonb_agg(jsonb_build_object(
    'names', p.proargnames, 'modes', p.proargmodes::text[], 'set', p.proretset, 'void', p.prorettype = 'void'::regtype,
    'types', (select array_agg(pg_catalog.format_type(t.type, null) order by t.n)
              from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as t(type, n)))), '[]')
from pg_catalog.pg_proc p
where p.pronamespace = 'public'::regnamespace and p.proname = %s"""


class PostgresGateway:
    """:class:`core.store.gateway.Gateway` over a psycopg pool. Safe to share between threads; connects at first use.

    :param database_url: libpq URL or key=value string. Port 6543 or ``pgbouncer=true`` means a transaction pooler.
    :param statement_timeout: seconds after which the server stops a statement (:class:`core.errors.TimedOut`).
    :param size: most connections at a time.
    :param on_down: called when the server is not running, before giving up; the embedded supervisor restarts it.
    :raises core.errors.BadInput: when the URL cannot be read.
    """

    def __init__(
        self,
        database_url: str,
        *,
        statement_timeout: float = STATEMENT_TIMEOUT,
        size: int = 8,
        on_down: Callable[[], None] | None = None,
    ) -> None:
        conninfo, pooled = readable(database_url)
        self._connections = Connections(
            conninfo, pooled=pooled, statement_timeout=statement_timeout, size=size, on_down=on_down
        )
        self._signatures: dict[str, Signature] = {}
        self._signatures_lock = threading.Lock()

    def select(
        self,
        relation: str,
        *,
        columns: Sequence[str] = ("*",),
        where: Iterable[Condition] = (),
        order: Sequence[Order] = (),
        limit: int | None = None,
        args: Mapping[str, Any] | None = None,
    ) -> list[Row]:
        """Rows of a table or view, or with ``args`` of a set-returning function."""
        source, given = self._source(relation, args)
        statement, params = select_rows(source, columns, where, order, limit)
        rows = self._run(statement, given + params, plain_rows, "force_generic_plan" if args is None else "auto")
        if rows is None:
            rows = self._value(as_json(statement), given + params)
        return rows

    def count(self, relation: str, *, where: Iterable[Condition] = (), args: Mapping[str, Any] | None = None) -> int:
        """Exactly how many rows ``select`` would find."""
        source, given = self._source(relation, args)
        statement, params = count_rows(source, where)
        return int(self._value(statement, given + params))

    def call(self, function: str, **args: Any) -> Any:
        """Call a SQL function; a race that was lost is run again for about two seconds, then Busy."""
        signature = self._fitting(function, args)
        statement, params = call_function(function, signature, args)
        value = until_won(lambda: self._value(statement, params), _lost_a_race, RETRY_SECONDS)
        return None if signature.returns_void else value

    def ping(self) -> None:
        """Return when the database answers; :class:`core.errors.DatabaseDown` within 3 seconds otherwise."""
        with self._connections.connection():
            pass

    def close(self) -> None:
        """Give all connections back; may be called again."""
        self._connections.close()

    def _source(self, relation: str, args: Mapping[str, Any] | None) -> tuple[str, Params]:
        if args is None:
            return relation_source(relation), []
        return function_source(relation, self._fitting(relation, args), args)

    def _fitting(self, function: str, args: Mapping[str, Any]) -> Signature:
        """The function's signature, if it has these arguments."""
        signature = self._signature(function)
        if set(args) - set(signature.types):
            with self._signatures_lock:
                self._signatures.clear()
            raise function_missing(Way(place(self._connections.conninfo)), function)
        return signature

    def _signature(self, function: str) -> Signature:
        """Argument types of a function of ours, asked for once."""
        with self._signatures_lock:
            known = self._signatures.get(function)
        if known:
            return known
        found = self._value(_SIGNATURE, [function])
        if len(found) != 1:
            raise function_missing(Way(place(self._connections.conninfo)), function)
        signature = _signature(found[0])
        with self._signatures_lock:
            self._signatures[function] = signature
        return signature

    def _value(self, statement: str, params: Params) -> Any:
        """Run one statement that gives one value."""
        return self._run(statement, params, _only_value)

    def _run(self, statement: str, params: Params, read: Callable[[Cursor], _Answer], plans: Plans = "auto") -> _Answer:
        try:
            with self._connections.connection(plans) as connection, connection.cursor() as cursor:
                if not self._connections.pooled:
                    return read(cursor.execute(statement.encode(), params))
                with connection.transaction():
                    self._set_up(cursor)
                    return read(cursor.execute(statement.encode(), params))
        except psycopg.Error as failure:
            raise self._failed(failure) from failure

    def _set_up(self, cursor: Cursor) -> None:
        """Behind a transaction pooler settings last only as long as the transaction."""
        milliseconds = str(int(self._connections.statement_timeout * 1000))
        cursor.execute(
            "select set_config('timezone', 'UTC', true), set_config('datestyle', 'ISO', true),"
            " set_config('statement_timeout', %s, true)",
            [milliseconds],
        )

    def _failed(self, failure: psycopg.Error) -> Exception:
        error = statement_failure(self._connections.conninfo, failure)
        if isinstance(error, MigrationNeeded):
            with self._signatures_lock:
                self._signatures.clear()
        return error


def _only_value(cursor: Cursor) -> Any:
    row = cursor.fetchone()
    return row[0] if row else None


def _lost_a_race(busy: Busy) -> bool:
    cause = busy.__cause__
    return isinstance(cause, psycopg.Error) and cause.sqlstate in RETRYABLE


def _signature(row: Row) -> Signature:
    names, types = row["names"] or [], row["types"] or []
    modes = row["modes"] or ["i"] * len(types)
    inputs = {name: kind for name, kind, mode in zip(names, types, modes, strict=False) if mode in ("i", "b", "v")}
    return Signature(types=inputs, returns_set=row["set"], returns_void=row["void"])
