"""The foundation's whole journey on Supabase's way: a project reached by URL and key, without DATABASE_URL."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from core import demo
from core.app import App, build
from core.linking import WorklistFilter
from core.settings import Settings
from core.store.migrate import migrate
from tests.browser.conftest import OpenPage, Server, idle, pick_row, press, shown
from tests.contract.rest import SECRET_KEY, prepare, serving
from tests.database.conftest import Cluster
from tests.sign_in import printed_link


@dataclass(frozen=True)
class Project:
    """A demo business in a hosted project, and a console that knows its URL and key alone."""

    app: App
    server: Server


@pytest.fixture
def project(hosted: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    log = tmp_path_factory.mktemp("project") / "console.log"
    with hosted.database(hosted.new_database()) as url:
        fill(url)
        with serving(url) as rest:
            known = {"SUPABASE_URL": rest.url, "SUPABASE_SERVICE_ROLE_KEY": SECRET_KEY}
            app = build(Settings.load(env=known))
            server = Server("", log, **known)
            yield Project(app, server)
            server.stop()
            app.close()
    assert "Traceback" not in log.read_text(), log.read_text()


def fill(url: str) -> None:
    """What is there before the console starts: the pasted schema, and demo rows, which only a direct way may write."""
    prepare(url)
    migrate(url)
    direct = build(Settings.load(env={"DATABASE_URL": url}))
    demo.fill(direct, calls=200, now=datetime(2026, 1, 15, 12, tzinfo=UTC))
    direct.close()


def test_the_whole_journey_by_key(project: Project, open_page: OpenPage) -> None:
    link = printed_link(project.server.log.read_text)
    page = open_page(project.server, link, signed_in=False)
    idle(page)
    expect(page.get_by_role("heading", name="Overview", level=1)).to_be_visible()
    expect(page.get_by_text("Supabase · 127.0.0.1 · demo data")).to_be_visible()
    sid, lead = find_link_and_undo(page, project.app)
    relink_and_read_both_leads(page, project.app, sid, lead)
    look_up_a_pasted_log_line(page, sid)


def find_link_and_undo(page: Page, app: App) -> tuple[str, int]:
    """Link the second call of a cause to its best candidate and take it back; the call and that lead."""
    wanted = app.linking.worklist(WorklistFilter(cause="format_mismatch"), limit=5).items[1]
    sid, lead = wanted.call_sid, wanted.best_lead_id
    assert lead is not None
    page.get_by_role("link", name="Open format mismatch").click()
    expect(page).to_have_url(re.compile(r"/unlinked\?cause=format_mismatch"))
    idle(page)
    pick_row(page, 1)
    expect(page).to_have_url(re.compile(f"call={sid}"))
    press(page, f"Link to lead {lead}")
    press(page, f"Link to lead {lead}", within="dialog")
    expect(page.get_by_test_id("stToast")).to_contain_text(f"linked to lead {lead}")
    assert app.linking.story(sid).call.lead_id == lead
    press(page, "Undo")
    expect(shown(page, "Undone: the call is unlinked again.")).to_be_visible()
    assert app.linking.story(sid).call.lead_id is None
    return sid, lead


def relink_and_read_both_leads(page: Page, app: App, sid: str, lead: int) -> None:
    """Tie the call to its lead again and move it to another; then both leads' pages say whose it is."""
    other = next(each.id for each in app.linking.find_leads(limit=50).items if not each.call_sid and each.id != lead)
    app.linking.link(sid, lead)
    page.goto(f"/lookup?q={sid}")
    idle(page)
    page.get_by_label("Relink to lead").fill(str(other))
    page.keyboard.press("Enter")
    idle(page)
    press(page, "Relink…")
    for named in (lead, other):
        expect(page.get_by_role("dialog")).to_contain_text(f"Lead {named}")
    press(page, f"Relink to lead {other}", within="dialog")
    expect(page.get_by_text(f"Linked to lead {other} · current call")).to_be_visible()
    assert app.leads.find_by_id(other).call_sid == sid
    assert app.leads.find_by_id(lead).call_sid != sid
    page.goto(f"/leads?lead={other}")
    idle(page)
    expect(page.get_by_role("heading", name="Its calls · 1")).to_be_visible()
    page.goto(f"/leads?lead={lead}&other={sid}")
    idle(page)
    expect(page.get_by_role("link", name=f"It is linked to lead {other}")).to_be_visible()


def look_up_a_pasted_log_line(page: Page, sid: str) -> None:
    page.goto("/lookup")
    idle(page)
    page.get_by_role("searchbox").fill(f"10:02:11 ERROR link failed sid={sid.lower()} attempt=3")
    page.keyboard.press("Enter")
    idle(page)
    expect(page).to_have_url(re.compile(f"/lookup\\?q={sid}$"))
    expect(shown(page, "Linked to lead")).to_be_visible()
