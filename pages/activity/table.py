"""The ledger as a table."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from core.model.records import LinkEvent
from dashboard import formatting, grid, links, viewer
from dashboard.reads import ActivityFilter
from pages.activity import filters

COLUMNS = {
    "when": st.column_config.TextColumn("When", width=84),
    "who": st.column_config.TextColumn("Who", width=130),
    "call": st.column_config.LinkColumn("Call", width=96, display_text="#(.+)$", help="Opens Call lookup in a new tab"),
    "what": st.column_config.TextColumn("What happened", width=310),
    "mark": st.column_config.TextColumn("State", width=78),
    "why": st.column_config.TextColumn("Reason", width=230),
    "time": st.column_config.TextColumn("Time", width=112, help="In your time zone"),
}


def show(events: list[LinkEvent]) -> int:
    """The table. Returns the id of the selected event."""
    ids = [str(event.id) for event in events]
    shown = rows(events, viewer.zone(), datetime.now(UTC))
    alt = "Changes of links, newest first; the selected one is shown beside the table"
    picked = grid.pick("activity", ids, shown, COLUMNS, param="event", alt=alt)
    return int(picked) if picked.isascii() and picked.isdigit() and len(picked) < 19 else int(ids[0])


def rows(events: list[LinkEvent], zone: ZoneInfo, now: datetime) -> pd.DataFrame:
    """Events as a table of words, one row each."""
    return pd.DataFrame([_row(event, zone, now) for event in events], columns=list(COLUMNS))


def _row(event: LinkEvent, zone: ZoneInfo, now: datetime) -> dict[str, str]:
    sid = event.call_sid
    return {
        "when": formatting.relative(event.at, now=now),
        "who": formatting.clip(formatting.actor_words(event), 60),
        "call": f"{links.call(sid).url}#{formatting.short_sid(sid)}" if sid else "",
        "what": formatting.event_words(event),
        "mark": "↺ undone" if event.undone else "",
        "why": formatting.clip(event.reason or "", 200),
        "time": formatting.clock(event.at, zone, now=now) if event.at else "",
    }


def nothing(wanted: ActivityFilter) -> None:
    """No event: none at all, none that fits, or none so old."""
    if links.param("before"):
        grid.empty("No older changes", "The ledger begins after this point.")
        links.show("Newest changes", links.activity(), icon=":material/chevron_left:")
    elif wanted == ActivityFilter():
        grid.empty("Nothing has changed yet", "Every link, unlink, relink and undo will stand here, whoever does it.")
    else:
        grid.empty(
            "No change fits these filters",
            "A person is found by the whole name, a call by its whole SID.",
            label="Clear filters",
            key="activity.clear_all",
            on_click=filters.clear,
        )
