"""Test calls: the form, one call a click, the stages, refused numbers, earlier calls."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.access import Identity
from core.app import App, build
from core.settings import Settings
from dashboard import queue_reads
from tests.ui.conftest import ANA, BEN, CURRENT, Console, keys_of, press, text_of

ANAS = "+14155550101"
ALLOWED = {"TEST_CALL_ALLOWLIST": f"{ANAS}, +15005550007, +15005550001", "PATCHBAY_SIMULATED_SECONDS": "1"}


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other tests of this process left running."""
    monkeypatch.setattr(queue_reads, "dialling_here", lambda: False)


Opened = Callable[..., tuple[App, Console]]


@pytest.fixture
def opened(world: App, db: str, serve: Callable[[Any], Console]) -> Iterator[Opened]:
    """The console over the small world with further settings; the last one opened is shown."""
    apps: list[App] = []

    def start(**environment: str) -> tuple[App, Console]:
        apps.append(build(Settings.load(env={"DATABASE_URL": db, "PATCHBAY_SIMULATED_SECONDS": "1", **environment})))
        return apps[-1], serve(apps[-1])

    yield start
    for app in apps:
        app.telephony.finish_simulation(10)
        app.close()


def place(visit: AppTest, to: str, *, via: str = "direct", lead: str | None = None) -> AppTest:
    visit = visit.selectbox(key="test_calls.to").set_value(to).run()
    if lead is not None:
        visit = visit.selectbox(key="test_calls.lead").set_value(lead).run()
    if via != "direct":
        visit = visit.get("button_group")[0].set_value([via]).run()
    return press(visit, "test_calls.place")


def until_over(visit: AppTest, seconds: float = 20) -> AppTest:
    end = time.monotonic() + seconds
    while "under way</span>" in text_of(visit):
        assert time.monotonic() < end, text_of(visit)
        time.sleep(0.1)
        visit = visit.run()
    return visit


