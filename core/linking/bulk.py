"""Batches of links: a plan that is stored, where it stands, what it came to.

The plan is stored first (``bulk_batches``, ``bulk_pairs``), so that a batch can be followed, stopped and carried on
from anywhere, also after the process or the database died; :mod:`core.linking.bulk_work` carries it out.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from core.errors import NotFound
from core.linking import bulk_plan, commands, fields
from core.linking.bulk_plan import SKIPPED, BulkPlan, MinConfidence, Pair, Skip, Skipped
from core.linking.commands import Options
from core.linking.patience import patiently
from core.model.records import Confidence, parse_time
from core.store.gateway import Gateway, Order, Row, Where

BatchState: TypeAlias = Literal["planned", "running", "done", "cancelled"]

STORED_AT_ONCE = 1000
ABANDONED_SECONDS = 15.0
"""A running batch without a beat for so long has no worker any more."""
MOST_OPEN = 5


@dataclass(frozen=True, slots=True)
class BatchStatus:
    """A batch as every window sees it.

    :ivar total: calls of the plan; of these ``linked`` are done, ``skipped`` (by reason) had changed meanwhile.
    :ivar left_out: calls that the plan itself left out, by reason.
    :ivar undone: link events of the batch that were undone since; 0 while it runs.
    :ivar cancelled_by: who asked it to stop, or None.
    :ivar abandoned: it is not finished and nobody works on it: it can be carried on.
    """

    batch_id: str
    actor: str
    state: BatchState
    min_confidence: MinConfidence
    chosen: str
    total: int
    linked: int
    undone: int
    skipped: Mapping[Skipped, int]
    left_out: Mapping[Skipped, int]
    cancelled_by: str | None
    begun_at: datetime | None
    ended_at: datetime | None
    abandoned: bool
    reason: str | None = None

    @property
    def done(self) -> int:
        """Calls that are dealt with."""
        return self.linked + sum(self.skipped.values())

    @property
    def finished(self) -> bool:
        """Nothing will happen any more."""
        return self.state in ("done", "cancelled")

    @classmethod
    def from_row(cls, row: Row) -> "BatchStatus":
        """What the SQL function ``bulk_state`` answers."""
        finished = row["state"] in ("done", "cancelled")
        return cls(
            batch_id=row["batch_id"],
            actor=row["actor"],
            state=row["state"],
            min_confidence=row["min_confidence"],
            chosen=row["chosen"] or "",
            total=row["total"],
            linked=row["linked"],
            undone=row["undone"],
            skipped=_in_order(row["skipped"]),
            left_out=_in_order(row["left_out"]),
            cancelled_by=row["cancelled_by"],
            begun_at=parse_time(row["begun_at"]),
            ended_at=parse_time(row["ended_at"]),
            abandoned=not finished and float(row["idle_seconds"]) > ABANDONED_SECONDS,
            reason=row["reason"],
        )


@dataclass(frozen=True, slots=True)
class LinkedPair:
    """One call that a batch linked, as the plan showed it."""

    call_sid: str
    lead_id: int
    confidence: Confidence
    becomes: bulk_plan.As

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape."""
        return bulk_plan.pair_json(self)


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What a batch did.

    :ivar moved_on: the calls of the plan that had changed meanwhile, each with its reason; they were left alone.
    """

    status: BatchStatus
    linked: tuple[LinkedPair, ...]
    moved_on: tuple[Skip, ...]

    @property
    def skipped(self) -> dict[Skipped, int]:
        """What the plan left out, and what moved on since, by reason."""
        left, moved = self.status.left_out, self.status.skipped
        both = {reason: left.get(reason, 0) + moved.get(reason, 0) for reason in SKIPPED}
        return {reason: count for reason, count in both.items() if count}

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape of ``reconcile --apply``."""
        return {
            "applied": True,
            "batch_id": self.status.batch_id,
            "linked": [pair.to_json() for pair in self.linked],
            "skipped": self.skipped,
        }


