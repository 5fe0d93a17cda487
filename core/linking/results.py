"""What the linking use cases answer: frozen records, each with the JSON of the contract."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from core.model.records import Call, Candidate, Lead, LinkEvent
from core.store.gateway import Row

StageName: TypeAlias = Literal["job", "twilio", "events", "transcript", "lead"]
StageState: TypeAlias = Literal["ok", "missing", "failed", "unknown", "not_applicable"]


@dataclass(frozen=True, slots=True)
class WorklistPage:
    """One page of a worklist, newest first.

    :ivar items: the calls; ``cause`` is the one that holds now (``pending`` included).
    :ivar next: the cursor of the following page, or None on the last one.
    :ivar details: for each call's SID the sentence that explains its cause.
    :ivar reasons: for each SID with a best candidate that candidate's strongest reason, as a sentence.
    :ivar searched_to: where looking for a text ran out of time: earlier calls were not looked at, ``next`` goes on.
    """

    items: tuple[Call, ...]
    next: str | None
    details: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    searched_to: datetime | None = None

    def to_json(self, total: int, candidates: Mapping[str, tuple[Candidate, ...]] | None = None) -> dict[str, Any]:
        """The contract's JSON shape; ``candidates`` (by SID) are shown when given."""
        items = []
        for call in self.items:
            item = worklist_item(call, self.details.get(call.call_sid))
            if candidates is not None:
                item["candidates"] = [c.to_json() for c in candidates.get(call.call_sid, ())]
            items.append(item)
        return {"total": total, "items": items, "next": self.next}


def worklist_item(call: Call, detail: str | None) -> dict[str, Any]:
    """One call as a worklist shows it (contract); a linked one with its lead and what is suspect."""
    item = {
        "call_sid": call.call_sid,
        "started_at": call.started_at.isoformat(),
        "direction": call.direction,
        "counterpart": call.counterpart,
        "status": call.status,
        "duration": call.duration,
        "transcript_count": call.transcript_count,
        "cause": call.cause,
        "detail": detail,
    }
    linked = {"lead_id": call.lead_id, "suspect": call.suspect, "better_lead_id": call.best_lead_id}
    return item if call.lead_id is None else {**item, **linked}


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a call's way from the queue to its lead. ``detail`` is a sentence."""

    stage: StageName
    state: StageState
    detail: str

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape."""
        return {"stage": self.stage, "state": self.state, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Story:
    """Everything that is known about one call.

    :ivar cause: why the call is unlinked (``pending`` included), or None when it is linked.
    :ivar detail: the cause as a sentence, or None.
    :ivar warning: a sentence when the SID has not Twilio's form, else None. Such a call still works.
    :ivar call_row: the whole row of ``call_links``.
    :ivar transcripts: rows in speaking order, ``role`` and ``content`` filled from either of the backend's two shapes.
    :ivar history: the call's link events, newest first.
    :ivar mentions: ids of the leads whose notes name this call.
    :ivar lead_calls: the newest 20 calls of its lead, newest first, with ``call_sid``, ``state``, ``started_at``,
        ``direction``, ``status`` and ``duration``; ``lead_calls_total`` says how many there are.
    :ivar slots: ids of the leads whose ``call_sid`` names this call: one for a current call, several for a conflict.
    :ivar job: the row of ``job_results`` whose result names this call, or None where no such job was kept.
    """

    call: Call
    cause: str | None
    detail: str | None
    warning: str | None
    call_row: Row
    events: tuple[Row, ...]
    transcripts: tuple[Row, ...]
    recordings: tuple[Row, ...]
    lead: Lead | None
    candidates: tuple[Candidate, ...]
    history: tuple[LinkEvent, ...]
    mentions: tuple[int, ...]
    stages: tuple[Stage, ...]
    lead_calls: tuple[Row, ...] = ()
    lead_calls_total: int = 0
    slots: tuple[int, ...] = ()
    job: Row | None = None

    @property
    def call_sid(self) -> str:
        """The call's identifier."""
        return self.call.call_sid

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape of ``lookup``, with more keys added."""
        return {
            "call_sid": self.call.call_sid,
            "state": self.call.state,
            "cause": self.cause,
            "detail": self.detail,
            "warning": self.warning,
            "call": self.call_row,
            "events": list(self.events),
            "transcripts": list(self.transcripts),
            "lead": dict(self.lead.row) if self.lead else None,
            "recordings": list(self.recordings),
            "job": self.job,
            "stages": [stage.to_json() for stage in self.stages],
            "candidates": [candidate.to_json() for candidate in self.candidates],
            "history": [event.to_json() for event in self.history],
            "mentions": list(self.mentions),
            "slots": list(self.slots),
            "lead_calls": list(self.lead_calls),
            "lead_calls_total": self.lead_calls_total,
        }


@dataclass(frozen=True, slots=True)
class Matches:
    """Several calls that a text may mean, newest first; ``more`` when there are others that are not listed."""

    text: str
    calls: tuple[Call, ...]
    more: bool = False
    details: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape; each match as in a worklist, with its state and lead."""
        return {
            "matches": [
                {**worklist_item(call, self.details.get(call.call_sid)), "state": call.state, "lead_id": call.lead_id}
                for call in self.calls
            ],
            "more": self.more,
        }


@dataclass(frozen=True, slots=True)
class SkippedUndo:
    """A link event of a batch that was not undone, and why (one sentence)."""

    event: LinkEvent
    code: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {
            "event_id": self.event.id,
            "call_sid": self.event.call_sid,
            "code": self.code,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class BatchUndo:
    """The outcome of undoing a batch. The undo events carry the new ``batch_id``, so that they can be undone too."""

    batch_id: str
    undone: tuple[LinkEvent, ...]
    skipped: tuple[SkippedUndo, ...]

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {
            "batch_id": self.batch_id,
            "undone": [event.to_json() for event in self.undone],
            "skipped": [skip.to_json() for skip in self.skipped],
        }


@dataclass(frozen=True, slots=True)
class Check:
    """One check of the database: ``fix`` is something to copy and run, or None when nothing is to be done."""

    name: str
    ok: bool
    detail: str
    fix: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "fix": self.fix}


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found and put right.

    :ivar differed: rows of ``link_drift`` as they were before it (``kind``, ``key``, ``should_be``, ``is_now``).
    :ivar roll_ups: calls whose summary was recomputed to something else.
    :ivar links: calls whose link was taken from the ledger.
    :ivar slots: leads whose ``call_sid`` had been changed unseen and was followed.
    :ivar missed_changes: changes that a trigger had noted as not followed, and that were replayed.
    :ivar causes: calls whose cause or best candidate was judged to something else.
    """

    differed: tuple[Row, ...]
    roll_ups: int
    links: int
    slots: int
    missed_changes: int
    causes: int

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {
            "differed": list(self.differed),
            "roll_ups": self.roll_ups,
            "links": self.links,
            "slots": self.slots,
            "missed_changes": self.missed_changes,
            "causes": self.causes,
        }
