"""What each side of a conflict rests on: a lead's claim to a call, and what event rows that disagree say. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from core.model import counterpart, holders, phone
from core.model.causes import named, writing
from core.model.records import Call, Evidence, Lead, parse_time
from core.store.gateway import Row

WRITERS: Mapping[str, str] = {
    "person": "{actor}",
    "worker": "the worker",
    "automatic": "automatic linking, started by {actor}",
    "outside": "another program ({actor})",
    "baseline": "before Patchbay was installed",
}
"""Who made a link, by the source of its event."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A lead that claims a call: in its ``call_sid``, in its notes, by a job's result, or by the link itself.

    :ivar evidence: what its claim rests on, each a sentence with the row that it comes from.
    """

    lead_id: int
    name: str | None
    phone: str | None
    lead_status: str | None
    in_slot: bool
    in_notes: bool
    linked: bool
    in_jobs: bool = False
    evidence: tuple[Evidence, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "evidence"}
        return {**shown, "evidence": [_evidence_json(each) for each in self.evidence]}


@dataclass(frozen=True, slots=True)
class Reading:
    """What some event rows of a call agree on, where others say something else.

    :ivar rows: the ids of the rows that say so.
    :ivar evidence: what speaks for it, each a sentence with the row that it comes from.
    """

    rows: tuple[str, ...]
    direction: str | None
    from_number: str | None
    to_number: str | None
    evidence: tuple[Evidence, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        shown = {name: getattr(self, name) for name in ("direction", "from_number", "to_number")}
        return {"rows": list(self.rows), **shown, "evidence": [_evidence_json(each) for each in self.evidence]}


def _evidence_json(each: Evidence) -> dict[str, str]:
    return {"kind": each.kind, "detail": each.detail, "source": each.source}


def claim(row: Row, call: Call | None, jobs: Sequence[Row], linked_by: Row | None) -> Claim:
    """A lead of ``conflict_rows`` with what its claim rests on.

    :param jobs: the jobs whose result names the call.
    :param linked_by: the link event that gave the call to the lead that has it, or None.
    """
    own = [job for job in jobs if job["lead_id"] == row["id"]]
    linked = call is not None and call.lead_id == row["id"]
    found = Claim(
        lead_id=row["id"],
        name=row["name"],
        phone=row["phone"],
        lead_status=row["lead_status"],
        in_slot=bool(row["in_slot"]),
        in_notes=bool(row["in_notes"]),
        linked=linked,
        in_jobs=bool(own),
    )
    return replace(found, evidence=tuple(_of_claim(found, own, linked_by if linked else None)))


def _of_claim(known: Claim, jobs: Sequence[Row], linked_by: Row | None) -> Iterator[Evidence]:
    for job in jobs:
        when = _when(job.get("at")) or "at an unknown time"
        detail = f"The result of job {job['job_id']} ({when}) names the call and this lead."
        yield Evidence("job_result", detail, f"job_results/{job['queue']}/{job['job_id']}")
    if known.in_notes:
        yield Evidence("notes", "Its notes name the call.", f"leads/{known.lead_id}")
    if known.in_slot:
        yield Evidence("slot", "Its call_sid names the call.", f"leads/{known.lead_id}")
    if linked_by is not None:
        yield Evidence("link", _link_words(linked_by), f"link_events/{linked_by['id']}")
    elif known.linked:
        yield Evidence("link", "The call is linked to it.", f"leads/{known.lead_id}")


def _link_words(event: Row) -> str:
    who = WRITERS.get(event["source"], "{actor}").format(actor=event["actor"])
    if event["source"] == "baseline":
        return f"The call was linked to it {who}."
    return f"The call is linked to it since {_when(event['at'])}, by {who}."


def _when(text: str | None) -> str:
    moment = parse_time(text)
    return "" if moment is None else f"{moment.day} {moment:%b %Y %H:%M} UTC"


# Event rows that contradict each other --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """What the readings of a call's rows are compared with.

    :ivar leads: leads that may have one of the numbers.
    :ivar own: our own numbers in E.164.
    """

    call: Call | None
    jobs: tuple[Row, ...]
    leads: tuple[Lead, ...]
    own: AbstractSet[str]
    region: str


def groups(events: Sequence[Row]) -> tuple[Reading, ...]:
    """Event rows that agree with each other, the fullest first; rows that say nothing of numbers are left out."""
    found: list[tuple[list[str], dict[str, str]]] = []
    for row in sorted(events, key=lambda each: -len(_said(each))):
        said = _said(row)
        if not said.keys() & {"from_number", "to_number"}:
            continue
        fits = (group for group in found if all(group[1].get(name, value) == value for name, value in said.items()))
        ids, agreed = next(fits, (None, None))
        if ids is None or agreed is None:
            found.append(([str(row["id"])], said))
        else:
            ids.append(str(row["id"]))
            agreed.update(said)
    return tuple(
        Reading(tuple(ids), said.get("direction"), said.get("from_number"), said.get("to_number"))
        for ids, said in found
    )


def numbers(reading: Reading, own: AbstractSet[str], region: str) -> str | None:
    """The other party's number as a reading has it, in E.164, or None."""
    return counterpart.of(reading.direction, reading.from_number, reading.to_number, own, region).e164


def weighed(reading: Reading, rows: int, known: Known) -> Reading:
    """A reading with what speaks for it.

    :param rows: how many event rows the call has.
    """
    return replace(reading, evidence=tuple(_of_reading(reading, rows, known)))


def _of_reading(reading: Reading, rows: int, known: Known) -> Iterator[Evidence]:
    first, count = f"call_events/{reading.rows[0]}", len(reading.rows)
    yield Evidence("rows", f"{count} of {rows} rows {'says' if count == 1 else 'say'} so.", first)
    number = numbers(reading, known.own, known.region)
    if number is None:
        yield Evidence("no_number", "It has no number of the other party.", first)
        return
    for job in known.jobs:
        if phone.likeness(job.get("to_number"), number, known.region) in holders.FIRM:
            source = f"job_results/{job['queue']}/{job['job_id']}"
            yield Evidence("job_number", f"Job {job['job_id']} dialled this number.", source)
    having = [each for each in holders.of(number, known.leads, known.region) if each.firm]
    linked = known.call.lead_id if known.call else None
    for holder in sorted(having, key=lambda each: each.lead.id != linked):
        tied = "; the call is linked to it" if holder.lead.id == linked else ""
        detail = f"{named(holder.lead.id, holder.lead)} has its number, written {writing(holder.lead)}{tied}."
        yield Evidence("lead_number", detail, f"leads/{holder.lead.id}")
    if not having:
        yield Evidence("no_lead", f"No lead has its number, {phone.display(number)}.", first)


def _said(row: Row) -> dict[str, str]:
    """What a row says of numbers and direction; a transcript saver's 'inbound' without numbers says nothing."""
    said = {name: str(row.get(name) or "").strip() for name in ("from_number", "to_number")}
    way = str(row.get("direction") or "").strip().lower()
    for word in ("outbound", "inbound"):
        if way.startswith(word) and (word == "outbound" or any(said.values())):
            said["direction"] = word
    return {name: value for name, value in said.items() if value}
