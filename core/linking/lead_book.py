"""Leads: search, one lead's whole story, and what another phone number would change.

The database finds who might share a number by its last digits; :mod:`core.model.phone` has the last word.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.errors import NotFound
from core.linking import commands, fields, sentences, worklist
from core.linking.commands import Options
from core.linking.results import WorklistPage
from core.linking.worklist import Query
from core.model import phone
from core.model.holders import FIRM
from core.model.phone import Likeness
from core.model.records import Call, Lead, LinkEvent, parse_time
from core.model.rows import in_utc
from core.settings import Settings
from core.store.gateway import Gateway, Row, Where

LARGEST_PAGE = 200
FURTHEST = 10_000
MOST_CALLS = 200
MOST_LISTED = 20
PHONE_LENGTH = 250


@dataclass(frozen=True, slots=True)
class LeadHit:
    """A lead that a search found; ``calls`` is how many calls it has."""

    id: int
    name: str | None
    phone: str | None
    email: str | None
    company: str | None
    lead_status: str | None
    call_sid: str | None
    created_at: datetime | None
    last_contacted_at: datetime | None
    calls: int

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "LeadHit":
        """A row of the SQL function ``find_leads``."""
        known = {name: row[name] for name in cls.__dataclass_fields__}
        times = {name: parse_time(row[name]) for name in ("created_at", "last_contacted_at")}
        return cls(**{**known, **times})

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        times = (("created_at", self.created_at), ("last_contacted_at", self.last_contacted_at))
        return {**shown, **{name: moment.isoformat() if moment else None for name, moment in times}}


@dataclass(frozen=True, slots=True)
class LeadPage:
    """Leads that a text finds. ``next`` is the offset of the following page, or None on the last one."""

    items: tuple[LeadHit, ...]
    next: int | None


@dataclass(frozen=True, slots=True)
class SharingLead:
    """Another lead that holds a number of this one. ``likeness``: how, see :func:`core.model.phone.likeness`."""

    lead: Lead
    number: str
    likeness: Likeness


@dataclass(frozen=True, slots=True)
class LeadStory:
    """Everything about one lead.

    :ivar numbers: the readable numbers in its phone field, in E.164.
    :ivar current: the SID in its slot, or None.
    :ivar calls: its newest 200 calls, newest first, the current one with ``state == "current"``;
        ``calls_total`` says how many there are (all of them: :meth:`Linking.calls_of_lead`).
    :ivar sharing: the other leads that hold one of its numbers.
    :ivar number_calls: the newest calls with one of its numbers that are not its own: unlinked, or another lead's.
    :ivar details: for the SIDs of ``number_calls`` (and suspect ones of ``calls``) the sentence of cause or suspicion.
    :ivar history: link events that touch the lead, newest first, at most 200.
    """

    lead: Lead
    numbers: tuple[str, ...]
    current: str | None
    calls: tuple[Call, ...]
    calls_total: int
    sharing: tuple[SharingLead, ...]
    number_calls: tuple[Call, ...]
    details: Mapping[str, str]
    history: tuple[LinkEvent, ...]

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {
            "lead": dict(self.lead.row),
            "numbers": list(self.numbers),
            "current": self.current,
            "calls": [_call_json(call) for call in self.calls],
            "calls_total": self.calls_total,
            "sharing": [
                {"lead_id": s.lead.id, "name": s.lead.name, "phone": s.lead.phone, "as": s.likeness}
                for s in self.sharing
            ],
            "number_calls": [_call_json(call) for call in self.number_calls],
            "history": [event.to_json() for event in self.history],
        }


@dataclass(frozen=True, slots=True)
class PhonePreview:
    """What storing a phone number would change.

    :ivar phone: what would be stored; ``was``: what is.
    :ivar numbers: the readable numbers in ``phone``, in E.164; empty: nobody can match it.
    :ivar matching: how many unlinked calls have a number that the lead would then hold. By hand unlinked ones are
        among them, ``by_hand`` of them.
    :ivar gained: how many of these it does not hold now.
    :ivar lost: how many unlinked calls it holds now and would not then.
    :ivar sharing: other leads that hold the number: with any, nothing is linked automatically.
    :ivar calls: the newest 20 of the matching calls.
    :ivar event: the link event that would be written, or None when this is what is stored.
    :ivar options: pass these (or a copy with actor, reason …) to :meth:`Linking.set_phone`, so that it is refused as
        stale when the field changed since this was read.
    """

    lead_id: int
    was: str | None
    phone: str | None
    numbers: tuple[str, ...]
    matching: int
    by_hand: int
    gained: int
    lost: int
    sharing: tuple[SharingLead, ...]
    calls: tuple[Call, ...]
    event: LinkEvent | None
    options: Options

    @property
    def sentence(self) -> str:
        """What it comes to, e.g. ``Store this number and 7 unlinked calls match.``"""
        if self.phone and not self.numbers:
            return "This is no phone number that can be read: no call would match."
        if not self.matching:
            return "No unlinked call has this number."
        match = "1 unlinked call matches" if self.matching == 1 else f"{self.matching} unlinked calls match"
        said = f"Store this number and {match}."
        if self.sharing:
            ids = ", ".join(str(other.lead.id) for other in self.sharing[:5])
            said = (
                f"{said} Lead {ids} has it too: a person has to choose."
                if len(self.sharing) == 1
                else (f"{said} Leads {ids} have it too: a person has to choose.")
            )
        return said

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {
            "lead_id": self.lead_id,
            "was": self.was,
            "phone": self.phone,
            "numbers": list(self.numbers),
            "matching": self.matching,
            "by_hand": self.by_hand,
            "gained": self.gained,
            "lost": self.lost,
            "sharing": [other.lead.id for other in self.sharing],
            "calls": [call.call_sid for call in self.calls],
            "detail": self.sentence,
        }


def find(gateway: Gateway, text: object, *, limit: object = 50, offset: object = 0) -> LeadPage:
    """Leads that a text finds; see :meth:`core.linking.Linking.find_leads`."""
    wanted, size, start = checked(text, limit, offset)
    rows = gateway.select("find_leads", args={"p_text": wanted, "p_limit": size + 1, "p_offset": start})
    following = start + size if len(rows) > size and start + size <= FURTHEST else None
    return LeadPage(tuple(LeadHit.from_row(row) for row in rows[:size]), following)


def checked(text: object, limit: object, offset: object) -> tuple[str, int, int]:
    """What a search takes, checked; an empty text finds every lead, the last contacted first.

    :raises BadInput: naming the field that cannot be meant.
    """
    wanted = "" if text is None or text == "" else fields.lookup_text(text)[: fields.TEXT_LENGTH]
    return wanted, fields.whole("limit", limit, 1, LARGEST_PAGE), fields.whole("offset", offset, 0, FURTHEST)


def story(gateway: Gateway, lead_id: int, settings: Settings, now: datetime) -> LeadStory:
    """Everything about one lead; see :class:`LeadStory`.

    :raises NotFound: when there is no such lead.
    """
    told = gateway.call("lead_story", p_lead_id=lead_id, p_limit=MOST_CALLS)
    if not told:
        raise _no_lead(lead_id)
    region, grace = settings.default_region, settings.link_grace_seconds
    lead = Lead.from_row(in_utc(told["lead"]))
    numbers = tuple(n.e164 for n in phone.all_numbers(lead.phone, region) if n.e164 is not None)
    others = (sentences.as_of(Call.from_row(row), now, grace) for row in told["same_key_calls"])
    held = tuple(call for call in others if call.counterpart and _holds(lead.phone, call.counterpart, region))
    calls = tuple(sentences.as_of(Call.from_row(row), now, grace) for row in told["calls"])
    doubtful = tuple(call for call in calls if call.suspect)
    return LeadStory(
        lead=lead,
        numbers=numbers,
        current=lead.call_sid if (lead.call_sid or "").strip() else None,
        calls=calls,
        calls_total=told["calls_total"],
        sharing=sharing_leads(numbers, told["same_key_leads"], region),
        number_calls=held,
        details=sentences.about(gateway, (*held, *doubtful), settings).details,
        history=tuple(LinkEvent.from_row(row) for row in told["history"]),
    )


def calls(
    gateway: Gateway, lead_id: int, settings: Settings, now: datetime, *, limit: int, after: str | None
) -> WorklistPage:
    """A page of a lead's calls, newest first; see :meth:`core.linking.Linking.calls_of_lead`."""
    wanted = Query("call_links", None, (Where("lead_id", "eq", fields.identifier("lead", lead_id)),))
    found, following = worklist.read(gateway, wanted, limit=limit, after=after)
    told = sentences.about(gateway, [call for call in found if call.suspect], settings)
    return WorklistPage(tuple(found), following, told.details, told.reasons)


