"""The jobs as a table, what recurs as lines, and what stands there when there is nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import Unavailable
from core.outbound.board import BoardPage, Entry
from dashboard import formatting, grid, links, queue_actions, queue_reads, queue_words, state, viewer
from dashboard.queue_reads import Recurring

SPACE = "queue"
COLUMNS: dict[str, Any] = {
    "state": st.column_config.TextColumn("State", width=88),
    "when": st.column_config.TextColumn("When", width=76),
    "finished": st.column_config.TextColumn("Finished", width=76, help="When its last try ended"),
    "kind": st.column_config.TextColumn("Job", width=112, help="Type of the job (else its name) and its priority"),
    "lead": st.column_config.LinkColumn("Lead", width=146, display_text="#(.+)$", help="Opens the lead"),
    "to": st.column_config.TextColumn("Number", width=118),
    "call": st.column_config.LinkColumn(
        "Call", width=150, display_text="#(.+)$", help="Whether it is tied to a lead; opens Call lookup"
    ),
    "outcome": st.column_config.TextColumn("What became of it", width=280),
    "tries": st.column_config.TextColumn("Tries", width=56),
    "waited": st.column_config.TextColumn("Waited", width=64, help="From when it was due until a worker took it"),
    "worked": st.column_config.TextColumn("Worked", width=64, help="How long the worker's last try took"),
    "id": st.column_config.TextColumn("Job id", width=110),
}
MIXED = ("all", "unlinked", "found")
"""Lists with jobs of several states."""
SHOWN: Mapping[str, tuple[str, ...]] = {
    "completed": ("finished", "lead", "to", "call", "outcome", "kind", "tries", "waited", "worked", "id"),
    "failed": ("finished", "lead", "to", "outcome", "tries", "kind", "call", "waited", "worked", "id"),
}
"""Columns of the lists of finished jobs; of failed ones why comes first."""
WIDTHS = {"failed": 410}
NOTHING = {
    "all": ("No jobs yet", "Jobs appear as soon as the backend, a script or a test call schedules a call."),
    "waiting": ("Nothing waits", "Whatever was scheduled has been taken by a worker, or is not due yet."),
    "delayed": ("Nothing is delayed", "Calls that are scheduled for later stand here until they are due."),
    "active": ("Nothing is being dialled", "A job is active while a worker dials for it."),
    "completed": ("No job is done yet", "Done jobs stand here for good, also when the queue has forgotten them."),
    "failed": ("Nothing has failed", "A failed job stands here for good: why, whether it called, what to do next."),
    "unlinked": ("Every job’s call is tied to a lead", "Calls that a person set aside are not counted here."),
}


def cursor() -> str | None:
    """Where the page begins, from the address."""
    return links.param("after")


def show(found: BoardPage, view: str) -> str:
    """The table. Returns the key of the selected job.

    :param view: which list it is; ``found`` for what a search found.
    """
    ids = [entry.key for entry in found.entries]
    shown = columns_of(view)
    alt = "Jobs of the queue; the selected one is shown beside the table"
    return grid.pick(SPACE, ids, rows(found.entries, shown, datetime.now(UTC), view), shown, param="job", alt=alt)


def columns_of(view: str) -> dict[str, Any]:
    """The columns of a list: a state only where there are several."""
    names = SHOWN.get(view) or [name for name in COLUMNS if name != "finished" and (name != "state" or view in MIXED)]
    shown = {name: COLUMNS[name] for name in names}
    if view in WIDTHS:
        shown["outcome"] = st.column_config.TextColumn("Why it failed", width=WIDTHS[view])
    return shown


def rows(entries: Sequence[Entry], columns: Mapping[str, Any], now: datetime, view: str = "all") -> pd.DataFrame:
    """Jobs as a table of words, one row each.

    :param view: which list it is.
    """
    away = queue_reads.pulse().problem is not None
    return pd.DataFrame([_row(entry, now, away, view) for entry in entries], columns=list(columns))


def _row(entry: Entry, now: datetime, away: bool, view: str) -> dict[str, str]:
    sid, lead_id = entry.call_sid, entry.job.lead_id
    moved_on = view in SHOWN and entry.job.state != view
    return {
        "state": queue_words.state(entry, away=away),
        "when": queue_words.when(entry, now),
        "finished": formatting.relative(entry.job.finished_at, now=now),
        "kind": queue_words.kind(entry),
        "lead": f"{links.lead(lead_id).url}#{queue_words.lead(entry)}" if lead_id is not None else "",
        "to": formatting.phone(entry.job.to),
        "call": f"{links.call(sid).url}#{formatting.short_sid(sid)} {queue_words.link(entry)}" if sid else "",
        "outcome": f"↻ put back: {queue_words.state(entry, away=away)}" if moved_on else queue_words.outcome(entry),
        "tries": queue_words.tries(entry),
        "waited": queue_words.seconds(entry.waited),
        "worked": queue_words.seconds(entry.job.took),
        "id": entry.job.job_id,
    }


def paging(found: BoardPage, total: int | None) -> None:
    """Back and on by a cursor in the address.

    :param total: how many jobs the whole list has, where that is known.
    """
    here = cursor()
    with st.container(key="queue_paging", horizontal=True, gap="small", vertical_alignment="center"):
        if here:
            label = "Page before" if state.trail(SPACE) else "First page"
            st.button(label, key="queue.before", icon=":material/chevron_left:", on_click=_back)
        if found.following:
            st.button(
                "Next page", key="queue.next", icon=":material/chevron_right:", on_click=_on, args=(found.following,)
            )
        shown = formatting.count(len(found.entries), "job")
        whole = total is not None and total <= len(found.entries) and not here
        words = shown if whole else f"{shown} on this page" if total is None else f"{shown} of {total:,} on this page"
        st.html(f'<span class="pb-line pb-muted">{words}</span>')


def _on(following: str) -> None:
    state.set_trail((*state.trail(SPACE), cursor() or ""), SPACE)
    _turn_to(following)


def _back() -> None:
    *before, last = state.trail(SPACE) or ("",)
    state.set_trail(tuple(before), SPACE)
    _turn_to(last or None)


def _turn_to(place: str | None) -> None:
    kept = {name: value for name, value in links.params().items() if name not in ("after", "job")}
    links.write_params({**kept, "after": (place,)} if place else kept)


def recurring(found: Sequence[Recurring]) -> None:
    """What is dialled again and again, the next first."""
    if not found:
        grid.empty("Nothing recurs", "A call that is scheduled with an interval or a cron expression stands here.")
        return
    for each in found:
        with st.container(
            key=f"ledger_recurring_{_safe(each.key)}",
            horizontal=True,
            vertical_alignment="center",
            horizontal_alignment="distribute",
        ):
            words = f"{queue_words.recurs(each)}, {queue_words.next_time(each, viewer.zone())}"
            st.html(
                f'<div class="pb-line"><b>{escape(each.name)}</b> {escape(words)}<br>'
                f'<span class="pb-muted"><code>{escape(each.key)}</code></span></div>',
                width="stretch",
            )
            queue_actions.end_button(each.key)


def _safe(key: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in key)


def nothing(view: str, text: str | None, *, following: str | None) -> None:
    """No job to show, and why."""
    if text:
        words = escape(formatting.clip(text, 60))
        grid.empty(
            f"No job fits {words}",
            "A job is found by the Call SID in its result, by a whole phone number, by its lead’s id or by its own id.",
            label="Clear the search",
            key="queue.clear_empty",
            on_click=clear,
        )
    elif following:
        grid.empty("None among the newest 2,000 jobs that were looked through", "Older jobs may have one.")
        st.button("Look further", key="queue.next", icon=":material/chevron_right:", on_click=_on, args=(following,))
    elif cursor():
        grid.empty(
            "No further jobs", "The list ends before this page.", label="First page", key="queue.first", on_click=_first
        )
    else:
        grid.empty(*NOTHING[view])
        if view == "all":
            links.show("Place a test call through the queue", links.test_calls(via="queue"), icon=":material/call:")


def clear() -> None:
    """Back to the list, without the search. Serves as ``on_click``."""
    links.write_params({})
    state.forget_address(SPACE)


def _first() -> None:
    state.set_trail((), SPACE)
    _turn_to(None)


def away(error: Unavailable) -> None:
    """This list needs the queue, which does not answer; the top of the page says why."""
    grid.empty("This list cannot be read now", escape(error.message))
    with st.container(horizontal=True, gap="small"):
        links.show("All jobs that are known", links.queue())
        links.show("Jobs whose call is unlinked", links.queue(state="unlinked"))
