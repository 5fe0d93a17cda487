"""The ledger's filters: person, lead, call, batch. Their values live in the address."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.errors import BadInput
from core.linking import fields
from core.model import call_sid as sids
from dashboard import formatting, links, state, typed
from dashboard.reads import ActivityFilter

SPACE = "activity"
NAMES = ("actor", "lead", "call", "batch")
_PROBLEM = "activity.problem"


def show() -> ActivityFilter:
    """The filters, and what they add up to; what cannot be meant is kept for :func:`problem`."""
    named = {name: links.param(name) or "" for name in NAMES}
    if state.follow_address(SPACE, named, named):
        links.restate_params()
    _widget("Person", "actor", 180, "Name, as it is written")
    _widget("Lead", "lead", 110, "Id")
    _widget("Call", "call", 300, "Call SID")
    _widget("Batch", "batch", 300, "Batch id")
    values = {name: (state.value(f"{SPACE}.{name}") or "").strip() for name in NAMES}
    if any(values.values()):
        st.button("Clear", key="activity.clear", type="tertiary", icon=":material/close:", on_click=clear)
    return _checked(values)


def problem() -> str | None:
    """What is wrong with the filters, or None."""
    found = state.value(_PROBLEM)
    return formatting.plain(found) if found else None


def cursor() -> int | None:
    """The event before which the page starts, or None for the newest."""
    place = links.param("before")
    return fields.identifier("before", place) if place else None


def clear() -> None:
    """Take all filters away. Serves as ``on_click``."""
    _go_to({})
    state.forget_address(SPACE)


def _widget(label: str, name: str, width: int, placeholder: str) -> None:
    st.text_input(label, key=f"{SPACE}.{name}", width=width, placeholder=placeholder, on_change=_apply)


def _apply() -> None:
    values = {name: (state.value(f"{SPACE}.{name}") or "").strip() for name in NAMES}
    pasted = values["call"]
    values["call"] = typed.meant(pasted, sids.LONGEST)
    _go_to({name: value for name, value in values.items() if value and len(value) <= typed.LONGEST_IN_ADDRESS})
    if values["call"] != pasted:
        state.forget_address(SPACE)


def _go_to(values: Mapping[str, str]) -> None:
    links.write_params(values)
    state.note_address(SPACE, {name: values.get(name, "") for name in NAMES})
    state.set_trail((), SPACE)


def _checked(values: Mapping[str, str]) -> ActivityFilter:
    state.set_value(_PROBLEM, None)
    try:
        known: dict[str, Any] = {
            "actor": fields.line("Person", values["actor"], fields.ACTOR_LENGTH) if values["actor"] else None,
            "lead": fields.identifier("Lead", values["lead"]) if values["lead"] else None,
            "call": fields.call_sid(values["call"], "Call") if values["call"] else None,
            "batch": fields.batch_id(values["batch"]) if values["batch"] else None,
        }
    except BadInput as wrong:
        state.set_value(_PROBLEM, formatting.sentence(wrong.message))
        return ActivityFilter()
    return ActivityFilter(**known)
