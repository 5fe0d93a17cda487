"""Calls in progress: a strip of them, and one call's story that grows while it lasts. Parts that refresh by themselves.

What is asked every two seconds is one small read; a call's whole story is read again only when there is something new.
Elements stay in their place from one refresh to the next: no flicker, no jump, and a focused link keeps the focus.
"""

from collections.abc import Callable
from html import escape

import streamlit as st

from core import app as console
from core.errors import Unavailable
from core.inbound import readiness
from core.linking import Check, LiveCall, LiveCalls, LiveLine, Story
from core.linking.live import MOST_CALLS
from core.linking.stages import FINAL
from core.model.records import LinkEvent
from dashboard import formatting, links, reads, state
from dashboard.guard import guarded

EVERY_SECONDS = 1.5
"""With the second that a read may be old, a line is seen within three."""
MOST_SHOWN = 6
LONGEST_LINE = 160
STATUS_WORDS = {"in-progress": "in progress", "answered": "in progress", "queued": "queued", "ringing": "ringing"}
OURS = ("assistant", "agent", "ai", "bot")
_ANY, _ALL = "live.any", "live.shows_all"


@st.fragment(run_every=EVERY_SECONDS)
@guarded
def strip() -> None:
    """The calls in progress, one line each with the last words, refreshed while the page is open.

    When the first call begins, and when the last one is over, the page is read once as a whole: its figures changed.
    """
    with st.container(key="live_strip", gap="xsmall"):
        try:
            found = reads.live(MOST_CALLS if state.value(_ALL) else MOST_SHOWN)
        except Unavailable as error:
            st.html(_unreadable(error))
            return
        st.html(_heading(found.total))
        for call in found.calls:
            _row(call)
        _how_many(found)
    before, now = state.value(_ANY), bool(found.total)
    state.set_value(_ANY, now)
    if before is not None and before != now:
        reads.figures.clear()
        st.rerun()


def _how_many(found: LiveCalls) -> None:
    """The rest on request."""
    if found.more and len(found.calls) < MOST_CALLS:
        words = f"and {found.more:,} more in progress"
        st.button(words, key="live.all", type="tertiary", on_click=state.set_value, args=(_ALL, True))
    elif len(found.calls) > MOST_SHOWN:
        words = f"Show the newest {MOST_SHOWN} only"
        st.button(words, key="live.few", type="tertiary", on_click=state.set_value, args=(_ALL, None))


def _heading(total: int) -> str:
    if not total:
        return '<p class="pb-line pb-muted">No call is in progress.</p>'
    words = f"{formatting.count(total, 'call')} in progress"
    return f'<p class="pb-line"><span class="pb-live" aria-hidden="true"></span><b>{words}</b></p>'


def _unreadable(error: Unavailable) -> str:
    return (
        '<p class="pb-line pb-wait">! Calls in progress cannot be read right now: '
        f"{escape(error.message)} This is tried again by itself.</p>"
    )


def _row(live: LiveCall) -> None:
    sid = live.call.call_sid
    with st.container(key=f"live_call_{sid}", horizontal=True, vertical_alignment="top", gap="small"):
        with st.container(width=118):
            links.show_call(sid)
        st.html(row_html(live), width="stretch")


def row_html(live: LiveCall) -> str:
    """Direction, other party, lead and length of a call on one line, its last words under it."""
    call = live.call
    status = formatting.words((call.status or "").lower(), STATUS_WORDS)
    parts = (
        formatting.direction(call.direction),
        formatting.phone(call.counterpart or _other_side(live)),
        f'<span class="pb-{"ok" if call.lead_id is not None else "muted"}">{escape(lead_words(live))}</span>',
        f"<b>{escape(length(live))}</b>",
        escape(status),
    )
    facts = " · ".join(part if part.startswith("<") else escape(part) for part in parts)
    said = "".join(map(_said, live.lines)) or '<span class="pb-muted">Nothing was said yet.</span>'
    return f'<div class="pb-line pb-livecall"><div>{facts}</div><div class="pb-lastwords">{said}</div></div>'


def _other_side(live: LiveCall) -> str | None:
    """The other party before the judge has looked at the call."""
    call = live.call
    return call.from_number if (call.direction or "").startswith("inbound") else call.to_number


def _said(line: LiveLine) -> str:
    who = "Assistant" if (line.role or "").lower() in OURS else "Other party"
    return f'<div><span class="pb-muted">{who}:</span> {escape(formatting.clip(line.content, LONGEST_LINE))}</div>'


def lead_words(live: LiveCall) -> str:
    """The call's lead and how it came to it."""
    call = live.call
    if call.lead_id is None:
        return "not linked yet"
    name = formatting.lead_label(call.lead_id, call.lead_name)
    return f"✓ {name}, {_how(live.linked)}" if live.linked else f"✓ {name}"


def _how(event: LinkEvent) -> str:
    if event.source == "automatic":
        return "linked automatically"
    return "linked when it was dialled" if event.source == "worker" else f"linked by {formatting.actor_words(event)}"


def chip(live: LiveCall) -> str:
    """That the call is in progress, and for how long."""
    return f' <span class="pb-chip pb-ok"><span class="pb-live" aria-hidden="true"></span> Live · {length(live)}</span>'


def length(live: LiveCall) -> str:
    """How long the call has lasted."""
    return formatting.duration(live.seconds)


def of(told: Story) -> LiveCall | None:
    """The call of a story, while it is in progress; a call that is over costs no read."""
    if (told.call.status or "").lower() in FINAL:
        return None
    return reads.live_call(told.call_sid)


def growing(part: Callable[[Story, LiveCall | None], None], told: Story) -> None:
    """Show a part of a call's story, and while the call is in progress show it anew as it grows.

    When the call is over, or its link changes, the page is read once as a whole. While the database is away the part
    stays as it was.

    :param part: draws it; told the call in progress, or None when it is over.
    """
    lives = of(told) is not None
    part_name, kept_as = part.__name__, f"live.last.{told.call_sid}"

    def refreshed() -> None:
        kept: dict[str, tuple[Story, LiveCall]] = state.value(kept_as, {})
        last = kept.get(part_name)
        try:
            now = of(told) if lives else None
            if last and (now is None or now.link_mark != last[1].link_mark):
                state.set_value(kept_as, None)  # for every part, so that the page is read once
                _settle()
            shown = reads.live_story(told.call_sid, now.mark) if now else told
        except Unavailable:
            part(*(last or (told, None)))
            return
        if now:
            state.set_value(kept_as, {**kept, part_name: (shown, now)})
        part(shown, now)

    refreshed.__name__ = part_name
    every = EVERY_SECONDS if lives else None  # a fragment all the same: nothing moves when the call is over
    st.fragment(guarded(refreshed), run_every=every, key=f"live_{part_name}")()


def _settle() -> None:
    for cached in (reads.lookup, reads.story, reads.live_call, reads.figures):
        cached.clear()
    st.rerun()


def inbound_check() -> Check:
    """The System page's line about inbound calls."""
    return readiness.check(console.shared().settings)
