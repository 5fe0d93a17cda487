"""Installing Patchbay into a database with rows, while a backend goes on writing: how long, and how long it waits."""

import itertools
import threading
import time
from dataclasses import dataclass, field

import psycopg

from core.store.migrate import migrate

_PAUSE = 0.004


@dataclass(slots=True)
class Installed:
    """``seconds`` for all migrations and the first filling; what the writer met meanwhile, in milliseconds."""

    seconds: float = 0.0
    longest_wait: float = 0.0
    longest_in: str = ""
    statements: int = 0
    errors: list[str] = field(default_factory=list)


def install(url: str) -> Installed:
    """Migrate while a writer inserts and upserts as the backend does."""
    met, stop = Installed(), threading.Event()
    writer = threading.Thread(target=_write_until, args=(url, stop, met), name="writer")
    writer.start()
    try:
        began = time.perf_counter()
        migrate(url)
        met.seconds = time.perf_counter() - began
    finally:
        stop.set()
        writer.join()
    return met


def _write_until(url: str, stop: threading.Event, met: Installed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        leads = [row[0] for row in connection.execute("select id from leads order by md5(id::text) limit 500")]
        for turn in itertools.count():
            if stop.wait(_PAUSE):
                return
            sid, lead = f"CAfe{turn:030x}", leads[turn % len(leads)]
            _timed(connection, met, "select", "select id from call_events where call_sid = %s", [sid])
            _timed(connection, met, "event insert", _INSERT, [sid])
            _timed(
                connection,
                met,
                "event update",
                "update call_events set call_status = 'completed' where call_sid = %s",
                [sid],
            )
            _timed(connection, met, "transcript insert", _LINE, [sid])
            _timed(connection, met, "lead update", "update leads set last_contacted_at = now() where id = %s", [lead])


_INSERT = """insert into call_events (call_sid, call_status, direction, from_number, to_number)
values (%s, 'ringing', 'outbound-api', '+13905550100', '+14995550102')"""
_LINE = "insert into conversation_transcripts (call_sid, role, content) values (%s, 'user', 'Hello')"


def _timed(connection: psycopg.Connection, met: Installed, name: str, statement: str, params: list[object]) -> None:
    began = time.perf_counter()
    try:
        connection.execute(statement.encode(), params)
    except psycopg.Error as failure:
        met.errors.append(f"{name}: {failure}")
    waited = (time.perf_counter() - began) * 1000
    met.statements += 1
    if waited > met.longest_wait:
        met.longest_wait, met.longest_in = waited, name
