"""Bulk links on the Unlinked page: ways in, preview, what it refuses, the batch while it runs and afterwards."""

import time
from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from core.access import Identity
from core.app import App
from core.linking import Options, WorklistFilter
from dashboard import bulk_runs
from pages.unlinked.table import table_key
from tests.ui.conftest import ANA, BEN, FORMAT, NOBODY, OLDER, SEVERAL, Console, keys_of, press, text_of

ALL = WorklistFilter()


def frame(visit: AppTest) -> Any:
    """The table of the page."""
    return visit.dataframe[0].value


def batch_of(visit: AppTest) -> str:
    """The batch that the address names."""
    named = visit.query_params["batch"]
    return named if isinstance(named, str) else named[0]


def finished(app: App, visit: AppTest) -> AppTest:
    """The batch of the address, once nobody works on it."""
    batch = batch_of(visit)
    end = time.monotonic() + 20
    while not app.linking.batch(batch).finished and time.monotonic() < end:
        time.sleep(0.02)
    return visit.run()


def test_the_list_leads_to_a_preview_of_what_its_filters_find(console: Console) -> None:
    visit = press(console("unlinked"), "bulk.all")
    told = text_of(visit)
    assert "2 calls of 4 would be linked" in told
    assert "1 as current, 1 as history" in told
    assert list(frame(visit)["becomes"]) == ["✓ current", "↺ history"]
    assert list(frame(visit)["sure"]) == ["● high", "● high"]
    assert "has this number" in frame(visit)["why"][0]
    assert "1 lead is new and has no call yet" in told
    assert [expander.label for expander in visit.expander] == ["Which 1 lead", "Several leads · 1", "No candidate · 1"]
    assert visit.button(key="bulk.do").label == "Link 2 calls"


def test_the_address_says_which_calls(console: Console) -> None:
    visit = console("unlinked", bulk="all", cause="format_mismatch")
    assert "Unlinked calls: format mismatch" in text_of(visit)
    assert visit.button(key="bulk.do").label == "Link 1 call"


def test_back_to_the_list_keeps_its_filters(console: Console) -> None:
    visit = press(console("unlinked", bulk="all", cause="format_mismatch"), "bulk.back")
    assert "bulk" not in visit.query_params
    assert visit.selectbox(key="unlinked.cause").value == "format_mismatch"


def test_certain_only(console: Console) -> None:
    visit = console("unlinked", bulk="all")
    visit.segmented_control(key="bulk.least").set_value("certain").run()
    told = text_of(visit)
    assert "Nothing to link" in told
    assert "bulk.do" not in keys_of(visit)
    assert any(expander.label == "Not sure enough · 2" for expander in visit.expander)


def test_apply_links_what_was_shown_and_one_undo_takes_it_back(
    console: Console, world: App, connection: psycopg.Connection[Any]
) -> None:
    visit = console("unlinked", bulk="all")
    visit.text_input(key="bulk.reason").set_value("the monday round")
    visit = press(visit, "bulk.do")
    batch = batch_of(visit)
    visit = finished(world, visit)

    assert "2 calls linked" in text_of(visit) and "✓ done" in text_of(visit)
    assert "several leads 1, no candidate 1" in text_of(visit)
    rows = connection.execute(
        "select call_sid, lead_id, state from call_links where call_sid in (%s, %s)", (FORMAT, OLDER)
    )
    assert set(rows.fetchall()) == {(FORMAT, BEN, "current"), (OLDER, ANA, "history")}
    events = world.linking.activity(batch=batch)
    assert {(event.actor, event.source, event.reason) for event in events} == {("ana", "automatic", "the monday round")}

    visit = press(visit, "bulk.undo")
    assert "count as unlinked by hand" in text_of(visit)
    visit = press(visit, "repair.confirm")
    assert connection.execute("select count(*) from calls where lead_id is not null").fetchone() == (1,)
    assert "2 undone" in text_of(visit.run())
    assert "pinned: by hand" in text_of(console("unlinked", call=FORMAT))


def test_the_undo_of_what_was_done_before_does_not_stand_beside_a_batch(console: Console) -> None:
    visit = press(press(console("unlinked", call=FORMAT), "unlinked.link.2"), "repair.confirm")
    assert "undo.do" in keys_of(visit)
    visit = press(press(visit, "bulk.all"), "bulk.do")
    assert "undo.do" not in keys_of(visit)


