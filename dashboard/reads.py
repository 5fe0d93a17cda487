"""What the pages read, cached briefly. After a write :func:`clear` empties every cache by name."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from core import app as console
from core.errors import Refused
from core.linking import BatchStatus, Command, LiveCall, LiveCalls, System
from core.linking.batch_preview import BatchPreview
from core.linking.conflicts import ConflictPage, Constraint
from core.linking.corrections import Correction
from core.linking.differences import Differences
from core.linking.lead_book import LeadPage, LeadStory, PhonePreview
from core.linking.number_rules import NumberStory
from core.linking.results import Check, Matches, Story, WorklistPage
from core.linking.search import Hits
from core.linking.views import NumberPage
from core.linking.worklist import WorklistFilter
from core.model.records import Call, Lead, LinkEvent
from core.store.gateway import Order, Where
from core.store.migrate import MigrationStatus, script, status
from dashboard import state

PAGE_SIZE = 50
"""Rows of a worklist page."""
SEARCH_SECONDS = 1.0
LEAD_CALLS = 8
"""How many of a lead's other calls its card lists."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The overview's figures (contract) and when they were read."""

    values: dict[str, Any]
    read_at: datetime


@dataclass(frozen=True, slots=True)
class LeadCalls:
    """A lead's linked calls, newest first: how many there are, and the first few."""

    total: int
    newest: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class ActivityFilter:
    """Which link events the ledger shows; None does not filter."""

    lead: int | None = None
    call: str | None = None
    actor: str | None = None
    batch: str | None = None


@st.cache_data(ttl=15, max_entries=4, show_spinner=False)
def figures() -> Figures:
    """The counts of the overview."""
    return Figures(console.shared().linking.overview(), datetime.now(UTC))


@st.cache_data(ttl=60, max_entries=32, show_spinner=False)
def per_day(days: int, zone: str) -> list[dict[str, Any]]:
    """Calls per day of the viewer's time zone: day, current, history, unlinked, set_aside."""
    return [dict(row) for row in console.shared().linking.per_day(days, zone)]


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def checks() -> list[Check]:
    """The database's own checks."""
    return list(console.shared().linking.doctor())


@st.cache_data(ttl=10, max_entries=64, show_spinner=False)
def worklist(wanted: WorklistFilter, after: str | None) -> WorklistPage:
    """One page of a worklist; what a text finds within about the seconds that one waits for a page."""
    return console.shared().linking.worklist(wanted, limit=PAGE_SIZE, after=after, seconds=SEARCH_SECONDS)


@st.cache_data(ttl=10, max_entries=32, show_spinner=False)
def by_number(wanted: WorklistFilter, after: str | None) -> NumberPage:
    """One page of unlinked calls grouped by number."""
    return console.shared().linking.by_number(wanted, limit=PAGE_SIZE, after=after)


def export(wanted: WorklistFilter) -> bytes:
    """A worklist as a CSV file, every call that the filters leave. Not cached: it is made when it is asked for."""
    return "".join(console.shared().linking.export(wanted)).encode()


def export_numbers(wanted: WorklistFilter) -> bytes:
    """The numbers with unlinked calls as a CSV file."""
    return "".join(console.shared().linking.export_numbers(wanted)).encode()


def export_conflicts(kind: str | None) -> bytes:
    """The conflicts of a kind, or all, as a CSV file."""
    return "".join(console.shared().linking.export_conflicts(kind)).encode()


@st.cache_data(ttl=10, max_entries=128, show_spinner=False)
def count(wanted: WorklistFilter) -> int:
    """How many calls a worklist has."""
    return console.shared().linking.count(wanted)


@st.cache_data(ttl=5, max_entries=64, show_spinner=False)
def lookup(text: str) -> Story | Matches:
    """What a pasted text names."""
    return console.shared().linking.lookup(text)


@st.cache_data(ttl=5, max_entries=64, show_spinner=False)
def story(call_sid: str) -> Story:
    """Everything about one call."""
    return console.shared().linking.story(call_sid)


@st.cache_data(ttl=0.9, max_entries=4, show_spinner=False)
def live(limit: int) -> LiveCalls:
    """The calls in progress; one read a second serves everybody who looks."""
    return console.shared().linking.live(limit)


@st.cache_data(ttl=0.9, max_entries=64, show_spinner=False)
def live_call(call_sid: str) -> LiveCall | None:
    """One call while it is in progress."""
    return console.shared().linking.live_call(call_sid)


@st.cache_data(ttl=60, max_entries=32, show_spinner=False)
def live_story(call_sid: str, mark: tuple[object, ...]) -> Story:
    """Everything about a call in progress, read anew when its mark changes."""
    return console.shared().linking.story(call_sid)


@st.cache_data(ttl=5, max_entries=128, show_spinner=False)
def lead(lead_id: int) -> Lead | None:
    """A lead, or None when it is gone."""
    return console.shared().leads.find_by_id(lead_id)


@st.cache_data(ttl=10, max_entries=64, show_spinner=False)
def calls_of_lead(lead_id: int) -> LeadCalls:
    """The calls that are linked to a lead."""
    gateway, mine = console.shared().gateway, [Where("lead_id", "eq", lead_id)]
    newest = [Order("started_at", descending=True), Order("call_sid", descending=True)]
    rows = gateway.select("call_links", where=mine, order=newest, limit=LEAD_CALLS)
    return LeadCalls(gateway.count("call_links", where=mine), tuple(Call.from_row(row) for row in rows))


