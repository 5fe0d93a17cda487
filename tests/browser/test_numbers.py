"""A number's page, suspect links and rejected links in a real browser: what is shown, ruled and settled."""

import json
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from core.app import App
from tests.browser.conftest import OpenPage, Server, press, shown
from tests.browser.test_accessibility import visited
from tests.ui.conftest import ANA, BEN, CURRENT, SEVERAL

SHARED = "+14155550104"
PAGES = (f"/leads?number=%2B{SHARED[1:]}", "/conflicts?kind=rejected_link", "/unlinked?view=suspect")


@pytest.fixture
def contested(world: App, connection: psycopg.Connection[Any]) -> App:
    """A job result says that Ana's current call was made for Ben."""
    at = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    job = {"job_id": "508", "job_at": at, "finished_at": at, "state": "completed", "call_sid": CURRENT, "lead_id": BEN}
    connection.execute("select note_job_results(%s)", [json.dumps([job])])
    world.linking.judge()
    return world


def test_rule_about_a_number_and_end_the_rule(world: App, server: Server, open_page: OpenPage) -> None:
    page = open_page(server, f"/unlinked?call={SEVERAL}")
    page.get_by_role("link", name="About this number").click()
    expect(page.get_by_role("heading", name="+1 415 555 0104")).to_be_visible()
    expect(page.get_by_text("several leads have it")).to_be_visible()
    page.get_by_role("combobox", name="Whose number is it?").click()
    page.get_by_role("option", name="Switchboard").click()
    press(page, "Set this rule…")
    expect(page.get_by_role("dialog")).to_contain_text("never linked automatically")
    page.get_by_role("textbox", name="Reason").fill("The front desk")
    press(page, "Set this rule", within="dialog")
    expect(shown(page, "The front desk")).to_be_visible()
    rule = world.linking.number(SHARED).rule
    assert rule is not None and (rule.verdict, rule.reason) == ("switchboard", "The front desk")
    press(page, "End this rule…")
    press(page, "End the rule", within="dialog")
    expect(page.get_by_role("heading", name="Earlier rules · 1")).to_be_visible()
    assert world.linking.number(SHARED).rule is None


def test_a_rejected_link_is_given_to_the_lead_that_was_meant(
    contested: App, server: Server, open_page: OpenPage
) -> None:
    page = open_page(server, "/conflicts?kind=rejected_link")
    expect(shown(page, "must have hit the UNIQUE constraint")).to_be_visible()
    expect(shown(page, "The result of job 508")).to_be_visible()
    press(page, f"It belongs to lead {BEN}…")
    expect(page.get_by_role("dialog")).to_contain_text("Ben Hall")
    press(page, f"It belongs to lead {BEN}", within="dialog")
    expect(shown(page, "No conflicts")).to_be_visible()
    assert contested.linking.call(CURRENT).lead_id == BEN


def test_a_suspect_link_beside_the_better_lead(contested: App, server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/unlinked?view=suspect")
    expect(page.get_by_role("heading", name="Which lead is right?")).to_be_visible()
    expect(shown(page, "linked now")).to_be_visible()
    expect(shown(page, "fits better")).to_be_visible()
    press(page, "The link is right…")
    press(page, f"Yes, keep lead {ANA}", within="dialog")
    expect(shown(page, "No suspect link")).to_be_visible()
    assert contested.linking.call(CURRENT).suspect is None and contested.linking.conflicts().total == 0


def test_pages_are_accessible(contested: App, server: Server, open_page: OpenPage) -> None:
    contested.linking.set_number_rule(SHARED, "switchboard", reason="The front desk")
    page = open_page(server, "/overview")
    assert {path: found for path in PAGES if (found := visited(page, path))} == {}
