"""What a repair does to the backend's automatic dialling.

The backend dials leads whose ``lead_status`` is ``new`` and whose ``call_sid`` is null. Emptying a lead's slot can make
it be dialled; filling one takes it off the list. Pure: given the slots before and after, say which leads change sides.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.model.records import Lead, LinkEvent

DIALLED_STATUS = "new"


@dataclass(frozen=True, slots=True)
class DiallingChange:
    """One lead that joins (``diallable``) or leaves the leads that the backend's automation dials, as a sentence."""

    lead_id: int
    diallable: bool
    sentence: str


def touched(event: LinkEvent) -> tuple[int, ...]:
    """The ids of the leads whose slot or status an event changes."""
    rows = (event.after.get("rows") or {}).get("leads") or {}
    return tuple(sorted({int(key) for key in [*_slots(event.after), *rows]}))


def changes(event: LinkEvent, leads: Iterable[Lead]) -> tuple[DiallingChange, ...]:
    """The leads of an event that would become diallable, or stop being so.

    :param event: a link event or its preview.
    :param leads: the touched leads with what they are now where the event says nothing.
    :return: in the order of the lead ids.
    """
    before, after = _slots(event.before), _slots(event.after)
    found = []
    for lead in sorted(leads, key=lambda lead: lead.id):
        key = str(lead.id)
        was = _is_dialled(_status(event.before, lead), before.get(key, lead.call_sid))
        becomes = _is_dialled(_status(event.after, lead), after.get(key, lead.call_sid))
        if was != becomes:
            found.append(DiallingChange(lead.id, becomes, _sentence(lead, becomes)))
    return tuple(found)


def _slots(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    slots = facts.get("leads") or {}
    return {str(key): value for key, value in slots.items()}


def _status(facts: Mapping[str, Any], lead: Lead) -> str | None:
    """The lead's status on one side of an event: marking as contacted is part of it (``rows`` of the contract)."""
    rows = (facts.get("rows") or {}).get("leads") or {}
    if str(lead.id) in rows and rows[str(lead.id)] is None:
        return None  # there is no such lead on this side
    changed = rows.get(str(lead.id)) or {}
    status = changed.get("lead_status", lead.lead_status)
    return None if status is None else str(status)


def _is_dialled(status: str | None, slot: object) -> bool:
    return status == DIALLED_STATUS and (slot is None or not str(slot).strip())


def _sentence(lead: Lead, diallable: bool) -> str:
    called = f"Lead {lead.id} ({lead.name})" if lead.name else f"Lead {lead.id}"
    if diallable:
        return f"{called} has the status new and will have no call: the backend's automation may dial it."
    return f"{called} will not be dialled by the backend's automation any more."
