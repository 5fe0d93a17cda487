"""What the dialog asks about beside links: batches to undo, conflicts to settle. For each: what it shows and does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import streamlit as st

from core.linking import BatchUndo, Linking, Options
from core.linking.batch_preview import BatchPreview
from core.linking.conflicts import Constraint, MergePreview, NormalisePreview, Side
from core.linking.lead_book import PhonePreview
from core.model.records import LinkEvent
from core.store.gateway import Row
from core.telephony import RepairPreview
from dashboard import formatting, new_lead, reads, repair_twilio, ruling, sides
from dashboard.state import Action, Intent

MOST_LISTED = 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a remedy did, for the undo bar.

    :ivar batch_id: what Undo takes back where there is more than one event.
    :ivar left: what was not done, each with its reason.
    """

    event: LinkEvent | None
    words: str
    batch_id: str | None = None
    left: tuple[str, ...] = ()
    is_undo: bool = False


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing that the dialog can ask about.

    :ivar title: the dialog's question; ``button``: what its button does. Both may name ``{lead}`` and ``{choice}``.
    :ivar preview: reads what would be; None when nothing would change.
    :ivar show: shows that in the dialog; returns False when it cannot be done as it is.
    :ivar run: does it, exactly as shown, with the reason and the request id in the options.
    """

    title: str
    button: str
    preview: Callable[[Linking, Intent], Any]
    show: Callable[[Intent, Any], bool]
    run: Callable[[Linking, Intent, Any, Options], Outcome | None]


def words_of(event: LinkEvent) -> str:
    """What was done, as the undo bar says it."""
    if event.action == "undo":
        again = formatting.outcome_words(event)
        whole = event.call_sid and not again.startswith("rows")
        return f"Undone: the call is {again} again." if whole else f"Undone: {again}."
    if event.action == "merge_rows":
        return "The event rows of the call are merged into one."
    if event.action == "repair":
        return "What was missing of the call is filled with what Twilio answered."
    if event.call_sid is None:
        return f"{formatting.sentence(formatting.event_words(event))}."
    return f"The call is {formatting.event_words(event)}."


def undone_words(outcome: BatchUndo) -> str:
    """How undoing a batch went."""
    done = formatting.count(len(outcome.undone), "change")
    left = f"; {formatting.count(len(outcome.skipped), 'change')} skipped" if outcome.skipped else ""
    return f"Undone: {done}{left}."


def undo_batch(linking: Linking, batch_id: str, options: Options) -> Outcome:
    """Take a batch back, and say what was skipped and why."""
    outcome = linking.undo_batch(batch_id, options)
    left = tuple(f"{_what(skip.event)}: {skip.reason}" for skip in outcome.skipped)
    return Outcome(None, undone_words(outcome), outcome.batch_id if outcome.undone else None, left, is_undo=True)


def _what(event: LinkEvent) -> str:
    who = formatting.short_sid(event.call_sid) if event.call_sid else f"Lead {event.lead_id}"
    return f"{who}, {formatting.event_words(event)}"


def _batch(linking: Linking, intent: Intent) -> BatchPreview | None:
    found = linking.preview_undo_batch(intent.choice or "")
    return found if found.undoable else None


def _show_batch(_: Intent, seen: BatchPreview) -> bool:
    show_batch(seen)
    return True


def show_batch(seen: BatchPreview) -> None:
    """What undoing a batch would take back: how much, the newest of it, and what it means for automation."""
    events, skipped = seen.undoable, len(seen.skipped)
    listed = "".join(f"<li>{escape(_what(event))}</li>" for event in events[:MOST_LISTED])
    left = len(events) - MOST_LISTED
    more = f"<li>… and {formatting.count(left, 'more change')}</li>" if left > 0 else ""
    st.html(
        f'<p class="pb-line">{formatting.count(len(events), "change")} would be taken back, the newest first. '
        f"{_skipped_words(skipped)}</p>"
        f"{BY_HAND if any(map(_links_anew, events)) else ''}"
        f'<ul class="pb-reasons pb-list">{listed}{more}</ul>'
    )


BY_HAND = (
    '<p class="pb-line pb-muted">Calls that this leaves unlinked count as unlinked by hand: automatic and bulk links '
    "leave them. Redo links them again.</p>"
)


def _links_anew(event: LinkEvent) -> bool:
    """Whether undoing this change leaves its call without a lead."""
    return event.before.get("call_lead") is None and event.after.get("call_lead") is not None


def _skipped_words(count: int) -> str:
    if not count:
        return "What moves on until then is skipped and listed afterwards."
    are = "is skipped, since it" if count == 1 else "are skipped, since they"
    return f"{formatting.count(count, 'change')} {are} cannot be taken back; the page behind this lists why."


ROW_COLUMNS = ("id", "call_status", "direction", "from_number", "to_number", "call_duration", "duration", "created_at")
"""Columns of an event row that a person compares, in this order; others follow where rows differ in them."""


def rows_table(
    rows: Sequence[Row], *, merged: Row | None = None, changed: Sequence[str] = (), also: Sequence[str] = ()
) -> str:
    """Event rows as an HTML table, one line each, with the merged row last.

    :param changed: columns of the merged row that are written.
    :param also: further columns, in which rows differ.
    """
    every = [*rows, *([merged] if merged else [])]
    names = [name for name in dict.fromkeys((*ROW_COLUMNS, *also)) if any(row.get(name) is not None for row in every)]
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(row, name)}</td>' for name in names)}</tr>" for row in rows)
    if merged:
        looks = {name: ' class="pb-new"' if name in changed else "" for name in names}
        cells = "".join(f"<td{looks[name]}>{_cell(merged, name)}</td>" for name in names)
        body += f'<tr class="pb-merged">{cells}</tr>'
    return (
        f'<div class="pb-scroll" tabindex="0" role="group" aria-label="Event rows"><table class="pb-sides pb-rows">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(row: Row, name: str) -> str:
    value = row.get(name)
    if name.endswith("_at") and isinstance(value, str):
        value = value[:19].replace("T", " ")
    return escape(formatting.cell(value)) or '<span class="pb-muted">–</span>'


def _merge(linking: Linking, intent: Intent) -> MergePreview | None:
    found = linking.preview_merge(intent.call_sid, intent.choice)
    return found if found.event else None


def _show_merge(intent: Intent, seen: MergePreview) -> bool:
    _call_line(intent.call_sid)
    before = reads.story(intent.call_sid).events
    st.html(f'<p class="pb-line"><b>Before:</b> {formatting.count(len(before), "event row")}</p>' + rows_table(before))
    st.html('<p class="pb-line"><b>After:</b> one row, with what all of them say; what is written stands out</p>')
    if seen.kept:
        st.html(rows_table((), merged=seen.kept, changed=seen.changed, also=seen.changed))
    if seen.live:
        st.warning(
            "This call has not ended, as far as is known: the backend may still write to a row that goes.",
            icon=":material/warning:",
        )
    return True


def _run_merge(linking: Linking, intent: Intent, seen: MergePreview, options: Options) -> Outcome | None:
    event = linking.merge_rows(intent.call_sid, intent.choice, _as_seen(seen.options, options))
    return Outcome(event, words_of(event)) if event else None


def _show_normalise(intent: Intent, seen: NormalisePreview) -> bool:
    tables = {"call_events": "event row", "conversation_transcripts": "transcript line", "call_recordings": "recording"}
    moved = [formatting.count(number, tables.get(name, name)) for name, number in seen.moved.items()]
    link = f"linked to lead {seen.lead_id}" if seen.lead_id else "not linked"
    rows = [
        ("SID", formatting.visible(intent.call_sid), seen.standard.call_sid),
        ("Rows that carry it", ", ".join(moved) or "none", "they carry the standard SID"),
        ("The call", _link_words(seen.variant), link),
    ]
    rows += [(f"Lead {lead_id}: call_sid", intent.call_sid, seen.standard.call_sid) for lead_id in seen.slots]
    st.html(sides.as_table(rows))
    if seen.obstacle:
        st.error(formatting.plain(seen.obstacle), icon=":material/block:")
        return False
    st.html('<p class="pb-line pb-muted">The variant is set aside afterwards, without any row.</p>')
    return True


def _link_words(side: Side) -> str:
    if side.call is None:
        return "unknown"
    return f"linked to lead {side.call.lead_id}" if side.call.lead_id else formatting.words(side.call.state, {})


def _run_normalise(linking: Linking, intent: Intent, seen: NormalisePreview, options: Options) -> Outcome | None:
    events = linking.normalise(intent.call_sid, _as_seen(seen.options, options))
    if not events:
        return None
    words = f"The rows carry {formatting.short_sid(seen.standard.call_sid)} now."
    return Outcome(None, words, batch_id=events[0].batch_id)


def _show_constraint(_: Intent, seen: Constraint) -> bool:
    if seen.total:
        stand = formatting.count(seen.total, "SID still stands", "SIDs still stand")
        st.error(f"{stand} in several leads. Choose the lead of each first.", icon=":material/block:")
        return False
    st.html(sides.as_table([("leads.call_sid", "may stand in several leads", "UNIQUE: in one lead at most")]))
    st.info(
        "A program that writes a SID into a second lead gets an error from then on; the guide expects that. "
        "This is not undone from here.",
        icon=":material/info:",
    )
    return True


def _run_constraint(linking: Linking, *_: Any) -> Outcome:
    linking.add_constraint()
    return Outcome(None, "leads.call_sid is UNIQUE now.")


def _constraint(linking: Linking, _: Intent) -> Constraint | None:
    found = linking.constraint()
    return None if found.exists else found


def _show_phone(_: Intent, seen: PhonePreview) -> bool:
    st.html(sides.as_table([(f"Lead {seen.lead_id}: phone", seen.was or "none", seen.phone or "none")]))
    st.html(phone_words(seen))
    return True


def phone_words(seen: PhonePreview) -> str:
    """What another phone number would change, as HTML."""
    lines = [seen.sentence]
    if seen.lost:
        lines.append(f"{formatting.count(seen.lost, 'unlinked call')} that it matches now would no longer match.")
    if seen.by_hand:
        lines.append(f"{formatting.count(seen.by_hand, 'of them was', 'of them were')} unlinked by hand.")
    first, *rest = lines
    more = "".join(f'<p class="pb-line pb-muted">{escape(line)}</p>' for line in rest)
    return f'<p class="pb-line"><b>{escape(first)}</b></p>{more}'


def _phone(linking: Linking, intent: Intent) -> PhonePreview | None:
    found = linking.preview_phone(intent.lead_id or 0, intent.choice)
    return found if found.event else None


def _run_phone(linking: Linking, intent: Intent, seen: PhonePreview, options: Options) -> Outcome | None:
    event = linking.set_phone(intent.lead_id or 0, intent.choice, _as_seen(seen.options, options))
    return Outcome(event, words_of(event)) if event else None


def _run_new_lead(linking: Linking, intent: Intent, _: Any, options: Options) -> Outcome | None:
    event = new_lead.make(linking, intent, options)
    return Outcome(event, words_of(event)) if event else None


def _run_repair(_: Linking, intent: Intent, seen: RepairPreview, options: Options) -> Outcome | None:
    event = repair_twilio.run(intent, seen, options)
    return Outcome(event, words_of(event)) if event else None


def _told(run: Callable[[Linking, Intent, Any, Options], str | None]) -> Callable[..., Outcome | None]:
    """What leaves no link event says in words what it did."""

    def outcome(linking: Linking, intent: Intent, seen: Any, options: Options) -> Outcome | None:
        words = run(linking, intent, seen, options)
        return None if words is None else Outcome(None, words)

    return outcome


def _as_seen(seen: Options, options: Options) -> Options:
    return replace(seen, reason=options.reason, request_id=options.request_id)


def _call_line(call_sid: str) -> None:
    st.html(f'<p class="pb-line">Call <code>{escape(call_sid)}</code></p>')


REMEDIES: Mapping[Action, Remedy] = {
    "undo_batch": Remedy(
        "Undo this whole batch?",
        "Undo the batch",
        _batch,
        _show_batch,
        lambda linking, intent, _, options: undo_batch(linking, intent.choice or "", options),
    ),
    "merge_rows": Remedy("Merge the event rows of this call?", "Merge the rows", _merge, _show_merge, _run_merge),
    "normalise_sid": Remedy(
        "Write this SID as Twilio writes it?",
        "Write it so",
        lambda linking, intent: linking.preview_normalise(intent.call_sid),
        _show_normalise,
        _run_normalise,
    ),
    "repair_twilio": Remedy(
        "What does Twilio know of this call?",
        "Store what Twilio says",
        repair_twilio.preview,
        repair_twilio.show_differences,
        _run_repair,
    ),
    "set_phone": Remedy("Change the phone of lead {lead}?", "Store this number", _phone, _show_phone, _run_phone),
    "create_lead": Remedy(
        "Create a lead from this call?",
        "Create the lead and link the call",
        new_lead.begin,
        new_lead.show,
        _run_new_lead,
    ),
    "set_number_rule": Remedy(
        "Rule about this number?", "Set this rule", ruling.preview, ruling.show, _told(ruling.set_rule)
    ),
    "end_number_rule": Remedy(
        "End the rule about this number?", "End the rule", ruling.preview, ruling.show, _told(ruling.end_rule)
    ),
    "add_constraint": Remedy(
        "Make leads.call_sid UNIQUE?", "Add the constraint", _constraint, _show_constraint, _run_constraint
    ),
}
