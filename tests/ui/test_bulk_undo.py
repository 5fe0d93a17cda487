"""Undo of a large batch on its own page: what it would take back, its progress, Stop, Carry on, Redo."""

import threading
import time
import uuid
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Identity
from core.app import App
from core.linking import Linking, Options
from dashboard import bulk_undo, bulk_undo_runs
from tests.ui.conftest import ANA, BEN, CLEO, DAN, FORMAT, NOBODY, OLDER, Console, keys_of, press, text_of

BATCH = str(uuid.UUID(int=31))
PAIRS = ((FORMAT, BEN), (NOBODY, CLEO), (OLDER, ANA))


@pytest.fixture(autouse=True)
def three_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_undo, "LARGE", 3)


@pytest.fixture
def linked(world: App) -> App:
    for sid, lead in PAIRS:
        world.linking.link(sid, lead, Options(batch_id=BATCH))
    return world


def leads(world: App) -> list[int | None]:
    return [world.linking.story(sid).call.lead_id for sid, _ in PAIRS]


def links_of(visit: AppTest) -> list[str]:
    return [link.label for link in visit.get("page_link")]


def until_ended(visit: AppTest) -> AppTest:
    end = time.monotonic() + 30
    while not (run := bulk_undo_runs.find("".join(visit.query_params["undo"]))) or not run.ended:
        assert time.monotonic() < end
        time.sleep(0.02)
    return visit.run()


def test_a_large_batch_is_undone_on_a_page_of_its_own_and_redone(console: Console, linked: App) -> None:
    visit = console("activity", batch=BATCH)
    assert "Undo the whole batch…" in links_of(visit) and "activity.undo_batch" not in keys_of(visit)
    visit = console("activity", batch=BATCH, undo="all")
    words = text_of(visit)
    assert "3 changes would be taken back" in words and "count as unlinked by hand" in words
    assert leads(linked) == [BEN, CLEO, ANA], "looking writes nothing"
    visit.text_input(key="undoing.reason").set_value("wrong list")
    visit = until_ended(press(visit, "undoing.do"))
    words = text_of(visit)
    assert "✓ done" in words and "<b>3 changes taken back</b>" in words and "by ana" in words
    assert leads(linked) == [None, None, None]
    undo_id = "".join(visit.query_params["undo"])
    assert {event.reason for event in linked.linking.activity(batch=undo_id)} == {"wrong list"}
    assert "Redo…" in links_of(visit)
    until_ended(press(console("activity", batch=undo_id, undo="all"), "undoing.do"))
    assert leads(linked) == [BEN, CLEO, ANA]


def test_it_is_stopped_between_two_changes_and_carried_on(
    console: Console, linked: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, undo = threading.Event(), Linking.undo_in_bulk

    def slowly(self: Linking, *args: Any, progress: Any, **kwargs: Any) -> Any:
        def told(step: Any) -> None:
            progress(step)
            waits.wait(20)

        return undo(self, *args, progress=told, **kwargs)

    monkeypatch.setattr(Linking, "undo_in_bulk", slowly)
    monkeypatch.setattr("core.linking.bulk_undo.SIDE_BY_SIDE", 1)
    visit = press(console("activity", batch=BATCH, undo="all"), "undoing.do")
    end = time.monotonic() + 20
    while not (run := bulk_undo_runs.of_batch(BATCH)) or not run.done:
        assert time.monotonic() < end
        time.sleep(0.02)
    visit = visit.run()
    (bar,) = visit.get("progress")
    assert "1 of 3 changes" in bar.text
    assert "It is being undone: 1 taken back, 2 to go" in links_of(console("activity", batch=BATCH))
    visit = press(visit, "undoing.stop")
    waits.set()
    visit = until_ended(visit)
    words = text_of(visit)
    assert "■ stopped" in words and "2 not come to: they stand as they were" in words and "Stopped by ana." in words
    assert leads(linked).count(None) == 1
    assert "Its undo was stopped: 1 taken back, 2 to go" in links_of(console("activity", batch=BATCH))
    assert visit.button(key="undoing.carry_on").label == "Carry on with 2 changes"
    visit = until_ended(press(visit, "undoing.carry_on"))
    assert "<b>3 changes taken back</b>" in text_of(visit) and "undoing.carry_on" not in keys_of(visit)
    assert leads(linked) == [None, None, None]


def test_what_moved_on_is_listed(console: Console, linked: App) -> None:
    linked.linking.relink(FORMAT, DAN, Options(actor="eli"))
    visit = console("activity", batch=BATCH, undo="all")
    assert "2 changes would be taken back" in text_of(visit) and "CA11…1111" in text_of(visit)
    visit = until_ended(press(visit, "undoing.do"))
    words = text_of(visit)
    assert "<b>2 changes taken back</b>" in words and "1 skipped" in words and "eli" in words


def test_after_a_restart_the_rest_can_be_undone(console: Console, linked: App) -> None:
    visit = console("activity", batch=BATCH, undo=str(uuid.UUID(int=1)))
    assert "it was restarted since" in text_of(visit)
    assert "Undo the rest of the batch" in links_of(visit)
    visit = press(visit, "undoing.back")
    assert "One batch of 3 changes" in text_of(visit)


def test_viewers_undo_nothing(console: Console, linked: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: Identity("vera", "viewer"))
    assert console("activity", batch=BATCH, undo="all").button(key="undoing.do").disabled
    assert console("activity", batch=BATCH).button(key="activity.undo_batch").disabled
