"""The form that places a test call. One form is one key, one key is one call, however often the button is pressed."""

import uuid
from collections.abc import Mapping
from typing import Any

import streamlit as st

from core.access.identity import VIEWERS_READ
from core.errors import BadInput, NotFound, PatchbayError, Refused
from core.linking import fields
from core.telephony.test_calls import VIAS
from dashboard import formatting, guard, identity, links, queue_reads, state, test_calls
from dashboard.test_calls import Number

SPACE = "test_calls"
KEY, GO, PLACED = f"{SPACE}.key", f"{SPACE}.go", f"{SPACE}.placed"
NO_LEAD, OTHER = "none", "other"
LEAD_WORDS = {NO_LEAD: "No lead", OTHER: "Another lead…"}


def show() -> None:
    """The form."""
    st.header("New test call", anchor=False)
    known = {number.e164: number for number in test_calls.numbers()}
    if not known:
        _nothing_allowed()
        return
    _follow_address(known)
    st.selectbox(
        "Number",
        (*known, OTHER),
        key=f"{SPACE}.to",
        format_func=lambda number: known[number].words if number in known else "Another number…",
        help="Only numbers of TEST_CALL_ALLOWLIST are called; simulated without one, those of demo leads",
    )
    _typed("Which number", "to", "+14155550123")
    _lead(known, state.value(f"{SPACE}.to"))
    _typed("Which lead", "lead", "Lead id")
    to = _chosen("to")
    st.segmented_control(
        "How", VIAS, key=f"{SPACE}.via", required=True, format_func=test_calls.VIA_WORDS.__getitem__, width="stretch"
    )
    if state.value(f"{SPACE}.via") == "queue":
        _queue_state()
    st.checkbox(
        "The lead keeps what the call writes",
        key=f"{SPACE}.keep",
        help="Status, time of contact, note. Else the lead gets back what it had. It always gets its current call "
        "back, which a test call never is; the link stays as history",
    )
    barred = not identity.may_write()
    key = state.value(KEY) or _new_key()
    st.button(
        f"Call {formatting.phone(to)}" if to else "Call",
        key=f"{SPACE}.place",
        type="primary",
        icon=":material/call:",
        on_click=state.set_value,
        args=(GO, key),
        disabled=barred or not to or not _chosen("lead"),
        help=VIEWERS_READ if barred else None,
    )


def place_if_asked() -> None:
    """Carry out the click, then show the call. Pressed twice it is the same key, so the same call."""
    key = state.value(GO)
    state.set_value(GO, None)
    if key is None:
        return
    placed: tuple[str, int] | None = state.value(PLACED)
    if placed is not None and placed[0] == key:
        links.write_params({"call": str(placed[1])})
        return
    to, via = _chosen("to"), state.value(f"{SPACE}.via") or "direct"
    try:
        lead_id = _lead_id(_chosen("lead"))
        with st.spinner(f"Calling {formatting.phone(to)}…"):
            call = test_calls.service().place(to, lead_id, via, key, keep=bool(state.value(f"{SPACE}.keep")))
    except PatchbayError as error:
        if isinstance(error, BadInput | NotFound | Refused):
            state.set_value(KEY, None)  # nothing was dialled for it; else the same key is safe, and another is not
        guard.show(error, "place")
        return
    finally:
        test_calls.clear()
    state.set_value(PLACED, (key, call.id))
    links.write_params({"call": str(call.id)})


def begin_anew() -> None:
    """Another form, another key. Serves as ``on_click``."""
    state.set_value(KEY, None)
    links.write_params({})


def _new_key() -> str:
    key = str(uuid.uuid4())
    state.set_value(KEY, key)
    return key


def _follow_address(known: Mapping[str, Number]) -> None:
    """Values that a link brings along; else the first number."""
    address = {name: links.param(name) or "" for name in ("to", "via", "lead")}
    to = address["to"] if address["to"] in known else next(iter(known))
    values: dict[str, Any] = {"to": to, "via": address["via"] if address["via"] in VIAS else "direct", "keep": False}
    state.follow_address(SPACE, address, values)


def _lead(known: Mapping[str, Number], to: str | None) -> None:
    """The leads that have the number come first; any other id can be typed."""
    number = known.get(to or "")
    whose = dict(number.leads) if number else {}
    asked = links.param("lead")
    options = [str(lead_id) for lead_id in whose]
    if asked and asked.isascii() and asked.isdigit() and asked not in options:
        options.insert(0, asked)
    chosen_for = f"{SPACE}.lead_of"
    if state.value(chosen_for) != to or state.value(f"{SPACE}.lead") is None:
        state.set_value(chosen_for, to)
        state.set_value(f"{SPACE}.lead", options[0] if options else NO_LEAD)
    st.selectbox(
        "Lead",
        (*options, NO_LEAD, OTHER),
        key=f"{SPACE}.lead",
        format_func=lambda each: whose.get(int(each), f"Lead {each}") if each.isdigit() else LEAD_WORDS[each],
        help="The call is linked to this lead. Its number has to be allowed too",
    )


def _typed(label: str, name: str, placeholder: str) -> None:
    """Where something else than what is listed can be typed, once that was chosen."""
    if state.value(f"{SPACE}.{name}") == OTHER:
        st.text_input(label, key=f"{SPACE}.{name}_typed", placeholder=placeholder)


def _chosen(name: str) -> str | None:
    """What was chosen from a list, or typed instead."""
    chosen: str | None = state.value(f"{SPACE}.{name}")
    return (state.value(f"{SPACE}.{name}_typed") or "").strip() or None if chosen == OTHER else chosen


def _lead_id(chosen: str | None) -> int | None:
    return None if chosen in (None, "", NO_LEAD) else fields.identifier("Lead id", chosen)


def _queue_state() -> None:
    found = queue_reads.pulse()
    if found.problem is not None:
        hint = f" {formatting.plain(found.problem.hint)}" if found.problem.hint else ""
        st.warning(f"{formatting.plain(found.problem.message)}{hint}", icon=":material/cloud_off:")
    elif found.is_worked is False:
        st.warning(
            "Nobody takes jobs from the queue now: the call would wait. Start a worker:", icon=":material/pause:"
        )
        st.code("python -m core worker", language=None)


def _nothing_allowed() -> None:
    if test_calls.simulated():
        words = "The allow list names no number that can be read."
    else:
        words = "A Twilio account is set, and no number is allowed for test calls: nobody is ever called by accident."
    st.html(f'<div class="pb-empty"><b>No number may be called</b>{words} Set, in .env, and start again:</div>')
    st.code(test_calls.ALLOW, language=None)
