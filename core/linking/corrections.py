"""Leads whose phone field could be mended so that a call finds them: what to store, and how many calls match then.

A suggestion, with the same preview, undo and compare-and-swap as every other change of a phone number
(:func:`core.linking.lead_book.set_phone`). It never links anything by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from core.linking import lead_book
from core.model import causes, near_numbers, phone
from core.model.holders import FIRM
from core.model.near_numbers import Slip
from core.model.phone import Likeness
from core.model.records import Call, Lead
from core.settings import Settings
from core.store.gateway import Gateway, Row, Where

Difference: TypeAlias = Slip | Likeness | Literal["written_otherwise"]

MOST_SUGGESTED = 3
MOST_FOUND = 1000
"""PostgREST cuts a result there without a word; so many near misses tell nothing anyway."""
_ORDER: tuple[Difference, ...] = ("national", "same", "variant", "other_country", *near_numbers.SLIPS)
_WORDS: dict[str, str] = {
    "same": "this number, written otherwise",
    "national": "this number, written otherwise",
    "variant": "this number but for a mobile digit",
    "other_country": "this number behind another country code",
    "digit_missing": "this number with one digit missing",
    "digit_extra": "this number with one digit too many",
    "digits_swapped": "this number with two digits swapped",
    "digit_wrong": "this number with one digit that differs",
}


@dataclass(frozen=True, slots=True)
class Correction:
    """One lead whose phone field could be mended.

    :ivar was: what the field holds; ``phone``: what would be stored instead.
    :ivar difference: how they differ: a slip of :mod:`core.model.near_numbers`, or a likeness of
        :mod:`core.model.phone`.
    :ivar matching: how many unlinked calls have the number, this one among them.
    """

    lead_id: int
    name: str | None
    was: str
    phone: str
    number: str
    difference: Difference
    matching: int

    @property
    def sentence(self) -> str:
        """Why the lead is suggested, e.g. ``Lead 212 has +44 20 7946 958: this number with one digit missing.``"""
        who = causes.named(self.lead_id, Lead(self.lead_id, self.name))
        return f"{who} has {' '.join(self.was.split())}: {_WORDS[self.difference]}."

    @property
    def outcome(self) -> str:
        """What storing the number comes to."""
        calls = "1 unlinked call matches" if self.matching == 1 else f"{self.matching} unlinked calls match"
        if self.difference in FIRM:
            return f"Store it as {self.number}, as Twilio writes it, and {calls} exactly."
        return f"Store it as {phone.display(self.number)} and {calls}."


def of_call(gateway: Gateway, call: Call, settings: Settings) -> tuple[Correction, ...]:
    """The leads whose phone could be mended so that this call finds them, the likeliest first, at most three."""
    number, region = call.counterpart, settings.default_region
    if call.lead_id is not None or number is None:
        return ()
    keys = sorted(near_numbers.keys(number))
    rows = gateway.select("leads_with_keys", args={"p_keys": keys}) if keys else []
    if len(rows) >= MOST_FOUND:
        rows = [row for row in rows if row["key"] == phone.key(number)]
    leads = list(_leads(rows))
    near = [found for lead in leads if (found := _difference(lead, number, region)) is not None]
    if any(phone.likeness(lead.phone, number, region) in FIRM for lead in leads):
        near = [found for found in near if found[1] not in near_numbers.SLIPS]  # it is somebody's: no slip of another's
    if not near:
        return ()
    near = _without_used_numbers(gateway, near, region)
    near.sort(key=lambda each: (_ORDER.index(each[1]), -each[0].id))
    held = lead_book.unlinked(gateway, number, region).get(number)
    matching = held["calls"] if held else 0
    return tuple(
        Correction(lead.id, lead.name, lead.phone or "", new, number, difference, matching)
        for lead, difference, new in near[:MOST_SUGGESTED]
    )


_Near: TypeAlias = tuple[Lead, Difference, str]


def _leads(rows: Iterable[Row]) -> Iterable[Lead]:
    return {row["id"]: Lead.from_row(row) for row in rows}.values()


def _difference(lead: Lead, number: str, region: str) -> _Near | None:
    like = phone.likeness(lead.phone, number, region)
    if like is not None:
        piece = next((p for p in phone.parts(lead.phone) if phone.likeness(p, number, region) == like), "")
        mended = near_numbers.mended(lead.phone, piece, number, region)
        return None if mended == lead.phone else (lead, like, mended)
    found = near_numbers.slip(lead.phone, number, region)
    if found is None:
        return None
    slip, piece = found
    return lead, slip, near_numbers.mended(lead.phone, piece, number, region)


def _without_used_numbers(gateway: Gateway, near: list[_Near], region: str) -> list[_Near]:
    """Without the leads whose own number is known from calls: then it is right, and the neighbour is somebody else."""
    doubtful = ("digit_wrong", "digits_swapped")
    numbers = {
        lead.id: {n.e164 for n in phone.all_numbers(lead.phone, region)}
        for lead, difference, _ in near
        if difference in doubtful
    }
    every = sorted({number for held in numbers.values() for number in held if number is not None})
    if not every:
        return near
    keys = sorted({key for number in every if (key := phone.key(number)) is not None})
    where = (Where("counterpart_key", "in", keys), Where("counterpart", "in", every))
    used = {
        row["counterpart"] for row in gateway.select("calls", columns=("counterpart",), where=where, limit=MOST_FOUND)
    }
    return [each for each in near if not numbers.get(each[0].id, set()) & used]
