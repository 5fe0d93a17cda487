"""The repairs: link, unlink, relink, set aside, restore, confirm, undo. Each is one SQL function, checked and worded
here.

The functions lock, compare, swap and record in one transaction (``migrations/``). This module checks what was given
before anything is looked up, passes it on, and turns a refusal into a sentence that says what changed and by whom.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from core.errors import BadInput, NotFound, PatchbayError, Refused, Stale
from core.linking import activity, fields
from core.linking.results import BatchUndo, SkippedUndo
from core.model.records import LinkEvent
from core.store.gateway import Gateway

Action: TypeAlias = Literal["link", "unlink", "relink", "set_aside", "restore", "confirm", "undo"]
Mode: TypeAlias = Literal["person", "worker", "automatic"]

FUNCTIONS: Mapping[Action, str] = {
    "link": "link_call",
    "unlink": "unlink_call",
    "relink": "relink_call",
    "set_aside": "set_aside_call",
    "restore": "restore_call",
    "confirm": "confirm_link",
    "undo": "undo_link_event",
}
FACTS = frozenset({"call_lead", "set_aside", "by_hand", "leads", "rows"})
"""The keys of an event's ``before`` and ``after`` (contract)."""
NOTHING_TO_UNDO = ("nothing_to_undo", "Nothing would change.")


@dataclass(frozen=True, slots=True)
class Options:
    """What goes with a command.

    :ivar actor: who does it; None: the name in the settings.
    :ivar reason: why, in the person's words, at most 2000 characters.
    :ivar request_id: the same id again returns the same event instead of doing it twice; at most 200 characters.
    :ivar batch_id: UUID of the batch that this command is part of.
    :ivar current: link and relink only: make the call the lead's current one whatever its age; refused for a test call.
    :ivar mode: ``person``, ``worker`` (the outbound worker recording its own new call) or ``automatic``.
    :ivar started_at: worker only: the time of dialling.
    :ivar mark_contacted: True marks every touched lead that is ``new`` as contacted; ids name the leads.
    :ivar expect: any subset of an event's ``before`` that must hold, else :class:`core.errors.Stale` and no change.
    :ivar promise: any subset of an event's ``after`` that must be the outcome, else nothing is written.
    :ivar evidence: what the decision rests on, as JSON values.
    """

    actor: str | None = None
    reason: str | None = None
    request_id: str | None = None
    batch_id: str | None = None
    current: bool = False
    mode: Mode = "person"
    started_at: datetime | None = None
    mark_contacted: bool | tuple[int, ...] = False
    expect: Mapping[str, Any] | None = None
    promise: Mapping[str, Any] | None = None
    evidence: Any = None


@dataclass(frozen=True, slots=True)
class Command:
    """One repair that could be done. ``undo`` names an event, the others a call, link and relink a lead too."""

    action: Action
    call_sid: str | None = None
    lead_id: int | None = None
    event_id: int | None = None
    options: Options = field(default_factory=Options)


def run(gateway: Gateway, command: Command, *, actor: str, preview: bool = False) -> LinkEvent | None:
    """Carry a command out, or with ``preview`` find out what it would do without writing.

    :param actor: who acts when the options name nobody.
    :return: the link event (in a preview its ``id`` is None), or None when nothing changes.
    :raises BadInput, NotFound, Refused, Unavailable: see :mod:`core.errors`.
    """
    arguments = _arguments(command)
    options = sql_options(command.options, actor=actor)
    if preview:
        options = {**options, "preview": True}
    try:
        row = gateway.call(FUNCTIONS[command.action], **arguments, p_options=options)
    except Stale as error:
        raise explained(gateway, command, error) from error
    return LinkEvent.from_row(row) if row else None


def check(command: Command, *, actor: str) -> None:
    """Raise :class:`core.errors.BadInput` for a command that cannot be meant; looks nothing up."""
    _arguments(command)
    sql_options(command.options, actor=actor)


def undo_batch(gateway: Gateway, batch_id: str, options: Options, *, actor: str) -> BatchUndo:
    """Undo a batch, newest event first, each in its own transaction; what moved on is skipped and listed.

    :raises NotFound: when no event carries the batch id.
    """
    wanted = fields.batch_id(batch_id)
    sql_options(options, actor=actor)
    events = of_batch(gateway, wanted)
    new_batch = _undo_batch_id(wanted, options)
    undone: list[LinkEvent] = []
    skipped: list[SkippedUndo] = []
    for event in events:
        step = replace(options, batch_id=new_batch, request_id=_step_request(options, event))
        try:
            done = run(gateway, Command("undo", event_id=event.id, options=step), actor=actor)
        except Refused as refusal:
            skipped.append(SkippedUndo(event, refusal.code, refusal.message))
            continue
        if done is None:
            skipped.append(SkippedUndo(event, *NOTHING_TO_UNDO))
        else:
            undone.append(done)
    return BatchUndo(new_batch, tuple(undone), tuple(skipped))


