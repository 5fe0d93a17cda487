"""Which leads have a number: the database finds those whose last digits fit, ``phonenumbers`` has the last word."""

from collections.abc import Iterable
from dataclasses import dataclass

from core.model import phone
from core.model.phone import Likeness
from core.model.records import Lead

FIRM: frozenset[Likeness] = frozenset({"same", "national"})
"""The lead has the number; it is only written otherwise. The rest are suggestions."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A lead whose phone field holds a number.

    :ivar likeness: how, see :func:`core.model.phone.likeness`.
    :ivar exact: the field is the number in E.164, character for character.
    :ivar elsewhere: what the field means in the default region, when that is another valid number, else None.
    """

    lead: Lead
    likeness: Likeness
    exact: bool
    elsewhere: str | None = None

    @property
    def firm(self) -> bool:
        """Nothing but the way of writing differs."""
        return self.likeness in FIRM


def of(e164: str, leads: Iterable[Lead], region: str) -> tuple[Holder, ...]:
    """The leads that have this number, by id.

    :param e164: the number.
    :param leads: leads that might have it.
    :param region: ISO 3166 region in which a lead's number without country code is read.
    """
    unique = {lead.id: lead for lead in leads}
    found = (_holder(e164, unique[lead_id], region) for lead_id in sorted(unique))
    return tuple(holder for holder in found if holder is not None)


def counted(holders: Iterable[Holder]) -> tuple[Holder, ...]:
    """Those who count as having the number: the firm ones, or when there are none the others."""
    every = tuple(holders)
    return tuple(holder for holder in every if holder.firm) or every


def _holder(e164: str, lead: Lead, region: str) -> Holder | None:
    like = phone.likeness(lead.phone, e164, region)
    if like is None:
        return None
    elsewhere = phone.reads_elsewhere(lead.phone, e164, region) if like == "national" else None
    return Holder(lead, like, lead.phone == e164, elsewhere)
