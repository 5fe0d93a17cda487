"""Changing a link: the dialog that shows both sides before and after, the undo bar, and carrying it out."""

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from core.access.identity import VIEWERS_READ
from core.errors import PatchbayError, Refused
from core.linking import Command, Options
from core.linking.fields import REASON_LENGTH
from core.model import dialling
from core.model.records import Lead, LinkEvent
from dashboard import corrections, formatting, guard, identity, links, reads, sides, state, typed
from dashboard.guard import guarded
from dashboard.remedies import REMEDIES, Outcome, undo_batch, words_of
from dashboard.state import Intent

TITLES: Mapping[str, str] = {
    "link": "Link call to lead {lead}?",
    "make_current": "Make this the current call of lead {lead}?",
    "unlink": "Unlink call?",
    "relink": "Relink call to lead {lead}?",
    "set_aside": "Set call aside?",
    "restore": "Put call back on the worklist?",
    "undo": "Undo this change?",
    "choose_lead": "Whose call is this?",
    "confirm_link": "Is this link right?",
}
BUTTONS: Mapping[str, str] = {
    "link": "Link to lead {lead}",
    "make_current": "Make it current",
    "unlink": "Unlink",
    "relink": "Relink to lead {lead}",
    "set_aside": "Set aside",
    "restore": "Put back",
    "undo": "Undo this change",
    "choose_lead": "It belongs to lead {lead}",
    "confirm_link": "Yes, keep lead {lead}",
}
REASONS = ("Spam", "Wrong number", "Withheld number", "Not about a lead")
"""Offered when a call is set aside; any other text can be typed."""


def dialog_if_asked() -> None:
    """Open the dialog when a button has asked for it."""
    intent = state.intent()
    if intent is not None:
        title = _words(TITLES, intent)
        st.dialog(title, width="medium", on_dismiss=_leave)(_dialog)()


def _words(table: Mapping[str, str], intent: Intent) -> str:
    if intent.action == "choose_lead" and intent.lead_id is None and table is BUTTONS:
        return "It belongs to none of them"
    remedy = REMEDIES.get(intent.action)
    words = table[intent.action] if remedy is None else remedy.title if table is TITLES else remedy.button
    return words.format(lead=intent.lead_id, choice=intent.choice)


def _leave() -> None:
    state.close_dialog()
    reads.clear()


@guarded
def _dialog() -> None:
    intent = state.intent()
    if intent is None:
        st.rerun()
    elif intent.confirmed and intent.seen is not None and typed.reason_fits("repair.reason"):
        _carry_out(intent, intent.seen)
    else:
        state.unconfirm()
        _ask(intent)


def _ask(intent: Intent) -> None:
    if intent.seen is None and not intent.nothing:
        try:
            intent = state.note_seen(_preview(intent)) or intent
        except PatchbayError as error:
            _refused(error)
            return
    if intent.seen is None:
        st.info("Nothing would change: it is so already.", icon=":material/info:")
        _buttons(None)
        return
    remedy = REMEDIES.get(intent.action)
    if remedy is None:
        _sides(intent, intent.seen)
    elif not remedy.show(intent, intent.seen):
        _buttons(None)
        return
    _choices(intent, intent.seen)
    _buttons(_words(BUTTONS, intent))


def _preview(intent: Intent) -> Any:
    remedy = REMEDIES.get(intent.action)
    linking = identity.linking()
    if remedy:
        return remedy.preview(linking, intent)
    seen = linking.preview(_command(intent))
    if seen is None and intent.action == "choose_lead":
        return linking.preview(Command("confirm", intent.call_sid))  # it has that lead: what is left is to say so
    return seen


def _sides(intent: Intent, seen: LinkEvent) -> None:
    if seen.call_sid:
        st.html(f'<p class="pb-line">Call <code>{escape(seen.call_sid)}</code></p>')
    touched = {lead_id: reads.lead(lead_id) for lead_id in sides.leads_of(seen)}
    st.html(sides.table(seen, touched))
    if sides.left_by_hand(seen):
        st.html(
            '<p class="pb-line pb-muted">It counts as unlinked by hand then: automatic and bulk links leave it.</p>'
        )
    _dialling(seen, [lead for lead in touched.values() if lead is not None])
    if sides.joins_history(seen) and _is_test(seen):
        st.info(sides.NEVER_CURRENT, icon=":material/science:")
    elif intent.action in ("link", "relink") and (intent.current or sides.joins_history(seen)):
        st.checkbox(
            f"Make it the current call of lead {intent.lead_id} although it is not the newest",
            key="repair.current",
            on_change=state.choose_current,
        )


def _is_test(seen: LinkEvent) -> bool:
    return seen.call_sid is not None and identity.linking().call(seen.call_sid).test


def _dialling(seen: LinkEvent, touched: list[Lead]) -> None:
    for change in dialling.changes(seen, touched):
        show = st.warning if change.diallable else st.info
        show(formatting.plain(change.sentence), icon=":material/phone_forwarded:")
        st.checkbox(
            f"Mark lead {change.lead_id} as contacted",
            key=f"repair.contacted.{change.lead_id}",
            help="Sets its status from new to contacted in the same transaction; Undo takes that back too.",
        )


