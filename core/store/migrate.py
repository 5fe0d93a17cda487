"""The migration runner: every file once, in order, each in one short transaction, with writers going on beside it.

Recorded where the Supabase CLI records (``supabase_migrations.schema_migrations``), with a checksum of ours beside it.
One run at a time: a second connection holds an advisory lock in an open transaction, since a lock of a session would
outlive us behind a pooler. No statement waits for a lock so long that a writer queued behind it would notice.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import psycopg

from core.errors import Busy, PatchbayError, Unavailable
from core.store.connections import readable
from core.store.failures import RETRYABLE, connect_failure, statement_failure
from core.store.scripts import FOLDER, CustomerIndex, Script, Statement, load

LOCK_BUDGET = 2.0
"""Seconds that one file may wait for locks altogether: a writer behind it waits no longer than about that."""
ATTEMPTS = 6
"""How often a file is tried when others hold the tables."""
INDEX_LOCK_SECONDS = 60
"""Building an index concurrently waits for old transactions, and no writer waits for it."""
QUEUE_SECONDS = 600
"""How long a runner waits for another one."""
INSTALL_BATCH = 2000
"""Rows that one step of the first filling looks at; a step takes well under a second."""

_BODIES_LATER = "set check_function_bodies = off"
"""An earlier file may define a function for the usual column types that a later one replaces for all of them."""
_LOCK_KEY = 7_021_554_108_530_001
_INSTALL_LOOP = """-- (Not longer than hosted projects let a statement run; Patchbay does the rest when it is started.)
do $install$
declare
  v_end timestamptz := clock_timestamp() + interval '5 seconds';
begin
  while clock_timestamp() < v_end and public.patchbay_install_step(2000) > 0 loop null; end loop;
end $install$;

notify pgrst, 'reload schema';
"""

Progress: TypeAlias = Callable[[str], None]
_Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """One migration file against one database.

    :ivar version: 14 digits.
    :ivar name: the file's name without version and ending.
    :ivar applied: recorded as applied.
    :ivar changed: applied, and the file has changed since.
    """

    version: str
    name: str
    applied: bool
    changed: bool


def migrate(database_url: str, *, folder: Path = FOLDER, progress: Progress = lambda line: None) -> list[str]:
    """Bring a database to the newest version. Several runners at once, and stopping one half-way, do no harm.

    :param progress: told a line for people before each file and during the first filling.
    :returns: names of the files applied now, without their ending; empty when there was nothing to do.
    :raises core.errors.Unavailable: a file failed (with its line), has changed since it was applied, or the database
        is newer than this code; Busy when others held the tables for too long. What was applied before stays.
    :raises core.errors.BadInput: the tables do not fit, for instance lead ids that are not integers.
    """
    scripts, conninfo = load(folder), readable(database_url)[0]
    with _connection(conninfo) as guard, _only_runner(guard), _connection(conninfo) as work:
        with _reported(conninfo):
            _prepare_record(work)
            pending = _pending(work, scripts)
        done = []
        for script in pending:
            progress(f"applying {script.file_name}")
            _apply(conninfo, work, script)
            guard.execute("select 1")
            done.append(f"{script.version}_{script.name}")
        with _reported(conninfo):
            _fill(work, guard, progress)
            if done:
                work.execute("notify pgrst, 'reload schema'")
    return done


def status(database_url: str, *, folder: Path = FOLDER) -> list[MigrationStatus]:
    """Every migration file, and whether the database has it. Changes nothing."""
    scripts, conninfo = load(folder), readable(database_url)[0]
    with _connection(conninfo) as connection, _reported(conninfo):
        seen = _recorded(connection)
    return [
        MigrationStatus(
            script.version, script.name, script.version in seen, seen.get(script.version) not in (None, script.checksum)
        )
        for script in scripts
    ]


def status_of(version: str | None, *, folder: Path = FOLDER) -> list[MigrationStatus]:
    """Every migration file, and whether a schema of this version has it: where they are pasted nothing records more."""
    return [MigrationStatus(each.version, each.name, each.version <= (version or ""), False) for each in load(folder)]


def script(folder: Path = FOLDER) -> str:
    """All migrations and the first filling as one script to paste into an SQL editor. It may be pasted again."""
    parts = [f"-- {each.file_name}\n{each.text.strip()}\n" for each in load(folder)]
    return "\n".join([f"{_BODIES_LATER};\n", *parts, "-- first filling\n" + _INSTALL_LOOP])


def newest_version(folder: Path = FOLDER) -> str:
    """The version that this code needs the database to have."""
    return load(folder)[-1].version


@contextmanager
def _connection(conninfo: str) -> Iterator[_Connection]:
    try:
        connection = psycopg.connect(
            conninfo, autocommit=True, prepare_threshold=None, connect_timeout=2, application_name="patchbay migrate"
        )
    except psycopg.OperationalError as failure:
        raise connect_failure(conninfo, failure) from failure
    with connection:
        yield connection


@contextmanager
def _reported(conninfo: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as failure:
        raise statement_failure(conninfo, failure) from failure


@contextmanager
def _only_runner(guard: _Connection) -> Iterator[None]:
    """Hold the runners' lock in a transaction that stays open and keeps no snapshot (so no index build waits for it).

    It is asked for again and again instead of waited for: a waiting statement would keep a snapshot.
    """
    end = time.monotonic() + QUEUE_SECONDS
    while True:
        with guard.transaction():
            # No parameter: a statement with one leaves its portal open, and with it the snapshot.
            row = guard.execute(f"select pg_try_advisory_xact_lock({_LOCK_KEY})").fetchone()
            if row and row[0]:
                yield
                return
        if time.monotonic() > end:
            raise Busy("Another migration has been running for ten minutes.", hint="Try again when it has finished.")
        time.sleep(0.1)


def _prepare_record(connection: _Connection) -> None:
    with connection.transaction():
        connection.execute("set local client_min_messages = warning")
        connection.execute("set local lock_timeout = '2s'")
        connection.execute("create schema if not exists supabase_migrations")
        connection.execute(
            "create table if not exists supabase_migrations.schema_migrations"
            " (version text not null primary key, statements text[], name text)"
        )
        connection.execute("alter table supabase_migrations.schema_migrations add column if not exists checksum text")


def _recorded(connection: _Connection) -> dict[str, str | None]:
    """Applied versions with their checksums, as far as we wrote them."""
    column = connection.execute(
        "select count(*) from pg_attribute where attname = 'checksum' and not attisdropped"
        " and attrelid = to_regclass('supabase_migrations.schema_migrations')"
    ).fetchone()
    if not column or not column[0]:
        return {}
    return dict(connection.execute("select version, checksum from supabase_migrations.schema_migrations").fetchall())


def _pending(connection: _Connection, scripts: list[Script]) -> list[Script]:
    """The files to apply. Others' migrations in the same record have no checksum of ours and do not concern us."""
    seen = _recorded(connection)
    known = {script.version: script for script in scripts}
    newer = sorted(version for version, checksum in seen.items() if checksum and version not in known)
    if newer:
        raise Unavailable(
            f"The database is newer than this Patchbay: it has the migration {newer[-1]}.", hint="Update Patchbay."
        )
    for version, script in known.items():
        if seen.get(version) not in (None, script.checksum):
            raise Unavailable(
                f"{script.file_name} has changed since it was applied to this database.",
                hint="Restore the file; a change belongs into a new migration.",
            )
    return [script for script in scripts if script.version not in seen]


