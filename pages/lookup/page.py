"""Call lookup: paste anything that names a call, read its whole story, repair its link."""

import streamlit as st

from core.errors import BadInput, NotFound
from core.linking import Matches, Story
from dashboard import links, live, reads, state, stuck, typed
from pages.lookup import search, sections


def render() -> None:
    """The page."""
    st.title("Call lookup", anchor=False)
    asked = links.param("q") or ""
    if state.follow_address("lookup", {"q": asked}, {"q": asked}):
        links.restate_params()
    text = st.text_input(
        "A Call SID, or anything that contains one",
        key="lookup.q",
        on_change=_ask,
        type="search",
        placeholder="CA… · a log line · a Twilio console URL · part of a SID such as CA3f…9c1e · a phone number",
    )
    if not (text or "").strip():
        search.nothing_asked()
        return
    if not typed.fits("The text", text, typed.LONGEST_PASTE):
        return
    try:
        found = reads.lookup(text.strip())
    except (BadInput, NotFound) as error:
        search.not_found(error)
        return
    _show(found)


def _ask() -> None:
    """Something was pasted: it becomes the address."""
    text = typed.for_address((state.value("lookup.q") or "").strip())
    links.write_params({"q": text} if text else {})
    state.note_address("lookup", {"q": text})


def _show(found: Story | Matches) -> None:
    if isinstance(found, Matches):
        search.matches(found)
        return
    links.write_params({"q": found.call_sid})  # what is shared names the call, not the log line it was found in
    state.note_address("lookup", {"q": found.call_sid})
    live.growing(sections.heading, found)
    left, right = st.columns([58, 42], gap="medium")
    with left:
        live.growing(sections.conversation, found)
        sections.timeline(found)
        sections.ticket(found)
        sections.raw_rows(found)
    with right, st.container(key="panel_link"):
        sections.lead_card(found)
        stuck.show(found, key="lookup")
        sections.repairs(found)
        sections.candidates_of(found)
        sections.ledger(found)
