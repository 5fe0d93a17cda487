"""The global search by keyboard alone: the shortcut, typing at once, through the results, and out again."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, Server, idle
from tests.ui.conftest import FORMAT


def test_the_search_by_keyboard_alone(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/unlinked?mode=triage")
    page.keyboard.press("Alt+k")
    box = page.get_by_role("dialog").get_by_role("textbox").or_(page.get_by_role("dialog").get_by_role("searchbox"))
    expect(box).to_be_focused()
    page.keyboard.type("Roe an")  # triage's keys: they stay in the field
    page.wait_for_timeout(300)
    expect(box).to_have_value("Roe an")
    for _ in " an":
        page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    first = page.get_by_role("dialog").get_by_role("link").first
    expect(first).to_be_visible()
    expect(box).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("dialog").get_by_role("link").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(box).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/leads?lead=*")


def test_escape_closes_and_the_next_time_it_is_ready_again(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/system")
    for _ in range(3):
        page.keyboard.press("Alt+k")
        box = page.get_by_role("dialog").locator("input")
        expect(box).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        idle(page)


def test_one_hit_opens_at_once(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/overview")
    page.keyboard.press("Alt+k")
    expect(page.get_by_role("dialog").locator("input")).to_be_focused()
    page.keyboard.type(FORMAT)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/lookup?q={FORMAT}")
