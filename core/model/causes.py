"""Why a call is unlinked: the causes of the product in their order, and the sentence that explains each.

A cause is decided from frozen facts and names the leads that its sentence speaks of. The sentence itself is made when
it is read, from the leads as they are then, so that no number and no name is copied.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args

from core.model import phone
from core.model.counterpart import CallFacts, Counterpart
from core.model.holders import Holder, counted
from core.model.records import Call, Lead

Cause: TypeAlias = Literal[
    "pending",
    "unlinked_by_hand",
    "link_write_failed",
    "lead_deleted",
    "no_numbers",
    "own_numbers_only",
    "withheld_caller",
    "several_leads",
    "missed_match",
    "format_mismatch",
    "no_matching_lead",
    "unknown",
]

CAUSES: tuple[Cause, ...] = get_args(Cause)
"""The first that is true is the cause. ``pending`` depends on the time, see :func:`is_pending`."""

MOST_NAMED = 5
"""So many leads a cause names."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A cause with the ids of the leads that its sentence names, best first."""

    cause: Cause
    leads: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    call: CallFacts
    counterpart: Counterpart
    holders: tuple[Holder, ...]

    def having(self) -> tuple[Holder, ...]:
        return counted(self.holders) if self.counterpart.e164 is not None else ()


_Rule: TypeAlias = Callable[[_Known], Decision | None]


def decide(call: CallFacts, counterpart: Counterpart, holders: Sequence[Holder]) -> Decision:
    """Why this unlinked call is unlinked, ``pending`` left aside.

    :param counterpart: as :func:`core.model.counterpart.of` gives it.
    :param holders: the leads that have the counterpart's number, best first.
    """
    known = _Known(call, counterpart, tuple(holders))
    for rule in _RULES:
        decision = rule(known)
        if decision is not None:
            return decision
    return Decision("unknown")


def is_pending(started_at: datetime, now: datetime, grace_seconds: int) -> bool:
    """Is an unlinked call so young that the backend may still link it?

    :param grace_seconds: the grace period in seconds; a call exactly that old is not pending any more.
    """
    return now - started_at < timedelta(seconds=grace_seconds)


def _unlinked_by_hand(known: _Known) -> Decision | None:
    if not known.call.by_hand:
        return None
    by_hand = (link.lead_id for link in known.call.earlier if link.exists and link.removed_by_hand)
    return Decision("unlinked_by_hand", tuple(by_hand)[:1])


def _link_write_failed(known: _Known) -> Decision | None:
    return Decision("link_write_failed", known.call.proof) if len(known.call.proof) == 1 else None


def _lead_deleted(known: _Known) -> Decision | None:
    return Decision("lead_deleted", known.call.gone[:MOST_NAMED]) if known.call.gone else None


def _no_numbers(known: _Known) -> Decision | None:
    return Decision("no_numbers") if known.counterpart.standing == "missing" else None


def _own_numbers_only(known: _Known) -> Decision | None:
    return Decision("own_numbers_only") if known.counterpart.standing == "ours" else None


def _withheld_caller(known: _Known) -> Decision | None:
    return Decision("withheld_caller") if known.counterpart.standing == "withheld" else None


def _several_leads(known: _Known) -> Decision | None:
    having = known.having()
    return Decision("several_leads", tuple(h.lead.id for h in having[:MOST_NAMED])) if len(having) > 1 else None


def _missed_match(known: _Known) -> Decision | None:
    having = known.having()
    return Decision("missed_match", (having[0].lead.id,)) if len(having) == 1 and having[0].exact else None


def _format_mismatch(known: _Known) -> Decision | None:
    having = known.having()
    return Decision("format_mismatch", (having[0].lead.id,)) if len(having) == 1 else None


def _no_matching_lead(known: _Known) -> Decision | None:
    return Decision("no_matching_lead") if known.counterpart.standing == "known" else None


_RULES: tuple[_Rule, ...] = (
    _unlinked_by_hand,
    _link_write_failed,
    _lead_deleted,
    _no_numbers,
    _own_numbers_only,
    _withheld_caller,
    _several_leads,
    _missed_match,
    _format_mismatch,
    _no_matching_lead,
)


def sentence(cause: str, call: Call, leads: Mapping[int, Lead], region: str, grace_seconds: int | None = None) -> str:
    """One sentence that explains a cause to a person, from the rows as they are now.

    :param cause: the cause that holds now, one of :data:`CAUSES`.
    :param call: the call, with ``cause_leads``.
    :param leads: the leads that ``cause_leads`` names, by id; those that are missing are said to be gone.
    :param region: ISO 3166 region in which a number without country code is read.
    :param grace_seconds: the grace period, for ``pending``.
    """
    named = [(lead_id, leads.get(lead_id)) for lead_id in call.cause_leads]
    if cause == "pending":
        period = "" if grace_seconds is None else f" of {grace_seconds} s"
        return f"It started within the grace period{period}: the backend may still link it."
    if cause == "several_leads":
        return _several_sentence(named, call)
    if cause in _OF_ONE_LEAD and named:
        return _one_sentence(cause, *named[0], call, region)
    return _call_sentence(cause, call)


