"""Carrying a bulk link out: one transaction a call, newest first, each as the plan shows it or not at all.

The plan is stored first (``bulk_batches``, ``bulk_pairs``), so that a batch can be followed, stopped and carried on
from anywhere, also after the process or the database died. What is done is what the ledger has: every call is linked
with a request id made of batch and call, so doing it again changes nothing. Before a call is linked its candidates are
computed again; a call, lead or slot that is not what the plan shows any more is skipped and listed.
"""

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

from core.errors import (
    BelongsToAnotherLead,
    Busy,
    MigrationNeeded,
    NotAllowed,
    NotFound,
    Refused,
    Unavailable,
)
from core.linking import bulk_plan, commands, fields, matching
from core.linking.bulk_plan import SKIPPED, BulkPlan, MinConfidence, Pair, Skip, Skipped
from core.linking.commands import Command, Options
from core.model import causes
from core.model.records import CONFIDENCES, Call, Candidate, Confidence, LinkEvent, parse_time
from core.settings import Settings
from core.store.gateway import Gateway, Order, Row, Where

BatchState: TypeAlias = Literal["planned", "running", "done", "cancelled"]

PAIRS_AT_ONCE = 100
"""Candidates are computed again for so many calls at once: a fraction of a second before they are linked."""
SIDE_BY_SIDE = 4
"""So many calls of different leads are linked at a time; the calls of one lead follow each other."""
STORED_AT_ONCE = 1000
BEAT_SECONDS = 0.5
"""How often a worker says that it is there, and looks whether it shall stop."""
ABANDONED_SECONDS = 15.0
"""A running batch without a beat for so long has no worker any more."""
PATIENCE_SECONDS = 60.0
"""So long a database that does not answer is waited for; then the batch stays as it is, to be carried on."""

