"""Asking Twilio about all calls of a kind from the console: preview, progress, outcome, stop, undo."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from core.access import Identity
from core.app import build
from core.settings import Settings
from dashboard import repair_runs
from tests.telephony.twilio_server import ACCOUNT, TOKEN, LocalTwilio
from tests.ui.conftest import Console, keys_of, press, text_of
from tests.ui.test_repair_twilio import AT_TWILIO, twilio

__all__ = ["twilio"]

EMPTY = [f"CA{number:032x}" for number in range(601, 605)]
"""Calls without numbers; Twilio does not know the last one."""


@pytest.fixture
def console(
    world: Any, db: str, twilio: LocalTwilio, serve: Callable[[Any], Console], connection: psycopg.Connection[Any]
) -> Iterator[Console]:
    """The console with a Twilio account, over four more calls without numbers."""
    for sid in EMPTY:
        insert = "insert into call_events (call_sid, call_status, direction, created_at)"
        values = "values (%s, 'in-progress', 'inbound', now() - interval '1 day')"
        connection.execute(f"{insert} {values}".encode(), (sid,))
    twilio.knows([{**AT_TWILIO, "sid": sid} for sid in EMPTY[:3]])
    env = {"TWILIO_ACCOUNT_SID": ACCOUNT, "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_API_BASE_URL": twilio.url}
    app = build(Settings.load(env={"DATABASE_URL": db, "PATCHBAY_REPAIR_RATE": "50", **env}))
    app.linking.judge()
    yield serve(app)
    app.close()


def until_ended(visit: AppTest) -> AppTest:
    batch_id = "".join(visit.query_params["repaired"])
    end = time.monotonic() + 60
    while (run := repair_runs.find(batch_id)) is None or not run.ended:
        assert time.monotonic() < end
        time.sleep(0.02)
    return visit.run()


def numbers(connection: psycopg.Connection[Any]) -> int:
    query = "select count(*) from call_events where call_sid = any (%s) and to_number is not null"
    row = connection.execute(query, (EMPTY,)).fetchone()
    assert row
    return int(row[0])


def test_all_calls_without_numbers_are_filled_in_one_batch_that_is_undone(
    console: Console, connection: psycopg.Connection[Any]
) -> None:
    visit = press(console("unlinked", cause="no_numbers"), "unlinked.repair_all")
    words = text_of(visit)
    assert "Twilio is asked about 4 calls" in words and "50 a second" in words
    assert numbers(connection) == 0, "looking writes nothing"
    visit = until_ended(press(visit, "repair_all.do"))
    words = text_of(visit)
    assert "3 calls filled, 0 as they were, 1 unknown to Twilio, 0 failed" in words
    assert numbers(connection) == 3
    visit = press(press(visit, "repair_all.undo"), "repair.confirm")
    assert numbers(connection) == 0
    visit = press(visit, "repair_all.back")
    assert "".join(visit.query_params["cause"]) == "no_numbers"


def test_one_that_is_stopped_while_twilio_fails_says_so(console: Console, twilio: LocalTwilio) -> None:
    for _ in range(12):
        twilio.fault("500")
    visit = press(console("unlinked", repair="no_numbers"), "repair_all.do")
    repair_runs.stop("".join(visit.query_params["repaired"]), "ana")
    visit = until_ended(visit)
    assert "■ stopped" in text_of(visit)


def test_stuck_calls_have_the_button_and_other_lists_have_none(console: Console) -> None:
    assert "unlinked.repair_all" not in keys_of(console("unlinked"))
    assert "Twilio is asked about" in text_of(console("unlinked", repair="stuck"))
    assert "no such repair" in text_of(console("unlinked", repair="everything"))
    assert "This server does not work on it" in text_of(console("unlinked", repaired="0" * 8))


def test_viewers_ask_nobody(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: Identity("vera", "viewer"))
    assert console("unlinked", repair="no_numbers").button(key="repair_all.do").disabled


def test_without_an_account_it_says_what_is_missing(world: Any, serve: Callable[[Any], Console]) -> None:
    assert "No Twilio account is set" in serve(world)("unlinked", repair="no_numbers").info[0].value
