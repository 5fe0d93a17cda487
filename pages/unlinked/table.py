"""The worklist as a table: rows, selection, paging, count."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from core.linking import WorklistFilter, WorklistPage
from core.model.records import Call
from dashboard import candidates, formatting, grid, links, reads, state, viewer
from pages.unlinked import filters

COLUMNS = {
    "when": st.column_config.TextColumn("When", width=84),
    "direction": st.column_config.TextColumn("⇄", width=56, help="← to us, → from us"),
    "counterpart": st.column_config.TextColumn("Other party", width=132),
    "length": st.column_config.TextColumn("Length", width=66, alignment="right"),
    "status": st.column_config.TextColumn("Status", width=88),
    "cause": st.column_config.TextColumn("Cause", width=124),
    "lead": st.column_config.LinkColumn("Linked to", width=84, display_text="#(.+)$", help="Opens the lead"),
    "best": st.column_config.LinkColumn("Best candidate", width=138, display_text="#(.+)$", help="Opens the lead"),
    "why": st.column_config.TextColumn("Why", width=380),
    "sid": st.column_config.LinkColumn("Call", width=96, display_text="#(.+)$", help="Opens Call lookup in a new tab"),
    "time": st.column_config.TextColumn("Time", width=112, help="In your time zone"),
}


LINKED_VIEWS = ("suspect", "stuck", "dangling")
SEARCHED_VIEWS = ("unlinked", "set_aside", "all")
"""Views of so many calls that a text is looked for in portions."""
KINDS = {
    "unlinked": "unlinked",
    "set_aside": "set aside",
    "suspect": "suspect links",
    "stuck": "stuck calls",
    "dangling": "dangling links",
    "all": "calls, linked ones too",
}
"""What the calls of a view are called."""
CLEAR: Mapping[str, tuple[str, str]] = {
    "unlinked": (
        "Every call is tied to a lead",
        "New calls appear here when their grace period is over and no lead has them.",
    ),
    "set_aside": ("Nothing is set aside", "Calls that are about no lead go here, with a reason, and can be put back."),
    "suspect": ("No suspect link", "Every linked call fits its lead as far as the numbers tell."),
    "stuck": ("No stuck call", "Every call has a final status, or is young enough to be still going on."),
    "dangling": ("No dangling link", "Every lead's current call is known from its rows or its transcript."),
    "all": ("No calls yet", "Calls appear here as soon as the voice backend writes the first row."),
}
"""What an empty view says."""


def columns_of(view: str) -> tuple[str, ...]:
    """The columns of a view: the linked lead where calls are linked, and what the view does not know left out."""
    left_out = set() if view in (*LINKED_VIEWS, "all") else {"lead"}
    left_out |= {"cause", "best"} if view in ("stuck", "dangling") else set()
    return tuple(name for name in COLUMNS if name not in left_out)


def rows(page: WorklistPage, zone: ZoneInfo, now: datetime, view: str = "unlinked") -> pd.DataFrame:
    """The page as a table of words, one row a call."""
    return pd.DataFrame([_row(call, page, zone, now, view) for call in page.items], columns=list(columns_of(view)))


def _row(call: Call, page: WorklistPage, zone: ZoneInfo, now: datetime, view: str) -> dict[str, str]:
    sid = call.call_sid
    return {
        "when": formatting.relative(call.started_at, now=now),
        "time": formatting.clock(call.started_at, zone, now=now),
        "sid": f"{links.call(sid).url}#{formatting.short_sid(sid)}",
        "direction": formatting.direction(call.direction),
        "counterpart": formatting.phone(call.counterpart) if call.counterpart else _as_stored(call),
        "length": formatting.duration(call.duration),
        "status": formatting.words(call.status, {}),
        "cause": formatting.words(call.suspect or call.cause, {**formatting.CAUSE_WORDS, **formatting.SUSPECT_WORDS}),
        "lead": f"{links.lead(call.lead_id).url}#Lead {call.lead_id}" if call.lead_id else "",
        "best": _best(call),
        "why": _why(page, sid, view),
    }


def _why(page: WorklistPage, sid: str, view: str) -> str:
    """The best candidate's reason; on the other lists why the call is on it."""
    detail, reason = page.details.get(sid), page.reasons.get(sid)
    return (detail if view in LINKED_VIEWS else reason or detail) or ""


def _best(call: Call) -> str:
    if call.best_lead_id is None:
        return ""
    return f"{links.lead(call.best_lead_id).url}#{candidates.summary(call.best_lead_id, call.best_confidence)}"


def _as_stored(call: Call) -> str:
    """What stands where the other party's number should be: a word such as anonymous, or a code for it."""
    other = call.from_number if (call.direction or "").startswith("inbound") else call.to_number
    return formatting.phone(other)


def table_key(page: WorklistPage) -> str:
    """A key made of the rows shown: a selection by position must not outlive its rows."""
    ids = repr([call.call_sid for call in page.items]).encode()
    return f"unlinked.calls.{hashlib.blake2s(ids, digest_size=6).hexdigest()}"


def forget_handled_call(page: WorklistPage) -> None:
    """A call that was just dealt with has left the list: the row that took its place is next."""
    selected, done = links.param("call"), state.done()
    handled = done.event.call_sid if done and done.event else None
    if handled == selected and selected not in {call.call_sid for call in page.items}:
        links.set_param("call", None)


