"""Which leads a call may belong to, how sure that is, and why: evidence for and against, weighed by documented rules.

A new kind of evidence is a row in :data:`FOR` or :data:`AGAINST`, and a finder in :data:`_FINDERS`, or in
:data:`_DOUBTS`; the weighing does not change.

Confidence (product): ``certain`` is proof (a job's result, a lead's notes name the call, an earlier link) that nothing
contradicts; ``high`` when exactly one lead has the counterpart's number, however it is stored, or a job dialled that
number for it just then, and nothing speaks against it (another lead with the number always does); ``medium`` when
one thing does, or the number is only alike, or nothing but what was said speaks for it; ``low`` when more speaks
against it, or somebody took just this link away.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from core.model import names, phone, spoken
from core.model.causes import named, writing
from core.model.counterpart import CallFacts, Counterpart, Job
from core.model.holders import FIRM, Holder, counted
from core.model.records import CONFIDENCES, Candidate, Confidence, Evidence, Lead

Strength: TypeAlias = Literal["proof", "match", "hint", "support"]
STRENGTHS: tuple[Strength, ...] = ("proof", "match", "hint", "support")
"""Strongest first. What only supports finds nobody; it tells candidates apart that other evidence found."""

CONTACT_SECONDS = 120
"""The worker's note that it dialled a lead may be that much earlier than the call's first row."""

CREATED_LATE = timedelta(days=30)
"""Callers become leads afterwards, and are theirs; one created so much later most likely had no part in the call."""

CREATED_SOON = timedelta(days=1)
"""A lead made so soon after a call may have been made because of it."""

CONTACT_NEAR = timedelta(minutes=10)
"""The worker and the transcript's saver set last_contacted_at within a call; some calls last that long."""

CLOCK_SLACK = timedelta(seconds=10)
"""The queue's clock and the database's are two; a call's first row is written some seconds after it was dialled."""

ATTEMPTS_APART = timedelta(hours=1)
"""A job is tried again within seconds or, behind a full queue, minutes. A delayed job waits for days before the first
time: calls of that time are none of its own."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of evidence is worth. ``weight`` sorts kinds, the strongest highest."""

    strength: Strength
    weight: int


FOR: Mapping[str, Kind] = {
    "job_result": Kind("proof", 95),  # the finished job that dialled the call was made for this lead
    "notes": Kind("proof", 90),  # the worker writes "Outbound call CA… initiated" into the notes of the dialled lead
    "earlier_link": Kind("proof", 80),  # the ledger: the call was linked to this lead, and nobody took that away
    "job_window": Kind("match", 70),  # a job for this lead dialled this number just then, and then once more
    "number_exact": Kind("match", 60),  # the phone field is the counterpart's number in E.164
    "number_equal": Kind("match", 50),  # the same in E.164 once normalised
    "national_number": Kind("match", 40),  # the same once read in the counterpart's own country
    "spoken_email": Kind("hint", 35),  # the caller gave this lead's e-mail address
    "spoken_number": Kind("hint", 32),  # the caller gave this lead's number as their own
    "number_variant": Kind("hint", 30),  # differs by a mobile digit (Brazil, Argentina, Mexico)
    "spoken_full_name": Kind("hint", 25),  # the caller introduced themselves with this lead's first and last name
    "other_country": Kind("hint", 20),  # the same national number behind another country code
    "unlinked_from": Kind("hint", 10),  # it was linked to this lead, until somebody took that away
    "spoken_first_name": Kind("support", 9),  # the caller introduced themselves with one of this lead's names
    "contacted_near": Kind("support", 8),  # last_contacted_at lies within minutes of the call
    "created_after": Kind("support", 5),  # the lead was made soon after this inbound call
}

AGAINST: Mapping[str, int] = {
    "removed_by_hand": 3,  # somebody unlinked the call from this lead: weighs as much as three doubts
    "proof_disagrees": 1,  # proof names other leads too
    "gone_lead_named": 1,  # a job or an earlier link names a lead that is gone
    "job_disagrees": 1,  # a job dialled this number just then for another lead
    "number_shared": 1,  # several leads have the number
    "other_name_spoken": 1,  # the caller introduced themselves with another name
    "other_email_spoken": 1,  # the caller gave another lead's e-mail address
    "other_number_spoken": 1,  # the caller gave another lead's number as their own
    "name_shared": 1,  # several leads have the name that was said
    "dialled_another": 1,  # we dialled a number that is another lead's: whoever answers, that lead was called
    "created_late": 1,  # the lead was created long after the call
    "country_differs": 1,  # the country code is another one
    "country_unclear": 1,  # read in the default region, the same writing is another number
    "number_rule": 1,  # a person ruled that a lead is never found by this number automatically
    "withheld": 0,  # the number is withheld: nothing but what was said tells who called, which counts as little already
}

