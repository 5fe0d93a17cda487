"""Triage by keyboard alone, in a real browser; two people at once; the text box that keys must not leave."""

from playwright.sync_api import Page, expect

from core.app import App
from core.linking import Options
from tests.browser.conftest import OpenPage, Server, idle
from tests.browser.test_accessibility import violations
from tests.ui.conftest import ANA, BEN, EVE, FORMAT, NOBODY, OLDER, SEVERAL


def hit(page: Page, key: str) -> None:
    page.keyboard.press(key)
    page.wait_for_timeout(150)
    idle(page)


def is_at(page: Page, call_sid: str) -> None:
    page.wait_for_function("sid => location.search.includes('call=' + sid)", arg=call_sid, timeout=5000)
    idle(page)


def test_the_whole_queue_by_keyboard(server: Server, open_page: OpenPage, world: App) -> None:
    page = open_page(server, "/unlinked?mode=triage")
    is_at(page, SEVERAL)
    expect(page.get_by_text("left of 4")).to_be_visible()
    hit(page, "o")
    expect(page.get_by_role("button", name=f"Link to lead {EVE}")).to_be_visible()
    hit(page, "a")
    is_at(page, FORMAT)
    assert world.linking.call(SEVERAL).lead_id == EVE
    hit(page, "a")  # Ben is new: what becomes of that is chosen once, on the card
    expect(page.get_by_text("Choose, and the call is linked.")).to_be_visible()
    assert world.linking.call(FORMAT).state == "unlinked"
    hit(page, "Escape")
    expect(page.get_by_text("What shall become of its status new?")).to_be_visible()
    hit(page, "k")
    expect(page.get_by_text("Its status stays new")).to_be_visible()
    hit(page, "m")
    expect(page.get_by_text("It is marked contacted")).to_be_visible()
    assert world.linking.call(FORMAT).state == "unlinked"
    hit(page, "a")
    is_at(page, NOBODY)
    assert world.linking.call(FORMAT).lead_id == BEN
    assert world.linking.lead_story(BEN).lead.lead_status == "contacted"
    expect(page.get_by_role("dialog")).to_have_count(0)
    hit(page, "s")
    hit(page, "2")
    is_at(page, OLDER)
    assert world.linking.activity(call=NOBODY, limit=1)[0].reason == "Wrong number"
    hit(page, "b")
    is_at(page, NOBODY)
    hit(page, "n")
    is_at(page, OLDER)
    hit(page, "u")
    is_at(page, NOBODY)
    assert world.linking.call(NOBODY).state == "unlinked"
    hit(page, "n")
    is_at(page, OLDER)
    hit(page, "a")
    is_at(page, "end")
    assert world.linking.call(OLDER).lead_id == ANA
    expect(page.get_by_text("You have been through all of them.")).to_be_visible()


def test_keys_do_not_leave_a_text_box(server: Server, open_page: OpenPage, world: App) -> None:
    page = open_page(server, f"/unlinked?mode=triage&call={SEVERAL}")
    box = page.get_by_label("Another lead")
    box.click()
    page.keyboard.type("nausb")
    page.wait_for_timeout(300)
    assert box.input_value() == "nausb"
    assert SEVERAL in page.url and world.linking.call(SEVERAL).state == "unlinked"


def test_two_people_meet(server: Server, open_page: OpenPage, world: App) -> None:
    page = open_page(server, "/unlinked?mode=triage")
    is_at(page, SEVERAL)
    world.linking.link(FORMAT, BEN, Options(actor="dana"))
    hit(page, "n")
    is_at(page, NOBODY)
    expect(page.get_by_role("status").filter(has_text="by dana")).to_be_visible()


def test_a_reload_keeps_place_count_and_work(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/unlinked?mode=triage")
    hit(page, "n")
    is_at(page, FORMAT)
    hit(page, "s")
    hit(page, "1")
    is_at(page, NOBODY)
    page.reload()
    idle(page)
    is_at(page, NOBODY)
    expect(page.get_by_text("left of 4")).to_be_visible()
    expect(page.get_by_text("Today:")).to_contain_text("1 set aside · 1 passed over")
    hit(page, "u")
    is_at(page, FORMAT)


def test_every_part_is_accessible(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, f"/unlinked?mode=triage&call={FORMAT}")
    assert not violations(page)
    hit(page, "a")
    assert not violations(page)
    hit(page, "k")
    assert not violations(page)
    hit(page, "s")
    hit(page, "t")
    assert not violations(page)
