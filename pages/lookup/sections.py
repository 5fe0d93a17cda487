"""The parts of a call's story."""

from html import escape

import pandas as pd
import streamlit as st

from core.linking import LiveCall, Story
from core.model.records import Lead, LinkEvent
from dashboard import (
    candidates,
    corrections,
    formatting,
    links,
    live,
    new_lead,
    reads,
    repair_twilio,
    sides,
    state,
    story,
    viewer,
)

TALL, TALL_LIVE = 420, 320
"""Pixels after which a conversation scrolls in its own frame, which a growing one has from the start."""


def heading(told: Story, now: LiveCall | None) -> None:
    """State, the SID to copy, the facts on one line, and the stages; ``now`` is the call while it is in progress."""
    call = told.call
    with st.container(key="lookup_heading", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(story.chip(call, told.cause) + (live.chip(now) if now else ""), width="content")
        st.code(told.call_sid, language=None, width="content")
    parts = (
        formatting.direction_words(call.direction),
        formatting.phone(call.counterpart),
        live.length(now) if now else formatting.duration(call.duration),
        formatting.words(call.status, {}),
        f"{formatting.relative(call.started_at)} ({formatting.exact(call.started_at, viewer.zone())})",
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<p class="pb-line">{" · ".join(map(escape, parts))}</p>', width="content")
        if call.counterpart:
            links.show("About this number", links.number(call.counterpart), icon=":material/dialpad:")
    if told.detail:
        asked = "Why it is not linked" if told.call.lead_id is None else "Why its link is doubtful"
        st.html(f'<p class="pb-line"><b>{asked}:</b> {escape(told.detail)}</p>')
    if told.warning:
        st.warning(formatting.plain(told.warning), icon=":material/warning:")
    st.html(story.stages(told.stages))


def conversation(told: Story, now: LiveCall | None) -> None:
    """The transcript as a conversation; while the call is in progress its frame keeps its size."""
    st.header(f"Transcript · {formatting.count(len(told.transcripts), 'turn')}", anchor=False)
    if now:
        with st.container(height=TALL_LIVE, border=False, key="lookup_talk_live", autoscroll=True):
            waiting = '<p class="pb-line pb-muted">Nothing was said yet. Words appear here as they are saved.</p>'
            st.html(story.conversation(told.transcripts, viewer.zone()) if told.transcripts else waiting)
        return
    if not told.transcripts:
        st.html(
            '<p class="pb-line pb-muted">Nothing was transcribed. A call without a media stream has no transcript.</p>'
        )
        return
    height = TALL if len(told.transcripts) > 8 else "content"
    with st.container(height=height, border=False, key="lookup_talk"):
        st.html(story.conversation(told.transcripts, viewer.zone()))


def timeline(told: Story) -> None:
    """Everything with a time."""
    st.header("Timeline", anchor=False)
    st.html(story.timeline(told, viewer.zone()))


def raw_rows(told: Story) -> None:
    """The rows as they are stored."""
    with st.expander("Raw rows"):
        tables = {
            "calls": (told.call_row,),
            "call_events": told.events,
            "conversation_transcripts": told.transcripts,
            "call_recordings": told.recordings,
        }
        for name, found in tables.items():
            st.caption(f"{name}: {formatting.count(len(found), 'row')}")
            if found:
                st.dataframe(pd.DataFrame(story.raw_table([dict(row) for row in found])), hide_index=True, alt=name)


def ticket(told: Story) -> None:
    """The call as text for a ticket, on request, with a copy button."""
    shown = state.value("lookup.ticket_of") == told.call_sid
    st.button(
        "Hide the ticket text" if shown else "Copy for ticket",
        key="lookup.ticket",
        icon=":material/content_copy:",
        on_click=state.set_value,
        args=("lookup.ticket_of", None if shown else told.call_sid),
    )
    if shown:
        full = st.checkbox("With whole phone numbers", key="lookup.full_numbers")
        link = viewer.address(links.call(told.call_sid).url)
        st.code(reads.ticket(told.call_sid, link, full), language=None, wrap_lines=True)


def lead_card(told: Story) -> None:
    """The lead that the call belongs to, with its other calls."""
    st.header("Lead", anchor=False)
    lead = told.lead
    if lead is None:
        gone = f"Lead {told.call.lead_id} does not exist any more." if told.call.lead_id else "No lead yet."
        st.html(f'<p class="pb-line pb-muted">{gone}</p>')
        return
    other = "another call is" if lead.call_sid else "no call is"
    kind = "current call" if told.call.state == "current" else f"history: {other} its current one"
    rows = [
        ("Lead", formatting.lead_label(lead.id, lead.name)),
        ("Phone", lead.phone or formatting.NONE),
        ("E-mail", lead.email or formatting.NONE),
        ("Status", lead.lead_status or formatting.NONE),
        ("Last contact", formatting.exact(lead.last_contacted_at, viewer.zone())),
        ("This call is its", kind),
    ]
    st.html(story.facts_html(rows))
    links.show_lead(lead.id, f"Open lead {lead.id} with all its calls")
    _calls_of(lead, told.call_sid)


def _calls_of(lead: Lead, this: str) -> None:
    mine = reads.calls_of_lead(lead.id)
    others = [call for call in mine.newest if call.call_sid != this]
    st.html(f'<p class="pb-line pb-muted">{formatting.count(mine.total - 1, "other call")} of this lead</p>')
    if others:
        with st.container(horizontal=True, gap="small"):
            for call in others:
                mark = " (current)" if call.state == "current" else ""
                links.show_call(call.call_sid, f"{formatting.short_sid(call.call_sid)}{mark}")
            left = mine.total - 1 - len(others)
            if left > 0:
                st.html(f'<span class="pb-line pb-muted">and {left:,} older</span>', width="content")


def repairs(told: Story) -> None:
    """What can be done with the link."""
    call = told.call
    with st.container(key="lookup_actions", horizontal=True, vertical_alignment="center", gap="small"):
        if call.state == "history" and not call.test:
            _ask("Make current…", "make_current", told, ":material/vertical_align_top:", call.lead_id)
        if call.lead_id is not None:
            _ask("Unlink…", "unlink", told, ":material/link_off:")
        elif call.set_aside:
            _ask("Restore…", "restore", told, ":material/undo:")
        else:
            _ask("Set aside…", "set_aside", told, ":material/block:")
        repair_twilio.show(told.call_sid, key="lookup")
    if call.test and call.state != "current":
        st.html(f'<p class="pb-line pb-muted">{sides.NEVER_CURRENT}</p>')
    _typed_lead(told)


def _ask(label: str, action: state.Action, told: Story, icon: str, lead_id: int | None = None) -> None:
    args = (action, told.call_sid, lead_id)
    st.button(label, key=f"lookup.{action}", icon=icon, on_click=state.open_dialog, args=args)


def _typed_lead(told: Story) -> None:
    action: state.Action = "relink" if told.call.lead_id is not None else "link"
    field = "lookup.lead"
    with st.container(key="lookup_typed", horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input(
            "Relink to lead" if action == "relink" else "Link to lead",
            key=field,
            placeholder="Lead id",
            width=130,
        )
        st.button(
            "Relink…" if action == "relink" else "Link…",
            key="lookup.typed",
            icon=":material/link:",
            on_click=state.open_dialog_for_typed_lead,
            args=(action, told.call_sid, field),
        )
    problem = state.problem_of(field)
    if problem:
        st.warning(formatting.plain(problem), icon=":material/edit:")


def candidates_of(told: Story) -> None:
    """Leads that may belong to the call."""
    st.header("Candidates", anchor=False)
    candidates.show(told.call_sid, told.candidates, key="lookup", lead_id=told.call.lead_id)
    corrections.show(told, key="lookup")
    new_lead.button(told, key="lookup")


def ledger(told: Story) -> None:
    """The call's link history, newest first, with Undo where it is possible."""
    st.header("Link history", anchor=False)
    if not told.history:
        st.html('<p class="pb-line pb-muted">The link of this call has never changed.</p>')
    undone = still_undone(told.history)
    for event in told.history:
        with st.container(
            key=f"ledger_event_{event.id}",
            horizontal=True,
            vertical_alignment="center",
            horizontal_alignment="distribute",
        ):
            st.html(_event(event, event.id in undone), width="stretch")
            if event.source != "baseline" and event.id not in undone:
                st.button(
                    "Undo…",
                    key=f"lookup.undo.{event.id}",
                    type="tertiary",
                    icon=":material/undo:",
                    on_click=state.open_dialog,
                    args=("undo", told.call_sid, None, event.id),
                )


def still_undone(history: tuple[LinkEvent, ...]) -> set[int]:
    """Ids of events that are undone now: their undo is there and was not itself undone. ``history`` is newest first."""
    undone: set[int] = set()
    for event in history:
        if event.undoes is not None and event.id not in undone:
            undone.add(event.undoes)
    return undone


def _event(event: LinkEvent, undone: bool) -> str:
    words = formatting.sentence(formatting.event_words(event))
    mark = ' <span class="pb-chip pb-muted">undone</span>' if undone else ""
    who = f"{formatting.actor_words(event)} · {formatting.relative(event.at)}"
    why = f"<br>“{escape(event.reason)}”" if event.reason else ""
    exact = escape(formatting.exact(event.at, viewer.zone()))
    return (
        f'<div class="pb-line">{escape(words)}{mark}<br>'
        f'<span class="pb-muted" title="{exact}">{escape(who)}</span>{why}</div>'
    )
