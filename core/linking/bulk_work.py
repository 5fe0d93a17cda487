"""Carrying a stored bulk link out: one transaction a call, newest first, each as the plan shows it or not at all.

What is done is what the ledger has: every call is linked with a request id made of batch and call, so doing it again
changes nothing. Before a call is linked its candidates are computed again; a call, lead or slot that is not what the
plan shows any more is skipped and listed.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from core.errors import BelongsToAnotherLead, Busy, NotAllowed, NotFound, Refused, Unavailable
from core.linking import bulk, bulk_plan, commands, matching
from core.linking.bulk import BatchStatus, BulkOutcome, evidence_of
from core.linking.bulk_plan import Skip, Skipped
from core.linking.commands import Command, Options
from core.linking.patience import patiently
from core.model import causes
from core.model.records import CONFIDENCES, Call, Candidate, LinkEvent
from core.settings import Settings
from core.store.gateway import Gateway, Row

PAIRS_AT_ONCE = 100
"""Candidates are computed again for so many calls at once: a fraction of a second before they are linked."""
SIDE_BY_SIDE = 4
"""So many calls of different leads are linked at a time; the calls of one lead follow each other."""
BEAT_SECONDS = 0.5
"""How often a worker says that it is there, and looks whether it shall stop."""
MOST_FAILURES = 5
"""So often in a row the database may fail without a call being linked in between."""

UNTOUCHED: Mapping[str, Any] = {"call_lead": None, "set_aside": False, "by_hand": False}
"""What must hold of a call that is linked automatically."""


@dataclass(frozen=True, slots=True)
class BulkProgress:
    """Where a batch stands while it runs. ``done`` counts linked and skipped calls."""

    batch_id: str
    done: int
    total: int
    skipped: int


Told: TypeAlias = Callable[[BulkProgress], None]


@dataclass(frozen=True, slots=True)
class NotLinked:
    """Why a call was not linked automatically."""

    reason: Skipped
    sentence: str


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
    status = bulk.read(gateway, batch_id)
    if status.state == "planned":
        raise NotAllowed("This batch was never planned to its end: nothing was linked.", hint="Start a new one.")
    if not status.finished:
        _Worker(gateway, status, settings, now, actor, progress).run()
        patiently(gateway.call, "bulk_end", p_batch=status.batch_id)
    return bulk.outcome(gateway, status.batch_id)


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
        status = bulk.read(self._gateway, self._status.batch_id)
        self._done, self._skips = status.done, sum(status.skipped.values())
        self._in_step = True
        self._beat()

    def _once_through(self, side_by_side: ThreadPoolExecutor) -> bool:
        """Go through what is open, newest first; says whether anything was."""
        place = 0
        while self._going_on:
            rows = bulk.some_pairs(self._gateway, self._status.batch_id, "open", place, PAIRS_AT_ONCE)
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
