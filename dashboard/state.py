"""The session's memory: the only module that touches ``st.session_state``.

Every key is namespaced by its page or part (``unlinked.cause``, ``repair.intent``). Filters live in the address, kept
in step by :func:`follow_address`: Streamlit's own binding carries values over to other pages, so that a link shows
more filters than it names, and writes one step of history for each widget, so that Back no longer leads back.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, cast

import streamlit as st

from core.model.records import LinkEvent

Action: TypeAlias = Literal[
    "link",
    "make_current",
    "unlink",
    "relink",
    "set_aside",
    "restore",
    "undo",
    "undo_batch",
    "merge_rows",
    "normalise_sid",
    "repair_twilio",
    "add_constraint",
    "choose_lead",
    "confirm_link",
    "set_phone",
    "set_number_rule",
    "end_number_rule",
    "create_lead",
]


@dataclass(frozen=True, slots=True)
class Intent:
    """What a person is about to do, while the dialog asks.

    :ivar call_sid: empty where the command is about no call.
    :ivar event_id: the link event that is to be undone (action ``undo`` only).
    :ivar choice: what else was chosen: a batch to undo, the row to keep, a lead's new phone number.
    :ivar current: make the call its lead's current one whatever its age.
    :ivar request_id: made when the dialog opens; a second click sends it again and changes nothing twice.
    :ivar seen: what the dialog shows: the event that would be written, or a remedy's preview; None until it was read.
    :ivar nothing: reading found that nothing would change.
    :ivar confirmed: the button was pressed; the dialog's next run carries it out.
    """

    action: Action
    call_sid: str
    lead_id: int | None = None
    event_id: int | None = None
    choice: str | None = None
    current: bool = False
    request_id: str = ""
    seen: Any = None
    nothing: bool = False
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What was done last, as long as the undo bar shows it.

    :ivar event: the link event, or None for several and for what leaves none.
    :ivar batch_id: the batch that Undo takes back, where it was more than one event.
    :ivar left: what was not done, each with its reason.
    :ivar is_undo: it took something back, so that what takes it back is called Redo.
    """

    event: LinkEvent | None
    words: str
    batch_id: str | None = None
    left: tuple[str, ...] = ()
    is_undo: bool = False
    toasted: bool = False


_INTENT, _DONE, _UNDO = "repair.intent", "repair.done", "repair.undo"
_ROW = "unlinked.row"
_NUMBER = "system.number"


def open_dialog(
    action: Action,
    call_sid: str,
    lead_id: int | None = None,
    event_id: int | None = None,
    choice: str | None = None,
) -> None:
    """Ask about a command in the next run. Serves as ``on_click``."""
    st.session_state[_INTENT] = Intent(action, call_sid, lead_id, event_id, choice, request_id=str(uuid.uuid4()))


def open_dialog_for_typed_lead(action: Action, call_sid: str, field: str) -> None:
    """The same, with the lead id that stands in the input ``field``; a bad one leaves a message beside the field."""
    from core.errors import BadInput
    from core.linking.fields import identifier

    st.session_state.pop(f"{field}.problem", None)
    try:
        open_dialog(action, call_sid, identifier("Lead id", st.session_state.get(field, "") or ""))
    except BadInput as problem:
        st.session_state[f"{field}.problem"] = problem.message


def problem_of(field: str) -> str | None:
    """The message that belongs beside an input, or None."""
    return cast(str | None, st.session_state.get(f"{field}.problem"))


def intent() -> Intent | None:
    """What the dialog is asking about, or None."""
    return cast(Intent | None, st.session_state.get(_INTENT))


def note_seen(seen: Any) -> Intent | None:
    """Keep what the dialog shows, so that exactly this is what gets confirmed. None: nothing would change."""
    now = intent()
    if now is not None:
        st.session_state[_INTENT] = replace(now, seen=seen, nothing=seen is None, confirmed=False)
    return intent()


def unconfirm() -> None:
    """It was refused: the button has to be pressed again."""
    now = intent()
    if now is not None:
        st.session_state[_INTENT] = replace(now, confirmed=False)


def confirm() -> None:
    """The dialog's button was pressed. Serves as ``on_click``."""
    now = intent()
    if now is not None:
        st.session_state[_INTENT] = replace(now, confirmed=True)


def read_again() -> None:
    """Forget what the dialog showed, with a new request id: the facts have changed. Serves as ``on_click``."""
    now = intent()
    if now is not None:
        st.session_state[_INTENT] = replace(
            now, seen=None, nothing=False, confirmed=False, request_id=str(uuid.uuid4())
        )


def choose_current() -> None:
    """The box "make it current" was ticked or not: look again at what would happen. Serves as ``on_change``."""
    now = intent()
    if now is not None:
        st.session_state[_INTENT] = replace(now, current=bool(st.session_state.get("repair.current")))
        read_again()