def preview_phone(
    gateway: Gateway, lead_id: int, number: str | None, settings: Settings, now: datetime, *, actor: str
) -> PhonePreview:
    """What storing a phone number would change, by the rules that judge calls.

    :raises NotFound: when there is no such lead.
    """
    stored = phone_text(number)
    told = gateway.select("leads_by_ids", args={"p_ids": [lead_id]})
    if not told:
        raise _no_lead(lead_id)
    lead, region = Lead.from_row(told[0]), settings.default_region
    options = {"actor": actor, "preview": True}
    row = gateway.call("set_lead_phone", p_lead_id=lead_id, p_phone=stored, p_options=options)
    then, now_held = unlinked(gateway, stored, region), unlinked(gateway, lead.phone, region)
    numbers = tuple(n.e164 for n in phone.all_numbers(stored, region) if n.e164 is not None)
    return PhonePreview(
        lead_id=lead_id,
        was=lead.phone,
        phone=stored,
        numbers=numbers,
        matching=sum(row["calls"] for row in then.values()),
        by_hand=sum(row["by_hand"] for row in then.values()),
        gained=sum(row["calls"] for held, row in then.items() if held not in now_held),
        lost=sum(row["calls"] for held, row in now_held.items() if held not in then),
        sharing=sharing_leads(numbers, leads_near(gateway, stored, lead_id), region),
        calls=newest_of(gateway, tuple(then), settings, now),
        event=LinkEvent.from_row(row) if row else None,
        options=Options(expect={"rows": {"leads": {str(lead_id): {"phone": lead.phone}}}}),
    )


