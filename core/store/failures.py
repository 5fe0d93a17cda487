"""What the drivers report, turned into :mod:`core.errors`. SQLSTATEs of class ``PB`` are our own functions'.

Both ways into a database share this: the same failure is the same error, with the same words.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from core.errors import (
    BadInput,
    BelongsToAnotherLead,
    Busy,
    DatabaseDown,
    MigrationNeeded,
    NotAllowed,
    NotFound,
    PatchbayError,
    Refused,
    RequestIdReused,
    Stale,
    TimedOut,
    Unavailable,
)

RETRYABLE = frozenset({"PB006", "55P03", "40P01"})
"""Lost a race: our functions' own code, a lock that was not had in time, a deadlock's victim."""

MIGRATE_HINT = "Run: python -m core migrate"
PASTE_HINT = (
    "Paste the output of this into the project's SQL editor: python -m core migrate --print"
    " (or set DATABASE_URL too and run: python -m core migrate)"
)
"""For a Supabase project reached by URL and key alone, which cannot change a schema."""
MAYBE_DONE = "If this was a change, look whether it was made before repeating it."


@dataclass(frozen=True, slots=True)
class Report:
    """What PostgreSQL says about a failed statement, by whichever driver.

    :ivar state: SQLSTATE.
    """

    state: str
    message: str
    detail: str | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Way:
    """How a way into a database is spoken of when something is wrong with it.

    :ivar place: names the server, without user or password; begins a sentence.
    :ivar migrate_hint: what to do when the schema is missing or old.
    :ivar rights_hint: what to do when a right is missing.
    """

    place: str
    migrate_hint: str = MIGRATE_HINT
    rights_hint: str = "Use the owner of the tables."


class RightMissing(Unavailable):
    """The role that asked may not do this; nothing was done."""


class TokenRefused(Unavailable):
    """A person's token is not taken, or not any more; nothing was done."""


_OURS: dict[str, type[PatchbayError]] = {
    "PB001": NotFound,
    "PB002": BelongsToAnotherLead,
    "PB003": Stale,
    "PB004": NotAllowed,
    "PB005": RequestIdReused,
    "PB006": Busy,
    "PB007": BadInput,
}
_MISSING = frozenset({"42883", "42P01", "42703", "3F000"})
_GONE = frozenset({"57P01", "57P02", "57P03", "57P05", "53300", "25P03"})

_CONNECT_CAUSES = (
    ("password authentication failed", "refused the user name or password", "Check user and password in DATABASE_URL."),
    ("no password supplied", "wants a password", "Put the password into DATABASE_URL."),
    ("no pg_hba.conf entry", "does not admit this machine or user", "Check its pg_hba.conf or network rules."),
    ("role ", "does not know this user", "Check the user name in DATABASE_URL."),
    ("database ", "has no database of this name", "Check the database name in DATABASE_URL."),
    ("translate host name", "has a host name that cannot be resolved", "Check the host in DATABASE_URL."),
    ("name or service not known", "has a host name that cannot be resolved", "Check the host in DATABASE_URL."),
    ("failed to resolve host", "has a host name that cannot be resolved", "Check the host in DATABASE_URL."),
    ("connection refused", "refuses connections", "Is it running, and are host and port right?"),
    ("no such file or directory", "is not running", "Start it, or check the socket folder in DATABASE_URL."),
    ("too many clients", "has no free connection", "Close other clients or raise max_connections."),
    ("remaining connection slots", "has no free connection", "Close other clients or raise max_connections."),
    ("ssl", "and this machine do not agree on encryption", "Check sslmode in DATABASE_URL."),
)
COMING_BACK = ("starting up", "recovery mode", "not yet accepting connections", "shutting down")
"""Words of a server that will answer soon: worth waiting for."""


