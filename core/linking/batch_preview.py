"""What undoing a batch would do: which events would be taken back, and which would be skipped and why.

An undo may rest on the undo of a later event of the same batch (two calls linked to one lead). So events that share a
call or a lead are looked at together, in the order in which they would be undone.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import PatchbayError, Stale
from core.linking import commands, fields
from core.linking.commands import Command, Options
from core.linking.results import SkippedUndo
from core.model.records import LinkEvent
from core.store.failures import Report, Way, database_error
from core.store.gateway import Gateway

EVENTS_AT_ONCE = 200
"""Looked at in well under a second; hosted projects stop a statement after some seconds."""
EXPLAINED = 20
"""For so many refusals it is looked up who changed what since; for more of them that would take long."""


@dataclass(frozen=True, slots=True)
class BatchPreview:
    """What undoing a batch would do now, newest event first.

    :ivar batch_id: the batch that would be undone.
    """

    batch_id: str
    undoable: tuple[LinkEvent, ...]
    skipped: tuple[SkippedUndo, ...]

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        named = [{"event_id": event.id, "call_sid": event.call_sid, "action": event.action} for event in self.undoable]
        return {
            "preview": True,
            "batch_id": self.batch_id,
            "would_undo": named,
            "skipped": [skip.to_json() for skip in self.skipped],
        }


def read(
    gateway: Gateway, batch_id: str, *, actor: str, progress: Callable[[int, int], None] = lambda seen, total: None
) -> BatchPreview:
    """Find out what :func:`core.linking.commands.undo_batch` would do now. Nothing is written.

    :param progress: told how many events of how many were looked at.
    :raises NotFound: when no event carries the batch id.
    """
    wanted = fields.batch_id(batch_id)
    events = commands.of_batch(gateway, wanted)
    options = commands.sql_options(Options(), actor=actor)
    told: dict[int, Mapping[str, Any]] = {}
    for portion in _portions(groups(events)):
        ids = [[event.id for event in group] for group in portion]
        answers = gateway.call("patchbay_preview_undos", p_groups=ids, p_options=options)
        told |= {answer["id"]: answer for answer in answers}
        progress(len(told), len(events))
    undoable = tuple(event for event in events if told[event.id or 0].get("would"))
    left = [event for event in events if not told[event.id or 0].get("would")]
    skipped = [_skipped(gateway, event, told[event.id or 0], n < EXPLAINED) for n, event in enumerate(left)]
    return BatchPreview(wanted, undoable, tuple(skipped))


def groups(events: Sequence[LinkEvent]) -> list[list[LinkEvent]]:
    """Events that touch the same call or lead, directly or through others, in their order. Pure."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for event in events:
        first, *others = touched(event)
        for other in others:
            leader[find(other)] = find(first)
    found: dict[str, list[LinkEvent]] = {}
    for event in events:
        found.setdefault(find(touched(event)[0]), []).append(event)
    return list(found.values())


def touched(event: LinkEvent) -> list[str]:
    """The calls, leads and other rows that an event names, itself first. Pure."""
    names = {f"call {event.call_sid}"} if event.call_sid else set()
    names |= {f"lead {event.lead_id}"} if event.lead_id is not None else set()
    for side in (event.before, event.after):
        names |= set(_of_side(side))
    return [f"event {event.id}", *sorted(names)]


def _of_side(side: Mapping[str, Any]) -> Iterator[str]:
    if side.get("call_lead") is not None:
        yield f"lead {side['call_lead']}"
    for lead, sid in (side.get("leads") or {}).items():
        yield f"lead {lead}"
        if sid:
            yield f"call {sid}"
    for table, rows in (side.get("rows") or {}).items():
        yield from (f"{'lead' if table == 'leads' else table} {row}" for row in rows)


def _portions(found: Iterable[list[LinkEvent]]) -> Iterator[list[list[LinkEvent]]]:
    """Groups, as many at once as a statement can look at."""
    portion: list[list[LinkEvent]] = []
    for group in found:
        if portion and sum(map(len, portion)) + len(group) > EVENTS_AT_ONCE:
            yield portion
            portion = []
        portion.append(group)
    if portion:
        yield portion


def _skipped(gateway: Gateway, event: LinkEvent, told: Mapping[str, Any], explain: bool) -> SkippedUndo:
    if "state" not in told:
        return SkippedUndo(event, *commands.NOTHING_TO_UNDO)
    report = Report(told["state"], told["message"], _text(told["detail"]), told["hint"])
    error: PatchbayError = database_error(Way("The database"), report)
    if isinstance(error, Stale) and explain:
        error = commands.explained(gateway, Command("undo", event_id=event.id), error)
    return SkippedUndo(event, error.code, error.message)


def _text(detail: Any) -> str | None:
    return detail if detail is None or isinstance(detail, str) else json.dumps(detail)
