"""Calls in progress in a real browser: words appear within three seconds, without flicker or jump, and it ends once."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import Page, expect

from core.app import App
from core.inbound import StatusCallback, save_callback, save_line
from core.linking import Options
from tests.browser.conftest import OpenPage, Server, idle, shown
from tests.browser.test_accessibility import violations
from tests.ui.conftest import ANA

SID = "CA" + "e5" * 16
SEEN_MS = 3000
"""A saved line is on the screen within three seconds."""


def reported(world: App, status: str, call_sid: str = SID, **more: Any) -> None:
    said = StatusCallback(call_sid, status, "inbound", "+14155550101", "+14155550000", at=datetime.now(UTC), **more)
    save_callback(world.gateway, said)


def said(world: App, words: str, role: Any = "user", call_sid: str = SID) -> None:
    save_line(world.gateway, call_sid, role, words, datetime.now(UTC), f"{call_sid[-4:]}-{words[:30]}")


def test_the_strip_follows_calls_as_they_come_and_go(server: Server, open_page: OpenPage, world: App) -> None:
    page = open_page(server, "/overview")
    strip = page.locator(".st-key-live_strip")
    expect(strip).to_contain_text("No call is in progress.")
    reported(world, "in-progress")
    expect(strip).to_contain_text("1 call in progress", timeout=SEEN_MS)
    expect(strip).to_contain_text("not linked yet")
    said(world, "Hello, Ana Ortiz here")
    expect(strip).to_contain_text("Hello, Ana Ortiz here", timeout=SEEN_MS)
    world.linking.link(SID, ANA, Options(actor="dana"))
    expect(strip).to_contain_text("Lead 1", timeout=SEEN_MS)
    expect(strip).to_contain_text("linked by dana")
    reported(world, "completed", seconds=12)
    expect(strip).to_contain_text("No call is in progress.", timeout=SEEN_MS)


def test_a_focused_link_and_the_place_on_the_page_stay(server: Server, open_page: OpenPage, world: App) -> None:
    reported(world, "in-progress")
    page = open_page(server, "/overview", viewport={"width": 1200, "height": 500})
    link = page.locator(".st-key-live_strip a").first
    link.focus()
    page.evaluate("document.activeElement.dataset.marked = 'same element'")
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 120)")
    for n in range(3):
        said(world, f"Sentence number {n}")
        expect(page.locator(".st-key-live_strip")).to_contain_text(f"Sentence number {n}", timeout=SEEN_MS)
    assert page.evaluate("document.activeElement.dataset.marked") == "same element"
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollTop") == 120


def test_more_calls_than_the_strip_holds(server: Server, open_page: OpenPage, world: App) -> None:
    for n in range(9):
        reported(world, "in-progress", f"CA{n:032x}")
    page = open_page(server, "/overview")
    strip = page.locator(".st-key-live_strip")
    expect(strip).to_contain_text("9 calls in progress")
    expect(strip.locator("[class*=st-key-live_call_]")).to_have_count(6)
    strip.get_by_role("button", name="and 3 more in progress").click()
    expect(strip.locator("[class*=st-key-live_call_]")).to_have_count(9, timeout=SEEN_MS)


def test_an_open_call_grows_and_settles_when_it_is_over(server: Server, open_page: OpenPage, world: App) -> None:
    reported(world, "in-progress")
    page = open_page(server, f"/lookup?q={SID}")
    expect(page.get_by_text("Live ·")).to_be_visible()
    expect(page.get_by_text("Words appear here")).to_be_visible()
    talk_of = Talk(page)
    for n in range(12):
        said(world, f"Turn {n}: something that was said at some length", "assistant" if n % 2 else "user")
    talk = page.locator(".st-key-lookup_talk_live")
    expect(talk).to_contain_text("Turn 11", timeout=SEEN_MS)
    assert is_in_view(page, "Turn 11"), "it follows the words"
    expect(page.get_by_label("Stages of the call")).to_contain_text("12 turns")
    world.linking.link(SID, ANA, Options(actor="dana"))
    expect(page.locator(".st-key-panel_link")).to_contain_text("Open lead 1 with all its calls", timeout=SEEN_MS + 1000)
    reported(world, "completed", seconds=42)
    expect(page.get_by_text("Live ·")).to_have_count(0, timeout=SEEN_MS + 1000)
    expect(shown(page, "42s")).to_be_visible()
    idle(page)
    assert talk_of.messages > 0
    page.wait_for_timeout(500)
    before = talk_of.messages
    page.wait_for_timeout(5000)
    assert talk_of.messages == before, "nothing is asked any more once the call is over"


def test_both_themes_are_accessible(server: Server, open_page: OpenPage, world: App) -> None:
    reported(world, "in-progress")
    reported(world, "ringing", "CA" + "f6" * 16)
    said(world, "Hello, Ana Ortiz here")
    said(world, "Good morning, how can I help?", "assistant")
    world.linking.link(SID, ANA, Options(actor="dana"))
    for path in ("/overview", f"/lookup?q={SID}"):
        page = open_page(server, path)
        assert not violations(page), path


class Talk:
    """How much the server has told a page over its WebSocket since it was loaded anew."""

    def __init__(self, page: Page) -> None:
        self.messages = 0
        page.on("websocket", lambda line: line.on("framereceived", self._count))
        page.reload()
        idle(page)

    def _count(self, _frame: Any) -> None:
        self.messages += 1


def is_in_view(page: Page, words: str) -> bool:
    place: Callable[..., Any] = page.locator(".st-key-lookup_talk_live .pb-said", has_text=words).evaluate
    inside = "e => { const f = e.closest('.st-key-lookup_talk_live').getBoundingClientRect(); "
    inside += "const b = e.getBoundingClientRect(); return b.top >= f.top - 1 && b.bottom <= f.bottom + 1; }"
    end = time.monotonic() + 2
    while time.monotonic() < end:
        if place(inside):
            return True
        page.wait_for_timeout(100)
    return False