def test_selected_calls(console: Console, world: App) -> None:
    visit = console("unlinked")
    visit.toggle(key="bulk.selecting").set_value(True).run()
    assert visit.button(key="bulk.selected_calls").disabled
    page = world.linking.worklist(ALL)
    key = f"{table_key(page)}.several"
    rows = [index for index, call in enumerate(page.items) if call.call_sid in (OLDER, SEVERAL)]
    visit.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    visit.run()
    assert visit.button(key="bulk.selected_calls").label == "Link 2 selected calls…"
    visit = press(visit, "bulk.selected_calls")
    assert "2 selected calls" in text_of(visit)
    assert list(frame(visit)["becomes"]) == ["↺ history"]
    assert NOBODY not in text_of(visit)


def test_a_selection_that_is_gone_says_so(console: Console) -> None:
    assert "No calls are selected any more" in text_of(console("unlinked", bulk="selected"))


def test_viewers_see_the_plan_and_no_apply(console: Console, monkeypatch: pytest.MonkeyPatch, world: App) -> None:
    batch = world.linking.begin_batch(world.linking.plan(ALL))
    who = Identity("vera", "viewer")
    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: who)
    visit = console("unlinked", bulk="all")
    assert len(frame(visit)) == 2
    assert not {"bulk.do"} & set(keys_of(visit))
    assert "viewers can read" in text_of(visit)
    following = console("unlinked", batch=batch)
    assert not {"bulk.stop", "bulk.carry_on"} & set(keys_of(following))


def test_an_interrupted_batch_is_offered_to_carry_on(
    console: Console, world: App, connection: psycopg.Connection[Any]
) -> None:
    batch = world.linking.begin_batch(world.linking.plan(ALL))
    connection.execute("update bulk_batches set beat_at = beat_at - interval '1 minute'")
    assert "Interrupted: 0 of 2 calls" in text_of(console("unlinked"))
    visit = console("unlinked", batch=batch)
    assert "It was interrupted" in text_of(visit)
    visit = finished(world, press(visit, "bulk.carry_on"))
    assert "2 calls linked" in text_of(visit)
    assert "Interrupted" not in text_of(console("unlinked"))


def test_a_running_batch_is_seen_and_stopped_from_anywhere(
    console: Console, world: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = world.linking.acting_as(Identity("ben", "operator")).begin_batch(world.linking.plan(ALL))
    assert "ben is linking in bulk: 0 of 2 calls" in text_of(console("unlinked"))
    visit = console("unlinked", batch=batch)
    assert "You may close this window" in text_of(visit)
    press(visit, "bulk.stop")
    assert world.linking.batch(batch).cancelled_by == "ana"
    world.linking.carry_out(batch)
    told = text_of(console("unlinked", batch=batch))
    assert "■ stopped" in told and "stopped by ana after 0 of 2" in told


def test_what_moved_on_is_listed_with_its_reason(console: Console, world: App) -> None:
    plan = world.linking.plan(ALL)
    world.linking.set_aside(OLDER)
    outcome = world.linking.apply(plan, Options(reason="late"))
    visit = console("unlinked", batch=outcome.status.batch_id)
    assert "1 call linked" in text_of(visit)
    assert [expander.label for expander in visit.expander] == ["Set aside · 1"]
    assert "Somebody set it aside." in text_of(visit)


def test_a_batch_that_there_is_not(console: Console) -> None:
    assert "There is no such bulk link" in text_of(console("unlinked", batch="1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77"))
    assert "expected a UUID" in text_of(console("unlinked", batch="nonsense"))


def test_a_worker_that_fails_leaves_the_batch_to_be_carried_on(world: App, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def carry_out(self, batch_id: str) -> None:
            raise RuntimeError("no")

    bulk_runs.start(Broken(), "b1")  # type: ignore[arg-type]
    end = time.monotonic() + 5
    while bulk_runs.works_on("b1") and time.monotonic() < end:
        time.sleep(0.01)
    assert not bulk_runs.works_on("b1")
    assert "stopped unexpectedly" in caplog.text


def test_changing_the_confidence_plans_again(console: Console, world: App) -> None:
    visit = console("unlinked", bulk="all")
    world.linking.set_aside(OLDER)
    assert visit.run().button(key="bulk.do").label == "Link 2 calls", "what is seen stays until somebody looks again"
    assert press(visit, "bulk.again").button(key="bulk.do").label == "Link 1 call"
