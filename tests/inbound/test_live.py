"""Which calls are in progress, and what is told of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.app import App
from core.inbound import StatusCallback, save_callback, save_line
from core.linking import Options
from tests.database.conftest import app
from tests.inbound.conftest import OWN, SID, THEIRS

__all__ = ["app"]


def now() -> datetime:
    return datetime.now(UTC)


def reported(app: App, status: str, call_sid: str = SID, **more: Any) -> None:
    said = StatusCallback(call_sid, status, "inbound", THEIRS, OWN, at=now(), **more)
    save_callback(app.gateway, said)


def moved_back(connection: psycopg.Connection[Any], minutes: int) -> None:
    """As if everything so far had happened earlier."""
    for table, column in (
        ("calls", "started_at"),
        ("call_progress", "saved_at"),
        ("call_progress", "answered_at"),
        ("call_events", "created_at"),
        ("call_events", '"timestamp"'),
        ("conversation_transcripts", "created_at"),
        ("conversation_transcripts", '"timestamp"'),
    ):
        connection.execute(f"update {table} set {column} = {column} - interval '{minutes} minutes'".encode())


def test_nothing_is_in_progress_in_an_empty_database(app: App) -> None:
    assert app.linking.live().calls == ()
    assert app.linking.live().total == 0
    assert app.linking.live_call(SID) is None


def test_a_call_is_told_with_its_last_lines_from_being_answered_on(app: App) -> None:
    reported(app, "ringing")
    assert app.linking.live().calls[0].answered_at is None
    reported(app, "in-progress")
    for n in range(4):
        save_line(app.gateway, SID, "user" if n % 2 else "assistant", f"Line {n}", now(), f"m{n}")
    found = app.linking.live_call(SID)
    assert found is not None and found.answered_at is not None
    assert [line.content for line in found.lines] == ["Line 2", "Line 3"]
    assert found.seconds in range(5)
    assert (found.call.direction, found.call.from_number) == ("inbound", THEIRS)


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
def test_a_final_status_ends_it(app: App, status: str) -> None:
    reported(app, "in-progress")
    reported(app, status)
    assert app.linking.live().total == 0


def test_a_duration_ends_it_too(app: App) -> None:
    reported(app, "in-progress", seconds=31)
    assert app.linking.live().total == 0


def test_a_call_that_went_quiet_is_not_in_progress(app: App, connection: psycopg.Connection[Any]) -> None:
    reported(app, "ringing")
    moved_back(connection, 4)
    assert app.linking.live().total == 0, "nobody rings for so long"
    reported(app, "in-progress")
    moved_back(connection, 9)
    assert app.linking.live().total == 1
    moved_back(connection, 2)
    assert app.linking.live().total == 0
    save_line(app.gateway, SID, "user", "I am still here", now(), "m1")
    assert app.linking.live().total == 1, "words are a sign of life"
    moved_back(connection, 240)
    save_line(app.gateway, SID, "user", "After four hours Twilio ends every call", now(), "m2")
    assert app.linking.live().total == 0


def test_words_without_any_callback_are_a_call(app: App, connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "insert into conversation_transcripts (call_sid, role, content) values (%s, 'user', 'Hi')", (SID,)
    )
    assert [call.call.call_sid for call in app.linking.live().calls] == [SID]


def test_it_says_how_the_call_was_linked(app: App, connection: psycopg.Connection[Any]) -> None:
    reported(app, "in-progress")
    connection.execute("insert into leads (name, phone) values ('Ann Lee', %s)", (THEIRS,))
    before = app.linking.live_call(SID)
    app.linking.link(SID, 1, Options(actor="dana"))
    found = app.linking.live_call(SID)
    assert before is not None and found is not None
    assert found.linked is not None and found.linked.actor == "dana"
    assert before.link_mark != found.link_mark
    assert before.mark != found.mark


def test_the_newest_come_first_and_the_rest_is_counted(app: App) -> None:
    sids = [f"CA{n:032x}" for n in range(9)]
    for sid in sids:
        reported(app, "in-progress", sid)
    found = app.linking.live(6)
    assert [call.call.call_sid for call in found.calls] == sids[:2:-1]
    assert (found.total, found.more) == (9, 3)


def test_long_lines_are_cut(app: App) -> None:
    reported(app, "in-progress")
    save_line(app.gateway, SID, "user", "word " * 5000, now(), "m1")
    found = app.linking.live_call(SID)
    assert found is not None and len(found.lines[0].content) <= 400


def test_it_reads_a_few_rows_however_many_calls_there_are(app: App, connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "insert into calls (call_sid, started_at, start_known, status, event_count) "
        "select 'CA' || lpad(to_hex(n), 32, '0'), now() - n * interval '1 minute', true, "
        "case when n % 50 = 0 then 'in-progress' when n % 51 = 0 then null else 'completed' end, 1 "
        "from generate_series(1, 20000) n"
    )
    connection.execute("analyze calls")
    reported(app, "in-progress")
    before = read(connection)
    for _ in range(10):
        connection.execute("select public.live_calls(6)")
    assert read(connection) - before < 10 * 60


def read(connection: psycopg.Connection[Any]) -> int:
    """How many rows of calls were read so far, by any way."""
    connection.execute("select pg_sleep(0.05), pg_stat_force_next_flush()")
    row = connection.execute(
        "select seq_tup_read + coalesce(idx_tup_fetch, 0) from pg_stat_user_tables where relname = 'calls'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_a_moment_ago_is_soon_over(app: App) -> None:
    reported(app, "in-progress")
    found = app.linking.live_call(SID)
    assert found is not None and found.read_at - now() < timedelta(seconds=5)


def test_a_call_that_only_a_slot_names_is_not_in_progress(app: App, connection: psycopg.Connection[Any]) -> None:
    connection.execute("insert into leads (name, call_sid) values ('Ann', %s)", (SID,))
    assert app.linking.call(SID).lead_id is not None
    assert app.linking.live().total == 0
