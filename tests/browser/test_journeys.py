"""What people do in a day, in a real browser. One console serves all journeys; each has leads and calls of its own."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from playwright.sync_api import expect

from core.app import App, build
from core.linking import Options
from core.settings import Settings
from tests.browser.conftest import OpenPage, Server, idle, pick_row, press, shown
from tests.database.conftest import Cluster
from tests.ui.conftest import FORMAT


@dataclass
class Town:
    """A console with people in it: makes leads and calls with numbers that nobody else has."""

    app: App
    connection: psycopg.Connection[Any]
    server: Server
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def number(self) -> str:
        return f"+1415555{next(self.numbers):04d}"

    def lead(self, phone: str, name: str = "Ana Ortiz") -> int:
        insert = "insert into leads (name, phone, lead_status) values (%s, %s, 'contacted') returning id"
        row = self.connection.execute(insert, (name, phone)).fetchone()
        assert row
        return int(row[0])

    def call(self, number: str, *, hours: int = 1, direction: str = "inbound") -> str:
        sid = f"CA{next(self.numbers):032x}"
        ours = "+14155990000"
        ends = (number, ours) if direction == "inbound" else (ours, number)
        self.connection.execute(
            "insert into call_events"
            " (call_sid, direction, from_number, to_number, call_status, call_duration, created_at)"
            " values (%s, %s, %s, %s, 'completed', 61, now() - %s * interval '1 hour')",
            (sid, direction, *ends, hours),
        )
        self.app.linking.judge()
        return sid

    def says(self, sid: str, words: str) -> None:
        insert = "insert into conversation_transcripts (call_sid, role, content) values (%s, 'user', %s)"
        self.connection.execute(insert, (sid, words))

    def lead_of(self, sid: str) -> int | None:
        return self.app.linking.story(sid).call.lead_id


@pytest.fixture(scope="module")
def town(pg18: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    log = tmp_path_factory.mktemp("town") / "console.log"
    with pg18.database(pg18.migrated_database()) as url, psycopg.connect(url, autocommit=True) as connection:
        app = build(Settings.load(env={"DATABASE_URL": url}))
        server = Server(url, log)
        yield Town(app, connection, server)
        server.stop()
        app.close()
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/overview", "Overview"),
        ("/unlinked?cause=format_mismatch", "Unlinked calls"),
        (f"/lookup?q={FORMAT}", "Call lookup"),
    ],
)
def test_each_page_opens_by_its_address_on_a_cold_server(
    server: Server, open_page: OpenPage, path: str, title: str
) -> None:
    page = open_page(server, path)
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_bare_address_opens_the_overview(town: Town, open_page: OpenPage) -> None:
    page = open_page(town.server, "/")
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()


def test_find_an_unlinked_call_link_it_and_undo(town: Town, open_page: OpenPage) -> None:
    number = town.number()
    lead = town.lead(number)
    newer, older = town.call(number, hours=1), town.call(number, hours=2)
    page = open_page(town.server, f"/unlinked?number={number.replace('+', '%2B')}")
    pick_row(page, 1)
    expect(page).to_have_url(re.compile(f"call={older}"))
    press(page, f"Link to lead {lead}")
    expect(page.get_by_role("dialog")).to_contain_text(f"linked to lead {lead} · current call")
    press(page, f"Link to lead {lead}", within="dialog")
    expect(page.get_by_test_id("stToast")).to_contain_text(f"linked to lead {lead}")
    assert town.lead_of(older) == lead
    expect(page).not_to_have_url(re.compile("call="))
    expect(shown(page, newer)).to_be_visible()
    press(page, "Undo")
    expect(shown(page, "Undone: the call is unlinked again.")).to_be_visible()
    assert town.lead_of(older) is None


def test_relink_and_read_both_leads(town: Town, open_page: OpenPage) -> None:
    number = town.number()
    first, second = town.lead(number, "Ana Ortiz"), town.lead(town.number(), "Cleo *Marsh*")
    sid = town.call(number)
    town.app.linking.link(sid, first)
    page = open_page(town.server, f"/lookup?q={sid}")
    page.get_by_label("Relink to lead").fill(str(second))
    page.keyboard.press("Enter")
    idle(page)
    press(page, "Relink…")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Lead {first} · Ana Ortiz: current call")
    expect(dialog).to_contain_text(f"Lead {second} · Cleo *Marsh*: current call")
    press(page, f"Relink to lead {second}", within="dialog")
    expect(page.get_by_text(f"Linked to lead {second} · current call")).to_be_visible()
    assert town.app.leads.find_by_id(first).call_sid is None
    assert town.app.leads.find_by_id(second).call_sid == sid


def test_look_up_a_pasted_log_line(town: Town, open_page: OpenPage) -> None:
    sid = town.call(town.number())
    town.says(sid, "Ben Hall here, <b>about</b> the garden.")
    page = open_page(town.server, "/lookup")
    expect(page.get_by_text("Paste anything that names a call")).to_be_visible()
    page.get_by_role("searchbox").fill(f"10:02:11 ERROR link failed sid={sid.lower()} attempt=3")
    page.keyboard.press("Enter")
    idle(page)
    expect(page.get_by_text("Ben Hall here, <b>about</b> the garden.")).to_be_visible()
    expect(page).to_have_url(re.compile(f"/lookup\\?q={sid}$"))


def test_the_overview_leads_to_the_calls_of_a_cause(town: Town, open_page: OpenPage) -> None:
    number = town.number()
    town.lead(f"({number[2:5]}) {number[5:8]}-{number[8:]}")
    town.call(number)
    page = open_page(town.server, "/overview")
    press(page, "Refresh")
    page.get_by_role("link", name="Open format mismatch").click()
    expect(page).to_have_url(re.compile("/unlinked\\?cause=format_mismatch"))
    idle(page)
    expect(page.get_by_text(re.compile(r"^\d+ of \d+"))).to_be_visible()
    page.go_back()
    idle(page)
    page.locator(".js-plotly-plot").nth(1).locator(".barlayer .point path").first.click(force=True)
    expect(page).to_have_url(re.compile(r"/unlinked\?cause="))


def test_filters_live_in_the_address_and_back_leads_back(town: Town, open_page: OpenPage) -> None:
    number = town.number()
    town.call(number, direction="outbound-api", hours=1)
    sid = town.call(number, hours=2)
    page = open_page(town.server, f"/unlinked?number={number.replace('+', '%2B')}")
    page.get_by_role("combobox", name="Direction").click()
    page.get_by_role("option", name="inbound").click()
    idle(page)
    expect(page).to_have_url(re.compile("direction=inbound"))
    expect(shown(page, sid)).to_be_visible()
    shared = page.url
    page.get_by_role("link", name="Open in Call lookup").click()
    expect(page).to_have_url(re.compile(f"/lookup\\?q={sid}"))
    idle(page)
    page.go_back()
    expect(page).to_have_url(shared)
    idle(page)
    expect(page.get_by_text(re.compile("^1 of"))).to_be_visible()


def test_a_link_to_the_same_page_shows_its_own_filters_only(town: Town, open_page: OpenPage) -> None:
    number = town.number()
    town.lead(number)
    sid = town.call(number)
    page = open_page(town.server, f"/unlinked?direction=inbound&call={sid}")
    page.get_by_role("link", name="Unlinked calls of this number").first.click()
    expect(page).to_have_url(re.compile(r"/unlinked\?number=[^&]+$"))


def test_a_match_is_a_link_that_can_be_shared(town: Town, open_page: OpenPage) -> None:
    number = town.number()
    sid, other = town.call(number, hours=1), town.call(number, hours=2)
    page = open_page(town.server, f"/lookup?q={number.replace('+', '%2B')}")
    links = page.get_by_role("link", name=re.compile(f"^CA00…{sid[-4:]}"))
    links.click()
    expect(page).to_have_url(re.compile(f"/lookup\\?q={sid}$"))
    page.go_back()
    expect(page.get_by_role("link", name=re.compile(f"^CA00…{other[-4:]}"))).to_be_visible()


def test_the_second_of_two_people_is_told_what_changed_and_by_whom(town: Town, open_page: OpenPage) -> None:
    number = town.number()
    one, two = town.lead(number, "Dan Roe"), town.lead(number, "Eve Roe")
    sid = town.call(number)
    first, second = (open_page(town.server, f"/lookup?q={sid}") for _ in range(2))
    press(first, f"Link to lead {one}")
    press(second, f"Link to lead {two}")
    press(first, f"Link to lead {one}", within="dialog")
    press(second, f"Link to lead {two}", within="dialog")
    dialog = second.get_by_role("dialog")
    expect(dialog).to_contain_text(f"belongs to lead {one} now")
    expect(dialog).to_contain_text(town.app.linking.activity(call=sid)[0].actor)
    assert town.lead_of(sid) == one
    second.keyboard.press("Escape")
    idle(second)
    expect(second.get_by_text(f"Linked to lead {one} · current call")).to_be_visible()


def test_set_aside_and_find_it_in_its_view(town: Town, open_page: OpenPage) -> None:
    number = town.number()
    sid = town.call(number)
    page = open_page(town.server, f"/unlinked?number={number.replace('+', '%2B')}")
    press(page, "Set aside…")
    press(page, "Set aside", within="dialog")
    assert town.app.linking.story(sid).call.state == "set_aside"
    page.get_by_role("radio", name="set aside").click()
    idle(page)
    expect(page.get_by_role("button", name="Restore…")).to_be_visible()


def test_a_change_from_elsewhere_shows_after_refresh(town: Town, open_page: OpenPage) -> None:
    number = town.number()
    lead, sid = town.lead(number), town.call(number)
    page = open_page(town.server, f"/lookup?q={sid}")
    town.app.linking.link(sid, lead, Options(actor="dana"))
    press(page, "Refresh")
    expect(page.get_by_text(f"Linked to lead {lead} · current call")).to_be_visible()
    expect(shown(page, "dana ·")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_fit_a_narrow_window(town: Town, open_page: OpenPage, scheme: str) -> None:
    sid = town.call(town.number())
    for path in ("/overview", "/unlinked", f"/lookup?q={sid}"):
        page = open_page(town.server, path, color_scheme=scheme, viewport={"width": 1100, "height": 800})
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow <= 0, f"{path} scrolls sideways in a narrow window"
