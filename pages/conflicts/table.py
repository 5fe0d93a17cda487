"""The conflicts as a table."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from core.linking.conflicts import ConflictDetail
from dashboard import formatting, grid, links
from pages.conflicts import kinds

COLUMNS = {
    "when": st.column_config.TextColumn("Call of", width=84),
    "kind": st.column_config.TextColumn("Kind", width=140),
    "call": st.column_config.LinkColumn("Call", width=96, display_text="#(.+)$", help="Opens Call lookup in a new tab"),
    "what": st.column_config.TextColumn("What contradicts what", width=400),
    "remedy": st.column_config.TextColumn("Remedy", width=180),
}


def id_of(item: ConflictDetail) -> str:
    """One conflict in the address."""
    found = item.conflict
    return " ".join((found.kind, *found.call_sids[:1]))


def show(items: Sequence[ConflictDetail]) -> ConflictDetail:
    """The table. Returns the selected conflict."""
    ids = [id_of(item) for item in items]
    alt = "Conflicts, newest first; the selected one and its remedy are shown beside the table"
    shown = rows(items, datetime.now(UTC))
    picked = grid.pick("conflicts", ids, shown, COLUMNS, param="conflict", alt=alt, only_listed=True)
    return items[ids.index(picked)]


def rows(items: Sequence[ConflictDetail], now: datetime) -> pd.DataFrame:
    """Conflicts as a table of words, one row each."""
    return pd.DataFrame([_row(item, now) for item in items], columns=list(COLUMNS))


def _row(item: ConflictDetail, now: datetime) -> dict[str, str]:
    found = item.conflict
    sid = found.call_sid or next(iter(found.call_sids), None)
    return {
        "when": formatting.relative(found.started_at, now=now),
        "kind": formatting.words(found.kind, formatting.CONFLICT_WORDS),
        "call": f"{links.call(sid).url}#{formatting.short_sid(sid)}" if sid else "",
        "what": item.sentence,
        "remedy": formatting.words(found.remedy, formatting.REMEDY_WORDS),
    }


def nothing(kind: str | None, whole: int) -> None:
    """No conflict, or none of this kind."""
    if links.param("after"):
        grid.empty("No older conflicts", "The list ends before this page.")
        links.show("Newest conflicts", links.conflicts(kind=kind), icon=":material/chevron_left:")
    elif whole:
        grid.empty(
            "None of this kind",
            f"Of other kinds there {'is' if whole == 1 else 'are'} {formatting.count(whole, 'conflict')}.",
            label="Show every kind",
            key="conflicts.all",
            on_click=kinds.show_all,
        )
    else:
        grid.empty(
            "No conflicts",
            "Every SID is written in one way, described by one row and claimed by one lead at most, "
            "and leads.call_sid is UNIQUE. What contradicts itself from now on appears here.",
        )
