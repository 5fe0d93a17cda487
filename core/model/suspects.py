"""Does a linked call's lead fit its number? A link is suspect as far as the numbers tell, and never where proof speaks.

Proof is a person's decision that still stands, and the lead's own notes naming the call. Where the lead's phone field
holds no readable number, or the other party is withheld or one of ours, numbers say nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from core.model import phone
from core.model.causes import MOST_NAMED, named, writing
from core.model.counterpart import CallFacts, Counterpart
from core.model.holders import Holder
from core.model.records import Call, Lead

Suspect: TypeAlias = Literal["other_lead", "other_number", "overruled"]
SUSPECTS: tuple[Suspect, ...] = get_args(Suspect)
"""Worst first, which is their alphabetical order too: the worklist sorts by the word."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why a link is suspect, with the leads that fit better, best first."""

    suspect: Suspect
    better: tuple[int, ...] = ()


def decide(
    call: CallFacts, counterpart: Counterpart, linked: Lead | None, holders: Sequence[Holder], region: str
) -> Suspicion | None:
    """Whether a call's link is suspect; None when it is not, or when nothing can be told.

    ``other_lead``: another lead has the counterpart's number and the linked one does not. ``other_number``: nobody else
    has it, and the linked lead's field holds another number. ``overruled``: a person linked the call to another lead,
    and another program moved it.

    :param linked: the lead that the call is linked to, or None when it is gone.
    :param holders: the leads that have the counterpart's number, best first.
    :param region: ISO 3166 region in which a number without country code is read.
    """
    if linked is None or call.test or call.confirmed or linked.id in call.mentions:
        return None
    return _by_number(counterpart, linked, holders, region) or _overruled(call)


def _by_number(counterpart: Counterpart, linked: Lead, holders: Sequence[Holder], region: str) -> Suspicion | None:
    if counterpart.e164 is None or any(holder.lead.id == linked.id for holder in holders):
        return None
    if not phone.all_numbers(linked.phone, region):
        return None
    firm = tuple(holder.lead.id for holder in holders if holder.firm)
    return Suspicion("other_lead", firm[:MOST_NAMED]) if firm else Suspicion("other_number")


def _overruled(call: CallFacts) -> Suspicion | None:
    return None if call.overruled_lead is None else Suspicion("overruled", (call.overruled_lead,))


def sentence(call: Call, leads: Mapping[int, Lead]) -> str:
    """Why a call's link is suspect, from the rows as they are now.

    :param call: the call, with ``suspect`` and the better leads in ``cause_leads``.
    :param leads: the linked lead and the better ones, by id; those that are missing are gone.
    """
    if call.lead_id is None:
        return "It is not linked any more."
    linked = leads.get(call.lead_id)
    who = named(call.lead_id, linked)
    if call.suspect == "overruled":
        before = _names(call.cause_leads, leads) or "another lead"
        return f"A person had linked it to {before}, and another program moved it to {_inside(who)}."
    has = f", which has {writing(linked)}" if linked is not None and writing(linked) else ""
    number = phone.display(call.counterpart) if call.counterpart else "the call's number"
    if call.suspect == "other_lead":
        others = f"{_capital(_names(call.cause_leads, leads))} {_have(call.cause_leads)}"
        return f"{others} {number}; it is linked to {_inside(who)}{has}."
    return f"It is linked to {_inside(who)}{has}; the call was with {number}, which no lead has."


def _names(ids: Sequence[int], leads: Mapping[int, Lead]) -> str:
    if len(ids) > 1:
        return f"leads {', '.join(map(str, ids[:-1]))} and {ids[-1]}"
    return _inside(named(ids[0], leads.get(ids[0]))) if ids else ""


def _have(ids: Sequence[int]) -> str:
    return "have" if len(ids) > 1 else "has"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text else "Another lead"


def _inside(who: str) -> str:
    return who[:1].lower() + who[1:]