_OF_ONE_LEAD = frozenset({"unlinked_by_hand", "link_write_failed", "lead_deleted", "missed_match", "format_mismatch"})


def named(lead_id: int, lead: Lead | None) -> str:
    """A lead as sentences call it: ``Lead 212 (Ann Lee)``."""
    name = " ".join((lead.name or "").split()) if lead is not None else ""
    return f"Lead {lead_id} ({name})" if name else f"Lead {lead_id}"


def writing(lead: Lead) -> str:
    """A lead's phone field as it is written, on one line."""
    return " ".join((lead.phone or "").split())


def _one_sentence(cause: str, lead_id: int, lead: Lead | None, call: Call, region: str) -> str:
    who = named(lead_id, lead)
    if cause == "lead_deleted":
        return f"It belonged to lead {lead_id}, which has been deleted."
    if lead is None:
        return f"Lead {lead_id}, which this was about, is gone meanwhile."
    if cause == "unlinked_by_hand":
        return f"Somebody unlinked it from {_inside(who)}; automation leaves it alone."
    if cause == "link_write_failed":
        proof = f"The notes of {_inside(who)} name this call"
        if call.best_evidence == "job_result" and call.best_lead_id == lead_id:
            proof = f"The job that dialled this call was made for {_inside(who)}, as its result says"
        return f"{proof}, but the call is not linked to it."
    if cause == "missed_match":
        return f"{who} has exactly this number, yet the call was never linked."
    return f"{who} {_how_written(lead, call.counterpart, region)}."


def _how_written(lead: Lead, counterpart: str | None, region: str) -> str:
    like = phone.likeness(lead.phone, counterpart, region) if counterpart else None
    if like == "other_country":
        return f"has this number with another country code, written {writing(lead)}"
    if like == "variant":
        return f"has this number but for a mobile digit, written {writing(lead)}"
    if counterpart and lead.phone != counterpart and writing(lead) == counterpart:
        return f"has this number, written with blanks around it: “{lead.phone}”"
    return f"has this number, written {writing(lead)}"


def _several_sentence(named_leads: Sequence[tuple[int, Lead | None]], call: Call) -> str:
    words = [_inside(named(lead_id, lead)).removeprefix("lead ") for lead_id, lead in named_leads]
    if len(words) < 2:
        return "Several leads have this number; nothing says which one it was."
    more = call.candidate_count - len(words)
    rest = "and others" if len(words) >= MOST_NAMED and more > 0 else f"and {words.pop()}"
    return f"Leads {', '.join(words)} {rest} have this number; a person has to choose."


def _call_sentence(cause: str, call: Call) -> str:
    number = phone.display(call.counterpart) if call.counterpart else _their_text(call)
    sentences = {
        "unlinked_by_hand": "It was unlinked by hand; automation leaves it alone.",
        "link_write_failed": "A job's result or a lead's notes name a lead for this call, but it is not linked.",
        "lead_deleted": "It belonged to a lead that has been deleted.",
        "no_numbers": _no_numbers_sentence(call),
        "own_numbers_only": "There is no number on it but our own.",
        "withheld_caller": _withheld_sentence(call),
        "missed_match": "A lead has exactly this number, yet the call was never linked.",
        "format_mismatch": "A lead has this number, written otherwise.",
        "no_matching_lead": f"No lead has the number {number}.",
        "unknown": f"The other party is “{number}”, which is no telephone number." if number else "Nothing says why.",
    }
    return sentences.get(cause, "It has not been judged yet.")


def _no_numbers_sentence(call: Call) -> str:
    if not (call.from_number or "").strip() and not (call.to_number or "").strip():
        return "None of its rows carries a phone number; Twilio still has it."
    return "None of its rows carries the other party's number; Twilio still has it."


def _withheld_sentence(call: Call) -> str:
    ruled = phone.normalise(_their_text(call), "US").kind == "number"
    return "A person ruled that this number counts as withheld." if ruled else "The caller withheld the number."


def _their_text(call: Call) -> str:
    outbound = (call.direction or "outbound").lower().startswith("outbound")
    return ((call.to_number if outbound else call.from_number) or "").strip()


def _inside(who: str) -> str:
    """A lead's designation within a sentence."""
    return who[0].lower() + who[1:]
