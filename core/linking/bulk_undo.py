"""Taking a large batch back: it can be followed, stopped between two changes, and carried on.

Every change is undone in a transaction of its own, so a batch that was stopped, or whose process or database died, is
whole as far as it got: what is undone stays undone, and doing it again undoes the rest. Changes that share a call or a
lead follow each other, the newest first; others go side by side.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from core.errors import Busy, NotFound, Refused
from core.linking import batch_preview, commands, fields
from core.linking.bulk_work import SIDE_BY_SIDE
from core.linking.commands import Command, Options
from core.linking.patience import patiently
from core.linking.results import BatchUndo, SkippedUndo
from core.model.records import LinkEvent
from core.store.gateway import Gateway


@dataclass(frozen=True, slots=True)
class UndoProgress:
    """Where an undo stands. ``done`` counts what was taken back or skipped, ``total`` what was open at the start."""

    done: int
    total: int
    skipped: int


@dataclass(frozen=True, slots=True)
class BulkUndo:
    """What an undo came to.

    :ivar before: changes of the batch that were undone already.
    :ivar left: changes that it was stopped before.
    """

    outcome: BatchUndo
    before: int
    left: int


Told: TypeAlias = Callable[[UndoProgress], None]


def carry_out(
    gateway: Gateway,
    batch_id: str,
    options: Options,
    *,
    actor: str,
    progress: Told = lambda progress: None,
    going_on: Callable[[], bool] = lambda: True,
) -> BulkUndo:
    """Take back what is not undone of a batch; what moved on is skipped and listed.

    :param options: actor, reason and batch_id count; the same batch_id again carries on under it.
    :param actor: who acts when the options name nobody.
    :param progress: told after every change, by several threads, one at a time.
    :param going_on: asked before every change.
    :raises NotFound: when no event carries the batch id.
    :raises core.errors.Unavailable: when the database stays away; what is undone by then stays undone.
    """
    wanted = fields.batch_id(batch_id)
    commands.sql_options(options, actor=actor)
    events = patiently(commands.of_batch, gateway, wanted)
    new = fields.batch_id(options.batch_id) if options.batch_id is not None else str(uuid.uuid4())
    todo = [event for event in events if not event.undone]
    work = _Work(gateway, replace(options, batch_id=new), actor, len(todo), progress, going_on)
    work.run(batch_preview.groups(todo))
    undone = sorted(work.undone, key=lambda event: event.id or 0)
    skipped = sorted(work.skipped, key=lambda skip: -(skip.event.id or 0))
    outcome = BatchUndo(new, tuple(undone), tuple(skipped))
    return BulkUndo(outcome, len(events) - len(todo), len(todo) - len(undone) - len(skipped))


@dataclass(slots=True)
class _Work:
    """One run through a batch, in lanes."""

    gateway: Gateway
    options: Options
    actor: str
    total: int
    told: Told
    going_on: Callable[[], bool]
    undone: list[LinkEvent] = field(default_factory=list)
    skipped: list[SkippedUndo] = field(default_factory=list)
    _broken: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, groups: Sequence[list[LinkEvent]]) -> None:
        """Each lane takes the next group that nobody has."""
        waiting, taking = iter(groups), threading.Lock()

        def lane() -> None:
            while True:
                with taking:
                    group = next(waiting, None)
                if group is None or not self._in_turn(group):
                    return

        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="bulk-undo") as side_by_side:
            lanes = [side_by_side.submit(lane) for _ in range(min(SIDE_BY_SIDE, len(groups)))]
            for each in lanes:
                each.result()

    def _in_turn(self, group: Sequence[LinkEvent]) -> bool:
        """Undo changes one after the other; says whether to go on."""
        for event in group:
            if self._broken.is_set() or not self.going_on():
                return False
            try:
                found = self._one(event)
            except BaseException:
                self._broken.set()  # the other lanes stop too
                raise
            with self._lock:
                if isinstance(found, SkippedUndo):
                    self.skipped.append(found)
                else:
                    self.undone.append(found)
                done = len(self.undone) + len(self.skipped)
                self.told(UndoProgress(done, self.total, len(self.skipped)))
        return True

    def _one(self, event: LinkEvent) -> LinkEvent | SkippedUndo:
        step = replace(self.options, request_id=f"undo/{self.options.batch_id}/{event.id}")
        command = Command("undo", event_id=event.id, options=step)
        try:
            done = patiently(commands.run, self.gateway, command, actor=self.actor)
        except (Refused, NotFound, Busy) as refusal:
            return SkippedUndo(event, refusal.code, refusal.message)
        return done or SkippedUndo(event, *commands.NOTHING_TO_UNDO)
