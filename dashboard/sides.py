"""A change as two sides, before and after, for the call and for each lead that it touches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from core.model.records import Lead, LinkEvent
from dashboard import formatting

Leads = Mapping[int, Lead | None]
NEVER_CURRENT = "This is a test call: it never becomes a lead’s current call. Its link stays in the history."
"""Why a test call is not made current; said where any other call could be."""


def leads_of(event: LinkEvent) -> tuple[int, ...]:
    """The leads that a change touches: the call's lead before and after, and each whose slot changes."""
    sides = (event.before, event.after)
    named = [side.get("call_lead") for side in sides]
    slots = [int(lead_id) for side in sides for lead_id in side.get("leads") or {}]
    return tuple(dict.fromkeys(lead_id for lead_id in [*named, *slots] if lead_id is not None))


def joins_history(event: LinkEvent) -> bool:
    """Whether the call ends up in its lead's history, not as the current call."""
    lead_id = event.after.get("call_lead")
    return lead_id is not None and _slot(event.after, lead_id) != event.call_sid


def left_by_hand(event: LinkEvent) -> bool:
    """Whether a change takes a call away from its lead, so that automation leaves it alone from then on."""
    was, now = event.before.get("call_lead"), event.after.get("call_lead")
    return event.action in ("unlink", "undo") and was is not None and now is None


def table(event: LinkEvent, leads: Leads) -> str:
    """Both sides as an HTML table: a row for the call, one for each lead's current call, one for each other value."""
    rows = [] if event.call_sid is None else [_call_row(event, leads)]
    rows += [_lead_row(event, lead_id, leads.get(lead_id)) for lead_id in leads_of(event)]
    return as_table([*rows, *row_changes(event)])


def past_table(event: LinkEvent, leads: Leads) -> str:
    """The same for an event of the ledger: a lead's current call shows only where the event changed it."""
    slots = {**(event.before.get("leads") or {}), **(event.after.get("leads") or {})}
    rows = [] if event.call_sid is None or "call_lead" not in event.after else [_call_row(event, {})]
    rows += [_lead_row(event, int(lead_id), _without_slot(leads.get(int(lead_id)))) for lead_id in slots]
    return as_table([*rows, *row_changes(event)])


def row_changes(event: LinkEvent, most: int = 12) -> list[tuple[str, str, str]]:
    """What an event changed in other rows: name of the value, before, after. At most ``most`` of them, then a count."""
    before, after = (side.get("rows") or {} for side in (event.before, event.after))
    found = [
        (f"{table_name} {row_id}: {column}" if column else f"{table_name} {row_id}", was, now)
        for table_name in after
        for row_id, image in after[table_name].items()
        for column, was, now in _columns((before.get(table_name) or {}).get(row_id), image)
    ]
    left = len(found) - most
    return [*found[:most], (f"{left} more", "", "not listed")] if left > 1 else found


def _columns(was: Any, now: Any) -> list[tuple[str, str, str]]:
    if now is None or was is None:
        return [("", "none" if was is None else "a row of its own", "removed" if now is None else "a row of its own")]
    names = [name for name in now if now[name] != was.get(name)]
    return [(name, formatting.cell(was.get(name)) or "empty", formatting.cell(now[name]) or "empty") for name in names]


def _without_slot(lead: Lead | None) -> Lead | None:
    return replace(lead, call_sid=None) if lead else None


def _call_row(event: LinkEvent, leads: Leads) -> tuple[str, str, str]:
    return "This call", _call_side(event, event.before, leads), _call_side(event, event.after, leads)


def as_table(rows: Sequence[tuple[str, str, str]]) -> str:
    """Rows of name, before and after as an HTML table."""
    body = "".join(_row(*row) for row in rows)
    return (
        '<table class="pb-sides"><thead><tr><th scope="col"></th><th scope="col">Before</th>'
        f'<th scope="col">After</th></tr></thead><tbody>{body}</tbody></table>'
    )


def _row(name: str, before: str, after: str) -> str:
    changed = "" if before == after else ' class="pb-new"'
    shown = "unchanged" if before == after else escape(after)
    return f'<tr><th scope="row">{escape(name)}</th><td>{escape(before)}</td><td{changed}>{shown}</td></tr>'


def _call_side(event: LinkEvent, side: Mapping[str, Any], leads: Leads) -> str:
    lead_id = side.get("call_lead")
    if lead_id is None:
        return "set aside" if side.get("set_aside") else "unlinked"
    slot = _slot(side, lead_id, leads.get(lead_id))
    kind = "current call" if slot == event.call_sid else "history"
    return f"linked to lead {lead_id} · {kind}"


def _lead_row(event: LinkEvent, lead_id: int, lead: Lead | None) -> tuple[str, str, str]:
    name = formatting.lead_label(lead_id, lead.name if lead else None)
    sides = [_slot(side, lead_id, lead) for side in (event.before, event.after)]
    before, after = (_slot_words(slot, event.call_sid) for slot in sides)
    if sides[0] and sides[1] == event.call_sid != sides[0]:
        after += f"; {formatting.short_sid(sides[0])} joins the history"
    return f"{name}: current call", before, after


def _slot(side: Mapping[str, Any], lead_id: int, lead: Lead | None = None) -> str | None:
    """A lead's slot on one side; a slot that does not change stands in the lead itself."""
    slots = side.get("leads") or {}
    if str(lead_id) in slots:
        return slots[str(lead_id)]
    return lead.call_sid if lead else None


def _slot_words(slot: str | None, call_sid: str) -> str:
    if not slot:
        return "none"
    short = formatting.short_sid(slot)
    return f"{short} (this call)" if slot == call_sid else short
