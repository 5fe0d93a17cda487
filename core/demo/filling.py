"""Fills a local, empty database with demo data, and refuses every other one."""

import ipaddress
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from core.demo import tables
from core.demo.rows import World
from core.demo.tables import Connection
from core.demo.world import DEFAULT_CALLS, DEFAULT_SEED, make_world
from core.errors import NotAllowed
from core.settings import Settings
from core.store.connections import readable
from core.store.failures import connect_failure, statement_failure

STATE_KEY: Final = "demo_filled_at"
"""Row of ``patchbay_state`` that says that this database was filled; it stays even if the rows are deleted."""
_LOCK_KEY: Final = 7_021_554_108_530_002
_TABLES: Final = {
    "leads": "lead",
    "call_events": "call event",
    "conversation_transcripts": "transcript line",
    "call_recordings": "recording",
}
_OTHER_SEED: Final = 1_000_003


class Judge(Protocol):
    """Who names the causes of what was written (:class:`core.linking.Linking`)."""

    def judge(self, limit: int | None = None) -> int:
        """Judge all calls whose cause is doubtful."""
        ...


class Filled(Protocol):
    """What filling needs of the app (:mod:`core.app`)."""

    @property
    def settings(self) -> Settings:
        """Which database was chosen."""
        ...

    @property
    def linking(self) -> Judge:
        """The judge."""
        ...

    @property
    def database_url(self) -> str | None:
        """libpq URL of the database; None when it is reached through Supabase."""
        ...


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What was written.

    :ivar calls: how many calls there are now because of it; ``linked``, ``set_aside`` and ``causes`` divide them.
    :ivar conflicts: how many calls each kind of conflict concerns.
    :ivar seconds: how long it took, the judging included.
    """

    calls: int
    leads: int
    events: int
    transcripts: int
    recordings: int
    repairs: int
    linked: int
    set_aside: int
    causes: Mapping[str, int]
    conflicts: Mapping[str, int]
    seed: int
    now: datetime
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**shown, "now": self.now.isoformat(), "causes": dict(self.causes), "conflicts": dict(self.conflicts)}


def fill(
    app: Filled,
    *,
    calls: int = DEFAULT_CALLS,
    seed: int = DEFAULT_SEED,
    force: bool = False,
    now: datetime | None = None,
) -> DemoReport:
    """Fill the app's database with an invented business, in one transaction, and judge its calls.

    The rows go through the tables that a backend writes; Patchbay's own follow by triggers and link commands.

    :param calls: how many calls, 1 to 100,000; fewer than 100 are raised to 100, so that every cause has its example.
    :param seed: the same seed and ``now`` give the same rows.
    :param force: fill a database that holds rows already; they stay as they are.
    :param now: the end of the 60 days, the present when None.
    :raises NotAllowed: when the database is Supabase, remote, or holds rows and ``force`` is not given.
    :raises BadInput: when ``calls`` is out of range.
    """
    began = time.monotonic()
    with _local_connection(app) as connection:
        if not force:
            _require_empty(connection)
        world = _written(connection, calls, seed, now)
    app.linking.judge()
    return _report(world, time.monotonic() - began)


def fill_first_time(
    app: Filled, *, calls: int = DEFAULT_CALLS, seed: int = DEFAULT_SEED, now: datetime | None = None
) -> DemoReport | None:
    """Fill the embedded database if it is empty and never was filled; else do nothing and return None."""
    if app.settings.data_source != "embedded":
        return None
    began = time.monotonic()
    with _local_connection(app) as connection:
        if _was_filled(connection) or _contents(connection):
            return None
        world = _written(connection, calls, seed, now)
    app.linking.judge()
    return _report(world, time.monotonic() - began)


def _written(connection: Connection, calls: int, seed: int, now: datetime | None) -> World:
    world = _unused(connection, make_world(calls, seed, now), calls)
    tables.write(connection, world)
    _remember(connection, world)
    return world


@contextmanager
def _local_connection(app: Filled) -> Iterator[Connection]:
    """One transaction on a database of this machine; two processes that fill the same one take turns."""
    conninfo = _local_conninfo(app)
    try:
        with psycopg.connect(conninfo, connect_timeout=2, application_name="patchbay demo") as connection:
            _require_local(connection)
            connection.execute("select pg_advisory_xact_lock(%s)", [_LOCK_KEY])
            yield connection
    except psycopg.Error as failure:
        raise _reported(conninfo, failure) from failure


def require_local(settings: Settings) -> None:
    """Refuse a database that demo data must never reach, before anything connects to it.

    :raises NotAllowed: for a Supabase project, and for a DATABASE_URL that names another machine.
    :raises BadInput: when DATABASE_URL cannot be read.
    """
    if settings.data_source == "supabase":
        raise NotAllowed(
            "Demo data never goes into a Supabase project.",
            hint="Unset SUPABASE_URL and the key: without them an embedded database is used.",
        )
    if settings.database_url:
        given = conninfo_to_dict(readable(settings.database_url)[0])
        places = [str(given.get(name) or "") for name in ("host", "hostaddr")]
        if not all(_is_local(place) for named in places for place in named.split(",")):
            raise _remote()


def _local_conninfo(app: Filled) -> str:
    """The address of the app's database, which is on this machine."""
    require_local(app.settings)
    if app.database_url is None:
        raise NotAllowed("Demo data goes only into a database that DATABASE_URL names, or into the embedded one.")
    return readable(app.database_url)[0]


