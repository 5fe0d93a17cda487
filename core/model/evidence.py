"""Which leads a call may belong to, how sure that is, and why: evidence for and against, weighed by documented rules.

A new kind of evidence is a row in :data:`FOR` or :data:`AGAINST`, and a finder in :data:`_FINDERS`, or in
:data:`_DOUBTS`; the weighing does not change.

Confidence (product): ``certain`` is proof (a lead's notes name the call, an earlier link) that nothing contradicts;
``high`` when exactly one lead has the counterpart's number, however it is stored, and nothing speaks against it;
``medium`` when one thing does, or the number is only alike; ``low`` when more does, or somebody took just this link
away.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from core.model import phone
from core.model.causes import named, writing
from core.model.counterpart import CallFacts, Counterpart
from core.model.holders import Holder, counted
from core.model.records import CONFIDENCES, Candidate, Confidence, Evidence, Lead

Strength: TypeAlias = Literal["proof", "match", "hint"]
STRENGTHS: tuple[Strength, ...] = ("proof", "match", "hint")
"""Strongest first."""

CONTACT_SECONDS = 120
"""The worker's note that it dialled a lead may be that much earlier than the call's first row."""

CREATED_LATE = timedelta(days=30)
"""Callers become leads afterwards, and are theirs; one created so much later most likely had no part in the call."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of evidence is worth. ``weight`` sorts kinds, the strongest highest."""

    strength: Strength
    weight: int


FOR: Mapping[str, Kind] = {
    "notes": Kind("proof", 90),  # the worker writes "Outbound call CA… initiated" into the notes of the dialled lead
    "earlier_link": Kind("proof", 80),  # the ledger: the call was linked to this lead, and nobody took that away
    "number_exact": Kind("match", 60),  # the phone field is the counterpart's number in E.164
    "number_equal": Kind("match", 50),  # the same in E.164 once normalised
    "national_number": Kind("match", 40),  # the same once read in the counterpart's own country
    "number_variant": Kind("hint", 30),  # differs by a mobile digit (Brazil, Argentina, Mexico)
    "other_country": Kind("hint", 20),  # the same national number behind another country code
    "unlinked_from": Kind("hint", 10),  # it was linked to this lead, until somebody took that away
}

AGAINST: Mapping[str, int] = {
    "removed_by_hand": 3,  # somebody unlinked the call from this lead: weighs as much as three doubts
    "proof_disagrees": 1,  # proof names other leads too
    "number_shared": 1,  # several leads have the number
    "created_late": 1,  # the lead was created long after the call
    "country_differs": 1,  # the country code is another one
    "country_unclear": 1,  # read in the default region, the same writing is another number
}

NO_DOUBT_OF_PROOF = frozenset({"number_shared", "created_late", "country_differs", "country_unclear"})
"""What speaks against a match by number does not touch proof."""


@dataclass(frozen=True, slots=True)
class _Known:
    call: CallFacts
    counterpart: Counterpart
    holders: Mapping[int, Holder]
    sharing: int
    proven: frozenset[int]
    region: str


def candidates(
    call: CallFacts, counterpart: Counterpart, leads: Mapping[int, Lead], holders: Sequence[Holder], region: str
) -> tuple[Candidate, ...]:
    """The leads that may belong to a call, best first; the same facts give the same order.

    :param leads: every lead that the call's notes and ledger name, by id; those that are missing are gone.
    :param holders: the leads that have the counterpart's number.
    :param region: ISO 3166 region in which a number without country code is read.
    """
    by_number = {holder.lead.id: holder for holder in holders}
    everyone = {**leads, **{holder.lead.id: holder.lead for holder in holders}}
    earlier = {link.lead_id for link in call.earlier}
    proven = {*call.mentions, *(link.lead_id for link in call.earlier if not link.removed_by_hand)} & everyone.keys()
    known = _Known(call, counterpart, by_number, len(counted(holders)), frozenset(proven), region)
    involved = (everyone.keys() & {*call.mentions, *earlier}) | by_number.keys()
    found = [_candidate(everyone[lead_id], known) for lead_id in involved]
    return tuple(sorted(found, key=lambda candidate: _rank(candidate, everyone[candidate.lead_id], call)))


def confidence(kinds: Iterable[str], doubts: Iterable[str]) -> Confidence:
    """How sure a candidate is, from the kinds of evidence for and against it."""
    strengths = {FOR[kind].strength for kind in kinds}
    against = set(doubts)
    weight = sum(AGAINST[doubt] for doubt in against)
    if "proof" in strengths and not against - NO_DOUBT_OF_PROOF:
        return "certain"
    if "match" in strengths and weight == 0:
        return "high"
    # A hint is unsure by itself; the country that made it one is not counted against it again.
    hint_only = strengths == {"hint"}
    tolerated = sum(AGAINST[doubt] for doubt in against & {"country_differs"}) if hint_only else 1
    return "medium" if weight <= tolerated else "low"


_SENTENCES: Mapping[str, str] = {
    "notes": "The notes of {who} name this call.",
    "earlier_link": "The call was linked to {who} before.",
    "number_exact": "{Who} has exactly this number.",
    "number_equal": "{Who} has this number, written {written}.",
    "national_number": "{Who} has this number in its national form, written {written}.",
    "number_variant": "{Who} has {number} but for a mobile digit, written {written}.",
    "other_country": "{Who} has this number with another country code, written {written}.",
    "unlinked_from": "The call was linked to {who} until somebody took that away.",
}


