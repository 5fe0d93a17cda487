"""A lead's calls: its whole history with the current one marked, and the other calls of its numbers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from core.linking.lead_book import LeadStory
from core.model.records import Call
from dashboard import formatting, grid, links, sides, state, viewer

MOST_OTHERS = 100
COLUMNS = {
    "state": st.column_config.TextColumn("Link", width=100),
    "when": st.column_config.TextColumn("When", width=84),
    "direction": st.column_config.TextColumn("⇄", width=56, help="← to us, → from us"),
    "counterpart": st.column_config.TextColumn("Other party", width=132),
    "length": st.column_config.TextColumn("Length", width=66, alignment="right"),
    "status": st.column_config.TextColumn("Status", width=88),
    "sid": st.column_config.LinkColumn("Call", width=96, display_text="#(.+)$", help="Opens Call lookup in a new tab"),
    "time": st.column_config.TextColumn("Time", width=112, help="In your time zone"),
    "note": st.column_config.TextColumn("Note", width=380),
}
MARKS = {"current": "✓ current", "history": "↺ history", "unlinked": "○ unlinked", "set_aside": "⊘ set aside"}


def history(told: LeadStory) -> None:
    """Every call of the lead, and what can be done with the selected one."""
    st.header(f"Its calls · {told.calls_total:,}", anchor=False)
    if not told.calls:
        grid.empty(
            "No call is linked to this lead", "Link one from the list below, from Unlinked calls or Call lookup."
        )
        return
    call = _table("lead_calls", told.calls, told.details, "call", "Calls of this lead, newest first")
    with st.container(key="leads_actions", horizontal=True, vertical_alignment="center", gap="small"):
        if call.state == "history" and not call.test:
            _ask("Make current…", "make_current", call, ":material/vertical_align_top:", told.lead.id)
        _ask("Unlink…", "unlink", call, ":material/link_off:")
        if call.suspect:
            _ask("The link is right…", "confirm_link", call, ":material/check:", told.lead.id)
        links.show_call(call.call_sid, f"Open {formatting.short_sid(call.call_sid)} in Call lookup")
    if call.test and call.state != "current":
        st.html(f'<p class="pb-line pb-muted">{sides.NEVER_CURRENT}</p>')
    if told.calls_total > len(told.calls):
        words = f"The newest {len(told.calls)} of {told.calls_total:,} calls."
        st.html(f'<p class="pb-line pb-muted">{words}</p>')


def of_its_numbers(told: LeadStory) -> None:
    """Calls with one of its numbers that are not its own."""
    others = told.number_calls[:MOST_OTHERS]
    st.header(f"Other calls of its numbers · {len(told.number_calls):,}", anchor=False)
    if not others:
        st.html('<p class="pb-line pb-muted">Every call with one of its numbers is its own.</p>')
        return
    call = _table("lead_others", others, told.details, "other", "Calls with one of this lead's numbers")
    with st.container(key="leads_other_actions", horizontal=True, vertical_alignment="center", gap="small"):
        linked = call.lead_id is not None
        label, action = ("Relink", "relink") if linked else ("Link", "link")
        _ask(f"{label} to lead {told.lead.id}…", action, call, ":material/link:", told.lead.id)
        if call.lead_id is not None:
            links.show_lead(call.lead_id, f"It is linked to lead {call.lead_id}")
        links.show_call(call.call_sid, f"Open {formatting.short_sid(call.call_sid)} in Call lookup")


def _table(space: str, calls: Sequence[Call], details: Mapping[str, str], param: str, alt: str) -> Call:
    ids = [call.call_sid for call in calls]
    shown = rows(calls, details, viewer.zone(), datetime.now(UTC))
    picked = grid.pick(space, ids, shown, COLUMNS, param=param, alt=alt, only_listed=True)
    return calls[ids.index(picked)]


def rows(calls: Sequence[Call], details: Mapping[str, str], zone: ZoneInfo, now: datetime) -> pd.DataFrame:
    """Calls as a table of words, one row each."""
    return pd.DataFrame([_row(call, details, zone, now) for call in calls], columns=list(COLUMNS))


def _row(call: Call, details: Mapping[str, str], zone: ZoneInfo, now: datetime) -> dict[str, str]:
    sid = call.call_sid
    return {
        "state": MARKS[call.state],
        "when": formatting.relative(call.started_at, now=now),
        "direction": formatting.direction(call.direction),
        "counterpart": formatting.phone(call.counterpart),
        "length": formatting.duration(call.duration),
        "status": formatting.words(call.status, {}),
        "sid": f"{links.call(sid).url}#{formatting.short_sid(sid)}",
        "time": formatting.clock(call.started_at, zone, now=now),
        "note": details.get(sid, ""),
    }


def _ask(label: str, action: state.Action, call: Call, icon: str, lead_id: int | None = None) -> None:
    args = (action, call.call_sid, lead_id)
    st.button(label, key=f"leads.{action}", icon=icon, on_click=state.open_dialog, args=args)
