"""What people rule about a telephone number, and what that changes for the calls that have it. Pure.

A rule is a verdict on whose number it is, and whether a lead may be found by it automatically:

============= =========================================================================================================
verdict       effect
============= =========================================================================================================
``person``    none by itself: it is one person's number
``switchboard`` many people call from it: a lead is never found by it automatically
``own``       counts as one of our own numbers: never a counterpart
``withheld``  counts as withheld: matched with nobody
``test``      a test line: no lead is suggested by it
============= =========================================================================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from core.model.counterpart import Counterpart
from core.model.records import Evidence, parse_time

Verdict: TypeAlias = Literal["person", "switchboard", "own", "withheld", "test"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
NEVER_LINKED: frozenset[Verdict] = frozenset({"switchboard", "withheld", "test"})
"""Verdicts that rule automatic linking out by themselves."""

WORDS: Mapping[Verdict, str] = {
    "person": "one person's number",
    "switchboard": "switchboard",
    "own": "one of our own numbers",
    "withheld": "as good as withheld",
    "test": "test line",
}


@dataclass(frozen=True, slots=True)
class NumberRule:
    """A rule about one number.

    :ivar number: E.164.
    :ivar never_link: a lead is never found by this number automatically.
    :ivar reason: why, in its author's words, or None.
    :ivar expires_at: from then on it counts no more; None: until somebody ends it.
    :ivar ended_at: when it ended, or None while it holds; ``ended_by`` is None where it expired.
    """

    id: int
    number: str
    verdict: Verdict
    never_link: bool
    reason: str | None
    author: str
    created_at: datetime
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    end_reason: str | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "NumberRule":
        """A row of ``number_rules``."""
        known = {name: row[name] for name in cls.__dataclass_fields__}
        times = {name: parse_time(row[name]) for name in ("created_at", "expires_at", "ended_at")}
        return cls(**{**known, **times})

    def to_json(self) -> dict[str, Any]:
        """As scripts get it."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        times = (("created_at", self.created_at), ("expires_at", self.expires_at), ("ended_at", self.ended_at))
        return {**shown, **{name: moment.isoformat() if moment else None for name, moment in times}}

    def holds(self, now: datetime) -> bool:
        """Does it count at this time?"""
        return self.ended_at is None and (self.expires_at is None or self.expires_at > now)


Rules: TypeAlias = Mapping[str, NumberRule]
"""The rules that hold, by number."""
NO_RULES: Rules = {}


def applied(other: Counterpart, rules: Rules) -> Counterpart:
    """The counterpart as a person ruled that its number counts."""
    rule = rules.get(other.e164 or "")
    if rule is not None and rule.verdict == "withheld":
        return replace(other, standing="withheld")
    return other


def suggests(other: Counterpart, rules: Rules) -> bool:
    """May leads be suggested by this counterpart's number?"""
    rule = rules.get(other.e164 or "")
    return rule is None or rule.verdict != "test"


def doubt(other: Counterpart, rules: Rules) -> Evidence | None:
    """What a rule that forbids automatic linking says against a lead that was found by the number."""
    rule = rules.get(other.e164 or "")
    if rule is None or not rule.never_link:
        return None
    return Evidence("number_rule", sentence(rule), f"number_rules/{rule.id}")


def sentence(rule: NumberRule) -> str:
    """What the rule says of automatic linking, with its author, day and reason."""
    day = f"{rule.created_at.day} {rule.created_at:%b %Y}"
    why = f": {' '.join(rule.reason.split())}" if rule.reason else ""
    said = f"{WORDS[rule.verdict]} ({rule.author}, {day}{why})"
    if not rule.never_link:
        return f"A person ruled what this number is: {said}."
    return f"A person ruled that this number is never linked automatically: {said}."
