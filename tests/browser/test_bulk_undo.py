"""Undo of a large batch in a browser: by its link, followed, stopped, carried on, redone."""

import re
import uuid
from typing import Any

import psycopg
from playwright.sync_api import expect

from core.app import App
from core.linking import Options
from tests.browser.conftest import OpenPage, Server, idle, press
from tests.browser.test_accessibility import violations

BATCH = str(uuid.UUID(int=41))
MANY = 240


def set_aside_many(world: App, connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "insert into call_events (call_sid, direction, call_status, created_at) select 'CA' || lpad(n::text, 32, 'd'), "
        "'inbound', 'completed', now() - n * interval '1 hour' from generate_series(1, %s) n",
        (MANY,),
    )
    for row in world.gateway.select("call_links"):
        if row["call_sid"].startswith("CAd"):
            world.linking.set_aside(row["call_sid"], Options(batch_id=BATCH))


def test_a_large_batch_is_undone_and_redone_on_its_own_page(
    world: App, connection: psycopg.Connection[Any], server: Server, open_page: OpenPage
) -> None:
    set_aside_many(world, connection)
    page = open_page(server, f"/activity?batch={BATCH}")
    page.get_by_role("link", name=re.compile("Undo the whole batch")).click()
    expect(page.get_by_text(f"{MANY} changes would be taken back")).to_be_visible(timeout=20_000)
    idle(page)
    assert not violations(page)
    press(page, f"Undo {MANY} changes")
    done = page.get_by_text(f"{MANY} changes taken back")
    expect(done).to_be_visible(timeout=60_000)
    idle(page)
    assert not violations(page)
    page.reload()
    expect(done).to_be_visible(timeout=20_000)
    assert not any(row["set_aside"] for row in world.gateway.select("call_links"))
    page.get_by_role("link", name=re.compile("Redo")).click()
    expect(page.get_by_role("button", name=re.compile(f"Undo {MANY} changes"))).to_be_visible(timeout=20_000)
    press(page, f"Undo {MANY} changes")
    expect(done).to_be_visible(timeout=60_000)
    press(page, "Back to the batch")
    expect(page.get_by_text(f"One batch of {MANY} changes")).to_be_visible()
