"""The ledger, read: which links were made and unmade, by whom, and in words."""

from collections.abc import Mapping
from typing import Any

from core.linking import fields
from core.model.records import LinkEvent
from core.store.gateway import Gateway

LARGEST_PAGE = 500


def read(
    gateway: Gateway,
    *,
    lead: int | None = None,
    call: str | None = None,
    actor: str | None = None,
    batch: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[LinkEvent]:
    """Link events, newest first.

    :param lead: only events that touch this lead (as the call's lead, or by its slot).
    :param before: only events older than this event id: the next page.
    :param limit: 1 to 500.
    :raises BadInput: when a filter cannot be meant.
    """
    checked = wanted(lead=lead, call=call, actor=actor, batch=batch, before=before, limit=limit)
    return [LinkEvent.from_row(row) for row in gateway.call("link_activity", p_filter=checked)]


def wanted(
    *,
    lead: object = None,
    call: object = None,
    actor: object = None,
    batch: object = None,
    before: object = None,
    limit: object = 50,
) -> dict[str, Any]:
    """The filters as the SQL function takes them, checked; looks nothing up. See :func:`read`."""
    named: dict[str, Any] = {
        "lead": None if lead is None else fields.identifier("lead", lead),
        "call": None if call is None else fields.call_sid(call, "call"),
        "actor": None if actor is None else fields.line("actor", actor, fields.ACTOR_LENGTH),
        "batch": None if batch is None else fields.batch_id(batch),
        "before": None if before is None else fields.identifier("before", before),
        "limit": fields.whole("limit", limit, 1, LARGEST_PAGE),
    }
    return {name: value for name, value in named.items() if value is not None}


def sentence(event: LinkEvent) -> str:
    """What happened, in one sentence: who, what, when (UTC)."""
    when = f" ({event.at:%Y-%m-%d %H:%M:%S} UTC)" if event.at else ""
    return f"{_who(event)} {_what(event)}{when}."


def _who(event: LinkEvent) -> str:
    match event.source:
        case "baseline":
            return "The installation"
        case "outside":
            return f"Another program ({event.actor})"
        case "worker" | "automatic":
            return f"The {event.source} link ({event.actor})"
    return event.actor


def _what(event: LinkEvent) -> str:
    call = event.call_sid
    was = event.before.get("call_lead")
    now = event.after.get("call_lead")
    match event.action:
        case "link" | "baseline":
            return f"linked call {call} to lead {now}{_as_what(event)}"
        case "make_current":
            return f"made call {call} the current call of lead {event.lead_id}"
        case "create_lead":
            return f"made lead {now} from call {call} and linked it"
        case "unlink":
            return f"unlinked call {call} from lead {was}"
        case "relink" | "move":
            return f"moved call {call} from lead {was} to lead {now}"
        case "set_aside":
            return f"set call {call} aside"
        case "restore":
            return f"put call {call} back on the worklist"
        case "confirm":
            return f"confirmed that call {call} belongs to lead {now}"
        case "merge_rows":
            return f"merged the event rows of call {call}"
        case "normalise_sid" if was is None and now is not None:
            return f"linked call {call} to lead {now} instead of a variant of its SID"
        case "normalise_sid":
            return f"gave the rows of {call!r} the SID that it stands for"
        case "repair":
            return f"filled what was missing of call {call} with what Twilio answered"
        case "finish_test_call":
            had = "what" if event.after.get("rows") else "the current call that"
            return f"ended the test call {call}: lead {event.lead_id} has {had} it had before"
        case "set_phone":
            return f"changed the phone number of lead {event.lead_id}"
        case "undo" if call is None:
            return f"undid event {event.undoes}: lead {event.lead_id} is as before"
        case "undo" if event.before == event.after:
            return f"undid event {event.undoes}: that call {call} belongs to lead {now} is not confirmed"
        case "undo" if event.before.get("rows") and was == now:
            return f"undid event {event.undoes}: the rows of call {call} are as before"
        case "undo":
            return f"undid event {event.undoes}: {_undone(was, now, event)}"
        case "lead_deleted":
            return f"deleted lead {event.lead_id}, to which call {call} belonged"
        case "claim":
            return f"wrote call {call} into lead {event.lead_id} too, while lead {now} keeps it"
        case "unclaim":
            return f"took call {call} out of lead {event.lead_id}, while it stays with lead {now}"
    return f"changed call {call} ({event.action})"


def _as_what(event: LinkEvent) -> str:
    slots = event.after.get("leads")
    is_current = isinstance(slots, Mapping) and event.call_sid in slots.values()
    return " as its current call" if is_current else ""


def _undone(was: object, now: object, event: LinkEvent) -> str:
    if was != now:
        return f"call {event.call_sid} is linked to lead {now} again" if now else f"call {event.call_sid} is unlinked"
    if event.before.get("set_aside") != event.after.get("set_aside"):
        aside = event.after.get("set_aside")
        return (
            f"call {event.call_sid} is set aside again" if aside else f"call {event.call_sid} is on the worklist again"
        )
    return f"call {event.call_sid} and the leads' current calls are as before"