def _apply(conninfo: str, connection: _Connection, script: Script) -> None:
    """One file in one transaction, tried again while others hold what it needs."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _reported(conninfo):
                for index in script.customer_indexes:
                    _build_concurrently(connection, index)
            with connection.transaction():
                _execute(conninfo, connection, script)
            return
        except Busy as busy:
            if attempt == ATTEMPTS:
                raise Busy(
                    f"{script.file_name} found its tables in use {ATTEMPTS} times; nothing of it was applied.",
                    hint="Migrate again when the long transactions on leads, call_events or transcripts have ended.",
                ) from busy
            time.sleep(0.5 * attempt)


def _execute(conninfo: str, connection: _Connection, script: Script) -> None:
    began = time.monotonic()
    connection.execute("set local client_min_messages = warning")
    connection.execute(_BODIES_LATER.replace("set ", "set local ", 1))
    for statement in script.statements:
        left = max(0.1, LOCK_BUDGET - (time.monotonic() - began))
        connection.execute("select set_config('lock_timeout', %s, true)", [f"{int(left * 1000)}ms"])
        try:
            connection.execute(statement.text.encode())
        except psycopg.Error as failure:
            raise _failed(conninfo, script, statement, failure) from failure
    connection.execute(
        "insert into supabase_migrations.schema_migrations (version, name, statements, checksum)"
        " values (%s, %s, %s, %s)",
        [script.version, script.name, [statement.text for statement in script.statements], script.checksum],
    )


def _failed(conninfo: str, script: Script, statement: Statement, failure: psycopg.Error) -> PatchbayError:
    state = failure.sqlstate or ""
    error = statement_failure(conninfo, failure)
    if not state or state in RETRYABLE or state.startswith("PB"):
        return error
    position = int(failure.diag.statement_position or 1)
    line = statement.line + statement.text.count("\n", 0, position - 1)
    return Unavailable(
        f"{script.file_name}, line {line}: {failure.diag.message_primary} (SQLSTATE {state}).",
        hint="Nothing of this file was applied; the files before it stay.",
    )


def _build_concurrently(connection: _Connection, index: CustomerIndex) -> None:
    """Build an index without blocking writers; what cannot be built yet is left to the file itself."""
    row = connection.execute(
        "select indisvalid from pg_index where indexrelid = to_regclass(%s)", [f"public.{index.name}"]
    ).fetchone()
    if row and row[0]:
        return
    connection.execute(f"set lock_timeout = '{INDEX_LOCK_SECONDS}s'")
    connection.execute("set client_min_messages = warning")
    try:
        if row:  # left behind by a build that broke off: it costs every write and serves nobody
            connection.execute(f"drop index concurrently if exists public.{index.name}".encode())
        connection.execute(index.concurrently.encode())
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction):
        return
    except psycopg.errors.FeatureNotSupported:  # a partitioned table
        return
    finally:
        connection.execute("reset lock_timeout")
        connection.execute("reset client_min_messages")


def _fill(work: _Connection, guard: _Connection, progress: Progress) -> None:
    """The first filling of our tables from the customer's, in short transactions. Goes on where it was stopped."""
    found = work.execute("select to_regprocedure('public.patchbay_install_step(integer)') is not null").fetchone()
    if not found or not found[0]:
        return
    if _retried(lambda: _install_step(work)):
        progress("reading the calls that are there already")
        while _retried(lambda: _install_step(work)):
            guard.execute("select 1")


def _install_step(connection: _Connection) -> int:
    with connection.transaction():
        connection.execute("set local lock_timeout = '2s'")
        row = connection.execute("select public.patchbay_install_step(%s)", [INSTALL_BATCH]).fetchone()
    return int(row[0]) if row else 0


def _retried(step: Callable[[], _Result]) -> _Result:
    for attempt in range(1, ATTEMPTS):
        try:
            return step()
        except psycopg.Error as failure:
            if failure.sqlstate not in RETRYABLE:
                raise
        time.sleep(0.2 * attempt)
    return step()
