"""Who is at the other end of a call: what the rules know of a call, and the counterpart rule of the product.

The counterpart is the ``to`` side of an outbound call and the ``from`` side of an inbound one, and never one of our own
numbers. Rows lie about the direction now and then (the backend's transcript saver writes 'inbound' for every call), so
where the direction points at one of our own numbers, the other side is the counterpart.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from core.model import phone
from core.model.phone import PhoneNumber
from core.model.records import parse_time

Standing: TypeAlias = Literal["known", "withheld", "ours", "missing", "unreadable"]


@dataclass(frozen=True, slots=True)
class EarlierLink:
    """A lead that a call was linked to once and is not any more.

    :ivar event_id: the link event that ended it.
    :ivar exists: the lead is still there.
    :ivar removed_by_hand: somebody took the link away, as opposed to the lead being deleted.
    """

    lead_id: int
    event_id: int
    exists: bool
    removed_by_hand: bool

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "EarlierLink":
        """An item of ``earlier_leads`` in the SQL function ``judge_facts``."""
        return cls(row["lead_id"], row["event_id"], row["exists"], row["removed_by_hand"])


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What the rules look at in a call.

    :ivar mentions: the existing leads whose notes name the call.
    :ivar confirmed: a person said that it belongs to the lead that it is linked to.
    :ivar overruled_lead: the existing lead to which a person had linked it when another program moved it, or None.
    """

    call_sid: str
    started_at: datetime
    lead_id: int | None = None
    by_hand: bool = False
    direction: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    mentions: tuple[int, ...] = ()
    earlier: tuple[EarlierLink, ...] = ()
    test: bool = False
    confirmed: bool = False
    overruled_lead: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "CallFacts":
        """An item of the SQL functions ``judge_facts`` and ``judge_batch``."""
        started = parse_time(row["started_at"])
        if started is None:
            raise ValueError(f"the call {row['call_sid']!r} has no start: calls.started_at is never null")
        return cls(
            call_sid=row["call_sid"],
            started_at=started,
            lead_id=row["lead_id"],
            by_hand=row["by_hand"],
            direction=row["direction"],
            from_number=row["from_number"],
            to_number=row["to_number"],
            mentions=tuple(row["mentions"]),
            earlier=tuple(EarlierLink.from_row(link) for link in row["earlier_leads"]),
            test=bool(row.get("test")),
            confirmed=bool(row.get("confirmed")),
            overruled_lead=row.get("overruled_lead"),
        )


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The other party of a call.

    :ivar standing: ``known`` (a telephone number, ``number.e164`` unless it is a short code); ``withheld`` (the caller
        hides it); ``ours`` (there is no number but our own); ``missing`` (no row says it); ``unreadable`` (no telephone
        number, such as ``client:alice``).
    """

    standing: Standing
    number: PhoneNumber

    @property
    def e164(self) -> str | None:
        """The number to match leads by, or None."""
        return self.number.e164 if self.standing == "known" else None

    @property
    def key(self) -> str | None:
        """The key by which the database finds leads that might have the number, or None."""
        return phone.key(self.e164) if self.e164 is not None else None


def of(
    direction: str | None, from_number: str | None, to_number: str | None, own: Set[str], region: str
) -> Counterpart:
    """The counterpart of a call.

    :param direction: Twilio's word (``inbound``, ``outbound-api``, …) or None.
    :param own: our own numbers in E.164.
    :param region: ISO 3166 region in which a number without country code is read.
    """
    caller, called = phone.normalise(from_number, region), phone.normalise(to_number, region)
    theirs, other = _sides(direction, caller, called, own)
    if _is_ours(theirs, own) and other.kind != "missing" and not _is_ours(other, own):
        theirs, other = other, theirs  # the direction contradicts our own numbers: they are right
    return Counterpart(_standing(theirs, other, own), theirs)


def _sides(
    direction: str | None, caller: PhoneNumber, called: PhoneNumber, own: Set[str]
) -> tuple[PhoneNumber, PhoneNumber]:
    """Their side and ours, as the direction says."""
    word = (direction or "").strip().lower()
    if word.startswith("inbound"):
        return caller, called
    if word.startswith("outbound"):
        return called, caller
    # Without a direction (the guide's smallest table has none) a hidden caller and a call to one of our numbers came
    # in; otherwise the called side is the one that the guide's own linking looks at.
    comes_in = caller.kind == "withheld" or called.kind == "missing" or _is_ours(called, own)
    return (caller, called) if comes_in else (called, caller)


def _is_ours(number: PhoneNumber, own: Set[str]) -> bool:
    return number.e164 is not None and number.e164 in own


def _standing(theirs: PhoneNumber, other: PhoneNumber, own: Set[str]) -> Standing:
    if _is_ours(theirs, own):
        return "ours"
    if theirs.kind == "missing":
        return "missing"
    if theirs.kind == "withheld":
        return "withheld"
    return "known" if theirs.e164 is not None or theirs.kind == "short" else "unreadable"
