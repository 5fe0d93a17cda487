"""Coming in, going out and being shown the door, in a real browser."""

import re
from collections.abc import Callable
from typing import Any

import psycopg
from playwright.sync_api import expect

from core.access.sessions import BELIEVED_SECONDS
from core.app import App
from tests.browser.conftest import OpenPage, Server, idle
from tests.sign_in import Cookie
from tests.ui.conftest import FORMAT

PASSWORD = "correct horse 17"


def test_the_link_signs_in_and_an_ended_session_stops_a_live_page(
    server: Server, open_page: OpenPage, connection: psycopg.Connection[Any]
) -> None:
    page = open_page(server, f"/lookup?q={FORMAT}", signed_in=False)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("works once")).to_be_visible()
    assert page.locator("script").count() == 0

    cookie: Cookie = server.cookie
    page.context.add_cookies([{"name": cookie.name, "value": cookie.value, "url": server.url}])
    page.goto(f"/lookup?q={FORMAT}")
    idle(page)
    expect(page.get_by_text("Acting as")).to_be_visible()
    expect(page.get_by_role("button", name="Link to lead 2")).to_be_visible()

    connection.execute("delete from public.patchbay_sessions")
    page.wait_for_timeout(BELIEVED_SECONDS * 1000 + 500)
    page.get_by_role("button", name="Link to lead 2").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    expect(page.get_by_role("button", name="Link to lead 2")).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("link", name="Sign in again").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_viewer_signs_in_reads_cannot_link_and_signs_out(
    world: App, db: str, serve: Callable[..., Server], open_page: OpenPage
) -> None:
    world.access.accounts.add("Vera", "viewer", PASSWORD)
    server = serve(db, PATCHBAY_AUTH="required")
    page = open_page(server, f"/lookup?q={FORMAT}", signed_in=False, color_scheme="dark")
    page.get_by_label("Name").fill("vera")
    page.get_by_label("Password").fill("not the password")
    with page.expect_response(lambda answer: answer.url.endswith("/login")) as refused:
        page.get_by_role("button", name="Sign in").click()
    assert refused.value.status == 401
    expect(page.get_by_role("alert")).to_have_text("Name or password are wrong.")
    expect(page.get_by_label("Name")).to_have_value("vera")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(f"/lookup\\?q={FORMAT}$"))
    idle(page)
    expect(page.get_by_text("Vera (viewer)")).to_be_visible()
    page.get_by_role("button", name="Link to lead 2").first.click()
    idle(page)
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Link to lead 2")).to_be_disabled()
    expect(dialog).to_contain_text("viewers can read but not change anything")
    dialog.get_by_role("button", name="Cancel").click()
    idle(page)
    page.get_by_role("link", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.goto("/overview")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
