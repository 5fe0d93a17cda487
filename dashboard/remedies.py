"""What the dialog asks about beside links: a batch to undo. One entry for each: what it shows, what it does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import streamlit as st

from core.linking import BatchUndo, Linking, Options
from core.model.records import LinkEvent
from dashboard import formatting, reads
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
    run: Callable[[Linking, Intent, Any, Options], Outcome]


def words_of(event: LinkEvent) -> str:
    """What was done, as the undo bar says it."""
    if event.action == "undo":
        again = formatting.outcome_words(event)
        return f"Undone: the call is {again} again." if event.call_sid else f"Undone: {again}."
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


def _batch(_: Linking, intent: Intent) -> tuple[LinkEvent, ...] | None:
    return tuple(event for event in reads.batch(intent.choice or "") if not event.undone) or None


def _show_batch(_: Intent, events: tuple[LinkEvent, ...]) -> bool:
    listed = "".join(f"<li>{escape(_what(event))}</li>" for event in events[:MOST_LISTED])
    left = len(events) - MOST_LISTED
    more = f"<li>… and {formatting.count(left, 'more change')}</li>" if left > 0 else ""
    st.html(
        f'<p class="pb-line">{formatting.count(len(events), "change")} would be taken back, the newest first. '
        "What has moved on since is skipped and listed afterwards.</p>"
        f'<ul class="pb-reasons pb-list">{listed}{more}</ul>'
    )
    return True


REMEDIES: Mapping[Action, Remedy] = {
    "undo_batch": Remedy(
        "Undo this whole batch?",
        "Undo the batch",
        _batch,
        _show_batch,
        lambda linking, intent, _, options: undo_batch(linking, intent.choice or "", options),
    ),
}
