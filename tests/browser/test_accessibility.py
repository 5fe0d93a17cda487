"""axe-core on every page, in both themes: no serious violation of our own (WCAG 2 A and AA)."""

from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest
from playwright.sync_api import Page, expect

from core.app import App
from core.linking import Options
from tests.browser.conftest import OpenPage, Server, idle, press
from tests.ui.conftest import ANA, BEN, FORMAT
from tests.ui.test_conflicts import CONTRADICTION, DUPLICATES, NOTES, VARIANTS

AXE = Path(__file__).parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async () => {
    const found = await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']});
    return found.violations.flatMap(rule => rule.nodes.map(node => ({
        rule: rule.id, impact: rule.impact, target: node.target.join(' '), html: node.html, why: node.failureSummary
    })));
}"""
IN_THEME = """scheme => {
    const page = getComputedStyle(document.querySelector('[data-testid="stApp"]') ?? document.body);
    const light = color => Math.max(...color.match(/[\\d.]+/g).slice(0, 3));
    return (light(page.color) > 127) === (scheme === 'dark');
}"""
"""Whether the words of the page have the theme's colour."""
PAGES = (
    "/overview",
    "/unlinked",
    "/unlinked?view=by_number",
    "/unlinked?view=suspect",
    "/unlinked?view=stuck",
    "/unlinked?view=dangling",
    "/unlinked?view=set_aside",
    "/unlinked?view=all",
    "/unlinked?bulk=all",
    "/conflicts",
    "/conflicts?kind=contradicting_event_rows",
    "/conflicts?kind=sid_variant",
    "/conflicts?kind=two_leads_claim",
    f"/lookup?q={FORMAT}",
    "/lookup",
    "/leads",
    f"/leads?lead={ANA}",
    "/leads?number=%2B14155550104",
    "/activity",
    "/system",
)
DIALOGS = (
    ("/conflicts?kind=duplicate_event_rows", "Merge"),
    (f"/lookup?q={FORMAT}", "Link to lead"),
    ("/overview", "Search"),
)
LONG_TALK = f"""
insert into conversation_transcripts (call_sid, role, content, "timestamp")
select '{FORMAT}', 'user', 'And another thing, number ' || n, now() - interval '3 days' + n * interval '9 seconds'
from generate_series(2, 30) n"""
"""More than its frame holds, so that it scrolls."""
CORNERS = f"""
insert into call_events (call_sid, direction, from_number, to_number, call_status, created_at) values
    ('CA{"6" * 32}', 'inbound', '+14155550177', '+14155550000', 'in-progress', now() - interval '2 days');
insert into leads (id, name, phone, call_sid) values (60, 'Gil Ro', '+14155550178', 'CA{"7" * 32}')"""
"""A stuck call and a dangling link."""
STREAMLITS_OWN = (
    ("aria-dialog-name", "stToast"),
    ("svg-img-alt", "stMetric"),
)
"""Violations in Streamlit's own elements, which a page cannot mend: the rule, and what the element's HTML contains."""


@pytest.fixture
def torn(world: App, connection: psycopg.Connection[Any]) -> App:
    """The small world with something on every page."""
    for trouble in (DUPLICATES, CONTRADICTION, VARIANTS, NOTES, LONG_TALK, CORNERS):
        connection.execute(trouble.encode())
    world.linking.link(FORMAT, BEN, Options(actor="dana", reason="said so"))
    world.linking.unlink(FORMAT)
    world.linking.judge()
    return world


def visited(page: Page, path: str, button: str | None = None) -> list[str]:
    """The violations of a page, or of the dialog that a button of it opens."""
    page.goto(path)
    idle(page)
    if button:
        press(page, button)
        expect(page.get_by_role("dialog")).to_be_visible()
    return violations(page)


def violations(page: Page) -> list[str]:
    """Serious and critical violations in either theme, those of Streamlit's own elements left out."""
    assert AXE.is_file(), f"axe-core is missing ({AXE}): make tools, or npm ci --prefix tests/browser/axe"
    page.evaluate(AXE.read_text())
    return [words for scheme in ("dark", "light") for words in _violations(page, scheme)]


def _violations(page: Page, scheme: Literal["dark", "light"]) -> list[str]:
    """The page follows the browser's theme while it is open, and fades into it."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(IN_THEME, arg=scheme)
    page.wait_for_timeout(250)
    found = page.evaluate(RUN)
    ours = [each for each in found if each["impact"] in ("serious", "critical") and not excused(each)]
    return [f"{scheme}: {each['rule']} {each['target']}: {each['html'][:200]} {each['why'][:200]}" for each in ours]


def excused(found: dict[str, Any]) -> bool:
    return any(rule == found["rule"] and sign in found["html"] for rule, sign in STREAMLITS_OWN)


def test_every_page_and_dialog_is_accessible(torn: App, server: Server, open_page: OpenPage) -> None:
    page = open_page(server, "/overview")
    found = {path: visited(page, path) for path in PAGES}
    for path, button in DIALOGS:
        found[f"{path}: {button}"] = visited(page, path, button)
    told = "\n".join(f"{path}: {words}" for path, listed in found.items() for words in listed)
    assert not told, told