def sql_options(options: Options, *, actor: str) -> dict[str, Any]:
    """The options as the SQL functions take them, checked; keys that say nothing are left out."""
    named: dict[str, Any] = {
        "actor": fields.line("actor", actor if options.actor is None else options.actor, fields.ACTOR_LENGTH)
    }
    if options.reason is not None:
        named["reason"] = fields.prose("reason", options.reason, fields.REASON_LENGTH)
    if options.request_id is not None:
        named["request_id"] = fields.line("request id", options.request_id, fields.REQUEST_ID_LENGTH)
    if options.batch_id is not None:
        named["batch_id"] = fields.batch_id(options.batch_id)
    if options.current:
        named["current"] = True
    if options.mode != "person":
        named["mode"] = fields.choice("mode", options.mode, get_args(Mode))
    if options.mode == "worker":
        named["create"] = True  # the worker records a call that it has just dialled: nothing may be known of it yet
    if options.started_at is not None:
        named["started_at"] = fields.moment("started_at", options.started_at).isoformat()
    if options.evidence is not None:
        named["evidence"] = options.evidence
    marked = _marked(options.mark_contacted)
    if marked:
        named["mark_contacted"] = marked
    return {**named, **_facts("expect", options.expect), **_facts("promise", options.promise)}


def _marked(value: bool | tuple[int, ...]) -> bool | list[int]:
    if isinstance(value, bool):
        return value
    return [fields.identifier("mark_contacted", lead_id) for lead_id in value]


def _facts(name: str, facts: Mapping[str, Any] | None) -> dict[str, Any]:
    if facts is None:
        return {}
    unknown = sorted(set(facts) - FACTS)
    if unknown:
        raise BadInput(f"{name} names {fields.shown(unknown[0])}: expected any of {', '.join(sorted(FACTS))}.")
    checked = dict(facts)
    if "leads" in checked:
        slots = checked["leads"]
        if not isinstance(slots, Mapping):
            raise BadInput(f"{name}.leads is {fields.shown(slots)}: expected an object of lead id and Call SID.")
        checked["leads"] = {str(fields.identifier(f"{name}.leads", key)): sid for key, sid in slots.items()}
    return {name: checked}


def _arguments(command: Command) -> dict[str, Any]:
    if command.action not in FUNCTIONS:
        raise BadInput(f"action is {fields.shown(command.action)}: expected one of {', '.join(FUNCTIONS)}.")
    if command.options.current and command.action not in ("link", "relink"):
        raise BadInput(f"current goes with link and relink only, not with {command.action}.")
    if command.action == "undo":
        return {"p_event_id": fields.identifier("event id", command.event_id)}
    named: dict[str, Any] = {"p_call_sid": fields.call_sid(command.call_sid)}
    if command.action in ("link", "relink"):
        named["p_lead_id"] = fields.identifier("lead id", command.lead_id)
    return named


def of_batch(gateway: Gateway, batch_id: str) -> list[LinkEvent]:
    """Every event of a batch, newest first.

    :raises NotFound: when there is none.
    """
    events: list[LinkEvent] = []
    before: int | None = None
    while True:
        page = activity.read(gateway, batch=batch_id, before=before, limit=activity.LARGEST_PAGE)
        events += page
        if len(page) < activity.LARGEST_PAGE:
            break
        before = page[-1].id
    if not events:
        raise NotFound(f"No link event belongs to batch {batch_id}.", hint="Find the batch in the activity list.")
    return events


def _undo_batch_id(batch_id: str, options: Options) -> str:
    """A new batch for the undo events; the same request id gives the same batch."""
    if options.batch_id is not None:
        return fields.batch_id(options.batch_id)
    if options.request_id is None:
        return str(uuid.uuid4())
    return str(uuid.uuid5(uuid.UUID(batch_id), options.request_id))


def _step_request(options: Options, event: LinkEvent) -> str | None:
    return None if options.request_id is None else f"{options.request_id}/{event.id}"


def explained(gateway: Gateway, command: Command, error: Stale) -> Stale:
    """The refusal with what is true now, and who made it so."""
    facts = error.detail if isinstance(error.detail, Mapping) else {}
    now = _facts_as_words(facts)
    said = error.message.rstrip(".").removesuffix("; nothing was written")
    message = f"{said}: {'; '.join(now)}." if now else f"{said}."
    try:
        event = _newest_change(gateway, command, facts)
    except PatchbayError:
        event = None  # the refusal itself is what matters; its author is an extra
    if event is not None:
        message = f"{message} {activity.sentence(event)}"
    hint = "Nothing was written: look at it again and decide anew."
    return Stale(message, hint=hint, detail=error.detail)


def _facts_as_words(facts: Mapping[str, Any]) -> list[str]:
    words = []
    for name, value in facts.items():
        if name == "call_lead":
            words.append("the call is not linked now" if value is None else f"the call belongs to lead {value} now")
        elif name == "set_aside":
            words.append("the call is set aside now" if value else "the call is not set aside now")
        elif name == "by_hand":
            words.append(
                "a person unlinked the call" if value else "the call does not count as unlinked by a person now"
            )
        elif match := re.fullmatch(r"lead ([0-9]+)(?: (\w+))?", name):
            lead, column = match.groups()
            words.append(_slot_in_words(lead, value) if column is None else f"{column} of lead {lead} is {value} now")
    return words


def _slot_in_words(lead: object, sid: object) -> str:
    return f"lead {lead} has no current call now" if sid is None else f"the current call of lead {lead} is {sid} now"


def _newest_change(gateway: Gateway, command: Command, facts: Mapping[str, Any]) -> LinkEvent | None:
    """The newest link event of the call, or of a lead whose facts differ."""
    call = command.call_sid
    if command.event_id is not None:
        undone = activity.read(gateway, before=command.event_id + 1, limit=1)
        call = undone[0].call_sid if undone else None
    found = activity.read(gateway, call=call, limit=1) if call is not None else []
    leads = {match[1] for name in facts if (match := re.match(r"lead ([0-9]+)", name))}
    for lead in sorted(leads)[:5]:
        found += activity.read(gateway, lead=int(lead), limit=1)
    return max(found, key=lambda event: event.id or 0, default=None)