def place(conninfo: str) -> str:
    """Name a server for people, without user or password: ``the database at db.example.com:5432``."""
    parts = conninfo_to_dict(conninfo)
    host = str(parts.get("host") or parts.get("hostaddr") or "the local socket")
    if host.startswith(("/", "@")):
        return "The database on the local socket"
    return f"The database at {host}:{parts.get('port') or 5432}"


def connect_failure(conninfo: str, failure: BaseException | None) -> DatabaseDown:
    """Why a connection could not be made, in words that hold no secret."""
    text = str(failure).lower() if failure else ""
    if any(words in text for words in COMING_BACK):
        return DatabaseDown(f"{place(conninfo)} is starting or stopping.", hint="Try again in a moment.")
    if "server closed the connection" not in text:
        for needle, what, hint in _CONNECT_CAUSES:
            if needle in text:
                return DatabaseDown(f"{place(conninfo)} {what}.", hint=hint)
    return DatabaseDown(f"{place(conninfo)} does not answer.", hint="Is it running, and can this machine reach it?")


def statement_failure(conninfo: str, failure: psycopg.Error) -> PatchbayError:
    """The error of :mod:`core.errors` for a statement that failed in psycopg."""
    if failure.sqlstate is None:
        return _without_state(conninfo, failure)
    said = failure.diag
    report = Report(failure.sqlstate, said.message_primary or str(failure), said.message_detail, said.message_hint)
    return database_error(Way(place(conninfo)), report)


def database_error(way: Way, report: Report) -> PatchbayError:
    """The error of :mod:`core.errors` for what PostgreSQL says about a statement."""
    message = _sentence(report.message)
    if report.state in _OURS:
        return _OURS[report.state](message, hint=report.hint, detail=_detail(report.detail))
    return _standard(way, report.state, message)


def function_missing(way: Way, function: str) -> MigrationNeeded:
    """The database lacks a function of ours, or has one with other arguments: an old one."""
    message = f"The database lacks the function {function}, or has another version of it."
    return MigrationNeeded(message, hint=way.migrate_hint)


def _without_state(conninfo: str, failure: psycopg.Error) -> PatchbayError:
    if isinstance(failure, psycopg.DataError):
        return BadInput(_sentence(str(failure)))
    if isinstance(failure, psycopg.OperationalError):
        return DatabaseDown(f"{place(conninfo)} broke the connection off.", hint=MAYBE_DONE)
    return Unavailable(_sentence(f"The database driver failed: {failure}"))


def _standard(way: Way, state: str, message: str) -> PatchbayError:
    if state in RETRYABLE:
        return Busy("Somebody else is changing the same rows.", hint="Try again.")
    if state == "57014":
        return TimedOut("The database took too long and was stopped.", hint="Narrow the search, or try again.")
    if state in _MISSING:
        return MigrationNeeded(f"The database's schema does not fit: {_unqualified(message)}", hint=way.migrate_hint)
    if state == "42501":
        return RightMissing(f"The database user lacks a right: {message}", hint=way.rights_hint)
    if state == "25006":
        return Unavailable("The database is read-only at the moment.", hint="Is it a replica?")
    if state in _GONE or state.startswith("08"):
        return DatabaseDown(f"{way.place} ended the connection.", hint="Try again.")
    return _by_class(state, message)


def _unqualified(message: str) -> str:
    """PostgreSQL names a missing column as the statement did: with or without its table."""
    return re.sub(r'^column (?:"?\w+"?\.)+"?(\w+)"? does not exist', r'column "\1" does not exist', message)


def _by_class(state: str, message: str) -> PatchbayError:
    if state.startswith("22"):
        return BadInput(f"The database cannot read this value: {message}")
    if state.startswith("23"):
        return Refused(f"The database refused the change: {message}")
    return Unavailable(f"The database reported an error (SQLSTATE {state}): {message}")


def _detail(text: str | None) -> Any:
    """DETAIL is JSON where our functions raise; anything else stays text."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _sentence(text: str) -> str:
    line = text.strip().splitlines()[0] if text.strip() else "no message"
    return line if line.endswith((".", "?", "!")) else line + "."
