"""Does a linked call's lead fit the evidence? A link is suspect where proof names another lead, and as far as numbers
and what was said tell; never where proof speaks for it.

Proof is a person's decision that still stands, the result of the job that dialled the call, and the lead's own notes
naming it. Where the lead's phone field holds no readable number, or the other party is withheld or one of ours, numbers
say nothing. What was said counts on inbound calls only: anybody may answer a lead's telephone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from core.model import phone
from core.model.causes import MOST_NAMED, named, writing
from core.model.counterpart import CallFacts, Counterpart
from core.model.holders import Holder
from core.model.records import Call, Candidate, Lead

Suspect: TypeAlias = Literal["contradicted", "other_lead", "overruled", "unknown_number", "voice_disagrees"]
SUSPECTS: tuple[Suspect, ...] = get_args(Suspect)
"""Worst first, which is their alphabetical order too: the worklist sorts by the word."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why a link is suspect, with the leads that fit better, best first.

    :ivar kind: the kind of evidence (:data:`core.model.evidence.FOR`) that tells; None: the number.
    """

    suspect: Suspect
    better: tuple[int, ...] = ()
    kind: str | None = None


SAID = ("spoken_email", "spoken_number", "spoken_full_name", "spoken_first_name")
CONTRADICTED = frozenset({"other_name_spoken", "other_email_spoken", "other_number_spoken"})


def decide(
    call: CallFacts,
    counterpart: Counterpart,
    linked: Lead | None,
    holders: Sequence[Holder],
    region: str,
    candidates: Sequence[Candidate] = (),
) -> Suspicion | None:
    """Whether a call's link is suspect; None when it is not, or when nothing can be told.

    ``contradicted``: a job's result or notes name another lead. ``other_lead``: another lead has the counterpart's
    number and the linked one does not. ``overruled``: a person linked the call to another lead, and another program
    moved it. ``unknown_number``: nobody has the number, and the linked lead's field holds another one.
    ``voice_disagrees``: the caller said to be another lead.

    :param linked: the lead that the call is linked to, or None when it is gone.
    :param holders: the leads that have the counterpart's number, best first.
    :param region: ISO 3166 region in which a number without country code is read.
    :param candidates: the call's candidates, best first.
    """
    if linked is None or call.test or call.confirmed or linked.id in call.proof:
        return None
    by_number = _by_number(counterpart, linked, holders, region, candidates)
    found = (_by_proof(call, candidates), by_number, _overruled(call), _by_speech(call, linked, candidates))
    return min((each for each in found if each), key=lambda each: SUSPECTS.index(each.suspect), default=None)


def _by_proof(call: CallFacts, candidates: Sequence[Candidate]) -> Suspicion | None:
    if not call.proof:
        return None
    better = tuple(candidate.lead_id for candidate in candidates if candidate.lead_id in call.proof) or call.proof
    made_for = {job.lead_id for job in call.jobs}
    return Suspicion("contradicted", better[:MOST_NAMED], "job_result" if better[0] in made_for else "notes")


def _by_speech(call: CallFacts, linked: Lead, candidates: Sequence[Candidate]) -> Suspicion | None:
    if not (call.direction or "").strip().lower().startswith("inbound"):
        return None
    held = next((candidate for candidate in candidates if candidate.lead_id == linked.id), None)
    if held is None or not CONTRADICTED & {doubt.kind for doubt in held.against}:
        return None
    best = candidates[0]
    kinds = [item.kind for item in best.evidence if item.kind in SAID]
    if best.lead_id == linked.id or not kinds or best.confidence == "low":
        return None
    return Suspicion("voice_disagrees", (best.lead_id,), kinds[0])


def _is_borne_out(linked: Lead, candidates: Sequence[Candidate]) -> bool:
    """Does a job of just that time, or what the caller said, speak for the link, whatever telephone it was?"""
    held = next((candidate for candidate in candidates if candidate.lead_id == linked.id), None)
    return held is not None and any(
        item.kind in ("job_window", "spoken_email", "spoken_number", "spoken_full_name") for item in held.evidence
    )


def _by_number(
    counterpart: Counterpart, linked: Lead, holders: Sequence[Holder], region: str, candidates: Sequence[Candidate]
) -> Suspicion | None:
    if counterpart.e164 is None or any(holder.lead.id == linked.id for holder in holders):
        return None
    if _is_borne_out(linked, candidates) or not phone.all_numbers(linked.phone, region):
        return None
    firm = tuple(holder.lead.id for holder in holders if holder.firm)
    return Suspicion("other_lead", firm[:MOST_NAMED]) if firm else Suspicion("unknown_number")


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
    told = _TOLD.get(call.best_evidence or "")
    if call.suspect in ("contradicted", "voice_disagrees") and told and call.cause_leads:
        return f"{told.format(who=_names(call.cause_leads[:1], leads))}; it is linked to {_inside(who)}."
    number = phone.display(call.counterpart) if call.counterpart else "the call's number"
    if call.suspect == "other_lead":
        others = f"{_capital(_names(call.cause_leads, leads))} {_have(call.cause_leads)}"
        return f"{others} {number}; it is linked to {_inside(who)}{has}."
    return f"It is linked to {_inside(who)}{has}; the call was with {number}, which no lead has."


_TOLD = {
    "job_result": "The job that dialled the call was made for {who}, as its result says",
    "notes": "The notes of {who} name the call",
    "spoken_email": "The caller gave the e-mail address of {who}",
    "spoken_number": "The caller gave the number of {who} as their own",
    "spoken_full_name": "The caller introduced themselves with the name of {who}",
    "spoken_first_name": "The caller introduced themselves with the first name of {who}, or the last",
}


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
