"""Queue and test calls in a real browser, over the database's own queue and the simulated carrier of the server."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from core.app import App
from core.outbound.jobs import ScheduleRequest
from tests.browser.conftest import OpenPage, Server, idle, press, shown
from tests.browser.test_accessibility import violations
from tests.ui.conftest import ANA, BEN, CURRENT

ANAS = "+14155550101"
WATCH = """() => {
    window.__runs = 0;
    const strip = document.querySelector('.pb-stages').closest('[data-testid="stElementContainer"]');
    new MutationObserver(() => window.__runs++).observe(strip, {childList: true, subtree: true, characterData: true});
}"""
DEMO = "insert into patchbay_state (key, value) values ('demo_filled_at', to_jsonb(now()))"


@pytest.fixture
def played(
    world: App, db: str, connection: psycopg.Connection[Any], serve: Callable[..., Server], tmp_path: Any
) -> Server:
    """What a newcomer has after ``make run``: demo data, no configuration; calls that last three seconds."""
    connection.execute(DEMO.encode())
    return serve(db, PATCHBAY_SIMULATED_SECONDS="3", PATCHBAY_DATA_DIR=str(tmp_path))


def choose(page: Page, label: str, words: str) -> None:
    box = page.get_by_test_id("stSelectbox").filter(has_text=label)
    box.locator("input").click()
    box.locator("input").fill(words)
    box.locator("input").press("Enter")
    idle(page)


def stage(page: Page, title: str) -> Any:
    return page.locator(".pb-stages li").filter(has_text=re.compile(f"^{title}"))


def test_a_newcomer_places_a_test_call_through_the_queue_and_watches_it_link(
    played: Server, open_page: OpenPage, connection: psycopg.Connection[Any]
) -> None:
    page = open_page(played, "/queue")
    expect(page.get_by_text("Simulated carrier: nothing is dialled.")).to_be_visible()
    expect(page.get_by_text("Worked by this app")).to_be_visible(timeout=20_000)
    page.get_by_role("link", name=re.compile("Place a test call through the queue")).click()
    idle(page)
    expect(page.get_by_role("radio", name="Through the queue")).to_be_checked()
    choose(page, "Number", "Ana Ortiz")
    page.get_by_role("button", name=re.compile(r"^Call \+1 415")).dblclick()
    expect(stage(page, "Queued")).to_contain_text("done", timeout=15_000)
    expect(stage(page, "Ringing")).to_contain_text("done", timeout=15_000)
    expect(page.locator(".pb-talk")).to_contain_text("Can you hear me?", timeout=15_000)
    expect(page.locator(".pb-chip").filter(has_text="passed")).to_be_visible(timeout=20_000)
    expect(page.locator(".pb-stages .pb-ok b")).to_have_count(7)
    expect(page.locator(".pb-talk")).to_contain_text("Goodbye.")
    assert connection.execute("select count(*) from test_calls").fetchone() == (1,), "pressed twice, called once"
    assert connection.execute("select count(*) from call_attempts").fetchone() == (1,)
    assert connection.execute(f"select call_sid from leads where id = {ANA}").fetchone() == (CURRENT,)
    shared = page.url
    assert re.search(r"/test-calls\?call=\d+$", shared)
    page.get_by_role("link", name=re.compile("Open in Call lookup")).click()
    idle(page)
    expect(page.get_by_text(re.compile("Linked to lead 1 · history"))).to_be_visible()
    page.goto(shared)
    idle(page)
    expect(page.locator(".pb-chip").filter(has_text="passed")).to_be_visible()
    page.get_by_role("link", name=re.compile("Its job")).click()
    idle(page)
    expect(page.locator(".pb-chip").filter(has_text="✓ completed")).to_be_visible()
    expect(page.locator(".pb-chip").filter(has_text="placed")).to_be_visible()


def test_what_goes_wrong_is_said_where_it_broke(played: Server, open_page: OpenPage) -> None:
    page = open_page(played, "/test-calls")
    choose(page, "Number", "plays: busy")
    press(page, "Call +1 500")
    expect(stage(page, "Answered")).to_contain_text("The line was busy.", timeout=15_000)
    expect(stage(page, "Answered")).to_contain_text("What to do: Call again later")
    press(page, "New test call")
    choose(page, "Number", "Another number")
    page.get_by_label("Which number").fill("+442079460000")
    page.get_by_label("Which number").press("Enter")
    idle(page)
    press(page, "Call +44")
    expect(page.get_by_test_id("stAlert").filter(has_text="is not allowed for test calls")).to_contain_text(
        "TEST_CALL_ALLOWLIST"
    )


def test_the_strip_stays_in_its_place_and_the_page_ends_by_itself(played: Server, open_page: OpenPage) -> None:
    page = open_page(played, "/test-calls")
    choose(page, "Number", "Ana Ortiz")
    press(page, "Call +1 415")
    strip = page.locator(".pb-stages")
    expect(strip).to_be_visible()
    first = strip.bounding_box()
    expect(page.locator(".pb-chip").filter(has_text="passed")).to_be_visible(timeout=20_000)
    last = strip.bounding_box()
    assert first and last
    assert (first["x"], first["y"], first["width"]) == (last["x"], last["y"], last["width"])
    page.evaluate(WATCH)
    page.wait_for_timeout(3500)
    assert page.evaluate("() => window.__runs") == 0, "nothing is refreshed any more"


def test_queue_and_test_calls_are_accessible(
    world: App, played: Server, open_page: OpenPage, connection: psycopg.Connection[Any]
) -> None:
    world.queue.schedule(ScheduleRequest(to=ANAS, lead_id=ANA, delay=timedelta(hours=3)))
    world.queue.schedule(ScheduleRequest(to="+14155550102", lead_id=BEN, every=timedelta(hours=24)))
    page = open_page(played, "/test-calls")
    choose(page, "Number", "Ana Ortiz")
    found = {"form": violations(page)}
    press(page, "Call +1 415")
    expect(page.locator(".pb-chip").filter(has_text="passed")).to_be_visible(timeout=20_000)
    found["call"] = violations(page)
    paths = (
        "/queue",
        "/queue?state=recurring",
        "/queue?state=delayed",
        "/queue?state=delayed&bulk=cancel",
        "/queue?q=zz",
    )
    for path in paths:
        page.goto(path)
        idle(page)
        found[path] = violations(page)
    page.goto("/queue?state=delayed")
    idle(page)
    page.get_by_test_id("stMain").get_by_role("button", name=re.compile("^Cancel…")).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.wait_for_timeout(250)
    found["dialog"] = violations(page)
    told = "\n".join(f"{path}: {words}" for path, listed in found.items() for words in listed)
    assert not told, told


def test_a_delayed_job_is_done_now_and_found_by_its_lead(world: App, played: Server, open_page: OpenPage) -> None:
    job = world.queue.schedule(ScheduleRequest(to=ANAS, lead_id=ANA, delay=timedelta(hours=3)))
    page = open_page(played, "/queue?state=delayed")
    expect(page.locator("[class*=st-key-tab_here]").get_by_role("link", name="Delayed")).to_be_visible()
    press(page, "Do now…")
    expect(page.get_by_role("dialog")).to_contain_text("for lead 1 as soon as it is free")
    press(page, "Do it now", within="dialog")
    expect(page.get_by_test_id("stToast")).to_contain_text("as soon as a worker is free")
    page.get_by_label("Find jobs").fill("lead 1")
    page.get_by_label("Find jobs").press("Enter")
    idle(page)
    expect(shown(page, job.job_id)).to_be_visible()
    assert page.url.endswith("/queue?q=lead+1")
    expect(page.get_by_text(re.compile("completed:|✓ completed")).first).to_be_attached(timeout=15_000)
