"""The worklist's filters: widgets whose values live in the address, so that a view can be shared and gone back to."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, cast, get_args
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.linking import View, WorklistFilter, fields
from core.model import causes
from core.model.suspects import SUSPECTS
from dashboard import formatting, links, reads, state, typed

SPACE = "unlinked"
BY_NUMBER = "by_number"
"""A way to show the view "unlinked"; in the address it is a view like the others."""
VIEWS: tuple[str, ...] = ("unlinked", BY_NUMBER, *(view for view in get_args(View) if view != "unlinked"))
DIRECTIONS = {"inbound": "← inbound", "outbound": "→ outbound"}
STATUSES = ("completed", "no-answer", "busy", "failed", "canceled", "in-progress", "ringing", "initiated", "queued")
"""Twilio's call statuses."""
EARLIEST, LATEST = date(1970, 1, 1), date(2999, 12, 31)
"""Days outside have no midnight in every time zone, or no day after them."""
NAMES = ("view", "cause", "direction", "status", "dates", "number", "text")
NO_FILTERS: Mapping[str, Any] = {
    "view": "unlinked",
    "cause": None,
    "direction": None,
    "status": None,
    "dates": (),
    "number": "",
    "text": "",
}


def read(params: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The filters that an address names; what cannot be meant is left out."""
    view = next(iter(params.get("view", ())), "unlinked")
    allowed = {"view": VIEWS, "cause": causes_of(view), "direction": tuple(DIRECTIONS), "status": STATUSES}
    values = dict(NO_FILTERS)
    for name in NAMES:
        given = params.get(name, ())
        if name == "dates":
            values[name] = _dates(given)
        elif given and (name not in allowed or given[0] in allowed[name]):
            values[name] = given[0]
    return values


def causes_of(view: str) -> tuple[str, ...]:
    """The causes by which a view can be filtered: why a call is unlinked, or why a link is suspect."""
    if view == "suspect":
        return SUSPECTS
    return () if view in ("stuck", "dangling") else causes.CAUSES


def grouped() -> bool:
    """Whether the calls are shown by number."""
    return state.value(f"{SPACE}.view") == BY_NUMBER


def _dates(given: tuple[str, ...]) -> tuple[date, ...]:
    try:
        days = sorted(date.fromisoformat(day) for day in given[:2])
    except ValueError:
        return ()
    return (days[0], days[-1]) if days and days[0] >= EARLIEST and days[-1] <= LATEST else ()


def written(values: Mapping[str, Any]) -> dict[str, Any]:
    """The filters as parameters of the address; those that do not filter are left out."""
    chosen = {name: value for name, value in values.items() if value and value != NO_FILTERS[name]}
    for name in ("number", "text"):
        if len(chosen.get(name, "")) > typed.LONGEST_IN_ADDRESS:
            del chosen[name]  # it is no filter: the list says that it is too long
    if "dates" in chosen:
        chosen["dates"] = [day.isoformat() for day in _days(chosen["dates"])]
    return chosen


def _apply() -> None:
    """A filter was changed: write the address. Other filters start at the first page, with no call selected."""
    values = {name: state.value(f"{SPACE}.{name}") for name in NAMES}
    pasted = (values["text"] or "").strip()
    values["text"] = typed.meant(pasted, fields.TEXT_LENGTH)
    fits = values["cause"] is None or values["cause"] in causes_of(values["view"] or "unlinked")
    _go_to(values if fits else {**values, "cause": None})
    if not fits or pasted != values["text"]:
        state.forget_address(SPACE)


def clear() -> None:
    """Take all filters away, but stay in the view. Serves as ``on_click``."""
    _go_to({**NO_FILTERS, "view": state.value(f"{SPACE}.view") or "unlinked"})
    state.forget_address(SPACE)


def first_page() -> None:
    """The same filters, from the newest call on. Serves as ``on_click``."""
    _apply()


def _go_to(values: Mapping[str, Any]) -> None:
    params = written(values)
    links.write_params(params)
    state.note_address(SPACE, _named(links.params()))
    state.set_trail(())
    state.set_row(0)


def _named(params: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {name: value for name, value in params.items() if name in NAMES}


def show(zone: ZoneInfo, views: DeltaGenerator) -> WorklistFilter:
    """The filters, and what they add up to.

    :param views: where the choice of the view stands.
    """
    params = links.params()
    if state.follow_address(SPACE, _named(params), read(params)):
        links.restate_params()
    views.segmented_control(
        "View",
        VIEWS,
        key="unlinked.view",
        required=True,
        format_func=_view_words,
        on_change=_apply,
        label_visibility="collapsed",
    )
    _widgets()
    values = {name: state.value(f"{SPACE}.{name}") for name in NAMES}
    if written({**values, "view": "unlinked"}):
        st.button("Clear", key="unlinked.clear", type="tertiary", icon=":material/close:", on_click=clear)
    return filter_of(values, zone)


def filter_of(values: Mapping[str, Any], zone: ZoneInfo) -> WorklistFilter:
    """What filters add up to, whether widgets or the address hold them; see :func:`read`."""
    since, until = span(values["dates"], zone)
    return WorklistFilter(
        view=cast(View, "unlinked" if values["view"] in (None, BY_NUMBER) else values["view"]),
        cause=values["cause"],
        direction=values["direction"],
        status=values["status"],
        number=(values["number"] or "").strip() or None,
        text=(values["text"] or "").strip() or None,
        since=since,
        until=until,
    )


def _widgets() -> None:
    change = {"on_change": _apply}
    _choice("Cause", causes_of(state.value(f"{SPACE}.view") or "unlinked"), "cause", 170, _cause_words)
    _choice("Direction", tuple(DIRECTIONS), "direction", 130, DIRECTIONS.__getitem__)
    _choice("Status", STATUSES, "status", 130, str)
    st.date_input("Days", key="unlinked.dates", format="YYYY-MM-DD", width=210, **change)
    st.text_input("Number", key="unlinked.number", placeholder="+1 415 555 2671", width=170, **change)
    st.text_input(
        "Text",
        key="unlinked.text",
        type="search",
        placeholder="SID, name, words spoken",
        width=210,
        **change,
    )


def _cause_words(cause: str) -> str:
    return formatting.words(cause, {**formatting.CAUSE_WORDS, **formatting.SUSPECT_WORDS})


def _view_words(view: str) -> str:
    number = reads.figures().values.get(view) if view in ("suspect", "stuck", "dangling") else None
    return f"{formatting.words(view)} · {number:,}" if number else formatting.words(view)


def _choice(label: str, options: tuple[str, ...], name: str, width: int, words: Any) -> None:
    st.selectbox(
        label,
        options,
        index=None,
        key=f"{SPACE}.{name}",
        format_func=words,
        placeholder="Any",
        width=width,
        on_change=_apply,
        disabled=not options,
    )


def _days(chosen: Any) -> tuple[date, ...]:
    return tuple(chosen) if isinstance(chosen, tuple | list) else (chosen,) if chosen else ()


def span(chosen: Any, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Calendar days of the viewer as two moments, the second one excluded; one day alone means that day."""
    days = _days(chosen)
    if not days:
        return None, None
    since = datetime.combine(days[0], time(), zone)
    return since, datetime.combine(days[-1] + timedelta(days=1), time(), zone)
