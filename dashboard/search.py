"""Global search: a SID, a number or a name, from every page. One hit opens at once, several are listed as links."""

from datetime import UTC, datetime
from html import escape
from pathlib import Path

import streamlit as st

from core import app as console
from core.errors import PatchbayError
from core.linking.lead_book import LeadHit
from core.linking.search import Hits
from core.model import phone
from core.model.records import Call
from dashboard import formatting, guard, links, reads, state, story, typed, viewer
from dashboard.guard import guarded

SHORTCUT = "Alt+K"
FOCUS = Path(__file__).with_name("search_focus.html")
"""A script, which the gate lets run because it stands in this file, letter by letter (``streamlit_app.py``)."""
FIELD = "search.text"


def button() -> None:
    """The button in the status line, and its dialog once it was pressed."""
    pressed = st.button(
        "Search",
        key="search.open",
        icon=":material/search:",
        shortcut=SHORTCUT,
        help="A SID, a phone number or a name, from every page",
    )
    if pressed and state.intent() is None:
        state.set_value(FIELD, None)
        st.dialog("Search calls and leads", width="medium")(_dialog)()


@guarded
def _dialog() -> None:
    st.html(FOCUS, unsafe_allow_javascript=True)
    text = st.text_input(
        "A SID, a phone number, a name, an e-mail",
        key=FIELD,
        type="search",
        placeholder="CA3f…9c1e · +1 415 555 2671 · Dana Whitfield · 212",
    )
    wanted = (text or "").strip()
    if not wanted:
        st.html('<p class="pb-line pb-muted">Enter searches. A single hit opens at once.</p>')
        return
    if not typed.fits("The text", wanted, typed.LONGEST_PASTE):
        return
    try:
        found = reads.search(wanted)
    except PatchbayError as error:
        guard.show(error, "search")
        return
    target = only_hit(found)
    if target:
        links.go(target)
    show(found)


def only_hit(found: Hits) -> links.Target | None:
    """Where the one hit is; None for none and for several."""
    if found.more_calls or found.more_leads or len(found.calls) + len(found.leads) != 1:
        return None
    return links.call(found.calls[0].call_sid) if found.calls else links.lead(found.leads[0].id)


def show(found: Hits) -> None:
    """The hits, calls first, each a link."""
    if not found.calls and not found.leads:
        words = escape(formatting.clip(found.text, 60))
        st.html(
            f'<p class="pb-line"><b>Nothing is called or numbered {words}.</b> A name is found by any part of it, '
            "a number by at least 3 digits, a call by the beginning or the end of its SID or by a log line.</p>"
        )
    number = phone.normalise(found.text, console.shared().settings.default_region).e164
    if number and (found.calls or found.leads):
        links.show(f"About the number {formatting.plain(formatting.phone(number))}", links.number(number))
    if found.calls:
        more = links.lookup(found.text) if found.more_calls else None
        _group("Calls", len(found.calls), "All of them in Call lookup", more)
    for call in found.calls:
        _call(call)
    if found.leads:
        _group("Leads", len(found.leads), "All of them in Leads", links.leads(found.text) if found.more_leads else None)
    for lead in found.leads:
        _lead(lead)


def _group(name: str, count: int, words: str, more: links.Target | None) -> None:
    st.header(f"{name} · {count}{' and more' if more else ''}", anchor=False)
    if more:
        links.show(words, more)


def _call(call: Call) -> None:
    with st.container(key=f"ledger_hit_{call.call_sid}", horizontal=True, vertical_alignment="center", gap="small"):
        links.show_call(call.call_sid)
        when = formatting.clock(call.started_at, viewer.zone(), now=datetime.now(UTC))
        parts = (formatting.phone(call.counterpart), when)
        st.html(f'<span class="pb-line">{story.chip(call, call.cause)} {" · ".join(map(escape, parts))}</span>')


def _lead(lead: LeadHit) -> None:
    with st.container(key=f"ledger_hit_{lead.id}", horizontal=True, vertical_alignment="center", gap="small"):
        links.show(formatting.plain(formatting.lead_label(lead.id, lead.name)), links.lead(lead.id))
        parts = (lead.phone or "no number", formatting.count(lead.calls, "call"))
        shown = " · ".join(escape(formatting.clip(part, 40)) for part in parts)
        st.html(f'<span class="pb-line pb-muted">{shown}</span>', width="content")
