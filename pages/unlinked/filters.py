"""The worklist's filters. Each widget's value lives in the address under the widget's key."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from core.linking import View, WorklistFilter
from core.model import causes
from dashboard import formatting, links, state

VIEWS: dict[str, View] = {"unlinked": "unlinked", "set aside": "set_aside"}
"""The widgets' values stand in the address as they are shown, so each is a word."""
CAUSES = {formatting.words(cause): cause for cause in causes.CAUSES}
DIRECTIONS = ("inbound", "outbound")
STATUSES = ("completed", "no-answer", "busy", "failed", "canceled", "in-progress", "ringing", "initiated", "queued")
"""Twilio's call statuses."""
NO_FILTERS: dict[str, Any] = {
    "cause": None,
    "direction": None,
    "status": None,
    "dates": (),
    "number": "",
    "text": "",
}


def first_page() -> None:
    """Other filters start at the first page, with no call selected."""
    links.set_param("after", None)
    links.set_param("call", None)
    state.set_trail(())
    state.set_row(0)


def clear() -> None:
    """Take all filters away. Serves as ``on_click``."""
    state.set_values(NO_FILTERS)
    first_page()


def show(zone: ZoneInfo) -> WorklistFilter:
    """The filters, and what they add up to."""
    bound: dict[str, Any] = {"bind": "query-params", "on_change": first_page}
    view = st.segmented_control("View", VIEWS, key="view", default="unlinked", required=True, **bound)
    cause = st.selectbox("Cause", CAUSES, index=None, key="cause", placeholder="Any", width=170, **bound)
    direction = st.selectbox(
        "Direction", DIRECTIONS, index=None, key="direction", placeholder="Any", width=130, **bound
    )
    status = st.selectbox("Status", STATUSES, index=None, key="status", placeholder="Any", width=130, **bound)
    days = st.date_input("Days", value=(), key="dates", format="YYYY-MM-DD", width=210, **bound)
    number = st.text_input("Number", key="number", max_chars=100, placeholder="+1 415 555 2671", width=170, **bound)
    text = st.text_input(
        "Text", key="text", max_chars=400, type="search", placeholder="SID, name, words spoken", width=210, **bound
    )
    since, until = span(days, zone)
    if any((cause, direction, status, days, number, text)):
        st.button("Clear", key="unlinked.clear", type="tertiary", icon=":material/close:", on_click=clear)
    return WorklistFilter(
        view=VIEWS.get(view or "", "unlinked"),
        cause=CAUSES.get(cause or ""),
        direction=direction,
        status=status,
        number=(number or "").strip() or None,
        text=(text or "").strip() or None,
        since=since,
        until=until,
    )


def span(days: Any, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Calendar days of the viewer as two moments, the second one excluded; one day alone means from that day on."""
    chosen: tuple[date, ...] = tuple(days) if isinstance(days, tuple | list) else (days,) if days else ()
    if not chosen:
        return None, None
    since = datetime.combine(chosen[0], time(), zone)
    until = datetime.combine(chosen[1] + timedelta(days=1), time(), zone) if len(chosen) > 1 else None
    return since, until
