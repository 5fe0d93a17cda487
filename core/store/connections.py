"""Connections that answer, or an error within three seconds: a psycopg pool with deadlines of its own.

A server can vanish without closing its sockets (a frozen process, a cut cable). So a connection is asked before it is
handed out, with a deadline on this side, and a statement that outlives its server-side timeout is given up as well.
"""

import logging
import re
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ConnStatus, ExecStatus
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from core.errors import BadInput, Busy, DatabaseDown
from core.store.failures import COMING_BACK, connect_failure
from core.store.plain_rows import adapters

CHECKOUT_SECONDS = 2.6
"""From asking for a connection to :class:`DatabaseDown`: below the three seconds that people are promised."""
CHECK_SECONDS = 2.0
"""How long an open connection may take to answer an empty question. libpq's shortest connect timeout is the same."""
_SLICE_SECONDS = 0.15
_OTHER_DRIVERS_PARAMETERS = frozenset({"pgbouncer", "connection_limit", "pool_timeout", "schema", "supa", "workaround"})

logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # what it warns of is raised by us, in words for people

_Result = TypeVar("_Result")
Plans: TypeAlias = Literal["auto", "force_generic_plan"]
"""PostgreSQL's ``plan_cache_mode``. A statement that is planned once runs in a third of the time of one that is planned
each time; fit for those whose plan does not depend on the values, such as a page along an index."""


def readable(url: str) -> tuple[str, bool]:
    """A database URL as libpq reads it, and whether a transaction pooler stands in front.

    Parameters that only other drivers know (``pgbouncer=true``) are taken out, ``postgresql+driver://`` is forgiven.

    :raises BadInput: when libpq cannot read it; the message never repeats the URL, it may hold a password.
    """
    pooled = False
    if "://" in url:
        base, _, text = re.sub(r"^postgres(ql)?\+\w+://", "postgresql://", url).partition("?")
        query = parse_qsl(text, keep_blank_values=True)
        pooled = any(key == "pgbouncer" and value.lower() in ("true", "1") for key, value in query)
        kept = [(key, value) for key, value in query if key not in _OTHER_DRIVERS_PARAMETERS]
        url = f"{base}?{urlencode(kept, quote_via=quote)}" if kept else base
    try:
        found = conninfo_to_dict(url)
        if not all(port.isdigit() for port in str(found.get("port") or "").split(",") if port):
            raise psycopg.ProgrammingError("the port is no number")
    except psycopg.ProgrammingError:
        raise BadInput(
            "DATABASE_URL cannot be read: expected postgresql://user:password@host:5432/database, "
            "with special characters in the password written as %XX."
        ) from None
    return make_conninfo("", **{key: value for key, value in found.items() if value is not None}), pooled or str(
        found.get("port")
    ) == "6543"


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose every wait ends, also when the server froze in the middle of a statement.

    :ivar patience: seconds that one wait may take; longer than the server's own statement timeout.
    :ivar plans: how its server plans prepared statements at the moment.
    """

    patience: float = 60.0
    plans: Plans = "auto"

    def wait(self, gen: PQGen[_Result], interval: float = 0.1, timeout: float | None = None) -> _Result:
        """As psycopg's, with a deadline even where it sets none; then the connection is closed."""
        try:
            return super().wait(gen, interval=interval, timeout=timeout or self.patience)
        except psycopg.OperationalError as failure:
            if failure.sqlstate is None:
                self.pgconn.finish()
            raise