MOST_OPEN = 5
MOST_FAILURES = 5
"""So often in a row the database may fail without a call being linked in between."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """Where a batch stands while it runs. ``done`` counts linked and skipped calls."""

    batch_id: str
    done: int
    total: int
    skipped: int


Told: TypeAlias = Callable[[BulkProgress], None]


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


@dataclass(frozen=True, slots=True)
class NotLinked:
    """Why a call was not linked automatically."""

    reason: Skipped
    sentence: str


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


def carry_out(
    gateway: Gateway,
    batch_id: str,
    settings: Settings,
    now: Callable[[], datetime],
    *,
    actor: str,
    progress: Told = lambda progress: None,
) -> BulkOutcome:
    """Link what is open of a batch, newest first, until it is done or cancelled; says what the whole batch did.

    :param actor: who does it; one who carries another's batch on is named for the calls that are linked then.
    :raises NotFound: when there is no such batch.
    :raises NotAllowed: when its plan was never stored to the end.
    :raises core.errors.Unavailable: when the database stays away; the batch can be carried on later.
    """
    status = read(gateway, batch_id)
    if status.state == "planned":
        raise NotAllowed("This batch was never planned to its end: nothing was linked.", hint="Start a new one.")
    if not status.finished:
        _Worker(gateway, status, settings, now, actor, progress).run()
        patiently(gateway.call, "bulk_end", p_batch=status.batch_id)
    return outcome(gateway, status.batch_id)


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


def link_one(
    gateway: Gateway, call: Call, settings: Settings, options: Options, *, actor: str
) -> LinkEvent | NotLinked:
    """Link one call as a bulk link would, whatever its age; see :meth:`core.linking.Linking.link_automatically`."""
    found = matching.candidates(gateway, [call], settings)[call.call_sid]
    test = call.call_sid in bulk_plan.tests_among(gateway, [call.call_sid])
    said = bulk_plan.verdict(call, found, "high", test=test)
    if isinstance(said, Skip):
        return NotLinked(said.reason, said.sentence)
    told = replace(
        options, mode="automatic", evidence=evidence_of(bulk_plan.pair_of(call, said)), expect=UNTOUCHED, promise=None
    )
    try:
        event = commands.run(gateway, Command("link", call.call_sid, said.lead_id, options=told), actor=actor)
    except (Refused, NotFound) as refusal:
        skip = _refused(call.call_sid, said.lead_id, refusal)
        return NotLinked(skip.reason, skip.sentence)
    return event or NotLinked("already_linked", "It is linked to this lead already.")


UNTOUCHED: Mapping[str, Any] = {"call_lead": None, "set_aside": False, "by_hand": False}
"""What must hold of a call that is linked automatically."""


def evidence_of(pair: Pair) -> dict[str, Any]:
    """What a link rests on, for the ledger: kinds and rows, no number and no quote."""
    return {
        "confidence": pair.confidence,
        "for": [{"kind": each.kind, "source": each.source} for each in pair.evidence],
    }


class _Worker:
    """One run through a batch. Several may work on one batch: a call is linked once."""

    def __init__(
        self,
        gateway: Gateway,
        status: BatchStatus,
        settings: Settings,
        now: Callable[[], datetime],
        actor: str,
        told: Told,
    ) -> None:
        self._gateway = gateway
        self._actor = actor
        self._status = status
        self._settings = settings
        self._now = now
        self._told = told
        self._done, self._skips = status.done, sum(status.skipped.values())
        self._unsaid: list[Row] = []
        self._beaten = 0.0
        self._going_on = True  # nobody wants it to stop
        self._in_step = True  # the database answered so far
        self._lock = threading.Lock()

    def run(self) -> None:
        """Work until nothing is open, or somebody wants it to stop.

        When the database was away it is looked again from the beginning: a lead's newer calls go first.

        :raises core.errors.Unavailable: when it fails again and again without a call being linked in between.
        """
        failures = 0
        self._beat()
        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="bulk-link") as side_by_side:
            while self._going_on:
                was_done = self._done
                try:
                    if not self._once_through(side_by_side):
                        return
                except Unavailable:
                    failures = failures + 1 if self._done == was_done else 0
                    if failures > MOST_FAILURES:
                        raise
                self._look_again()

    def _look_again(self) -> None:
        """Go by what the database has, once it answers."""
        status = read(self._gateway, self._status.batch_id)
        self._done, self._skips = status.done, sum(status.skipped.values())
        self._in_step = True
        self._beat()

    def _once_through(self, side_by_side: ThreadPoolExecutor) -> bool:
        """Go through what is open, newest first; says whether anything was."""
        place = 0
        while self._going_on:
            rows = _some_pairs(self._gateway, self._status.batch_id, "open", place, PAIRS_AT_ONCE)
            if not rows:
                break
            place = rows[-1]["place"]
            verdicts = self._verdicts(rows)
            lanes = [[row for row in rows if row["lead_id"] % SIDE_BY_SIDE == lane] for lane in range(SIDE_BY_SIDE)]
            waiting = [side_by_side.submit(self._link_in_turn, lane, verdicts) for lane in lanes if lane]
            wait(waiting)
            for each in waiting:
                each.result()
            self._beat()
        return place > 0

    def _link_in_turn(self, rows: Sequence[Row], verdicts: Mapping[str, Candidate | Skip]) -> None:
        """Link calls one after the other: a lead's calls follow each other, the newest first."""
        for row in rows:
            if time.monotonic() - self._beaten > BEAT_SECONDS:
                self._beat()
            if not (self._going_on and self._in_step):
                return
            try:
                skip = self._link(row, verdicts[row["call_sid"]])
            except BaseException:
                self._in_step = False  # the other lanes stop too
                raise
            self._count(row, skip)

    def _count(self, row: Row, skip: Skip | None) -> None:
        with self._lock:
            self._done += 1
            if skip is not None:
                self._skips += 1
                self._unsaid.append({"place": row["place"], "skipped": skip.reason, "detail": skip.sentence})
            self._told(BulkProgress(self._status.batch_id, self._done, self._status.total, self._skips))

    def _verdicts(self, rows: Sequence[Row]) -> dict[str, Candidate | Skip]:
        """What the rules say of these calls now."""
        sids = [row["call_sid"] for row in rows]
        calls = patiently(bulk_plan.read_calls, self._gateway, sids)
        found = patiently(matching.candidates, self._gateway, calls, self._settings)
        tests = patiently(bulk_plan.tests_among, self._gateway, sids)
        gone: dict[str, Candidate | Skip] = {sid: Skip(sid, "no_call", "The call is gone.") for sid in sids}
        now, grace = self._now(), self._settings.link_grace_seconds
        return gone | {
            call.call_sid: bulk_plan.verdict(
                call,
                found[call.call_sid],
                self._status.min_confidence,
                pending=causes.is_pending(call.started_at, now, grace),
                test=call.call_sid in tests,
            )
            for call in calls
        }

    def _link(self, row: Row, said: Candidate | Skip) -> Skip | None:
        """Link one call as the plan shows it; else why not. A call that this very batch has linked counts as linked."""
        moved = _moved(row, said)
        if moved is not None and moved.reason != "already_linked":
            return moved
        sid, lead_id = row["call_sid"], row["lead_id"]
        options = Options(
            reason=self._status.reason or f"Bulk link of {self._status.chosen}",
            request_id=f"bulk/{self._status.batch_id}/{sid}",
            batch_id=self._status.batch_id,
            mode="automatic",
            expect=UNTOUCHED,
            promise={"call_lead": lead_id, "leads": {str(lead_id): row["slot"]}},
            evidence=row["evidence"],
        )
        command = Command("link", sid, lead_id, options=options)
        try:
            event = commands.run(self._gateway, command, actor=self._actor)
        except (Refused, NotFound, Busy) as refusal:
            return moved or _refused(sid, lead_id, refusal)
        return None if event is not None else Skip(sid, "already_linked", "It is linked already.", lead_id)

    def _beat(self) -> None:
        """Say that somebody works on it and what was skipped; learn whether to go on."""
        with self._lock:
            unsaid, self._unsaid = self._unsaid, []
            self._beaten = time.monotonic()
        if not patiently(self._gateway.call, "bulk_beat", p_batch=self._status.batch_id, p_skipped=unsaid):
            self._going_on = False


