"""The worklist as a table: rows, selection, paging, count."""

import hashlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from core.linking import WorklistFilter, WorklistPage
from core.model.records import Call
from dashboard import candidates, formatting, links, reads, state, viewer
from pages.unlinked import filters

ROW_HEIGHT = 35
COLUMNS = {
    "when": st.column_config.TextColumn("When", width=84),
    "direction": st.column_config.TextColumn("⇄", width=56, help="← to us, → from us"),
    "counterpart": st.column_config.TextColumn("Other party", width=132),
    "length": st.column_config.TextColumn("Length", width=66, alignment="right"),
    "status": st.column_config.TextColumn("Status", width=88),
    "cause": st.column_config.TextColumn("Cause", width=124),
    "best": st.column_config.TextColumn("Best candidate", width=138),
    "why": st.column_config.TextColumn("Why", width=380),
    "sid": st.column_config.LinkColumn("Call", width=96, display_text="#(.+)$", help="Opens Call lookup in a new tab"),
    "time": st.column_config.TextColumn("Time", width=112, help="In your time zone"),
}


def rows(page: WorklistPage, zone: ZoneInfo, now: datetime) -> pd.DataFrame:
    """The page as a table of words, one row a call."""
    return pd.DataFrame([_row(call, page, zone, now) for call in page.items], columns=list(COLUMNS))


def _row(call: Call, page: WorklistPage, zone: ZoneInfo, now: datetime) -> dict[str, str]:
    sid = call.call_sid
    return {
        "when": formatting.relative(call.started_at, now=now),
        "time": formatting.clock(call.started_at, zone, now=now),
        "sid": f"{links.call(sid).url}#{formatting.short_sid(sid)}",
        "direction": formatting.direction(call.direction),
        "counterpart": formatting.phone(call.counterpart) if call.counterpart else _as_stored(call),
        "length": formatting.duration(call.duration),
        "status": formatting.words(call.status, {}),
        "cause": formatting.words(call.cause),
        "best": candidates.summary(call.best_lead_id, call.best_confidence),
        "why": page.reasons.get(sid) or page.details.get(sid) or "",
    }


def _as_stored(call: Call) -> str:
    """What stands where the other party's number should be: a word such as anonymous, or a code for it."""
    other = call.from_number if (call.direction or "").startswith("inbound") else call.to_number
    return formatting.clip(other, 40) if other else formatting.NONE


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


def show(page: WorklistPage) -> str:
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

    st.dataframe(
        rows(page, viewer.zone(), datetime.now(UTC)),
        key=key,
        column_config=COLUMNS,
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=min(len(ids) + 1, 17) * ROW_HEIGHT + 3,
        on_select=selected,
        selection_mode="single-row-required",
        alt="Calls, newest first; the selected one is shown beside the table",
    )
    return wanted or ids[start]


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
            st.button("Older", key="unlinked.older", icon=":material/chevron_right:", on_click=_older, args=args)
        st.html(f'<span class="pb-line pb-muted">{formatting.count(len(page.items), "call")} on this page</span>')


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


def show_count(wanted: WorklistFilter) -> None:
    """How many calls the filters leave, of how many."""
    found, whole = reads.count(wanted), WorklistFilter(view=wanted.view)
    words = f"{found:,}" if wanted == whole else f"{found:,} of {reads.count(whole):,}"
    kind = formatting.words(wanted.view)
    st.html(f'<span class="pb-line"><b>{words}</b> <span class="pb-muted">{kind}</span></span>', width="content")


def nothing(wanted: WorklistFilter) -> None:
    """No call to show: either the list is clear, or the filters hide it."""
    whole = reads.count(WorklistFilter(view=wanted.view))
    if links.param("after"):
        _empty("No older calls", "The list ends before this page.")
        st.button("Newest", key="unlinked.newest", icon=":material/chevron_left:", on_click=filters.first_page)
    elif wanted != WorklistFilter(view=wanted.view):
        _empty("No call fits these filters", f"Without them the list has {formatting.count(whole, 'call')}.")
        st.button("Clear filters", key="unlinked.clear_all", icon=":material/close:", on_click=filters.clear)
    elif wanted.view == "set_aside":
        _empty("Nothing is set aside", "Calls that are about no lead go here, with a reason, and can be put back.")
    elif wanted.view != "unlinked":
        _empty(f"Nothing is {formatting.words(wanted.view)}", "Calls appear here as soon as one is found.")
    else:
        _empty(
            "Every call is tied to a lead",
            "New calls appear here when their grace period is over and no lead has them.",
        )


def _empty(title: str, text: str) -> None:
    st.html(f'<div class="pb-empty"><b>{title}</b>{text}</div>')
