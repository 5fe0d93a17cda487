"""Asking Twilio about a call from the console."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from core.app import App, build
from core.settings import Settings
from tests.telephony.twilio_server import ACCOUNT, OURS, TOKEN, LocalTwilio
from tests.ui.conftest import CURRENT, NOBODY, Console, keys_of, press, text_of

EMPTY = "CA" + "6" * 32
AT_TWILIO = {
    "direction": "outbound-api",
    "from": OURS,
    "to": "+14155550102",
    "status": "completed",
    "date_created": "2026-03-01T09:00:00+00:00",
    "start_time": "2026-03-01T09:00:05+00:00",
    "end_time": "2026-03-01T09:01:05+00:00",
    "duration": "60",
}


@pytest.fixture
def twilio() -> Iterator[LocalTwilio]:
    running = LocalTwilio()
    yield running
    running.close()


@pytest.fixture
def with_account(
    world: App, db: str, twilio: LocalTwilio, serve: Callable[[Any], Console], connection: psycopg.Connection[Any]
) -> Iterator[Console]:
    """The console over the small world, with a Twilio account, and one more call without numbers."""
    insert = "insert into call_events (call_sid, call_status, direction, created_at)"
    values = "values (%s, 'in-progress', 'inbound', now() - interval '1 day')"
    connection.execute(f"{insert} {values}".encode(), (EMPTY,))
    env = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_API_BASE_URL": twilio.url}
    app = build(Settings.load(env={"DATABASE_URL": db, **env}))
    app.linking.judge()
    yield serve(app)
    app.close()


def event(connection: psycopg.Connection[Any], call_sid: str) -> tuple[Any, ...]:
    columns = "call_status, direction, from_number, to_number, call_duration"
    (row,) = connection.execute(
        f"select {columns} from call_events where call_sid = %s".encode(), (call_sid,)
    ).fetchall()
    return row


def test_what_is_missing_is_shown_filled_and_undone(
    with_account: Console, twilio: LocalTwilio, connection: psycopg.Connection[Any]
) -> None:
    twilio.knows([{**AT_TWILIO, "sid": EMPTY}])
    visit = press(with_account("lookup", q=EMPTY), "lookup.repair_twilio")
    words = text_of(visit)
    assert "+1 415 555 0102" in words and "completed" in words and "1m 00s" in words
    assert event(connection, EMPTY)[2] is None, "asking writes nothing"
    visit = press(visit, "repair.confirm")
    assert event(connection, EMPTY) == ("completed", "outbound-api", OURS, "+14155550102", 60)
    assert "filled with what Twilio answered" in visit.toast[0].value
    press(visit, "undo.do")
    assert event(connection, EMPTY) == ("in-progress", "inbound", None, None, None)


def test_another_value_is_kept_unless_it_is_ticked(
    with_account: Console, twilio: LocalTwilio, connection: psycopg.Connection[Any]
) -> None:
    twilio.knows([{**AT_TWILIO, "sid": CURRENT, "duration": "61"}])
    visit = press(with_account("lookup", q=CURRENT), "lookup.repair_twilio")
    assert "1 value is stored otherwise. It stays unless you tick it" in text_of(visit)
    assert "repair.confirm" not in keys_of(visit)
    visit = visit.checkbox(key="repair.twilio.to_number").check().run()
    press(visit, "repair.confirm")
    assert event(connection, CURRENT)[3] == "+14155550102"


def test_nothing_to_fill_is_said(with_account: Console, twilio: LocalTwilio) -> None:
    twilio.knows([{**AT_TWILIO, "sid": NOBODY, "direction": "inbound", "from": "+14155550199", "to": OURS,
                   "status": "no-answer", "duration": None}])  # fmt: skip
    assert "Nothing would change" in text_of(press(with_account("lookup", q=NOBODY), "lookup.repair_twilio"))


def test_twilio_s_refusals_are_said_in_words(with_account: Console, twilio: LocalTwilio) -> None:
    visit = press(with_account("lookup", q=EMPTY), "lookup.repair_twilio")
    assert "Twilio knows no call" in text_of(visit)
    twilio.fault("500")
    visit = press(with_account("lookup", q=EMPTY), "lookup.repair_twilio")
    assert "Twilio gives no usable answer" in text_of(visit)


def test_without_an_account_nobody_can_be_asked(console: Console) -> None:
    visit = console("lookup", q=CURRENT)
    assert visit.button(key="lookup.repair_twilio").disabled


def test_the_system_page_reads_the_accounts_numbers(with_account: Console, twilio: LocalTwilio) -> None:
    visit = with_account("system")
    assert "TWILIO_PHONE_NUMBER is not set" in text_of(visit)
    twilio.state.numbers = ["+14155550000", "+14155557777"]
    visit = press(visit, "system.read_numbers")
    assert "from the Twilio account" in text_of(visit) and "+1 415 555 7777" in text_of(visit)


def test_the_system_page_says_that_calls_are_simulated(console: Console) -> None:
    visit = console("system")
    assert "calls are simulated" in text_of(visit) and "system.read_numbers" not in keys_of(visit)
