"""What people do in a day, in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from core.app import App
from core.linking import Options
from tests.browser.conftest import OpenPage, Server, idle, pick_row, press
from tests.ui.conftest import ANA, BEN, CLEO, CURRENT, DAN, EVE, FORMAT, NOBODY, SEVERAL


def lead_of(app: App, call_sid: str) -> int | None:
    return app.linking.story(call_sid).call.lead_id


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/", "Overview"),
        ("/overview", "Overview"),
        ("/unlinked?cause=format_mismatch", "Unlinked calls"),
        (f"/lookup?q={FORMAT}", "Call lookup"),
    ],
)
def test_each_page_opens_by_its_address_on_a_cold_server(
    server: Server, open_page: OpenPage, path: str, title: str
) -> None:
    page = open_page(server, path)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_find_an_unlinked_call_link_it_and_undo(server: Server, open_page: OpenPage, world: App) -> None:
    page = open_page(server, "/unlinked")
    pick_row(page, 1)
    expect(page).to_have_url(re.compile(f"call={FORMAT}"))
    press(page, f"Link to lead {BEN}")
    expect(page.get_by_role("dialog")).to_contain_text("linked to lead 2 · current call")
    press(page, f"Link to lead {BEN}", within="dialog")
    expect(page.get_by_test_id("stToast")).to_contain_text("linked to lead 2")
    assert lead_of(world, FORMAT) == BEN
    expect(page.get_by_role("link", name="Unlinked calls · 3")).to_be_visible()
    press(page, "Undo")
    expect(page.get_by_text("Undone: the call is unlinked again.").first).to_be_visible()
    assert lead_of(world, FORMAT) is None


def test_relink_and_read_both_leads(server: Server, open_page: OpenPage, world: App) -> None:
    page = open_page(server, f"/lookup?q={CURRENT}")
    page.get_by_label("Relink to lead").fill(str(CLEO))
    page.keyboard.press("Enter")
    idle(page)
    press(page, "Relink…")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Lead 1 · Ana Ortiz: current call")
    expect(dialog).to_contain_text("Lead 3 · Cleo *Marsh*: current call")
    press(page, f"Relink to lead {CLEO}", within="dialog")
    expect(page.get_by_text("Linked to lead 3 · current call")).to_be_visible()
    assert lead_of(world, CURRENT) == CLEO
    assert world.leads.find_by_id(ANA).call_sid is None
    assert world.leads.find_by_id(CLEO).call_sid == CURRENT


def test_look_up_a_pasted_log_line(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/lookup")
    expect(page.get_by_text("Paste anything that names a call")).to_be_visible()
    page.get_by_role("searchbox").fill(f"10:02:11 ERROR link failed sid={FORMAT.lower()} attempt=3")
    page.keyboard.press("Enter")
    idle(page)
    expect(page.get_by_text("Ben Hall here, <b>about</b> the garden.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"[?&]q="))


def test_an_overview_figure_leads_to_its_calls(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/overview")
    page.get_by_role("link", name="Open format mismatch").click()
    idle(page)
    expect(page.get_by_text("1 of 4")).to_be_visible()
    expect(page).to_have_url(re.compile("cause=format"))


def test_filters_live_in_the_address_and_come_back_with_it(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/unlinked")
    page.get_by_role("combobox", name="Direction").click()
    page.get_by_role("option", name="inbound").click()
    idle(page)
    expect(page.get_by_text("2 of 4")).to_be_visible()
    shared = page.url
    assert "direction=inbound" in shared
    again = open_page(server, shared)
    expect(again.get_by_text("2 of 4")).to_be_visible()


def test_the_second_of_two_people_is_told_what_changed_and_by_whom(
    server: Server, open_page: OpenPage, world: App
) -> None:
    first = open_page(server, f"/lookup?q={SEVERAL}")
    second = open_page(server, f"/lookup?q={SEVERAL}")
    press(first, f"Link to lead {DAN}")
    press(second, f"Link to lead {EVE}")
    press(first, f"Link to lead {DAN}", within="dialog")
    press(second, f"Link to lead {EVE}", within="dialog")
    dialog = second.get_by_role("dialog")
    expect(dialog).to_contain_text(f"belongs to lead {DAN} now")
    expect(dialog).to_contain_text(world.settings.actor)
    assert lead_of(world, SEVERAL) == DAN
    second.keyboard.press("Escape")
    idle(second)
    expect(second.get_by_text(f"Linked to lead {DAN} · current call")).to_be_visible()


def test_set_aside_and_find_it_in_its_view(server: Server, open_page: OpenPage, world: App) -> None:
    page = open_page(server, f"/unlinked?call={NOBODY}")
    press(page, "Set aside…")
    press(page, "Set aside", within="dialog")
    assert world.linking.story(NOBODY).call.state == "set_aside"
    page.get_by_role("radio", name="set aside").click()
    idle(page)
    expect(page.get_by_role("button", name="Restore…")).to_be_visible()


def test_a_change_from_elsewhere_shows_after_refresh(server: Server, open_page: OpenPage, world: App) -> None:
    page = open_page(server, f"/lookup?q={FORMAT}")
    world.linking.link(FORMAT, BEN, Options(actor="dana"))
    press(page, "Refresh")
    expect(page.get_by_text("Linked to lead 2 · current call")).to_be_visible()
    expect(page.get_by_text("dana ·").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_and_a_narrow_window(server: Server, open_page: OpenPage, scheme: str) -> None:
    for path in ("/overview", "/unlinked", f"/lookup?q={FORMAT}"):
        page = open_page(server, path, color_scheme=scheme, viewport={"width": 1100, "height": 800})
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} scrolls sideways in a narrow window"


def test_back_leads_back_step_by_step(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/unlinked?direction=inbound")
    pick_row(page, 1)
    expect(page).to_have_url(re.compile(f"direction=inbound&call={NOBODY}"))
    page.get_by_role("link", name="Open in Call lookup").click()
    expect(page).to_have_url(re.compile(f"/lookup\\?q={NOBODY}"))
    idle(page)
    page.go_back()
    expect(page).to_have_url(re.compile(f"/unlinked\\?direction=inbound&call={NOBODY}"))
    idle(page)
    expect(page.get_by_text("2 of 4")).to_be_visible()


def test_a_link_shows_its_own_filters_only(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, f"/unlinked?direction=inbound&call={FORMAT}")
    page.get_by_role("link", name="Unlinked calls of this number").click()
    expect(page).to_have_url(re.compile(r"/unlinked\?number=[^&]+$"))


def test_a_click_on_a_cause_opens_its_calls(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/overview")
    page.locator(".js-plotly-plot").nth(1).locator(".barlayer .point path").first.click(force=True)
    expect(page).to_have_url(re.compile(r"/unlinked\?cause="))
    idle(page)
    expect(page.get_by_text("1 of 4")).to_be_visible()


def test_a_match_is_a_link_that_can_be_shared(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/lookup?q=5550101")
    page.get_by_role("link", name="CA22…2222").click()
    idle(page)
    expect(page).to_have_url(re.compile(f"/lookup\\?q={CURRENT}$"))
    page.go_back()
    expect(page).to_have_url(re.compile("q=5550101"))
    expect(page.get_by_role("link", name="CA55…5555")).to_be_visible()
