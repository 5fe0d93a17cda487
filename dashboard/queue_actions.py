"""Doing something with a job: the buttons, and the dialog that says first what it will do, or why it cannot be done."""

from dataclasses import dataclass, replace
from html import escape

import streamlit as st

from core.access.identity import VIEWERS_READ
from core.errors import PatchbayError
from core.outbound.board import Action, Entry, obstacle
from dashboard import formatting, guard, identity, queue_reads, queue_words, reads, state
from dashboard.guard import guarded

ASK, SURE = "queue.ask", "queue.sure"
ACTIONS: tuple[Action, ...] = ("retry", "promote", "cancel")
PERHAPS = (
    "Nothing tells whether the worker that had this job had dialled. Ask the carrier for calls "
    "to this number at that time first: tried again, the job calls."
)


@dataclass(frozen=True, slots=True)
class Ask:
    """What the dialog is about.

    :ivar what: an action on a job; None: to end what recurs.
    :ivar key: the job's, or that of what recurs.
    :ivar confirmed: its button was pressed.
    """

    what: Action | None
    key: str
    confirmed: bool = False


def buttons(entry: Entry) -> None:
    """One button for each action; what cannot be done is disabled and says why."""
    barred = None if identity.may_write() else VIEWERS_READ
    for action in ACTIONS:
        why = barred or obstacle(entry, action)
        st.button(
            f"{queue_words.ACTION_WORDS[action]}…",
            key=f"queue.{action}",
            icon=queue_words.ACTION_ICONS[action],
            on_click=_open,
            args=(action, entry.key),
            disabled=why is not None,
            help=formatting.plain(why) if why else None,
        )


def end_button(key: str) -> None:
    """The button that ends what recurs."""
    barred = not identity.may_write()
    st.button(
        "End…",
        key=f"queue.end.{key}",
        icon=":material/event_busy:",
        on_click=_open,
        args=(None, key),
        disabled=barred,
        help=VIEWERS_READ if barred else None,
    )


def dialog_if_asked() -> None:
    """Open the dialog when a button has asked for it."""
    ask: Ask | None = state.value(ASK)
    if ask is not None:
        title = queue_words.TITLES[ask.what] if ask.what else "End this recurring call?"
        st.dialog(title, width="medium", on_dismiss=_close)(_dialog)()


def _open(what: Action | None, key: str) -> None:
    state.set_value(ASK, Ask(what, key))
    state.set_value(SURE, None)
    queue_reads.clear()


def _close() -> None:
    state.set_value(ASK, None)


def _confirm() -> None:
    ask: Ask | None = state.value(ASK)
    if ask is not None:
        state.set_value(ASK, replace(ask, confirmed=True))


@guarded
def _dialog() -> None:
    ask: Ask | None = state.value(ASK)
    if ask is None:
        st.rerun()
    elif ask.confirmed:
        _do(ask)
    elif ask.what is None:
        st.html('<p class="pb-line">It is not dialled any more, and its next call is cancelled with it.</p>')
        _foot("End it")
    else:
        _explain(queue_reads.entry(ask.key), ask.what)


def _explain(entry: Entry, action: Action) -> None:
    st.html(f'<p class="pb-line">Job <code>{escape(entry.job.job_id)}</code> {queue_words.chip(entry)}</p>')
    why = obstacle(entry, action)
    if why is not None:
        st.info(formatting.plain(why), icon=":material/block:")
        _foot(None)
        return
    st.html(f'<p class="pb-line">{escape(queue_words.promise(entry, action))}</p>')
    _notes(entry, action)
    ready = True
    if action == "retry" and entry.perhaps_dialled:
        st.warning(PERHAPS, icon=":material/phone_forwarded:")
        ready = st.checkbox("I have made sure that nobody was called for this job", key=SURE)
    _foot(queue_words.BUTTONS[action], ready=ready)


def _notes(entry: Entry, action: Action) -> None:
    if action != "cancel" and queue_reads.simulated():
        st.html(f'<p class="pb-line pb-muted">{escape(queue_words.SIMULATED)}</p>')
    if action != "cancel" and entry.lead_gone:
        st.warning(f"Lead {entry.job.lead_id} has been deleted: nothing is dialled then.", icon=":material/person_off:")
    lead = reads.lead(entry.job.lead_id) if action == "cancel" and entry.job.lead_id is not None else None
    if lead is not None and lead.lead_status == "new" and not lead.call_sid:
        words = f"Lead {lead.id} is new and has no call: the backend’s automation may schedule it again."
        st.info(words, icon=":material/phone_forwarded:")


def _foot(confirm: str | None, *, ready: bool = True) -> None:
    with st.container(horizontal=True, horizontal_alignment="right", key="queue_dialog_buttons"):
        st.button("Leave it" if confirm else "Close", key="queue.leave", on_click=_close)
        if confirm:
            barred = not identity.may_write()
            st.button(
                confirm,
                key="queue.confirm",
                type="primary",
                on_click=_confirm,
                disabled=barred or not ready,
                help=VIEWERS_READ if barred else None,
            )


def _do(ask: Ask) -> None:
    board = queue_reads.board()
    try:
        if ask.what is None:
            board.stop_recurring(ask.key)
            words = "It is not dialled again and again any more."
        else:
            job = board.act(ask.what, ask.key, perhaps_dialled=bool(state.value(SURE)))
            words = queue_words.DONE[ask.what].format(job=job.job_id)
    except PatchbayError as error:
        state.set_value(ASK, replace(ask, confirmed=False))
        guard.show(error, "queue_dialog")
        with st.container(horizontal=True, horizontal_alignment="right", key="queue_refused"):
            st.button("Close", key="queue.leave", on_click=_close)
        return
    finally:
        queue_reads.clear()
    _close()
    state.note_done(None, words)
    st.rerun()
