"""A bulk link in a browser: preview, apply, leave while it runs, find it again, undo."""

from typing import Any

import psycopg
from playwright.sync_api import expect

from core.app import App
from tests.browser.conftest import OpenPage, Server, idle, press
from tests.database import bulk_town


def linked(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("select count(*) from link_events where source = 'automatic'").fetchone()
    return int(row[0]) if row else 0


def test_closing_the_window_does_not_stop_it_and_one_undo_takes_it_back(
    server: Server, open_page: OpenPage, world: App, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("select setval(pg_get_serial_sequence('leads', 'id'), 100)")  # the small world names its ids
    bulk_town.fill(connection, leads=300, calls=1500)
    world.linking.judge()
    page = open_page(server, "/unlinked?direction=inbound")
    press(page, "Link safe ones")
    expect(page.get_by_text("would be linked")).to_be_visible(timeout=20_000)
    assert "bulk=all" in page.url and "direction=inbound" in page.url
    press(page, "Link 1,")
    page.wait_for_url("**batch=*", timeout=20_000)
    address = page.url
    page.context.close()

    again = open_page(server, address.removeprefix(server.url))
    expect(again.get_by_text("✓ done")).to_be_visible(timeout=60_000)
    assert linked(connection) > 1400
    again.reload()
    expect(again.get_by_text("✓ done")).to_be_visible(timeout=20_000)
    expect(again.get_by_role("link", name="Its changes in Activity")).to_be_visible()


def test_rows_are_selected_and_previewed(server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/unlinked")
    page.get_by_text("Select", exact=True).click()
    idle(page)
    expect(page.get_by_role("button", name="Link selected calls")).to_be_disabled()
    table = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert table
    for row in (1, 2):
        page.mouse.click(table["x"] + 17, table["y"] + 35 * row + 17)
        idle(page)
    press(page, "Link 2 selected calls")
    expect(page.get_by_text("2 selected calls")).to_be_visible(timeout=20_000)
    press(page, "Back to the list")
    expect(page.get_by_role("heading", name="Unlinked calls")).to_be_visible(timeout=20_000)