def close_dialog() -> None:
    """Ask no more. Serves as ``on_click`` and ``on_dismiss``."""
    st.session_state.pop(_INTENT, None)


def note_done(
    event: LinkEvent | None,
    words: str,
    *,
    batch_id: str | None = None,
    left: tuple[str, ...] = (),
    is_undo: bool = False,
) -> None:
    """A command was carried out: the dialog closes, the undo bar opens."""
    close_dialog()
    st.session_state[_DONE] = Done(event, words, batch_id, left, is_undo)


def done() -> Done | None:
    """What the undo bar shows, or None."""
    return cast(Done | None, st.session_state.get(_DONE))


def first_time() -> bool:
    """Whether the last deed still needs its toast; true once."""
    now = done()
    if now is None or now.toasted:
        return False
    st.session_state[_DONE] = replace(now, toasted=True)
    return True


def dismiss_done() -> None:
    """Close the undo bar. Serves as ``on_click``."""
    st.session_state.pop(_DONE, None)


def ask_undo(what: int | str) -> None:
    """Undo an event (its id) or a batch (its UUID) in the next run. Serves as ``on_click``."""
    st.session_state[_UNDO] = (what, str(uuid.uuid4()))


def take_undo() -> tuple[int | str, str] | None:
    """The event or batch to be undone now and its request id; asked for once."""
    return cast(tuple[int | str, str] | None, st.session_state.pop(_UNDO, None))


def value(key: str, default: Any = None) -> Any:
    """The value of a widget."""
    return st.session_state.get(key, default)


def ask_own_number(number: str, is_ours: bool | None) -> None:
    """Say in the next run whether a number is one of ours. Serves as ``on_click``."""
    st.session_state[_NUMBER] = (number, is_ours)


def take_own_number() -> tuple[str, bool | None] | None:
    """The number and what was said of it; told once."""
    return cast(tuple[str, bool | None] | None, st.session_state.pop(_NUMBER, None))


def set_value(key: str, value: Any) -> None:
    """Remember a value of a page between its parts; None forgets it."""
    if value is None:
        st.session_state.pop(key, None)
    else:
        st.session_state[key] = value


def follow_address(space: str, address: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Give a page's widgets the values that the address names, whenever the address is another one than before.

    :param space: namespace of the page's widgets.
    :param address: what the address says; once followed it leaves the widgets alone until it changes.
    :param values: what it says, by widget, without the namespace.
    :return: whether the address changed while the page was open, by a link to itself or by Back.
    """
    keys = {f"{space}.{name}": value for name, value in values.items()}
    seen, was_open = f"{space}.address", all(f"{space}.{name}" in st.session_state for name in values)
    if was_open and st.session_state.get(seen) == address:
        return False
    st.session_state.update(keys)
    st.session_state[seen] = dict(address)
    return was_open


def note_address(space: str, address: Mapping[str, Any]) -> None:
    """The page has written the address itself: its widgets need not follow."""
    st.session_state[f"{space}.address"] = dict(address)


def forget_address(space: str) -> None:
    """The page's widgets shall follow the address in the next run, even if it is the same."""
    st.session_state.pop(f"{space}.address", None)


def marked(lead_ids: tuple[int, ...]) -> tuple[int, ...]:
    """The leads whose box "mark contacted" is ticked."""
    return tuple(lead_id for lead_id in lead_ids if st.session_state.get(f"repair.contacted.{lead_id}"))


def trail(space: str = "unlinked") -> tuple[str, ...]:
    """The cursors of the pages of a list before this one, oldest first; the first page is the empty text."""
    return cast(tuple[str, ...], st.session_state.get(f"{space}.trail", ()))


def set_trail(cursors: tuple[str, ...], space: str = "unlinked") -> None:
    """Remember the pages of a list before this one."""
    st.session_state[f"{space}.trail"] = cursors


def row() -> int:
    """Which row of the worklist was selected last; the next list starts there."""
    return cast(int, st.session_state.get(_ROW, 0))


def set_row(index: int) -> None:
    """Remember the selected row."""
    st.session_state[_ROW] = index


def select_row(table_key: str, index: int) -> None:
    """Select a row of a table in this run, before the table is shown."""
    if selected_row(table_key) != index:
        st.session_state[table_key] = {"selection": {"rows": [index], "columns": [], "cells": []}}


def select_no_row(table_key: str) -> None:
    """Forget which row of a table was selected, before the table is shown."""
    if selected_row(table_key) is not None:
        st.session_state[table_key] = {"selection": {"rows": [], "columns": [], "cells": []}}


def selected_rows(table_key: str) -> tuple[int, ...]:
    """The rows that are ticked in a table."""
    picked = st.session_state.get(table_key)
    return tuple(picked["selection"]["rows"]) if picked else ()


def selected_row(table_key: str) -> int | None:
    """The row that is selected in a table, or None."""
    picked = st.session_state.get(table_key)
    rows = picked["selection"]["rows"] if picked else []
    return rows[0] if rows else None