def _moved(row: Row, said: Candidate | Skip) -> Skip | None:
    """Why a pair is not what the plan shows any more, or None when it is."""
    sid, shown = row["call_sid"], row["confidence"]
    if isinstance(said, Skip):
        # It is stored: evidence in words may hold a name or a number, which are only read where they stand.
        words = f"Lead {row['lead_id']} is not {shown} any more."
        return replace(said, sentence=words) if said.reason == "below_confidence" else said
    if said.lead_id != row["lead_id"]:
        return Skip(sid, "changed", f"Lead {said.lead_id} fits it now, not lead {row['lead_id']}.", said.lead_id)
    if CONFIDENCES.index(said.confidence) > CONFIDENCES.index(shown):
        return Skip(
            sid, "below_confidence", f"Lead {said.lead_id} is {said.confidence} now, not {shown}.", said.lead_id
        )
    return None


def _refused(sid: str, lead_id: int, refusal: Refused | NotFound | Busy) -> Skip:
    """A refusal of the database as a reason to skip."""
    reason: Skipped = "changed"
    if isinstance(refusal, BelongsToAnotherLead):
        reason = "already_linked"
    elif isinstance(refusal, NotFound):
        reason = "lead_gone" if f"lead {lead_id}" in refusal.message else "no_call"
    elif isinstance(refusal, Busy):
        reason = "busy"
    elif isinstance(refusal.detail, Mapping) and refusal.detail.get("call_lead") is not None:
        reason = "already_linked"
    return Skip(sid, reason, refusal.message, lead_id)


def patiently(do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it, and again while the database does not answer, for :data:`PATIENCE_SECONDS`; all of it bears repeating.

    A call that somebody holds is waited for no longer than the gateway does: the others shall not wait with it.
    """
    end, pause = time.monotonic() + PATIENCE_SECONDS, 0.2
    while True:
        try:
            return do(*args, **kwargs)
        except (MigrationNeeded, Busy):
            raise
        except Unavailable:
            if time.monotonic() > end:
                raise
        time.sleep(pause)
        pause = min(pause * 2, 3.0)


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
    while rows := _some_pairs(gateway, batch_id, which, place, STORED_AT_ONCE):
        yield from rows
        place = rows[-1]["place"]


def _some_pairs(gateway: Gateway, batch_id: str, which: str, after: int, limit: int) -> list[Row]:
    rows: list[Row] = patiently(
        gateway.call, "bulk_pairs_of", p_batch=batch_id, p_which=which, p_after=after, p_limit=limit
    )
    return rows


def _in_order(counts: Mapping[str, int]) -> dict[Skipped, int]:
    return {reason: counts[reason] for reason in SKIPPED if counts.get(reason)}
