"""Conflicts, leads, the ledger and the search in a real browser: each remedy, its toast and its undo."""

import csv
import io
import re
import uuid
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from core.app import App
from core.linking import Options
from tests.browser.conftest import OpenPage, Server, idle, press, shown
from tests.ui.conftest import ANA, BEN, CLEO, CURRENT, FORMAT, NOBODY, OLDER, SEVERAL
from tests.ui.test_conflicts import CONTRADICTION, DUPLICATES, NOTES, VARIANT, VARIANTS

BATCH = str(uuid.UUID(int=7))


@pytest.fixture
def torn(world: App, connection: psycopg.Connection[Any]) -> App:
    """The small world with one conflict of each kind that rows can have."""
    for trouble in (DUPLICATES, CONTRADICTION, VARIANTS, NOTES):
        connection.execute(trouble.encode())
    world.linking.judge()
    return world


def kinds(app: App) -> dict[str, int]:
    return dict(app.linking.conflicts().counts)


def count_rows(connection: psycopg.Connection[Any], call_sid: str) -> int:
    return connection.execute("select count(*) from call_events where call_sid = %s", [call_sid]).fetchone()[0]


def confirm_and_undo(page: Page, words: str, toast: str) -> None:
    press(page, words, within="dialog")
    expect(page.get_by_test_id("stToast").first).to_contain_text(toast)
    press(page, "Undo")
    expect(shown(page, "Undone:")).to_be_visible()


def test_merge_duplicate_rows_and_undo(
    torn: App, server: Server, open_page: OpenPage, connection: psycopg.Connection[Any]
) -> None:
    page = open_page(server, "/conflicts?kind=duplicate_event_rows")
    expect(page.get_by_role("link", name="Conflicts · 4")).to_be_visible()
    press(page, "Merge 3 rows…")
    expect(page.get_by_role("dialog")).to_contain_text("3 event rows")
    confirm_and_undo(page, "Merge the rows", "merged into one")
    assert count_rows(connection, FORMAT) == 3
    press(page, "Redo")
    assert count_rows(connection, FORMAT) == 1
    expect(page.get_by_role("link", name="Conflicts · 3")).to_be_visible()


def test_choose_the_row_that_holds(
    torn: App, server: Server, open_page: OpenPage, connection: psycopg.Connection[Any]
) -> None:
    page = open_page(server, "/conflicts?kind=contradicting_event_rows")
    expect(page.get_by_role("button", name="Merge… (choose the row first)")).to_be_disabled()
    page.get_by_test_id("stRadio").get_by_text("Outbound, +1 415 555 0000").click()
    idle(page)
    press(page, "Merge, and let row")
    confirm_and_undo(page, "Merge the rows", "merged into one")
    assert count_rows(connection, SEVERAL) == 2


def test_normalise_a_sid_and_undo(
    torn: App, server: Server, open_page: OpenPage, connection: psycopg.Connection[Any]
) -> None:
    page = open_page(server, "/conflicts?kind=sid_variant")
    press(page, "Write it as Twilio does…")
    expect(page.get_by_role("dialog")).to_contain_text(VARIANT)
    press(page, "Write it so", within="dialog")
    expect(page.get_by_test_id("stToast").first).to_contain_text("The rows carry")
    assert count_rows(connection, NOBODY) == 2
    press(page, "Undo")
    expect(shown(page, "Undone:")).to_be_visible()
    assert count_rows(connection, VARIANT) == 1