def set_phone(gateway: Gateway, lead_id: int, number: str | None, options: Options, *, actor: str) -> LinkEvent | None:
    """Store a phone number; see :meth:`core.linking.Linking.set_phone`."""
    told = {**commands.sql_options(replace(options, expect=None), actor=actor), **_seen(lead_id, options)}
    row = gateway.call("set_lead_phone", p_lead_id=lead_id, p_phone=phone_text(number), p_options=told)
    return LinkEvent.from_row(row) if row else None


def _seen(lead_id: int, options: Options) -> dict[str, str | None]:
    """What the person saw in the phone field, from ``expect``."""
    image = (options.expect or {}).get("rows", {}).get("leads", {}).get(str(lead_id), {})
    return {"expect_phone": image["phone"]} if "phone" in image else {}


def phone_text(number: object) -> str | None:
    """A phone field's text as it would be stored: one line, or None to empty the field."""
    return None if number is None else fields.line("phone", number, PHONE_LENGTH)


def _holds(raw: str | None, e164: str, region: str) -> bool:
    return phone.likeness(raw, e164, region) in FIRM


def sharing_leads(numbers: tuple[str, ...], rows: list[Row], region: str) -> tuple[SharingLead, ...]:
    """Those of some leads that hold one of these numbers."""
    found = []
    for lead in {row["id"]: Lead.from_row(row) for row in rows}.values():
        for number in numbers:
            like = phone.likeness(lead.phone, number, region)
            if like is not None and like in FIRM:
                found.append(SharingLead(lead, number, like))
                break
    return tuple(sorted(found, key=lambda each: each.lead.id))


def leads_near(gateway: Gateway, raw: str | None, but: int | None) -> list[Row]:
    """Leads, except ``but``, whose phone fields hold a number that ends like one of these."""
    keys = sorted(phone.keys(raw))
    rows = gateway.select("leads_with_keys", args={"p_keys": keys}) if keys else []
    return [row for row in rows if row["id"] != but]


def unlinked(gateway: Gateway, raw: str | None, region: str) -> dict[str, Row]:
    """The unlinked calls that a phone field holds the number of: by counterpart, how many."""
    keys = sorted(phone.keys(raw))
    rows = gateway.select("unlinked_counterparts", args={"p_keys": keys}) if keys else []
    return {row["counterpart"]: row for row in rows if _holds(raw, row["counterpart"], region)}


def newest_of(gateway: Gateway, numbers: tuple[str, ...], settings: Settings, now: datetime) -> tuple[Call, ...]:
    """The newest unlinked calls with one of these counterpart numbers."""
    if not numbers:
        return ()
    keys = tuple({key for number in numbers if (key := phone.key(number)) is not None})
    where = (
        Where("counterpart_key", "in", keys),
        Where("counterpart", "in", numbers),
        Where("lead_id", "is_null"),
        Where("set_aside", "eq", False),
    )
    rows = gateway.select("call_links", where=where, order=worklist.NEWEST_FIRST, limit=MOST_LISTED)
    return tuple(sentences.as_of(Call.from_row(row), now, settings.link_grace_seconds) for row in rows)


def _call_json(call: Call) -> dict[str, Any]:
    plain = ("call_sid", "state", "lead_id", "direction", "counterpart", "status", "duration", "cause", "suspect")
    return {**{name: getattr(call, name) for name in plain}, "started_at": call.started_at.isoformat()}


def _no_lead(lead_id: int) -> NotFound:
    return NotFound(f"There is no lead {lead_id}.", hint="It may have been deleted; look for it by name or number.")