def reason(kind: str, lead: Lead, counterpart: str | None) -> str:
    """The sentence of one kind of evidence for a lead, from the lead as it is now.

    :param counterpart: the counterpart's number in E.164, or None.
    """
    template = _SENTENCES[kind]
    who = named(lead.id, lead)
    words = {"Who": who, "who": who[0].lower() + who[1:], "written": writing(lead)}
    if "{number}" in template:
        words["number"] = phone.display(counterpart) if counterpart else "this number"
    return template.format(**words)


def _candidate(lead: Lead, known: _Known) -> Candidate:
    found = sorted(
        (item for finder in _FINDERS for item in finder(lead, known)), key=lambda item: -FOR[item.kind].weight
    )
    doubts = sorted((item for doubt in _DOUBTS for item in doubt(lead, known)), key=lambda item: -AGAINST[item.kind])
    sure = confidence((item.kind for item in found), (item.kind for item in doubts))
    return Candidate(lead.id, lead.name, lead.phone, sure, tuple(found), tuple(doubts))


def _rank(candidate: Candidate, lead: Lead, call: CallFacts) -> tuple[float, ...]:
    """Best first: confidence, fewer doubts, stronger evidence; among equals the lead contacted nearest to it."""
    strongest = max((FOR[item.kind] for item in candidate.evidence), key=lambda kind: kind.weight)
    doubts = sum(AGAINST[item.kind] for item in candidate.against)
    # Ways of writing one number do not tell leads apart, so time goes before weight.
    strength = STRENGTHS.index(strongest.strength)
    level = CONFIDENCES.index(candidate.confidence)
    return (level, doubts, strength, *_contact(lead, call), -strongest.weight, lead.id)


def _contact(lead: Lead, call: CallFacts) -> tuple[float, float]:
    """How near to the call a lead was contacted, nearest first.

    Dialling a lead sets its last_contacted_at, so a lead that was last contacted before the call was hardly in it.
    """
    if lead.last_contacted_at is None:
        return (2, 0)
    after = (lead.last_contacted_at - call.started_at).total_seconds()
    return (0, after) if after >= -CONTACT_SECONDS else (1, -after)


# What speaks for a lead ----------------------------------------------------------------------------------------------


def _notes(lead: Lead, known: _Known) -> Iterable[Evidence]:
    if lead.id in known.call.mentions:
        yield Evidence("notes", reason("notes", lead, None), f"leads/{lead.id}")


def _earlier_links(lead: Lead, known: _Known) -> Iterable[Evidence]:
    for link in known.call.earlier:
        if link.lead_id == lead.id:
            kind = "unlinked_from" if link.removed_by_hand else "earlier_link"
            yield Evidence(kind, reason(kind, lead, None), f"link_events/{link.event_id}")


def _number(lead: Lead, known: _Known) -> Iterable[Evidence]:
    holder = known.holders.get(lead.id)
    if holder is None:
        return
    kinds = {"same": "number_equal", "national": "national_number", "variant": "number_variant"}
    kind = "number_exact" if holder.exact else kinds.get(holder.likeness, holder.likeness)
    yield Evidence(kind, reason(kind, lead, known.counterpart.e164), f"leads/{lead.id}")


# What speaks against it ----------------------------------------------------------------------------------------------


def _removed_by_hand(lead: Lead, known: _Known) -> Iterable[Evidence]:
    for link in known.call.earlier:
        if link.lead_id == lead.id and link.removed_by_hand:
            source = f"link_events/{link.event_id}"
            yield Evidence("removed_by_hand", "Somebody took the call away from this lead.", source)


def _proof_disagrees(lead: Lead, known: _Known) -> Iterable[Evidence]:
    others = sorted(known.proven - {lead.id})
    if others:
        ids = ", ".join(str(other) for other in others)
        yield Evidence("proof_disagrees", f"Notes or earlier links name another lead too: {ids}.", f"leads/{others[0]}")


def _number_shared(lead: Lead, known: _Known) -> Iterable[Evidence]:
    holder = known.holders.get(lead.id)
    if holder is None:
        return
    others = known.sharing - (1 if holder.firm or not any(h.firm for h in known.holders.values()) else 0)
    if others > 0:
        word = "1 other lead has" if others == 1 else f"{others} other leads have"
        other = next(h for h in counted(known.holders.values()) if h.lead.id != lead.id)
        yield Evidence("number_shared", f"{word} this number as well.", f"leads/{other.lead.id}")


def _created_late(lead: Lead, known: _Known) -> Iterable[Evidence]:
    if lead.created_at is None:
        return
    late = lead.created_at - known.call.started_at
    if late > CREATED_LATE:
        yield Evidence("created_late", f"The lead was created {late.days} days after the call.", f"leads/{lead.id}")


def _country(lead: Lead, known: _Known) -> Iterable[Evidence]:
    holder = known.holders.get(lead.id)
    if holder is None:
        return
    if holder.likeness == "other_country":
        yield Evidence("country_differs", _codes(lead, known), f"leads/{lead.id}")
    if holder.elsewhere is not None:
        detail = f"Read without the call, the lead's number would be {phone.display(holder.elsewhere)}."
        yield Evidence("country_unclear", detail, f"leads/{lead.id}")


def _codes(lead: Lead, known: _Known) -> str:
    theirs = phone.country_code(known.counterpart.e164 or "")
    has = next((phone.country_code(n.e164) for n in phone.all_numbers(lead.phone, known.region) if n.e164), None)
    return f"The lead's number has country code +{has}, the call's +{theirs}."


_Finder: TypeAlias = Callable[[Lead, _Known], Iterable[Evidence]]
_FINDERS: tuple[_Finder, ...] = (_notes, _earlier_links, _number)
_DOUBTS: tuple[_Finder, ...] = (_removed_by_hand, _proof_disagrees, _number_shared, _created_late, _country)
