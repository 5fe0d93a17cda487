"""What the console shows and repairs, over a demo business with every cause and conflict: the same both ways."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from core import demo
from core.app import App, build
from core.linking import WorklistFilter
from core.linking.worklist import View
from core.model.causes import CAUSES
from core.settings import Settings
from tests.contract.rest import SECRET_KEY, prepare, serving
from tests.database.conftest import Cluster

VIEWS = get_args(View)


@dataclass(frozen=True)
class Business:
    """One demo database, by psycopg and by URL and key."""

    direct: App
    project: App

    def same(self, ask: Callable[[App], Any]) -> Any:
        """The answer to a question, after checking that both ways give it."""
        direct, project = ask(self.direct), ask(self.project)
        assert project == direct
        return project


@pytest.fixture(scope="module")
def business(hosted: Cluster) -> Iterator[Business]:
    from core.store.migrate import migrate

    with hosted.database(hosted.new_database()) as url:
        prepare(url)
        migrate(url)
        direct = build(Settings.load(env={"DATABASE_URL": url}))
        demo.fill(direct, calls=300, now=datetime(2026, 6, 1, 12, tzinfo=UTC))
        with serving(url) as rest:
            project = build(Settings.load(env={"SUPABASE_URL": rest.url, "SUPABASE_KEY": SECRET_KEY}))
            project.require_schema()
            yield Business(direct, project)
            project.close()
        direct.close()


def every_page(app: App, wanted: WorklistFilter, size: int) -> list[Any]:
    found, after = [], None
    while True:
        page = app.linking.worklist(wanted, limit=size, after=after)
        found += page.items
        if page.next is None:
            return found
        after = page.next


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_page_by_page(business: Business, view: Any) -> None:
    items = business.same(lambda app: every_page(app, WorklistFilter(view=view), 40))
    assert len(items) == business.same(lambda app: app.linking.count(WorklistFilter(view=view)))
    assert len({item.call_sid for item in items}) == len(items)


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause(business: Business, cause: str) -> None:
    wanted = WorklistFilter(cause=cause)
    page = business.same(lambda app: app.linking.worklist(wanted, limit=5).to_json(0))
    for item in page["items"][:2]:
        sid = item["call_sid"]
        business.same(lambda app, sid=sid: [each.to_json() for each in app.linking.candidates(sid)])
        business.same(lambda app, sid=sid: app.linking.lookup(sid).to_json())
        business.same(lambda app, sid=sid: app.linking.ticket(sid))


@pytest.mark.parametrize(
    "wanted",
    [
        WorklistFilter(direction="inbound"),
        WorklistFilter(status="completed", since=datetime(2026, 5, 1, tzinfo=UTC)),
        WorklistFilter(text="a"),
        WorklistFilter(text="100%, (or) \"this\" *"),
        WorklistFilter(number="+1415"),
        WorklistFilter(until=datetime(2026, 5, 20, tzinfo=UTC), text="e"),
    ],
)  # fmt: skip
def test_every_filter(business: Business, wanted: WorklistFilter) -> None:
    items = business.same(lambda app: every_page(app, wanted, 50))
    assert len(items) == business.same(lambda app: app.linking.count(wanted))
    business.same(lambda app: "".join(app.linking.export(wanted)))


def test_figures_numbers_and_checks(business: Business) -> None:
    figures = business.same(lambda app: app.linking.overview())
    assert figures["calls"] > 200 and figures["conflicts"]
    business.same(lambda app: app.linking.per_day(60, "America/New_York"))
    business.same(lambda app: app.linking.by_number(WorklistFilter(), limit=20))
    business.same(lambda app: [check.to_json() for check in app.linking.doctor()])


def test_conflicts_and_the_constraint(business: Business) -> None:
    page = business.same(lambda app: app.linking.conflicts(limit=200))
    kinds = {item.conflict.kind for item in page.items}
    assert len(kinds) >= 3
    for kind in sorted(kinds):
        business.same(lambda app, kind=kind: app.linking.conflicts(kind, limit=3))
    business.same(lambda app: app.linking.constraint())


def test_leads_and_search(business: Business) -> None:
    page = business.same(lambda app: app.linking.find_leads(limit=30))
    for lead in page.items[:5]:
        business.same(lambda app, lead=lead: app.linking.lead_story(lead.id))
        business.same(lambda app, lead=lead: app.linking.calls_of_lead(lead.id))
        business.same(lambda app, lead=lead: app.linking.search(lead.name or "x"))
    business.same(lambda app: app.linking.find_leads('a, (b) "c" 100%*'))


def test_repairs_of_conflicts_and_their_undo(business: Business) -> None:
    """Through the project alone; afterwards both ways see the same again, and the ledger fits."""
    linking = business.project.linking
    merged = next(item for item in linking.conflicts("duplicate_event_rows", limit=5).items)
    event = linking.merge_rows(str(merged.conflict.call_sid))
    assert event is not None and event.id is not None and event.undoes is None
    linking.undo(event.id)
    lead = linking.find_leads(limit=1).items[0]
    changed = linking.set_phone(lead.id, "+442079460123")
    assert changed is not None and changed.id is not None
    linking.undo(changed.id)
    (own, *_) = business.direct.gateway.select("own_numbers", limit=1)
    for answer in (True, own["confirmed"]):
        linking.confirm_own_number(own["number"], answer)
    linking.judge()
    business.same(lambda app: app.linking.overview())
    assert business.same(lambda app: app.gateway.select("link_drift")) == []