def show(page: WorklistPage, view: str) -> str:
    """The table. Returns the SID of the call that is to be shown beside it."""
    ids = [call.call_sid for call in page.items]
    key, wanted = table_key(page), links.param("call")
    start = ids.index(wanted) if wanted in ids else state.selected_row(key)
    start = min(state.row(), len(ids) - 1) if start is None else start
    state.select_row(key, start)

    def selected() -> None:
        row = state.selected_row(key)
        if row is not None and row < len(ids):
            state.set_row(row)
            links.set_param("call", ids[row])

    shown = rows(page, viewer.zone(), datetime.now(UTC), view)
    alt = "Calls, newest first; the selected one is shown beside the table"
    grid.table(shown, COLUMNS, key=key, alt=alt, on_select=selected, selection_mode="single-row-required")
    return wanted or ids[start]


def show_selectable(page: WorklistPage, view: str) -> tuple[str, ...]:
    """The table with a box for every row. Returns the SIDs of the calls that are ticked, in its order."""
    ids = [call.call_sid for call in page.items]
    key = f"{table_key(page)}.several"
    shown = rows(page, viewer.zone(), datetime.now(UTC), view)
    alt = "Calls, newest first; tick those that are to be linked"
    grid.table(shown, COLUMNS, key=key, alt=alt, on_select="rerun", selection_mode="multi-row")
    return tuple(ids[row] for row in sorted(state.selected_rows(key)) if row < len(ids))


def paging(page: WorklistPage) -> None:
    """Newer and Older, by a cursor in the address."""
    after = links.param("after")
    with st.container(key="unlinked_paging", horizontal=True, gap="small", vertical_alignment="center"):
        if after:
            known = bool(state.trail())
            label = "Newer" if known else "Newest"
            st.button(label, key="unlinked.newer", icon=":material/chevron_left:", on_click=_newer)
        if page.next:
            args = (page.next, after or "")
            label = "Search earlier calls" if page.searched_to else "Older"
            st.button(label, key="unlinked.older", icon=":material/chevron_right:", on_click=_older, args=args)
        st.html(f'<span class="pb-line pb-muted">{_extent(page)}</span>')


def _extent(page: WorklistPage) -> str:
    """How many calls the page has, and where looking for a text stopped."""
    calls = formatting.count(len(page.items), "call")
    if page.searched_to is None:
        return f"{calls} on this page"
    back_to = formatting.clock(page.searched_to, viewer.zone(), now=datetime.now(UTC))
    return f"{calls} found, searched back to {back_to}"


def _older(cursor: str, here: str) -> None:
    state.set_trail((*state.trail(), here))
    _turn_to(cursor)


def _newer() -> None:
    *before, last = state.trail() or ("",)
    state.set_trail(tuple(before))
    _turn_to(last or None)


def _turn_to(cursor: str | None) -> None:
    links.set_param("after", cursor)
    links.set_param("call", None)
    state.set_row(0)


def show_count(wanted: WorklistFilter, page: WorklistPage) -> None:
    """How many calls the filters leave, of how many. What a text finds is not counted: that means looking at all."""
    whole, kind = WorklistFilter(view=wanted.view), KINDS[wanted.view]
    if wanted.text and wanted.view in SEARCHED_VIEWS:
        all_here = page.next is None and not links.param("after")
        found = f"{len(page.items):,}{'' if all_here else '+'}" if page.items or all_here else "none yet"
        words = f"{found} of {reads.count(whole):,}"
    elif wanted == whole:
        words = f"{reads.count(whole):,}"
    else:
        words = f"{reads.count(wanted):,} of {reads.count(whole):,}"
    st.html(f'<span class="pb-line"><b>{words}</b> <span class="pb-muted">{kind}</span></span>', width="content")


def export(wanted: WorklistFilter) -> None:
    """The button that gives every call of the list as a CSV file."""
    holds = "Every call that these filters leave, not only this page; at most 100,000"
    grid.export("unlinked", wanted.view, lambda: reads.export(wanted), holds=holds)


def nothing(wanted: WorklistFilter, page: WorklistPage | None = None) -> None:
    """No call to show: either the list is clear, or the filters hide it, or a text was not found yet."""
    if page is not None and page.searched_to is not None:
        _empty("Nothing found so far", "What was said has no index: calls are looked through from the newest one on.")
        paging(page)
        return
    whole = reads.count(WorklistFilter(view=wanted.view))
    if links.param("after"):
        _empty("No older calls", "The list ends before this page.")
        st.button("Newest", key="unlinked.newest", icon=":material/chevron_left:", on_click=filters.first_page)
    elif wanted != WorklistFilter(view=wanted.view):
        _empty("No call fits these filters", f"Without them the list has {formatting.count(whole, 'call')}.")
        st.button("Clear filters", key="unlinked.clear_all", icon=":material/close:", on_click=filters.clear)
    else:
        _empty(*CLEAR[wanted.view])


def _empty(title: str, text: str) -> None:
    st.html(f'<div class="pb-empty"><b>{title}</b>{text}</div>')