NO_DOUBT_OF_A_JOB = frozenset({"number_shared", "country_differs", "country_unclear"})
"""What speaks against a match by number does not make a job that was made for one of its leads less likely."""

NO_DOUBT_OF_PROOF = NO_DOUBT_OF_A_JOB | {
    "created_late", "job_disagrees", "other_name_spoken", "other_email_spoken", "other_number_spoken", "name_shared",
    "dialled_another", "withheld", "number_rule",
}  # fmt: skip
"""What speaks against a match by number or by what was said does not touch proof: others answer a lead's telephone."""


@dataclass(frozen=True, slots=True)
class _Known:
    call: CallFacts
    counterpart: Counterpart
    holders: Mapping[int, Holder]
    sharing: int
    proven: frozenset[int]
    region: str
    windows: tuple[Job, ...]
    said: Mapping[int, Mapping[str, int]]
    ruled: Evidence | None = None

    def heard(self, kind: str) -> frozenset[int]:
        """The leads of which this was said."""
        return frozenset(lead_id for lead_id, kinds in self.said.items() if kind in kinds)


def candidates(
    call: CallFacts,
    counterpart: Counterpart,
    leads: Mapping[int, Lead],
    holders: Sequence[Holder],
    region: str,
    fitting: Iterable[Lead] = (),
    ruled: Evidence | None = None,
) -> tuple[Candidate, ...]:
    """The leads that may belong to a call, best first; the same facts give the same order.

    :param leads: every lead that notes, jobs and the ledger name for the call, by id; those that are missing are gone.
    :param holders: the leads that have the counterpart's number.
    :param region: ISO 3166 region in which a number without country code is read.
    :param fitting: leads that may have a name, an address or a number that was said.
    :param ruled: what a person's rule about the counterpart's number says against leads that are found by it.
    """
    by_number = {holder.lead.id: holder for holder in holders}
    everyone = {lead.id: lead for lead in fitting}
    everyone |= {**leads, **{holder.lead.id: holder.lead for holder in holders}}
    windows = tuple(job for job in call.windows if _may_have_dialled(job, call, counterpart, region))
    said = (
        {lead.id: _heard(lead, call, counterpart, region) for lead in everyone.values()}
        if call.said.names or (call.said.emails or call.said.numbers)
        else {}
    )
    proven = {*call.proof, *(link.lead_id for link in call.earlier if not link.removed_by_hand)} & everyone.keys()
    known = _Known(call, counterpart, by_number, len(counted(holders)), frozenset(proven), region, windows, said, ruled)
    named_ones = {*call.proof, *(link.lead_id for link in call.earlier), *(job.lead_id for job in windows)}
    by_speech = {lead_id for lead_id, kinds in said.items() if any(FOR[kind].strength == "hint" for kind in kinds)}
    involved = (everyone.keys() & named_ones) | by_number.keys() | by_speech
    found = [_candidate(everyone[lead_id], known) for lead_id in involved]
    return tuple(sorted(found, key=lambda candidate: _rank(candidate, everyone[candidate.lead_id], call)))


def confidence(kinds: Iterable[str], doubts: Iterable[str]) -> Confidence:
    """How sure a candidate is, from the kinds of evidence for and against it."""
    found, against = set(kinds), set(doubts)
    alone = "number_shared" not in against  # nothing but proof chooses between several leads without a person
    strengths = {FOR[kind].strength for kind in found}
    if "proof" in strengths and not against - NO_DOUBT_OF_PROOF:
        return "certain"
    if "job_window" in found:
        against -= NO_DOUBT_OF_A_JOB
    weight = sum(AGAINST[doubt] for doubt in against)
    if "match" in strengths and weight == 0 and alone:
        return "high"
    # A hint is unsure by itself; the country that made it one is not counted against it again.
    hint_only = strengths.isdisjoint({"proof", "match"})
    tolerated = sum(AGAINST[doubt] for doubt in against & {"country_differs"}) if hint_only else 1
    return "medium" if weight <= tolerated else "low"