def _choices(intent: Intent, seen: Any) -> None:
    if intent.action == "add_constraint":
        return  # it leaves no link event that could carry a reason
    if intent.action == "set_aside":
        st.selectbox(
            "Reason (optional: choose or type)",
            REASONS,
            index=None,
            key="repair.reason",
            accept_new_options=True,
            placeholder="Why is it not about any lead?",
        )
        typed.fits("The reason", state.value("repair.reason"), REASON_LENGTH)
    else:
        typed.reason("repair.reason", placeholder="Goes into the link history")


def _buttons(confirm: str | None) -> None:
    if confirm and not identity.may_write():
        st.info(VIEWERS_READ, icon=":material/visibility:")
    with st.container(horizontal=True, horizontal_alignment="right", key="repair.buttons"):
        st.button("Cancel" if confirm else "Close", key="repair.cancel", on_click=_leave)
        if confirm:
            barred = not identity.may_write()
            st.button(
                confirm,
                key="repair.confirm",
                type="primary",
                on_click=state.confirm,
                disabled=barred,
                help=VIEWERS_READ if barred else None,
            )


def _refused(error: PatchbayError) -> None:
    """It moved on: say so, and offer to look again at the facts as they are now."""
    guard.show(error)
    reads.clear()
    with st.container(horizontal=True, horizontal_alignment="right", key="repair.refused"):
        st.button("Close", key="repair.cancel", on_click=_leave)
        if isinstance(error, Refused):
            st.button("Show it as it is now", key="repair.again", type="primary", on_click=state.read_again)


def _carry_out(intent: Intent, seen: Any) -> None:
    remedy = REMEDIES.get(intent.action)
    try:
        outcome = remedy.run(identity.linking(), intent, seen, _told(intent)) if remedy else _run(intent, seen)
    except PatchbayError as error:
        state.unconfirm()
        _refused(error)
        return
    _finish(outcome)


def _told(intent: Intent) -> Options:
    reason = (state.value("repair.reason") or "").strip() or None
    return Options(reason=reason, request_id=intent.request_id)


def _run(intent: Intent, seen: LinkEvent) -> Outcome | None:
    marked = state.marked(sides.leads_of(seen))
    facts = Options(
        expect=_without_rows(seen.before), promise=_without_rows(seen.after), mark_contacted=marked or False
    )
    event = identity.linking().run(_command(intent, facts))
    return None if event is None else Outcome(event, words_of(event), is_undo=event.action == "undo")


def _finish(outcome: Outcome | None) -> None:
    reads.clear()
    if outcome is None:
        state.note_seen(None)
    else:
        _note(outcome)
    st.rerun()


def _note(outcome: Outcome) -> None:
    state.note_done(outcome.event, outcome.words, batch_id=outcome.batch_id, left=outcome.left, is_undo=outcome.is_undo)


def _without_rows(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "rows"}


def _command(intent: Intent, facts: Options | None = None) -> Command:
    action: Any = "link" if intent.action == "make_current" else intent.action
    known = facts or Options()
    options = Options(
        reason=(state.value("repair.reason") or "").strip() or None,
        request_id=intent.request_id if facts else None,
        current=intent.current or intent.action == "make_current",
        mark_contacted=known.mark_contacted,
        expect=known.expect,
        promise=known.promise,
    )
    if intent.action == "undo":
        return Command("undo", event_id=intent.event_id, options=options)
    if intent.action == "confirm_link" or (intent.seen and intent.seen.action == "confirm"):
        return Command("confirm", intent.call_sid, options=options)
    if intent.action == "choose_lead":
        return replace(identity.linking().choice(intent.call_sid, intent.lead_id), options=options)
    return Command(action, intent.call_sid, intent.lead_id, options=options)


def perform_undo() -> None:
    """Carry out an undo that was asked for in the undo bar."""
    asked = state.take_undo()
    if asked is None:
        return
    what, request_id = asked
    try:
        outcome = _undo(what, Options(request_id=request_id))
    except PatchbayError as error:
        guard.show(error)
        return
    finally:
        reads.clear()
    if outcome is not None:
        _note(outcome)
        st.rerun()  # the navigation was made before, with the counts as they were


def _undo(what: int | str, options: Options) -> Outcome | None:
    linking = identity.linking()
    if isinstance(what, str):
        return undo_batch(linking, what, options)
    event = linking.undo(what, options)
    return None if event is None else Outcome(event, words_of(event), is_undo=True)


def undo_bar() -> None:
    """What was done last, with Undo in reach until it is dismissed."""
    done = state.done()
    if done is None:
        return
    if state.first_time():
        st.toast(formatting.plain(done.words), icon=":material/check:")
    with st.container(key="undo_bar", horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":material/check: {formatting.plain(done.words)}", width="content")
        if done.event is not None and done.event.call_sid:
            links.show_call(done.event.call_sid)
        label, icon = ("Redo", ":material/redo:") if done.is_undo else ("Undo", ":material/undo:")
        what = done.batch_id or (done.event.id if done.event else None)
        if what is not None:
            st.button(label, key="undo.do", icon=icon, shortcut="Alt+Z", on_click=state.ask_undo, args=(what,))
        st.button("Dismiss", key="undo.dismiss", type="tertiary", on_click=state.dismiss_done)
    if not done.is_undo:
        corrections.after_link(done.event)
    if done.left:
        with st.expander(f"Not undone: {formatting.count(len(done.left), 'change')}", expanded=len(done.left) <= 3):
            lines = "".join(f"<li>{escape(words)}</li>" for words in done.left)
            st.html(f'<ul class="pb-reasons pb-list">{lines}</ul>')
