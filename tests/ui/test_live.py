"""Calls in progress on Overview and in Call lookup: what is shown, when nothing is, and when the database is away."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import streamlit as st

from core.app import App
from core.errors import DatabaseDown
from core.inbound import StatusCallback, save_callback, save_line
from core.linking import Options
from tests.ui.conftest import ANA, CURRENT, Console, press, text_of

SID = "CA" + "e5" * 16
ROW = 'class="pb-line pb-livecall"'


def reported(world: App, status: str, call_sid: str = SID, **more: Any) -> None:
    said = StatusCallback(call_sid, status, "inbound", "+14155550101", "+14155550000", at=datetime.now(UTC), **more)
    save_callback(world.gateway, said)


def said(world: App, words: str) -> None:
    save_line(world.gateway, SID, "user", words, datetime.now(UTC), words[:40])


def test_without_a_call_the_strip_says_so(console: Console) -> None:
    assert "No call is in progress." in text_of(console("overview"))


def test_a_call_is_shown_with_its_last_words_escaped(world: App, console: Console) -> None:
    reported(world, "in-progress")
    for words in ("The first words", "I said <b>bold</b>", "and no more"):
        said(world, words)
    shown = text_of(console("overview"))
    assert "1 call in progress" in shown and "not linked yet" in shown and "+1 415 555 0101" in shown
    assert "I said &lt;b&gt;bold&lt;/b&gt;" in shown and "and no more" in shown
    assert "The first words" not in shown, "the last two lines"


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (lambda app: app.linking.link(SID, ANA, Options(actor="dana")), "Lead 1 · Ana Ortiz, linked by dana"),
        (lambda app: app.linking.link_automatically(SID, "sure"), "Lead 1 · Ana Ortiz, linked automatically"),
    ],
)
def test_it_says_how_it_was_linked(world: App, console: Console, link: Callable[[App], Any], words: str) -> None:
    reported(world, "in-progress")
    world.linking.judge()
    link(world)
    assert words in text_of(console("overview"))


def test_more_than_six_are_counted_and_shown_on_request(world: App, console: Console) -> None:
    for n in range(8):
        reported(world, "in-progress", f"CA{n:032x}")
    visit = console("overview")
    assert text_of(visit).count(ROW) == 6
    assert text_of(press(visit, "live.all")).count(ROW) == 8
    assert text_of(press(visit, "live.few")).count(ROW) == 6


def test_the_first_call_of_all_is_seen_on_an_empty_console(
    world: App, serve: Callable[[Any], Console], connection: Any
) -> None:
    connection.execute("truncate call_events, conversation_transcripts, calls cascade")
    connection.execute("update leads set call_sid = null")
    connection.execute("delete from calls")
    visit = serve(world)("overview")
    assert "No calls yet" in text_of(visit)
    reported(world, "in-progress")
    st.cache_data.clear()
    assert "1 call in progress" in text_of(visit.run())


def test_a_database_that_goes_away_is_said_in_the_strip(
    world: App, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise DatabaseDown("The database does not answer.")

    monkeypatch.setattr("dashboard.reads.live", away)
    shown = text_of(console("overview"))
    assert "Calls in progress cannot be read right now: The database does not answer." in shown
    assert "Unlinked by cause" in shown, "the rest of the page is there"


def test_an_open_call_in_progress_grows(world: App, console: Console) -> None:
    reported(world, "in-progress")
    visit = console("lookup", q=SID)
    assert "Live ·" in text_of(visit) and "Words appear here" in text_of(visit)
    said(world, "Hello, this is Ana")
    st.cache_data.clear()
    assert "Hello, this is Ana" in text_of(visit.run())
    reported(world, "completed", seconds=31)
    st.cache_data.clear()
    shown = text_of(visit.run())
    assert "Live ·" not in shown and "31s" in shown


def test_a_call_that_is_over_costs_no_further_read(
    world: App, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("dashboard.reads.live_call", lambda sid: asked.append(sid))
    console("lookup", q=CURRENT)
    assert asked == []


def test_words_stay_while_the_database_is_away(world: App, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    reported(world, "in-progress")
    said(world, "Hello, this is Ana")
    visit = console("lookup", q=SID)

    def away(*_: Any) -> None:
        raise DatabaseDown("The database does not answer.")

    monkeypatch.setattr("dashboard.reads.live_story", away)
    assert "Hello, this is Ana" in text_of(visit.run())
