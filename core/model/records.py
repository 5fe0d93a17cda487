"""Rows as frozen records. The only place where a row's keys are read."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Literal, TypeAlias

LinkState: TypeAlias = Literal["current", "history", "unlinked", "set_aside"]
Confidence: TypeAlias = Literal["certain", "high", "medium", "low"]

CONFIDENCES: tuple[Confidence, ...] = ("certain", "high", "medium", "low")
"""Best first."""


def parse_time(value: str | None) -> datetime | None:
    """An ISO 8601 text as an aware time in UTC; a naive one is read as UTC (contract)."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is UTC:
        return moment
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Call:
    """One call: everything that shares a Call SID, as the roll-up and the judge know it.

    ``duration`` is in seconds, ``direction`` and ``status`` are Twilio's words, ``cause_leads`` are the lead ids that
    the cause's sentence names (best first). ``cause`` is None until judged, and for linked calls; ``suspect`` says why
    a link is (:mod:`core.model.suspects`), then ``cause_leads`` and the best candidate are the leads that fit better.
    ``named_leads`` are the leads that the sentence names beside the best candidate, so far as they exist; None where
    the row does not say. ``test``: a test call, which our commands never make a lead's current one.
    """

    call_sid: str
    state: LinkState
    started_at: datetime
    lead_id: int | None = None
    set_aside: bool = False
    by_hand: bool = False
    test: bool = False
    direction: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    status: str | None = None
    duration: int | None = None
    event_count: int = 0
    transcript_count: int = 0
    counterpart: str | None = None
    cause: str | None = None
    cause_leads: tuple[int, ...] = ()
    best_lead_id: int | None = None
    best_confidence: Confidence | None = None
    best_evidence: str | None = None
    best_lead_name: str | None = None
    best_lead_phone: str | None = None
    best_lead_status: str | None = None
    candidate_count: int = 0
    suspect: str | None = None
    lead_name: str | None = None
    named_leads: "tuple[Lead, ...] | None" = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Call":
        """A row of the view ``worklist_calls``, or of ``call_links``, which has no ``named_leads``."""
        started = parse_time(row["started_at"])
        if started is None:
            raise ValueError(f"the call {row['call_sid']!r} has no start: calls.started_at is never null")
        known = {**_DEFAULTS, **row, "started_at": started, "cause_leads": tuple(row.get("cause_leads") or ())}
        if "named_leads" in row:
            known["named_leads"] = tuple(Lead(**lead) for lead in row["named_leads"] or ())
        # Slot by slot: a page has fifty calls, and the __init__ of a frozen dataclass takes four times as long.
        call = object.__new__(cls)
        for fill, value in zip(_FILLS, _VALUES(known), strict=True):
            fill(call, value)
        return call


CALL_COLUMNS = tuple(Call.__dataclass_fields__)
"""What :meth:`Call.from_row` reads of a row: no page needs to ask for more."""
_DEFAULTS = {name: each.default for name, each in Call.__dataclass_fields__.items() if each.default is not MISSING}
_VALUES = itemgetter(*CALL_COLUMNS)
_FILLS = tuple(getattr(Call, name).__set__ for name in CALL_COLUMNS)


@dataclass(frozen=True, slots=True)
class Lead:
    """A row of the customer's ``leads``; ``row`` is the whole row with all the columns that the customer has."""

    id: int
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    lead_status: str | None = None
    notes: str | None = None
    call_sid: str | None = None
    created_at: datetime | None = None
    last_contacted_at: datetime | None = None
    row: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "Lead":
        """A row of ``leads``, or of ``leads_with_keys`` and ``leads_by_ids``."""
        texts = ("name", "phone", "email", "lead_status", "notes", "call_sid")
        return cls(
            row["id"],
            **{name: _text(row.get(name)) for name in texts},
            created_at=parse_time(row.get("created_at")),
            last_contacted_at=parse_time(row.get("last_contacted_at")),
            row=dict(row),
        )


def _text(value: Any) -> str | None:
    """A text column, whatever type the customer gave it (a numeric phone, JSON notes)."""
    return value if value is None or isinstance(value, str) else str(value)


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """One row of the append-only ledger. ``before`` and ``after`` have the shape of the contract.

    ``undone`` says whether it has been undone (None where nobody asked).
    """

    id: int | None
    at: datetime | None
    actor: str
    source: str
    action: str
    call_sid: str | None
    lead_id: int | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    reason: str | None = None
    evidence: Any = None
    batch_id: str | None = None
    request_id: str | None = None
    undoes: int | None = None
    undone: bool | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "LinkEvent":
        """The JSON of a link event, as the commands and ``link_activity`` return it."""
        known: dict[str, Any] = {name: row.get(name) for name in cls.__dataclass_fields__}
        known["at"] = parse_time(row.get("at"))
        return cls(**known)

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**shown, "at": self.at.isoformat() if self.at else None}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One checkable reason: ``source`` names the row it comes from (``leads/12``), ``detail`` is a sentence."""

    kind: str
    detail: str
    source: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A lead that may belong to a call, with what speaks for it and against it."""

    lead_id: int
    name: str | None
    phone: str | None
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    against: tuple[Evidence, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape."""
        return {
            "lead_id": self.lead_id,
            "name": self.name,
            "phone": self.phone,
            "confidence": self.confidence,
            "evidence": [{"kind": e.kind, "detail": e.detail, "source": e.source} for e in self.evidence],
            "against": [{"kind": e.kind, "detail": e.detail, "source": e.source} for e in self.against],
        }
