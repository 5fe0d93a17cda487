"""Undos of large batches that this server works on, each in a thread of its own: closing the browser stops none.

What is undone is in the ledger; where an undo stands is known to the server that works on it. After a restart the batch
says how much of it is undone, and the rest can be undone as any batch.
"""

import logging
import threading
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.errors import PatchbayError
from core.linking import Linking, Options
from core.linking.bulk_undo import BulkUndo, UndoProgress
from dashboard.runs_kept import forget_old

log = logging.getLogger("patchbay.bulk")


@dataclass(frozen=True, slots=True)
class UndoRun:
    """One undo as far as it is.

    :ivar batch_id: the batch that is taken back; ``undo_id``: the batch of the undo events, which names the run.
    :ivar worked_since: when it was begun, or carried on.
    :ivar done_before: what earlier parts of it had done, before somebody stopped it.
    :ivar outcome: what the last part came to; None while it lasts, and where it broke.
    :ivar problem: why it broke.
    """

    batch_id: str
    undo_id: str
    actor: str
    reason: str | None
    worked_since: datetime
    done: int = 0
    total: int = 0
    skipped: int = 0
    done_before: int = 0
    outcome: BulkUndo | None = None
    stopped_by: str | None = None
    problem: str | None = None
    ended: bool = False

    @property
    def undone(self) -> int:
        """How many changes it has taken back."""
        return self.done_before + self.done - self.skipped

    @property
    def left(self) -> int:
        """How many changes it has not come to."""
        return self.total - self.done


_runs: dict[str, UndoRun] = {}
_lock = threading.Lock()


def start(linking: Linking, batch_id: str, reason: str | None, *, actor: str, total: int = 0) -> str:
    """Begin one, unless this server undoes this batch already; returns the batch of the undo events.

    :param linking: acts as the person who started it (``actor``), also after they have left.
    :param total: how many changes were open when somebody looked, until the run knows better.
    """
    with _lock:
        going = next((run for run in _runs.values() if run.batch_id == batch_id and not run.ended), None)
        if going is not None:
            return going.undo_id
        run = UndoRun(batch_id, str(uuid.uuid4()), actor, reason, datetime.now(UTC), total=total)
        _runs[run.undo_id] = run
        forget_old(_runs, lambda run: run.ended)
    _begin(linking, run)
    return run.undo_id


def carry_on(linking: Linking, undo_id: str) -> None:
    """Go on with one that was stopped or broke."""
    with _lock:
        run = _runs.get(undo_id)
        if run is None or not run.ended:
            return
        fresh = replace(run, ended=False, stopped_by=None, problem=None, outcome=None, worked_since=datetime.now(UTC),
                        done_before=run.undone, done=0, skipped=0, total=run.left)  # fmt: skip
        _runs[undo_id] = fresh
    _begin(linking, fresh)


def find(undo_id: str) -> UndoRun | None:
    """One that this server knows, or None."""
    return _runs.get(undo_id)


def of_batch(batch_id: str) -> UndoRun | None:
    """The newest undo of a batch that this server knows, or None."""
    return next((run for run in reversed(list(_runs.values())) if run.batch_id == batch_id), None)


def stop(undo_id: str, actor: str) -> None:
    """Ask it to end after the changes that it is at. Serves as ``on_click``."""
    _note(undo_id, stopped_by=actor)


def _begin(linking: Linking, run: UndoRun) -> None:
    work = threading.Thread(target=_work, args=(linking, run), name=f"bulk-undo-{run.undo_id}", daemon=True)
    work.start()


def _work(linking: Linking, run: UndoRun) -> None:
    def told(progress: UndoProgress) -> None:
        _note(run.undo_id, done=progress.done, total=progress.total, skipped=progress.skipped)

    options = Options(reason=run.reason, batch_id=run.undo_id)
    try:
        found = linking.undo_in_bulk(
            run.batch_id, options, progress=told, going_on=lambda: not _runs[run.undo_id].stopped_by
        )
        done, skipped = len(found.outcome.undone) + len(found.outcome.skipped), len(found.outcome.skipped)
        _note(run.undo_id, outcome=found, done=done, skipped=skipped, total=done + found.left)
    except PatchbayError as error:
        log.warning("undo %s stopped: %s", run.undo_id, error.code)
        _note(run.undo_id, problem=error.message)
    except Exception as error:
        log.exception("undo %s ended unexpectedly", run.undo_id)
        words = f"Something unexpected happened ({type(error).__name__}); the server's log has the details."
        _note(run.undo_id, problem=words)
    finally:
        _note(run.undo_id, ended=True)


def _note(undo_id: str, **facts: object) -> None:
    with _lock:
        run = _runs.get(undo_id)
        if run is not None and not (run.ended and "stopped_by" in facts):
            _runs[undo_id] = replace(run, **facts)