class _Attempts:
    """What is known about connecting: the last failure, and how many attempts are under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending = 0
        self._failure: Exception | None = None
        self._failed_at = 0.0

    @contextmanager
    def attempt(self) -> Iterator[None]:
        with self._lock:
            self._pending += 1
        try:
            yield
        except Exception as failure:
            with self._lock:
                self._failure, self._failed_at = failure, time.monotonic()
            raise
        finally:
            with self._lock:
                self._pending -= 1

    def failure_since(self, moment: float) -> Exception | None:
        with self._lock:
            return self._failure if self._failed_at >= moment else None

    @property
    def pending(self) -> bool:
        with self._lock:
            return self._pending > 0


class Connections:
    """A pool over one database. Nothing connects before the first use.

    :param conninfo: as :func:`readable` gives it.
    :param pooled: a transaction pooler stands in front: no prepared statements, no session settings.
    :param statement_timeout: seconds after which the server stops a statement.
    :param on_down: called (at most once per checkout) when the server is not running; may start it.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        pooled: bool,
        statement_timeout: float,
        size: int,
        on_down: Callable[[], None] | None = None,
    ) -> None:
        self.conninfo, self.pooled, self.statement_timeout = conninfo, pooled, statement_timeout
        self._on_down = on_down
        self._attempts = _Attempts()
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            make_conninfo(conninfo, **self._startup()),
            connection_class=self._connection_class(),
            kwargs={"autocommit": True, "prepare_threshold": None if pooled else 5, "context": adapters()},
            min_size=0,
            max_size=size,
            open=False,
            reconnect_timeout=0.1,
            name="patchbay",
        )
        self._opened = threading.Lock()

    def _startup(self) -> dict[str, Any]:
        settings = {"connect_timeout": 2, "application_name": "patchbay"}
        if self.pooled:
            return settings
        given = str(conninfo_to_dict(self.conninfo).get("options") or "")
        milliseconds = int(self.statement_timeout * 1000)
        return settings | {
            "options": f"{given} -c timezone=UTC -c datestyle=ISO -c statement_timeout={milliseconds}".strip()
        }

    def _connection_class(self) -> type[Connection]:
        attempts, seconds = self._attempts, self.statement_timeout

        class Noted(Connection):
            patience = seconds + 2.0

            @classmethod
            def connect(cls, conninfo: str = "", **kwargs: Any) -> "Noted":
                with attempts.attempt():
                    return super().connect(conninfo, **kwargs)

        return Noted

    @contextmanager
    def connection(self, plans: Plans = "auto") -> Iterator[Connection]:
        """A connection that just answered, in autocommit mode.

        :param plans: how statements are planned; a transaction pooler's are never prepared.
        :raises DatabaseDown: within three seconds.
        :raises Busy: when all connections stayed in use.
        """
        connection = self._checked("auto" if self.pooled else plans)
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def _checked(self, plans: Plans) -> Connection:
        deadline = time.monotonic() + CHECKOUT_SECONDS
        try:
            return self._answering(deadline, plans)
        except DatabaseDown as down:
            if self._on_down is None or isinstance(down.__cause__, TimeoutError | psycopg.errors.ConnectionTimeout):
                raise
        self._on_down()
        return self._answering(time.monotonic() + CHECKOUT_SECONDS, plans)

    def _answering(self, deadline: float, plans: Plans) -> Connection:
        while True:
            connection = self._next(deadline)
            try:
                ask(connection, min(CHECK_SECONDS, max(0.0, deadline - time.monotonic())), plans)
                return connection
            except TimeoutError as silence:
                self._discard(connection)
                raise connect_failure(self.conninfo, silence) from silence
            except psycopg.Error:
                self._discard(connection)

    def _next(self, deadline: float) -> Connection:
        """The pool's next connection; gives up as soon as connecting has failed for a lasting reason."""
        asked = time.monotonic()
        while True:
            remaining = deadline - time.monotonic()
            try:
                with self._opened:
                    self._pool.open()
                return self._pool.getconn(timeout=min(_SLICE_SECONDS, remaining))
            except PoolClosed as closed:
                raise DatabaseDown("The connection to the database was closed.") from closed
            except PoolTimeout:
                failure = self._attempts.failure_since(asked)
                lasting = failure and not any(word in str(failure).lower() for word in COMING_BACK)
                if not lasting and remaining > _SLICE_SECONDS:
                    continue
                if failure or self._attempts.pending:
                    cause = failure or TimeoutError("still connecting")
                    raise connect_failure(self.conninfo, cause) from cause
                raise Busy("All connections to the database are in use.", hint="Try again in a moment.") from None

    def _discard(self, connection: Connection) -> None:
        connection.pgconn.finish()
        self._pool.putconn(connection)

    def close(self) -> None:
        """Close all connections; may be called again."""
        self._pool.close(timeout=1.0)


def ask(connection: Connection, seconds: float, plans: Plans = "auto") -> None:
    """Send a question over an idle connection and wait for the answer: an empty one, or how it is to plan.

    :raises TimeoutError: when none came within ``seconds``.
    :raises psycopg.OperationalError: when the connection is broken.
    """
    server = connection.pgconn
    deadline = time.monotonic() + seconds
    server.send_query(b"" if connection.plans == plans else f"set plan_cache_mode = {plans}".encode())
    server.flush()
    poll = select.poll()
    poll.register(server.socket, select.POLLIN)
    while server.is_busy():
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(f"no answer within {seconds:.1f} s")
        server.consume_input()
    while answer := server.get_result():
        if answer.status not in (ExecStatus.EMPTY_QUERY, ExecStatus.COMMAND_OK):
            raise psycopg.OperationalError(answer.get_error_message())
    if server.status != ConnStatus.OK:  # a server that ended it had said so before the question
        raise psycopg.OperationalError("the server had ended the connection")
    connection.plans = plans
