"""Asking Twilio about a call: what it knows beside what is stored, and filling what is missing."""

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from html import escape

import streamlit as st

from core import app as console
from core.errors import Stale, Unavailable
from core.linking import Linking, Options
from core.linking.results import Check
from core.model.records import LinkEvent
from core.telephony import Difference, Repair, RepairPreview
from core.telephony.repair import Which
from dashboard import formatting, identity, reads, repair_runs, sides, state

NAMES: Mapping[str, str] = {
    "from_number": "From",
    "to_number": "To",
    "direction": "Direction",
    "call_status": "Status",
    "call_duration": "Length",
}
NO_ACCOUNT = "No Twilio account is set: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN."


def show(call_sid: str, *, key: str) -> None:
    """The button that asks Twilio about a call.

    :param key: prefix of the widget's key: the page's name.
    """
    nobody = console.shared().telephony.simulated
    st.button(
        "Ask Twilio…",
        key=f"{key}.repair_twilio",
        icon=":material/sync:",
        on_click=state.open_dialog,
        args=("repair_twilio", call_sid),
        disabled=nobody,
        help=NO_ACCOUNT if nobody else "Fills numbers, direction, final status and length where they are missing",
    )


def can_ask() -> bool:
    """Whether there is a Twilio account to ask."""
    return not console.shared().telephony.simulated


def rate() -> int:
    """How many calls a second a bulk repair asks about."""
    return console.shared().settings.repair_rate


@st.cache_data(ttl=15, max_entries=4, show_spinner=False)
def waiting(which: Which) -> int:
    """How many calls a bulk repair would ask about."""
    return len(console.shared().repair.waiting(which))


def start(which: Which, options: Options) -> str:
    """Begin a bulk repair in the background; returns its batch."""
    actor = identity.current_actor()
    waiting.clear()
    named = replace(options, actor=actor.name)
    return repair_runs.start(_repair(), which, named, console.shared().linking.judge)


def check() -> Check:
    """The System page's line about Twilio. Asks nobody."""
    return console.shared().telephony.check()


def numbers_button() -> None:
    """The button that reads our own numbers from the Twilio account, where there is one."""
    if console.shared().telephony.simulated:
        return
    asked = st.button(
        "Read from the Twilio account",
        key="system.read_numbers",
        icon=":material/sync:",
        disabled=not identity.may_write(),
    )
    if asked:
        with contextlib.suppress(Unavailable):  # what came of it is the check's line
            console.shared().telephony.refresh_numbers(identity.current_actor())
        reads.clear()
        st.rerun()


def preview(_: Linking, intent: state.Intent) -> RepairPreview | None:
    """What Twilio says; None when it is what is stored."""
    seen = _repair().preview(intent.call_sid)
    return seen if seen.differences else None


def show_differences(intent: state.Intent, seen: RepairPreview) -> bool:
    """The dialog's body. Another value than Twilio's stays unless a person ticks it."""
    st.html(f'<p class="pb-line">Call <code>{escape(intent.call_sid)}</code></p>')
    if not seen.known:
        st.html('<p class="pb-line">Nothing is stored of this call: it gets a row.</p>')
    filled = [each for each in seen.differences if each.fills]
    other = [each for each in seen.differences if not each.fills]
    if filled:
        st.html(sides.as_table([(NAMES[each.field], _cell(each, ours=True), _cell(each)) for each in filled]))
    if other:
        one = "is stored otherwise. It stays unless you tick it:"
        several = "are stored otherwise. They stay unless you tick them:"
        stays = one if len(other) == 1 else several
        st.html(f'<p class="pb-line">{formatting.count(len(other), "value")} {stays}</p>')
    for each in other:
        st.checkbox(
            f"{NAMES[each.field]}: replace {_cell(each, ours=True)} by {_cell(each)}",
            key=_box(each),
            value=False,
        )
    return bool(filled) or any(state.value(_box(each)) for each in other)


def run(intent: state.Intent, seen: RepairPreview, options: Options) -> LinkEvent | None:
    """Fill what was shown, and take Twilio's value where a person ticked it.

    :raises Stale: when what is stored changed since it was shown.
    """
    repair = _repair()
    taken = [each.field for each in seen.differences if not each.fills and state.value(_box(each))]
    now = repair.preview(intent.call_sid, taken) if taken else seen
    if {each.field: each.ours for each in now.differences} != {each.field: each.ours for each in seen.differences}:
        raise Stale("The call changed since you looked.", hint="Nothing was written: look at it again.")
    return repair.apply(intent.call_sid, replace(options, expect=now.options.expect), taken)


def _repair() -> Repair:
    return console.shared().repair.acting_as(identity.current_actor())


def _box(each: Difference) -> str:
    return f"repair.twilio.{each.field}"


def _cell(each: Difference, *, ours: bool = False) -> str:
    value = each.ours if ours else each.theirs
    if value is None:
        return "nothing"
    if each.field == "call_duration":
        return formatting.duration(int(value))
    return formatting.phone(str(value)) if each.field.endswith("_number") else str(value)
