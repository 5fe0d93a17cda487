"""The pages in front of the door, through axe-core in both themes, and the console before its database has a schema."""

import re
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Page, expect

from core.app import App
from tests.browser.conftest import OpenPage, Server, idle, shown
from tests.browser.test_accessibility import violations
from tests.database.conftest import GUIDE_TABLES, Cluster

PASSWORD = "correct horse 17"


@pytest.fixture
def bare(pg18: Cluster) -> Iterator[str]:
    """A database with the guide's tables and nothing of ours."""
    with pg18.database(pg18.new_database()) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(GUIDE_TABLES.encode())
        yield url


def checked(page: Page, heading: str) -> None:
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    found = violations(page)
    assert not found, "\n".join(found)


def test_the_links_page(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/login", signed_in=False)
    checked(page, "Sign in")


def test_accounts_pages(world: App, db: str, serve: Callable[..., Server], open_page: OpenPage) -> None:
    server = serve(db, PATCHBAY_AUTH="required")
    page = open_page(server, "/login", signed_in=False)
    checked(page, "Create the first account")
    world.access.accounts.add("Vera", "viewer", PASSWORD)
    page.goto("/login")
    checked(page, "Sign in")
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    checked(page, "Sign in")


class Unready(Server):
    """A console that cannot get ready, since its database has no schema."""

    def _wait(self) -> None:
        for _ in range(400):
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5) as answer:  # noqa: S310 - our own server
                    if answer.status == 200:
                        return
            except OSError:
                time.sleep(0.1)
        pytest.fail(self.log.read_text())


def test_without_a_schema_the_machines_user_is_shown_what_to_run(bare: str, open_page: OpenPage, tmp_path: Any) -> None:
    server = Unready(bare, tmp_path / "console.log")
    try:
        page = open_page(server, "/system")
        expect(page.get_by_text("The database has no Patchbay schema yet.")).to_be_visible()
        expect(page.get_by_text(re.compile(r"\d+ migrations are missing"))).to_be_visible()
        expect(page.get_by_text("python -m core migrate", exact=True)).to_be_visible()
        page.get_by_role("button", name="Show all migrations as one script").click()
        idle(page)
        expect(shown(page, "create table if not exists public.calls")).to_be_visible()
        assert violations(page) == []
    finally:
        server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()


def test_without_a_schema_people_with_accounts_are_told_the_command(
    bare: str, open_page: OpenPage, tmp_path: Any
) -> None:
    server = Unready(bare, tmp_path / "console.log", PATCHBAY_AUTH="required")
    try:
        page = open_page(server, "/login", signed_in=False)
        checked(page, "Not right now")
        expect(page.get_by_text("python -m core migrate --print")).to_be_visible()
    finally:
        server.stop()