@st.cache_data(ttl=10, max_entries=64, show_spinner=False)
def activity(wanted: ActivityFilter, before: int | None) -> tuple[list[LinkEvent], bool]:
    """One page of the ledger, newest first, and whether there are older events."""
    asked = {"lead": wanted.lead, "call": wanted.call, "actor": wanted.actor, "batch": wanted.batch}
    found = console.shared().linking.activity(**asked, before=before, limit=PAGE_SIZE + 1)
    return found[:PAGE_SIZE], len(found) > PAGE_SIZE


@st.cache_data(ttl=10, max_entries=64, show_spinner=False)
def event(event_id: int) -> LinkEvent | None:
    """One event of the ledger, or None."""
    found = console.shared().linking.activity(before=event_id + 1, limit=1)
    return found[0] if found and found[0].id == event_id else None


@st.cache_data(ttl=10, max_entries=64, show_spinner=False)
def undo_obstacle(event_id: int) -> str | None:
    """Why an event cannot be undone now, or None when it can."""
    try:
        would = console.shared().linking.preview(Command("undo", event_id=event_id))
    except Refused as refusal:
        return refusal.message
    return None if would else "Nothing would change."


@st.cache_data(ttl=10, max_entries=16, show_spinner=False)
def batch(batch_id: str) -> list[LinkEvent]:
    """The newest events of a batch, at most 500."""
    return console.shared().linking.activity(batch=batch_id, limit=500)


@st.cache_data(ttl=3, max_entries=4, show_spinner=False)
def open_batches() -> list[BatchStatus]:
    """The bulk links that are under way or were interrupted."""
    return console.shared().linking.open_batches()


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def search(text: str) -> Hits:
    """Calls and leads that a text may mean."""
    return console.shared().linking.search(text)


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def ticket(call_sid: str, link: str | None, full_numbers: bool) -> str:
    """A call as text for a ticket."""
    return console.shared().linking.ticket(call_sid, link=link, full_numbers=full_numbers)


@st.cache_data(ttl=10, max_entries=64, show_spinner=False)
def leads(text: str, offset: int) -> LeadPage:
    """One page of the leads that a text finds."""
    return console.shared().linking.find_leads(text, limit=PAGE_SIZE, offset=offset)


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def lead_story(lead_id: int) -> LeadStory:
    """Everything about one lead."""
    return console.shared().linking.lead_story(lead_id)


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def number(text: str, after: str | None) -> NumberStory:
    """Everything about a number, with one page of its calls."""
    return console.shared().linking.number(text, limit=PAGE_SIZE, after=after)


@st.cache_data(ttl=5, max_entries=32, show_spinner=False)
def phone_preview(lead_id: int, phone: str) -> PhonePreview:
    """What storing this number for a lead would change."""
    return console.shared().linking.preview_phone(lead_id, phone)


@st.cache_data(ttl=10, max_entries=64, show_spinner=False)
def corrections(call_sid: str) -> tuple[Correction, ...]:
    """Leads whose phone could be mended so that an unlinked call finds them."""
    return console.shared().linking.corrections(call_sid)


@st.cache_data(ttl=10, max_entries=32, show_spinner=False)
def conflicts(kind: str | None, after: str | None) -> ConflictPage:
    """One page of conflicts, with how many there are of each kind."""
    return console.shared().linking.conflicts(kind, limit=PAGE_SIZE, after=after)


@st.cache_data(ttl=10, max_entries=4, show_spinner=False)
def constraint() -> Constraint:
    """Whether leads.call_sid is UNIQUE, and what stands in the way."""
    return console.shared().linking.constraint()


@st.cache_data(ttl=15, max_entries=4, show_spinner=False)
def system() -> System:
    """Everything that the System page shows."""
    return console.shared().linking.system()


@st.cache_data(ttl=15, max_entries=4, show_spinner=False)
def differences() -> Differences:
    """The rows that the checks of consistency and of missed changes count."""
    return console.shared().linking.differences()


@st.cache_data(ttl=10, max_entries=16, show_spinner=False)
def batch_preview(batch_id: str) -> BatchPreview:
    """What undoing a batch would do now."""
    return console.shared().linking.preview_undo_batch(batch_id)


@st.cache_data(ttl=60, max_entries=4, show_spinner=False)
def migrations() -> list[MigrationStatus] | None:
    """Every migration and whether the database has it; None where it is reached by URL and key only."""
    url = console.shared().database_url
    return list(status(url)) if url else None


@st.cache_data(max_entries=1, show_spinner=False)
def migration_script() -> str:
    """All migrations as one script to paste into an SQL editor."""
    return script()


@st.cache_data(ttl=300, max_entries=4, show_spinner=False)
def is_demo() -> bool:
    """Whether the database was filled with demo data."""
    return bool(
        console.shared().gateway.select("patchbay_state", where=[Where("key", "eq", "demo_filled_at")], limit=1)
    )


def clear() -> None:
    """Forget what was read; called after every write and by the Refresh button."""
    for cached in _CACHES:
        cached.clear()


def clear_at_end(key: str, batch_id: str) -> None:
    """Once, when a batch is first seen at its end: forget what was read, and begin this run anew.

    The navigation was made before, with the counts as they were.

    :param key: where the session remembers which batch that was.
    """
    if state.value(key) != batch_id:
        state.set_value(key, batch_id)
        clear()
        st.rerun()


_CACHES = (
    figures,
    per_day,
    checks,
    worklist,
    by_number,
    count,
    lookup,
    story,
    live,
    live_call,
    live_story,
    lead,
    calls_of_lead,
    activity,
    event,
    undo_obstacle,
    batch,
    open_batches,
    search,
    ticket,
    leads,
    lead_story,
    number,
    phone_preview,
    corrections,
    conflicts,
    constraint,
    system,
    differences,
    batch_preview,
    migrations,
    is_demo,
)