def test_choose_between_two_leads(torn: App, server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/conflicts")
    page.get_by_role("radio", name="two leads claim").click()
    idle(page)
    expect(page).to_have_url(re.compile("kind=two_leads_claim"))
    press(page, f"It belongs to lead {CLEO}…")
    expect(page.get_by_role("dialog")).to_contain_text("Lead 1 · Ana Ortiz: current call")
    confirm_and_undo(page, f"It belongs to lead {CLEO}", "moved from lead 1 to lead 3")
    assert torn.linking.story(CURRENT).call.lead_id == ANA


def test_add_the_missing_constraint(
    world: App, server: Server, open_page: OpenPage, connection: psycopg.Connection[Any]
) -> None:
    name = connection.execute(
        "select conname from pg_constraint where conrelid = 'leads'::regclass and contype = 'u'"
    ).fetchone()[0]
    connection.execute(f"alter table leads drop constraint {name}".encode())
    page = open_page(server, "/conflicts")
    press(page, "Add the constraint…")
    press(page, "Add the constraint", within="dialog")
    expect(page.get_by_text("No conflicts")).to_be_visible()
    assert world.linking.constraint().exists


def test_undo_one_change_and_a_batch_from_the_ledger(world: App, server: Server, open_page: OpenPage) -> None:
    event = world.linking.link(FORMAT, BEN)
    page = open_page(server, f"/activity?event={event.id}")
    press(page, "Undo…")
    press(page, "Undo this change", within="dialog")
    expect(shown(page, "Undone: the call is unlinked again.")).to_be_visible()
    assert world.linking.story(FORMAT).call.lead_id is None
    for sid, lead in ((FORMAT, BEN), (OLDER, ANA)):
        world.linking.link(sid, lead, Options(batch_id=BATCH))
    world.linking.relink(FORMAT, CLEO)
    page.goto(f"/activity?batch={BATCH}")
    idle(page)
    press(page, "Undo the whole batch…")
    press(page, "Undo the batch", within="dialog")
    expect(shown(page, "Undone: 1 change; 1 change skipped.")).to_be_visible()
    expect(shown(page, "CA11…1111, linked to lead 2")).to_be_visible()
    assert world.linking.story(OLDER).call.lead_id is None


def test_mend_a_phone_and_see_which_calls_match(world: App, server: Server, open_page: OpenPage) -> None:
    page = open_page(server, f"/leads?lead={CLEO}")
    page.get_by_label("Phone number to store").fill("(415) 555-0199")
    page.keyboard.press("Enter")
    idle(page)
    expect(page.get_by_text("Store this number and 1 unlinked call matches.")).to_be_visible()
    press(page, "Store…")
    confirm_and_undo(page, "Store this number", "phone of lead 3 changed".capitalize())
    assert world.leads.find_by_id(CLEO).phone == "+14155550103"


def test_a_leads_calls_from_the_search_to_unlink(world: App, server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/overview")
    page.keyboard.press("Alt+k")
    idle(page)
    page.get_by_role("dialog").get_by_role("searchbox").fill("Ana Ortiz")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/leads\?lead={ANA}$"))
    idle(page)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("heading", name="Lead 1 · Ana Ortiz")).to_be_visible()
    press(page, "Unlink…")
    press(page, "Unlink", within="dialog")
    assert world.linking.story(CURRENT).call.lead_id is None


def test_search_lists_several_hits_as_links(world: App, server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/system")
    press(page, "Search")
    page.get_by_role("dialog").get_by_role("searchbox").fill("roe")
    page.keyboard.press("Enter")
    idle(page)
    page.get_by_role("dialog").get_by_role("link", name="Lead 5 · Eve Roe").click()
    expect(page).to_have_url(re.compile(r"/leads\?lead=5$"))
    idle(page)
    expect(page.get_by_role("heading", name="Lead 5 · Eve Roe")).to_be_visible()


def test_export_gives_the_filtered_calls(world: App, server: Server, open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page(server, "/unlinked?direction=inbound")
    with page.expect_download() as started:
        page.get_by_role("button", name="Export CSV").click()
    started.value.save_as(tmp_path / "calls.csv")
    text = (tmp_path / "calls.csv").read_text(encoding="utf-8-sig")
    assert {row["call_sid"] for row in csv.DictReader(io.StringIO(text))} == {FORMAT, NOBODY}


@pytest.mark.parametrize(
    ("path", "title"),
    [("/conflicts", "Conflicts"), ("/leads", "Leads"), ("/activity", "Activity"), ("/system", "System")],
)
def test_each_page_opens_by_its_address_and_fits_a_narrow_window(
    torn: App, server: Server, open_page: OpenPage, path: str, title: str
) -> None:
    page = open_page(server, path, viewport={"width": 1100, "height": 800})
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{path} scrolls sideways in a narrow window"