def calls(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return connection.execute("select id, to_number, lead_id, via, state from test_calls order by id").fetchall()


def test_a_click_places_one_call_whose_stages_turn_green_up_to_the_link(
    opened: Opened, connection: psycopg.Connection[Any]
) -> None:
    _, console = opened(**ALLOWED)
    visit = console("test-calls")
    assert "Simulated carrier: nothing is dialled." in text_of(visit)
    assert "No test call yet" in text_of(visit)
    visit = place(visit, ANAS)
    assert "under way" in text_of(visit)
    visit = until_over(visit)
    words = text_of(visit)
    assert "Every stage worked, linked to lead 1" in words
    assert words.count("✓ done") == 6, "all but the queue"
    assert "This is a test call. Can you hear me?" in words
    assert "got back its slot, status, time of contact and notes" in words
    assert connection.execute("select call_sid from leads where id = 1").fetchone() == (CURRENT,)
    ((test_id, *rest),) = calls(connection)
    assert rest == [ANAS, ANA, "direct", "placed"]
    shared = console("test-calls", call=str(test_id))
    assert "Every stage worked" in text_of(shared)
    table = shared.dataframe[0].value.to_dict("records")
    assert table[0]["result"].startswith("✓ Every stage worked")


def test_the_same_form_never_places_two(opened: Opened, connection: psycopg.Connection[Any]) -> None:
    _, console = opened(**ALLOWED)
    visit = console("test-calls")
    key = visit.session_state["test_calls.key"]
    visit = press(visit, "test_calls.place")
    visit.session_state["test_calls.go"] = key
    visit.session_state["test_calls.placed"] = None  # as if the second click came before the first was through
    visit.session_state["test_calls.to"] = ANAS
    visit.session_state["test_calls.lead"] = "1"
    visit = visit.run()
    assert len(calls(connection)) == 1
    assert "Test call 1" in text_of(visit)
    visit = press(until_over(visit), "test_calls.new")
    assert visit.session_state["test_calls.key"] != key
    press(visit, "test_calls.place")
    assert len(calls(connection)) == 2


def test_a_call_through_the_queue_waits_for_a_worker(opened: Opened, connection: psycopg.Connection[Any]) -> None:
    app, console = opened(**ALLOWED)
    visit = console("test-calls", via="queue")
    words = text_of(visit)
    assert "Nobody takes jobs from the queue" in words and "python -m core worker" in words
    visit = press(visit, "test_calls.place")
    words = text_of(visit)
    assert "It waits to be dialled." in words
    calls_of_app = app.calls()
    thread = threading.Thread(target=calls_of_app.run, daemon=True)
    thread.start()
    try:
        visit = until_over(visit)
    finally:
        calls_of_app.stop()
        thread.join(20)
    words = text_of(visit)
    assert words.count("✓ done") == 7
    assert "Its job" in words
    assert calls(connection)[0][3:] == ("queue", "placed")


def test_a_refusal_of_the_carrier_is_red_with_cause_and_remedy(opened: Opened) -> None:
    _, console = opened(**ALLOWED)
    visit = until_over(place(console("test-calls"), "+15005550001"))
    words = text_of(visit)
    assert "It broke at “Dialled”" in words and words.count("not reached") == 5
    assert "The number to call does not seem to be one." in words
    assert "What to do:" in words and "country code" in words
    visit = until_over(place(press(visit, "test_calls.new"), "+15005550007"))
    assert "The line was busy." in text_of(visit)


def test_another_number_is_refused_with_what_to_set(opened: Opened, connection: psycopg.Connection[Any]) -> None:
    _, console = opened(**ALLOWED)
    visit = console("test-calls").selectbox(key="test_calls.to").set_value("other").run()
    assert visit.button(key="test_calls.place").disabled, "nothing was typed yet"
    visit = visit.text_input(key="test_calls.to_typed").set_value("+1 (415) 555-0999").run()
    visit = press(visit, "test_calls.place")
    assert "+1 415 555 0999 is not allowed" in visit.error[0].value.replace("\\", "").replace("-", " ")
    assert "Add it to TEST" in visit.error[0].value.replace("\\", "")
    visit = console("test-calls").selectbox(key="test_calls.lead").set_value("other").run()
    assert visit.button(key="test_calls.place").disabled
    visit = press(visit.text_input(key="test_calls.lead_typed").set_value("nobody").run(), "test_calls.place")
    assert "Lead id" in visit.warning[0].value
    visit = press(visit.text_input(key="test_calls.lead_typed").set_value(str(BEN)).run(), "test_calls.place")
    assert "number of lead 2 is not allowed" in visit.error[0].value.replace("\\", "")
    assert calls(connection) == []
    visit = place(console("test-calls"), ANAS, lead="none")
    assert calls(connection)[-1][1:3] == (ANAS, None), "a refusal stands in nobody's way"
    assert "No lead was chosen." in text_of(visit)


def test_with_an_account_and_no_list_nobody_can_be_called(opened: Opened) -> None:
    _, console = opened(TWILIO_ACCOUNT_SID="AC" + "0" * 32, TWILIO_AUTH_TOKEN="x")
    visit = console("test-calls")
    words = text_of(visit)
    assert "No number may be called" in words
    assert "TEST_CALL_ALLOWLIST=" in words
    assert "Simulated" not in words
    assert "test_calls.place" not in keys_of(visit)


def test_simulated_without_a_list_demo_leads_are_offered(opened: Opened, connection: psycopg.Connection[Any]) -> None:
    _, console = opened()
    assert not any("Ana" in option for option in console("test-calls").selectbox(key="test_calls.to").options)
    connection.execute("insert into patchbay_state (key, value) values ('demo_filled_at', to_jsonb(now()))")
    st.cache_data.clear()
    visit = console("test-calls")
    options = visit.selectbox(key="test_calls.to").options
    assert any("Lead 1 · Ana Ortiz" in option for option in options)
    assert any("plays: busy" in option for option in options)
    assert "Cleo" in options[0], "leads with an empty slot come first"
    visit = until_over(place(visit, ANAS, lead="1"))
    assert "linked to lead 1" in text_of(visit)


def test_the_lead_can_keep_what_the_call_wrote(opened: Opened, connection: psycopg.Connection[Any]) -> None:
    _, console = opened(**ALLOWED)
    visit = console("test-calls")
    visit = visit.checkbox(key="test_calls.keep").check().run()
    visit = until_over(press(visit, "test_calls.place"))
    assert "keeps what the call wrote" in text_of(visit)
    row = connection.execute(
        "select l.call_sid, l.notes, t.call_sid from leads l join test_calls t on t.lead_id = l.id where l.id = 1"
    ).fetchone()
    assert row and row[0] == CURRENT and row[2] in row[1]


def test_viewers_place_none(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: Identity("vera", "viewer"))
    _, console = opened(**ALLOWED)
    assert console("test-calls").button(key="test_calls.place").disabled


def test_a_call_that_is_none_is_said(opened: Opened) -> None:
    _, console = opened(**ALLOWED)
    assert "There is no test call 99" in text_of(console("test-calls", call="99"))
    assert "test call" in text_of(console("test-calls", call="../x")).lower()
    assert "test_calls.new" in keys_of(console("test-calls", call="99"))
