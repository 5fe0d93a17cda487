"""Conflicts: data that contradicts itself about one Call SID, what each kind means, and what remedies it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, get_args

from core.model import call_sid as sids
from core.model.records import parse_time

ConflictKind: TypeAlias = Literal[
    "contradicting_event_rows",
    "duplicate_event_rows",
    "sid_variant",
    "two_leads_claim",
    "rejected_link",
    "missing_constraint",
]
Remedy: TypeAlias = Literal["choose_row", "merge_rows", "normalise_sid", "choose_lead", "add_constraint"]

CONFLICT_KINDS: tuple[ConflictKind, ...] = get_args(ConflictKind)
"""``rejected_link`` is inferred from job results: the database rolls such a write back and remembers nothing of it."""
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Conflict:
    """One conflict.

    :ivar call_sid: the SID that it is about: the one in Twilio's writing among variants. None for the missing
        constraint, and for variants of which none is in Twilio's writing.
    :ivar lead_ids: the leads that claim the call; of a rejected link the lead that was to get it, then the one that
        has it.
    :ivar row_count: event rows, claiming leads, or SIDs that stand in several leads.
    :ivar call_sids: every SID involved: the variants, or the call's own.
    """

    kind: ConflictKind
    call_sid: str | None
    started_at: datetime | None
    lead_ids: tuple[int, ...]
    row_count: int
    call_sids: tuple[str, ...]
    remedy: Remedy

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Conflict":
        """A row of the view ``link_conflicts``."""
        return cls(
            kind=row["kind"],
            call_sid=row["call_sid"],
            started_at=parse_time(row["started_at"]),
            lead_ids=tuple(row["lead_ids"] or ()),
            row_count=row["row_count"],
            call_sids=tuple(row["call_sids"] or ()),
            remedy=row["remedy"],
        )


def standard_sid(call_sid: str) -> str:
    """The SID that a variant in case or white space stands for (the SQL function ``patchbay_standard_sid``)."""
    bare = call_sid.strip(" ")
    folded = f"CA{bare[2:].lower()}"
    return folded if sids.is_standard(folded) and bare[:2].upper() == "CA" else bare


def to_normalise(conflict: Conflict) -> tuple[str, ...]:
    """The SIDs of a variant conflict that would be written otherwise."""
    return tuple(sid for sid in conflict.call_sids if standard_sid(sid) != sid)


def sentence(conflict: Conflict) -> str:
    """What contradicts what, in one sentence."""
    match conflict.kind:
        case "duplicate_event_rows":
            return f"{conflict.row_count} event rows describe this one call; merged they agree."
        case "contradicting_event_rows":
            return f"{conflict.row_count} event rows describe this call, and they name different numbers or directions."
        case "sid_variant":
            return f"The same SID is written in {len(conflict.call_sids)} ways, so its rows count as different calls."
        case "two_leads_claim":
            return f"Leads {listed(conflict.lead_ids)} claim this call; it can belong to one only."
        case "rejected_link":
            return _rejected_link(conflict.lead_ids)
        case "missing_constraint":
            return _missing_constraint(conflict.row_count)


def listed(ids: Sequence[int]) -> str:
    """Ids as words: ``4 and 9``, ``4, 9, 11, 12, 13 and 3 others``."""
    shown = [str(each) for each in ids[:MOST_NAMED]]
    left = len(ids) - len(shown)
    if left:
        return f"{', '.join(shown)} and {left} other{'s' if left > 1 else ''}"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def changed_columns(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The columns in which rows differ, ids and times of writing aside; blank and null are the same."""
    every = list(rows)
    names = dict.fromkeys(name for row in every for name in row)
    quiet = {"id", "created_at", "updated_at", "timestamp"}
    return tuple(n for n in names if n not in quiet and len({_plain(row.get(n)) for row in every}) > 1)


def _rejected_link(lead_ids: Sequence[int]) -> str:
    meant, holder = (*lead_ids, 0, 0)[:2]
    return (
        f"A job result names lead {meant} for this call, but lead {holder} has it: "
        f"the write for lead {meant} must have hit the UNIQUE constraint."
    )


def _missing_constraint(shared: int) -> str:
    if not shared:
        return "leads.call_sid is not UNIQUE, and nothing stands in the way of making it so."
    stand = "1 SID stands" if shared == 1 else f"{shared} SIDs stand"
    return f"leads.call_sid is not UNIQUE: {stand} in several leads and must be settled first."


def _plain(value: object) -> str:
    return "" if value is None else str(value).strip()