def begin(gateway: Gateway, plan: BulkPlan, options: Options, *, actor: str) -> str:
    """Store a plan under a batch id, ready to be carried out; a batch that is there already stays what it is.

    :param options: of which actor, reason and batch_id count.
    :param actor: who acts when the options name nobody.
    :return: the batch id.
    """
    told = commands.sql_options(options, actor=actor)
    batch: str = told.get("batch_id") or str(uuid.uuid4())
    head = {
        "actor": told["actor"],
        "reason": told.get("reason"),
        "min_confidence": plan.min_confidence,
        "chosen": plan.chosen,
        "left_out": dict(plan.skipped),
    }
    state = patiently(gateway.call, "bulk_begin", p_batch=batch, p_head=head)
    if state == "planned":
        rows = [_stored(place, pair) for place, pair in enumerate(plan.pairs, start=1)]
        for start in range(0, max(len(rows), 1), STORED_AT_ONCE):
            last = start + STORED_AT_ONCE >= len(rows)
            some = rows[start : start + STORED_AT_ONCE]
            patiently(gateway.call, "bulk_add", p_batch=batch, p_pairs=some, p_last=last)
    return batch


def read(gateway: Gateway, batch_id: str) -> BatchStatus:
    """Where a batch stands.

    :raises NotFound: when there is no such batch.
    """
    wanted = fields.batch_id(batch_id)
    row = patiently(gateway.call, "bulk_state", p_batch=wanted)
    if row is None:
        raise NotFound(f"There is no bulk link {wanted}.", hint="Find the batch in the activity list.")
    return BatchStatus.from_row(row)


def open_batches(gateway: Gateway) -> list[BatchStatus]:
    """The batches that are under way or were interrupted, the newest first, at most :data:`MOST_OPEN`."""
    running, newest = (Where("state", "eq", "running"),), (Order("begun_at", descending=True),)
    rows = gateway.select("bulk_batches", columns=("batch_id",), where=running, order=newest, limit=MOST_OPEN)
    return [read(gateway, row["batch_id"]) for row in rows]


def outcome(gateway: Gateway, batch_id: str) -> BulkOutcome:
    """What a batch did so far.

    :raises NotFound: when there is no such batch.
    """
    status = read(gateway, batch_id)
    linked = tuple(_linked(row) for row in _pairs(gateway, status.batch_id, "linked"))
    skipped = (
        Skip(row["call_sid"], row["skipped"], row["detail"] or "", row["lead_id"])
        for row in _pairs(gateway, status.batch_id, "skipped")
    )
    return BulkOutcome(status, linked, tuple(skipped))


def cancel(gateway: Gateway, batch_id: str, *, actor: str) -> BatchStatus:
    """Stop a batch between two calls; what is linked stays. One that nobody works on ends at once.

    :raises NotFound: when there is no such batch.
    """
    status = read(gateway, batch_id)
    gateway.call("bulk_cancel", p_batch=status.batch_id, p_actor=actor)
    if status.abandoned:
        gateway.call("bulk_end", p_batch=status.batch_id)
    return read(gateway, batch_id)


def evidence_of(pair: Pair) -> dict[str, Any]:
    """What a link rests on, for the ledger: kinds and rows, no number and no quote."""
    return {
        "confidence": pair.confidence,
        "for": [{"kind": each.kind, "source": each.source} for each in pair.evidence],
    }


def _stored(place: int, pair: Pair) -> Row:
    return {
        "place": place,
        "call_sid": pair.call_sid,
        "lead_id": pair.lead_id,
        "confidence": pair.confidence,
        "slot": pair.slot,
        "evidence": evidence_of(pair),
    }


def _linked(row: Row) -> LinkedPair:
    becomes: bulk_plan.As = "current" if row["slot"] == row["call_sid"] else "history"
    return LinkedPair(row["call_sid"], row["lead_id"], row["confidence"], becomes)


def _pairs(gateway: Gateway, batch_id: str, which: str) -> Iterator[Row]:
    place = 0
    while rows := some_pairs(gateway, batch_id, which, place, STORED_AT_ONCE):
        yield from rows
        place = rows[-1]["place"]


def some_pairs(gateway: Gateway, batch_id: str, which: str, after: int, limit: int) -> list[Row]:
    """Up to ``limit`` stored pairs behind a place: ``which`` are open, linked or skipped, in the plan's order."""
    rows: list[Row] = patiently(
        gateway.call, "bulk_pairs_of", p_batch=batch_id, p_which=which, p_after=after, p_limit=limit
    )
    return rows


def _in_order(counts: Mapping[str, int]) -> dict[Skipped, int]:
    return {reason: counts[reason] for reason in SKIPPED if counts.get(reason)}
