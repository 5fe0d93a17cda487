"""The selected change beside the ledger: a sentence, both sides, why, and its undo."""

import json
from collections.abc import Iterator, Sequence
from html import escape

import streamlit as st

from core.linking.results import SkippedUndo
from core.model.records import LinkEvent
from dashboard import bulk_undo, formatting, links, reads, sides, state, story, viewer

MOST_SKIPPED = 50

SOURCES = {
    "person": "A person, in the console or by a command",
    "worker": "The outbound worker, recording its own call",
    "automatic": "Automatic linking",
    "outside": "Another program or SQL by hand; seen by a trigger",
    "baseline": "Installation: what leads.call_sid held then",
}


def show(event_id: int, listed: list[LinkEvent]) -> None:
    """One change."""
    event = next((each for each in listed if each.id == event_id), None) or reads.event(event_id)
    if event is None:
        st.info("There is no such change in the ledger.", icon=":material/info:")
        return
    st.html(_sentence(event))
    _undo(event)
    leads = {lead_id: reads.lead(lead_id) for lead_id in sides.leads_of(event)}
    shown = sides.past_table(event, leads)
    if "<td" in shown:
        st.html(shown)
    _links(event, [lead_id for lead_id, lead in leads.items() if lead])
    st.html(story.facts_html(_facts(event)))
    _evidence(event)


def _sentence(event: LinkEvent) -> str:
    who_did = "" if event.action == "undo" or not event.call_sid else "call "
    said = formatting.sentence(f"{who_did}{formatting.event_words(event)}")
    mark = ' <span class="pb-chip pb-muted">↺ undone</span>' if event.undone else ""
    who = f"by {formatting.actor_words(event)}, {formatting.relative(event.at)}"
    return f'<p class="pb-line"><b>{escape(said)}</b>{mark}<br>{escape(who)}</p>'


def _undo(event: LinkEvent) -> None:
    obstacle = reads.undo_obstacle(event.id or 0)
    with st.container(key="activity_actions", horizontal=True, vertical_alignment="center", gap="small"):
        if obstacle is None:
            args = ("undo", event.call_sid or "", event.lead_id, event.id)
            st.button("Undo…", key="activity.undo", icon=":material/undo:", on_click=state.open_dialog, args=args)
        if event.batch_id and links.param("batch") != event.batch_id:
            links.show("The whole batch", links.activity(batch=event.batch_id), icon=":material/stacks:")
    if obstacle is not None:
        st.html(f'<p class="pb-line pb-muted">It cannot be undone: {escape(_inside(obstacle))}</p>')


def _inside(text: str) -> str:
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _links(event: LinkEvent, leads: list[int]) -> None:
    with st.container(key="activity_links", horizontal=True, gap="small"):
        if event.call_sid:
            links.show_call(event.call_sid)
            links.show("Changes of this call", links.activity(call=event.call_sid))
        for lead_id in leads:
            links.show_lead(lead_id)
            links.show(f"Changes of lead {lead_id}", links.activity(lead=lead_id))


def _facts(event: LinkEvent) -> Iterator[tuple[str, str]]:
    yield "Change", f"{event.id} · {formatting.words(event.action, {})}"
    yield "When", formatting.exact(event.at, viewer.zone())
    yield "Who", event.actor
    yield "Source", SOURCES.get(event.source, event.source)
    yield "Reason", event.reason or formatting.NONE
    if event.call_sid:
        yield "Call", event.call_sid
    if event.undoes is not None:
        yield "Undoes", f"change {event.undoes}"
    if event.batch_id:
        yield "Batch", event.batch_id


def _evidence(event: LinkEvent) -> None:
    if event.evidence:
        with st.expander("Evidence it rested on"):
            st.code(json.dumps(event.evidence, indent=2, ensure_ascii=False, default=str), language="json")


def batch_heading(batch_id: str) -> None:
    """What the batch of the address is, and its undo."""
    events = reads.batch(batch_id)
    size = f"{len(events)} or more" if len(events) == 500 else str(len(events))
    people = ", ".join(dict.fromkeys(formatting.actor_words(event) for event in events))
    with st.container(key="activity_batch", horizontal=True, vertical_alignment="center", gap="small"):
        undone = sum(bool(event.undone) for event in events)
        back = f", {undone} of them undone" if undone else ""
        st.html(f'<p class="pb-line"><b>One batch of {size} changes</b> by {escape(people)}{back}</p>', width="content")
        open_still = any(not event.undone for event in events)
        small = len(events) < bulk_undo.LARGE  # others are looked at only where somebody asks for it
        seen = reads.batch_preview(batch_id) if open_still and small else None
        if seen is not None:
            would = formatting.count(len(seen.undoable), "change")
            st.html(f'<p class="pb-line">Undo takes {would} back, skips {len(seen.skipped)}</p>', width="content")
        if open_still and (seen is None or seen.undoable):
            label = "Undo the rest…" if undone else "Undo the whole batch…"
            bulk_undo.button(batch_id, len(events) - undone, key="activity.undo_batch", label=label)
    if seen is not None and seen.skipped:
        show_skipped(seen.skipped)


def show_skipped(skipped: Sequence[SkippedUndo]) -> None:
    """What an undo leaves, with why; long lists stay folded."""
    count = formatting.count(len(skipped), "change")
    with st.expander(f"{count} skipped", expanded=len(skipped) <= 3):
        lines = [f"{_of_what(skip.event)}: {_inside(skip.reason)}" for skip in skipped[:MOST_SKIPPED]]
        left = len(skipped) - MOST_SKIPPED
        lines += [f"and {formatting.count(left, 'more change')}"] if left > 0 else []
        st.html(f'<ul class="pb-reasons pb-list">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>')


def _of_what(event: LinkEvent) -> str:
    what = f"call {formatting.short_sid(event.call_sid)}" if event.call_sid else f"lead {event.lead_id}"
    return f"Change {event.id}, {what}, {formatting.event_words(event)}"
