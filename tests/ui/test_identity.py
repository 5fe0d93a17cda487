"""Who is signed in decides what a page shows, and under whose name it writes."""

from collections.abc import Callable
from typing import Any

import pytest

from core.access import Identity, SignedOut
from core.app import App
from core.errors import DatabaseDown
from dashboard import identity
from tests.ui.conftest import FORMAT, Console, press, text_of

REAL = identity.current_actor


def test_without_the_door_nobody_is_signed_in(
    world: App, serve: Callable[[Any], Console], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.identity.current_actor", REAL)
    for name in ("overview", "unlinked", "lookup"):
        visit = serve(world)(name, q=FORMAT)
        assert "You are signed out" in text_of(visit)
        assert FORMAT not in text_of(visit) and not visit.button


def test_a_session_that_ends_stops_the_next_run(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    visit = console("lookup", q=FORMAT)
    assert FORMAT in text_of(visit)

    def ended(*, touch: bool = False) -> Identity:
        raise SignedOut

    monkeypatch.setattr("dashboard.identity.current_actor", ended)
    visit.run()
    assert "You are signed out" in text_of(visit)
    assert not visit.button and FORMAT not in text_of(visit)


def test_a_database_that_cannot_tell_shows_nothing_but_that(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*, touch: bool = False) -> Identity:
        raise DatabaseDown("The database does not answer.")

    monkeypatch.setattr("dashboard.identity.current_actor", away)
    visit = console("lookup", q=FORMAT)
    assert "does not answer" in text_of(visit) and FORMAT not in text_of(visit)


def test_a_viewer_reads_and_may_not_confirm(console: Console, world: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: Identity("vera", "viewer"))
    visit = console("lookup", q=FORMAT)
    assert "vera (viewer)" in text_of(visit)
    key = next(button.key for button in visit.button if button.key and ".link.2" in button.key)
    visit = press(visit, key)
    assert visit.button(key="repair.confirm").disabled
    assert "viewers can read but not change anything" in text_of(visit)
    assert world.linking.story(FORMAT).call.lead_id is None


def test_the_signed_in_person_is_the_actor(console: Console, world: App) -> None:
    visit = console("lookup", q=FORMAT)
    key = next(button.key for button in visit.button if button.key and ".link.2" in button.key)
    visit = press(press(visit, key), "repair.confirm")
    assert world.linking.activity(call=FORMAT)[0].actor == "ana"
    press(visit, "undo.do")
    assert {event.actor for event in world.linking.activity(call=FORMAT)} == {"ana"}
