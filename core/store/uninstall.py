"""Taking Patchbay out of a database: the ledger goes into a file first, then everything that is ours goes.

What is ours is read from the migration files, so that nothing new is forgotten. The customer's tables stay as they
were, plus ``leads.call_sid`` with its index, constraint and comment, which the integration guide adds. Columns that
were missing and that Patchbay added go when they hold nothing; tables of the guide stay, whoever made them.
"""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import psycopg

from core.errors import BadInput, Busy
from core.store.connections import readable
from core.store.failures import RETRYABLE, connect_failure, statement_failure
from core.store.gateway import Gateway, Order, Where
from core.store.scripts import FOLDER, Script, load

TEMPLATE = Path(__file__).with_suffix(".sql")
ATTEMPTS = 6
PAGE = 500
GUIDE_TABLES = ("leads", "call_events", "conversation_transcripts", "call_recordings")
STAYS = frozenset({"idx_leads_call_sid"})
ADDED = "Patchbay: added"
"""How the comment of a column begins that was missing and that a migration added."""

_Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
_FUNCTION = re.compile(r"create or replace function public\.(?P<name>\w+)\s*\(", re.IGNORECASE)
_RELATION = re.compile(
    r"^create (?:or replace )?(?P<kind>table|view)(?: if not exists)? public\.(?P<name>\w+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Removed:
    """What was done.

    :ivar ledger: the file with the ledger, one link event a line; None when there was none.
    :ivar events: how many link events it holds.
    :ivar kept: added columns (``table.column``) that stay because they hold something by now.
    """

    ledger: Path | None
    events: int
    kept: tuple[str, ...]


def uninstall(database_url: str, ledger: Path, *, folder: Path = FOLDER) -> Removed:
    """Export the ledger and remove everything that is ours, in one transaction; again it finds nothing to do.

    :param ledger: the file to make; nothing is ever overwritten.
    :raises core.errors.BadInput: when the file exists or cannot be made.
    :raises core.errors.Refused: when something that is not ours uses something that is; nothing was changed.
    :raises core.errors.Busy: when others held the tables for too long; nothing was changed.
    """
    conninfo = readable(database_url)[0]
    statement = script(folder)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _connected(conninfo) as connection, connection.transaction():
                removed = _removed(connection, ledger, statement)
            if removed.ledger is not None:
                _finish(removed.ledger)
            return removed
        except psycopg.Error as failure:
            with suppress(FileNotFoundError):
                _unfinished(ledger).unlink()
            if failure.sqlstate not in RETRYABLE or attempt == ATTEMPTS:
                raise _reported(conninfo, failure) from failure
        time.sleep(0.5 * attempt)
    raise AssertionError("the last attempt returns or raises")


def export(gateway: Gateway, ledger: Path) -> int:
    """Write the ledger to a file through the gateway, for a project whose schema is changed by pasting.

    :returns: how many link events it holds.
    :raises core.errors.BadInput: when the file exists or cannot be made.
    """
    written = _written(ledger, _pages(gateway))
    _finish(ledger)
    return written


def script(folder: Path = FOLDER) -> str:
    """What removes everything that is ours, as one script to paste. It may be pasted again."""
    scripts = load(folder)
    indexes = [index.name for each in scripts for index in each.customer_indexes if index.name not in STAYS]
    values = {
        "ours": ",\n    ".join(map(_quoted, _objects(scripts))),
        "indexes": ", ".join(map(_quoted, indexes)),
        "versions": ", ".join(_quoted(each.version) for each in scripts),
        "names": ", ".join(_quoted(each.name) for each in scripts),
        "tables": ", ".join(map(_quoted, GUIDE_TABLES)),
        "added": ADDED,
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def _objects(scripts: Iterable[Script]) -> list[str]:
    """Everything that the migrations make, newest first, as ``DROP`` names it."""
    found: dict[str, None] = {}
    for each in scripts:
        for statement in each.statements:
            for match in _FUNCTION.finditer(statement.text):
                arguments = ", ".join(_without_default(one) for one in _arguments(statement.text, match.end()))
                found[f"function public.{match['name']}({arguments})"] = None
            relation = _RELATION.match(statement.text)
            if relation and relation["name"] not in GUIDE_TABLES:
                found[f"{relation['kind'].lower()} public.{relation['name']}"] = None
    return list(reversed(found))


def _arguments(text: str, start: int) -> Iterator[str]:
    """The arguments of a function, from behind its opening parenthesis."""
    depth, begin = 0, start
    for place in range(start, len(text)):
        character = text[place]
        if depth == 0 and character in ",)":
            if argument := text[begin:place].strip():
                yield " ".join(argument.split())
            begin = place + 1
            if character == ")":
                return
        depth += {"(": 1, ")": -1}.get(character, 0)


def _without_default(argument: str) -> str:
    return re.split(r"\s+default\s+|\s*=\s*", argument, maxsplit=1, flags=re.IGNORECASE)[0]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _removed(connection: _Connection, ledger: Path, statement: str) -> Removed:
    if ledger.exists():
        raise BadInput(
            f"The ledger cannot be written: {ledger} exists already.", hint="Name another file: --ledger FILE"
        )
    row = connection.execute("select to_regclass('public.link_events') is not null").fetchone()
    there = bool(row and row[0])
    events = 0
    if there:
        connection.execute("set local lock_timeout = '2s'")
        connection.execute("lock table public.link_events in share row exclusive mode")
        events = _written(ledger, _rows(connection))
    connection.execute(statement.encode())
    kept = tuple(f"{table}.{column}" for table, column in connection.execute(_KEPT, [ADDED]).fetchall())
    return Removed(ledger if there else None, events, kept)


_KEPT = """
select c.relname, a.attname from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
  and starts_with(col_description(c.oid, a.attnum), %s) order by 1, 2"""


def _rows(connection: _Connection) -> Iterator[dict[str, Any]]:
    """Every link event, oldest first, without holding all of them."""
    with connection.cursor(name="ledger") as cursor:
        cursor.itersize = PAGE
        cursor.execute("select public.patchbay_event_json(e) from public.link_events e order by e.id")
        for row in cursor:
            yield row[0]


def _pages(gateway: Gateway) -> Iterator[dict[str, Any]]:
    last = 0
    while True:
        found = gateway.select("link_events", where=(Where("id", "gt", last),), order=(Order("id"),), limit=PAGE)
        yield from found
        if len(found) < PAGE:
            return
        last = found[-1]["id"]


def _unfinished(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.unfinished")


def _written(ledger: Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write to a file of another name, which gets its own when everything has been removed."""
    if ledger.exists():
        raise BadInput(
            f"The ledger cannot be written: {ledger} exists already.", hint="Name another file: --ledger FILE"
        )
    count = 0
    try:
        with _private(_unfinished(ledger)) as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise BadInput(f"The ledger cannot be written to {ledger}: {error.strerror}.") from error
    return count


def _private(path: Path) -> IO[str]:
    """Only for its owner: the ledger names people."""
    return open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600))


def _finish(ledger: Path) -> None:
    """Give the file its name, unless somebody took it meanwhile."""
    try:
        os.link(_unfinished(ledger), ledger)
    except FileExistsError:
        raise BadInput(f"{ledger} exists already: the ledger is in {_unfinished(ledger)}.") from None
    except OSError as error:
        raise BadInput(f"The ledger is in {_unfinished(ledger)}: {error.strerror}.") from error
    _unfinished(ledger).unlink()


def _connected(conninfo: str) -> _Connection:
    try:
        return psycopg.connect(conninfo, autocommit=True, connect_timeout=2, application_name="patchbay migrate")
    except psycopg.OperationalError as failure:
        raise connect_failure(conninfo, failure) from failure


def _reported(conninfo: str, failure: psycopg.Error) -> Exception:
    if failure.sqlstate in RETRYABLE:
        message = f"The tables were in use {ATTEMPTS} times; nothing was removed."
        return Busy(
            message, hint="Try again when the long transactions on leads, call_events or transcripts have ended."
        )
    return statement_failure(conninfo, failure)
