"""What the checks of consistency and of missed changes count, row by row: which call or lead, and how it differs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.model.records import parse_time
from core.store.gateway import Gateway, Order, Row, Where

MOST_LISTED = 50
NOT_REPLAYED = Where("replayed_at", "is_null")
SLOTS = frozenset({"slot", "invariant"})
"""Kinds of ``link_drift`` whose key is a lead; the others' is a call."""
ROLLED_UP = (
    "direction", "from_number", "to_number", "status", "duration", "ended", "event_count", "transcript_count",
    "start_known",
)  # fmt: skip
"""What a call's summary is compared in; the values are not told, some are phone numbers."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A call or lead that is not as rows and ledger say.

    :ivar kind: ``roll-up``, ``link``, ``slot`` or ``invariant``.
    :ivar call_sid: the call that it is about; for a slot the one that it holds now.
    :ivar words: how it differs, one sentence.
    """

    kind: str
    call_sid: str | None
    lead_id: int | None
    words: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Difference":
        """A row of ``link_drift``."""
        kind, key, should, now = row["kind"], row["key"], row["should_be"], row["is_now"]
        if kind == "slot":
            return cls(kind, now, int(key), f"The current call is {_sid(now)}, by the ledger {_sid(should)}.")
        if kind == "invariant":
            sid = (now or {}).get("call_sid")
            return cls(kind, sid, int(key), "The current call is not linked to this lead.")
        if kind == "link":
            return cls(kind, key, (now or {}).get("lead_id"), f"It is {_link(now)}, by the ledger {_link(should)}.")
        return cls(kind, key, None, _rolled_up(should, now))


@dataclass(frozen=True, slots=True)
class MissedChange:
    """A change of the customer's tables that a trigger could not follow, and that was not replayed yet.

    :ivar error: SQLSTATE of what stopped it.
    :ivar call_sids: whose calls it was about; empty when that is not known.
    """

    at: datetime | None
    table: str
    operation: str
    error: str
    lead_id: int | None
    call_sids: tuple[str, ...]

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "MissedChange":
        """A row of ``link_errors``. Its message is left out: it may quote what somebody wrote."""
        named = [*(row["call_sids"] or ()), row["old_slot"], row["new_slot"]]
        sids = tuple(dict.fromkeys(sid for sid in named if sid))
        return cls(parse_time(row["at"]), row["relation"], row["operation"], row["error"], row["lead_id"], sids)


@dataclass(frozen=True, slots=True)
class Differences:
    """The first rows of each; ``more`` when there are others."""

    drift: tuple[Difference, ...]
    missed: tuple[MissedChange, ...]
    more_drift: bool = False
    more_missed: bool = False


def read(gateway: Gateway) -> Differences:
    """At most :data:`MOST_LISTED` rows of each."""
    drift = gateway.select("patchbay_drift", args={"p_limit": MOST_LISTED + 1})
    missed = gateway.select("link_errors", where=(NOT_REPLAYED,), order=(Order("id"),), limit=MOST_LISTED + 1)
    return Differences(
        tuple(Difference.from_row(row) for row in drift[:MOST_LISTED]),
        tuple(MissedChange.from_row(row) for row in missed[:MOST_LISTED]),
        len(drift) > MOST_LISTED,
        len(missed) > MOST_LISTED,
    )


def _sid(sid: str | None) -> str:
    return sid or "none"


def _link(side: Row | None) -> str:
    if side is None:
        return "unknown"
    if side.get("lead_id") is not None:
        return f"linked to lead {side['lead_id']}"
    if side.get("set_aside"):
        return "set aside"
    return "unlinked by hand" if side.get("by_hand") else "not linked"


def _rolled_up(should: Row | None, now: Row | None) -> str:
    if now is None:
        return "Its rows were not followed: the call is missing."
    wrong = [name for name in ROLLED_UP if (should or {}).get(name) != now.get(name) and name in (should or {})]
    return f"Its summary differs from its rows in {', '.join(wrong) or 'the start'}."