def _require_local(connection: Connection) -> None:
    """Look where the connection went: a service file or PGHOST may have sent it elsewhere."""
    if not (_is_local(connection.info.host) and _is_local(connection.info.hostaddr)):
        raise _remote()


def _is_local(place: str) -> bool:
    """Whether a host is this machine: a socket folder, ``localhost`` or a loopback address. Empty: libpq's default."""
    named = place.strip().strip("[]").lower()
    if named in ("", "localhost") or named.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(named).is_loopback
    except ValueError:
        return False


def _remote() -> NotAllowed:
    return NotAllowed(
        "Demo data never goes into a database on another machine.",
        hint="Point DATABASE_URL at this machine, or unset it: without it an embedded database is used.",
    )


def _contents(connection: Connection) -> dict[str, int]:
    """How many rows the backend's tables hold; tables without rows are left out."""
    found = {}
    for table in _TABLES:
        there = connection.execute("select to_regclass(%s) is not null", [f"public.{table}"]).fetchone()
        if (there and there[0]) or table != "call_recordings":
            row = connection.execute(f"select count(*) from public.{table}").fetchone()  # noqa: S608
            found[table] = row[0] if row else 0
    return {table: rows for table, rows in found.items() if rows}


def _require_empty(connection: Connection) -> None:
    held = _contents(connection)
    if held:
        words = [f"{rows:,} {_TABLES[table]}{'' if rows == 1 else 's'}" for table, rows in held.items()]
        listed = " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))
        raise NotAllowed(
            f"This database already holds {listed}; demo data goes into an empty one.",
            hint="Add --force to add demo data to what is there. It cannot be taken out again.",
        )


def _was_filled(connection: Connection) -> bool:
    row = connection.execute("select exists (select from public.patchbay_state where key = %s)", [STATE_KEY]).fetchone()
    return bool(row and row[0])


def _unused(connection: Connection, world: World, calls: int) -> World:
    """The world, or with another seed the next one whose calls are not in the database yet."""
    known = "select exists (select from public.calls where call_sid = any (%s))"
    row = connection.execute(known, [list(world.expected)]).fetchone()
    if not (row and row[0]):
        return world
    return _unused(connection, make_world(calls, world.seed + _OTHER_SEED, world.now), calls)


def _remember(connection: Connection, world: World) -> None:
    facts = {"at": world.now.isoformat(), "calls": len(world.expected), "seed": world.seed}
    connection.execute("select public.patchbay_set_state(%s, %s)", [STATE_KEY, Jsonb(facts)])


def _reported(conninfo: str, failure: psycopg.Error) -> Exception:
    connecting = isinstance(failure, psycopg.OperationalError) and failure.sqlstate is None
    return connect_failure(conninfo, failure) if connecting else statement_failure(conninfo, failure)


def _report(world: World, seconds: float) -> DemoReport:
    states = list(world.expected.values())
    return DemoReport(
        calls=len(states),
        leads=len(world.leads) - len(world.deleted_leads),
        events=len(world.events),
        transcripts=len(world.transcripts),
        recordings=len(world.recordings),
        repairs=len(world.repairs),
        linked=states.count("linked"),
        set_aside=states.count("set_aside"),
        causes={state: states.count(state) for state in sorted(set(states) - {"linked", "set_aside"})},
        conflicts={kind: len(sids) for kind, sids in world.conflicts.items()},
        seed=world.seed,
        now=world.now,
        seconds=round(seconds, 2),
    )