_SENTENCES: Mapping[str, str] = {
    "job_result": "The job that dialled this call was made for {who}, as its result says.",
    "notes": "The notes of {who} name this call.",
    "earlier_link": "The call was linked to {who} before.",
    "job_window": "A job for {who} dialled this number at that time, more than once.",
    "number_exact": "{Who} has exactly this number.",
    "number_equal": "{Who} has this number, written {written}.",
    "national_number": "{Who} has this number in its national form, written {written}.",
    "number_variant": "{Who} has {number} but for a mobile digit, written {written}.",
    "other_country": "{Who} has this number with another country code, written {written}.",
    "unlinked_from": "The call was linked to {who} until somebody took that away.",
    "spoken_email": "The caller gave the e-mail address of {who}.",
    "spoken_number": "The caller gave the number of {who} as their own.",
    "spoken_full_name": "The caller introduced themselves with the name of {who}.",
    "spoken_first_name": "The caller introduced themselves with the first name of {who}, or the last.",
    "contacted_near": "{Who} was last contacted within minutes of the call.",
    "created_after": "{Who} was created within a day after the call.",
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
    strength = STRENGTHS.index(strongest.strength)
    proof = strongest.weight if strongest.strength == "proof" else 0
    heard = max((FOR[item.kind].weight for item in candidate.evidence if item.kind in _HEARD), default=0)
    level = CONFIDENCES.index(candidate.confidence)
    # Ways of writing one number do not tell leads apart, so time goes before weight.
    return (level, doubts, strength, -proof, -heard, *_contact(lead, call), -strongest.weight, lead.id)


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


def _job_results(lead: Lead, known: _Known) -> Iterable[Evidence]:
    for job in known.call.jobs:
        if job.lead_id == lead.id:
            yield Evidence("job_result", reason("job_result", lead, None), job.source)
            return


def _job_windows(lead: Lead, known: _Known) -> Iterable[Evidence]:
    for job in known.windows:
        if job.lead_id == lead.id:
            yield Evidence("job_window", reason("job_window", lead, None), job.source)
            return


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
        yield Evidence(
            "proof_disagrees", f"A job, notes or an earlier link name another lead too: {ids}.", f"leads/{others[0]}"
        )


def _ruled(lead: Lead, known: _Known) -> Iterable[Evidence]:
    """A person's rule about the number, against who was found by it; proof is not weakened, only told so."""
    by_number = lead.id in known.holders or any(job.lead_id == lead.id for job in known.windows)
    if known.ruled is not None and (by_number or lead.id in known.proven):
        yield known.ruled


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


def _what_was_said(lead: Lead, known: _Known) -> Iterable[Evidence]:
    for kind, line in known.said.get(lead.id, {}).items():
        yield Evidence(kind, reason(kind, lead, None), f"conversation_transcripts/{line}")


def _times(lead: Lead, known: _Known) -> Iterable[Evidence]:
    started = known.call.started_at
    if lead.last_contacted_at is not None:
        after = lead.last_contacted_at - started
        if timedelta(seconds=-CONTACT_SECONDS) <= after <= CONTACT_NEAR:
            yield Evidence("contacted_near", reason("contacted_near", lead, None), f"leads/{lead.id}")
    if lead.created_at is not None and _came_in(known.call) and timedelta(0) < lead.created_at - started < CREATED_SOON:
        yield Evidence("created_after", reason("created_after", lead, None), f"leads/{lead.id}")


# What jobs and voices say ------------------------------------------------------------------------------------------


_HEARD = frozenset({"spoken_email", "spoken_number", "spoken_full_name", "spoken_first_name"})


def _came_in(call: CallFacts) -> bool:
    return (call.direction or "").strip().lower().startswith("inbound")


def _heard(lead: Lead, call: CallFacts, counterpart: Counterpart, region: str) -> dict[str, int]:
    """What was said that fits this lead, by kind, with the line's row."""
    found: dict[str, int] = {}
    agreements = {names.agreement(name.text, lead.name): name.line_id for name in reversed(call.said.names)}
    if "full" in agreements:
        found["spoken_full_name"] = agreements["full"]
    elif "first" in agreements:
        found["spoken_first_name"] = agreements["first"]
    for email in call.said.emails:
        if spoken.has_email(email.text, lead.email):
            found.setdefault("spoken_email", email.line_id)
    for number in call.said.numbers if lead.phone else ():
        if not _is_heard_anyway(number.text, counterpart) and _has_said_number(lead, number.text, region):
            found.setdefault("spoken_number", number.line_id)
    return found


def _is_heard_anyway(digits: str, counterpart: Counterpart) -> bool:
    """The number that the call was with tells nothing more when it is said."""
    return counterpart.e164 is not None and spoken.same_number(digits, counterpart.e164)


def _has_said_number(lead: Lead, digits: str, region: str) -> bool:
    """Does the lead's field hold a number that was said, with its country code or without?"""
    stored = (number.e164 for number in phone.all_numbers(lead.phone, region))
    if any(e164 is not None and spoken.same_number(digits, e164) for e164 in stored):
        return True
    whole = phone.normalise("+" + digits, region)
    return whole.kind == "number" and whole.e164 is not None and phone.likeness(lead.phone, whole.e164, region) in FIRM


def _may_have_dialled(job: Job, call: CallFacts, counterpart: Counterpart, region: str) -> bool:
    """May an earlier attempt of this job have dialled the call?

    A job that is tried again dials again, and its result names the last call only: the call began before the last
    attempt did, or where none has a result before the job was over.
    """
    if counterpart.e164 is None or phone.normalise(call.to_number, region).e164 != counterpart.e164:
        return False  # jobs dial; what comes in is nobody's job
    if phone.likeness(job.to_number, counterpart.e164, region) is None:
        return False
    until = job.processed_at if job.call_sid is not None else job.finished_at
    after = max(job.job_at, job.processed_at - ATTEMPTS_APART) if job.processed_at else job.job_at
    return after - CLOCK_SLACK <= call.started_at and (until is None or call.started_at <= until + CLOCK_SLACK)


def _gone(_lead: Lead, known: _Known) -> Iterable[Evidence]:
    call = known.call
    for job in (*call.jobs, *known.windows):
        if job.lead_id is not None and not job.exists:
            yield Evidence(
                "gone_lead_named", f"A job of this call was for lead {job.lead_id}, which is gone.", job.source
            )
            return
    for link in call.earlier:
        if not link.exists:
            detail = f"The call was linked to lead {link.lead_id}, which is gone."
            yield Evidence("gone_lead_named", detail, f"link_events/{link.event_id}")
            return


def _job_disagrees(lead: Lead, known: _Known) -> Iterable[Evidence]:
    others = [job for job in known.windows if job.lead_id != lead.id and job.exists]
    if others:
        detail = f"A job for lead {others[0].lead_id} dialled this number at that time."
        yield Evidence("job_disagrees", detail, others[0].source)


def _other_name(lead: Lead, known: _Known) -> Iterable[Evidence]:
    said = known.call.said.names
    if not said or {"spoken_full_name", "spoken_first_name"} & known.said[lead.id].keys():
        return
    if any(names.agreement(name.text, lead.name) == "other" for name in said):
        detail = "The caller introduced themselves with another name."
        yield Evidence("other_name_spoken", detail, f"conversation_transcripts/{said[0].line_id}")


def _another_was_said(lead: Lead, known: _Known) -> Iterable[Evidence]:
    for kind, doubt, what in (
        ("spoken_email", "other_email_spoken", "e-mail address"),
        ("spoken_number", "other_number_spoken", "number"),
    ):
        others = known.heard(kind) - {lead.id}
        if others and lead.id not in known.heard(kind):
            line = known.said[min(others)][kind]
            detail = f"The caller gave the {what} of lead {min(others)}."
            yield Evidence(doubt, detail, f"conversation_transcripts/{line}")


def _only_said(lead: Lead, known: _Known) -> Iterable[Evidence]:
    """What speaks against a lead that nothing but speech found."""
    if lead.id in known.holders or lead.id in known.proven or any(job.lead_id == lead.id for job in known.windows):
        return
    kinds = known.said.get(lead.id, {})
    named_so = known.heard("spoken_full_name") - {lead.id}
    if named_so and not {"spoken_email", "spoken_number"} & kinds.keys():
        yield Evidence("name_shared", "Another lead has this name as well.", f"leads/{min(named_so)}")
    numbered_so = known.heard("spoken_number") - {lead.id}
    if numbered_so and "spoken_number" in kinds:
        yield Evidence("number_shared", "Another lead has the number that was said.", f"leads/{min(numbered_so)}")
    if known.holders and not _came_in(known.call):
        other = min(known.holders)
        yield Evidence("dialled_another", f"The number that was dialled is lead {other}'s.", f"leads/{other}")
    if known.counterpart.standing == "withheld":
        yield Evidence("withheld", "The caller withheld the number.", f"calls/{known.call.call_sid}")


_Finder: TypeAlias = Callable[[Lead, _Known], Iterable[Evidence]]
_FINDERS: tuple[_Finder, ...] = (
    _job_results,
    _notes,
    _earlier_links,
    _job_windows,
    _number,
    _what_was_said,
    _times,
)
_DOUBTS: tuple[_Finder, ...] = (
    _removed_by_hand,
    _proof_disagrees,
    _gone,
    _ruled,
    _job_disagrees,
    _number_shared,
    _other_name,
    _another_was_said,
    _only_said,
    _created_late,
    _country,
)
