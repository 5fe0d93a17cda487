"""A paste of 10 kB into every text field: it is taken, and where it is too long that is said, by name and length."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from core.app import App
from tests.browser.conftest import OpenPage, Server, idle
from tests.ui.conftest import ANA, FORMAT, NOBODY, OLDER, SEVERAL

WORDS = ("lorem ipsum 12 " * 700)[:10_240]
LOG = f"{WORDS[:5_000]} sid={FORMAT} {WORDS[:5_000]}"
TOO_LONG = (
    ("/unlinked", "Number", "Number has 10240 characters: expected at most 100"),
    ("/unlinked", "Text", "Text has 10240 characters: expected at most 400"),
    ("/activity", "Person", "Person has 10240 characters: expected at most 200"),
    ("/activity", "Lead", "Lead is 'lorem ipsum"),
    ("/activity", "Call", "Call has 10240 characters, at most 50"),
    ("/activity", "Batch", "Batch is 'lorem ipsum"),
    ("/queue", "Find jobs", "Search has 10240 characters: expected at most 400"),
    ("/leads", "Id, part of a name", "The text has 10,240 characters, and at most 400 fit"),
    (f"/leads?lead={ANA}", "Phone number to store", "Phone has 10240 characters: expected at most 250"),
    ("/lookup", "A Call SID", "No Call SID stands in this text of 10240 characters"),
    ("/unlinked?bulk=all", "Reason (optional)", "The reason has 10,240 characters, and at most 2,000 fit"),
)


def paste(page: Page, box: Locator, text: str) -> None:
    """As a paste does it: all at once, in place of what stands there."""
    box.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    page.keyboard.press("Enter")
    idle(page)


def field(page: Page, label: str) -> Locator:
    return page.get_by_role("textbox", name=re.compile(f"^{re.escape(label)}")).or_(
        page.get_by_role("searchbox", name=re.compile(f"^{re.escape(label)}"))
    )


def test_what_is_too_long_is_said_and_stays_to_be_shortened(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/overview")
    for path, label, words in TOO_LONG:
        page.goto(path)
        idle(page)
        box = field(page, label)
        paste(page, box, WORDS)
        expect(page.get_by_test_id("stAlert").filter(has_text=words), path).to_be_visible()
        expect(box).to_have_value(WORDS)
        assert len(page.url) < 400, path


@pytest.mark.parametrize(("path", "label"), [("/unlinked", "Text"), ("/activity", "Call"), ("/queue", "Find jobs")])
def test_a_log_stands_for_the_one_sid_in_it(server: Server, open_page: OpenPage, path: str, label: str) -> None:
    page = open_page(server, path)
    paste(page, field(page, label), LOG)
    expect(field(page, label)).to_have_value(FORMAT)
    assert FORMAT in page.url


def test_the_lookup_and_the_search_find_sids_in_a_log(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/lookup")
    paste(page, field(page, "A Call SID"), LOG)
    page.wait_for_url(f"**/lookup?q={FORMAT}")
    paste(page, field(page, "A Call SID"), f"{LOG} {OLDER}")
    expect(page.get_by_text("2 calls fit this text.")).to_be_visible()
    assert FORMAT in page.url and OLDER in page.url and len(page.url) < 200
    page.reload()
    idle(page)
    expect(page.get_by_text("2 calls fit this text.")).to_be_visible()
    page.keyboard.press("Alt+k")
    box = page.get_by_role("dialog").locator("input")
    expect(box).to_be_focused()
    paste(page, box, f"{LOG} {OLDER}")
    expect(page.get_by_role("dialog").get_by_role("heading", name="Calls · 2")).to_be_visible()


def test_nothing_is_done_for_a_reason_that_does_not_fit(server: Server, open_page: OpenPage, world: App) -> None:
    page = open_page(server, f"/lookup?q={SEVERAL}")
    dialog = page.get_by_role("dialog")
    field(page, "Link to lead").fill("1")
    page.get_by_role("button", name="Link…").click()
    box = dialog.get_by_label("Reason")
    box.click()
    page.keyboard.insert_text(WORDS)
    dialog.get_by_role("button", name="Link to lead 1").click()  # without leaving the field first
    idle(page)
    expect(dialog).to_contain_text("The reason has 10,240 characters, and at most 2,000 fit")
    assert world.linking.call(SEVERAL).state == "unlinked"
    paste(page, box, "It is Ana")
    idle(page)
    assert world.linking.call(SEVERAL).state == "unlinked", "the button has to be pressed again"
    dialog.get_by_role("button", name="Link to lead 1").click()
    idle(page)
    expect(dialog).to_have_count(0)
    assert world.linking.activity(call=SEVERAL, limit=1)[0].reason == "It is Ana"


def test_a_new_lead_says_what_does_not_fit(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, f"/unlinked?mode=triage&call={NOBODY}")
    page.keyboard.press("l")
    dialog = page.get_by_role("dialog")
    for label, words in (("Name", "Name has 10240 characters"), ("Phone", "Phone has 10240 characters")):
        box = dialog.get_by_role("textbox", name=label)
        expect(box).to_be_visible()
        before = box.input_value()
        paste(page, box, WORDS)
        expect(dialog).to_contain_text(words)
        expect(box).to_have_value(WORDS)
        paste(page, box, before)


def test_a_typed_lead_says_what_is_expected(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, f"/unlinked?mode=triage&call={SEVERAL}")
    paste(page, field(page, "Another lead"), WORDS)
    page.get_by_role("button", name="Link…").click()
    idle(page)
    expect(page.get_by_test_id("stAlert").filter(has_text="expected a whole number such as 212")).to_be_visible()
