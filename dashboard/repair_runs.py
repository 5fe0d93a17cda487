"""Bulk repairs from Twilio that this server works on, each in a thread of its own: closing the browser stops none.

What a repair has written is in the ledger, as a batch; the rest is known to this server until it ends. An interrupted
one is begun anew, and only the rest is asked for.
"""

import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.errors import PatchbayError
from core.linking import Options
from core.telephony import BulkRepair, Repair
from core.telephony.repair import Which
from dashboard.runs_kept import forget_old

log = logging.getLogger("patchbay.repair")


class _Stopped(Exception):
    """Somebody pressed Stop."""


@dataclass(frozen=True, slots=True)
class RepairRun:
    """One bulk repair as far as it is.

    :ivar batch_id: the batch of its link events, which is also its own id.
    :ivar outcome: what it did; None while it lasts, and for one that was stopped or broke.
    :ivar problem: why it broke.
    """

    batch_id: str
    which: Which
    actor: str
    begun_at: datetime
    done: int = 0
    total: int = 0
    outcome: BulkRepair | None = None
    stopped_by: str | None = None
    problem: str | None = None
    ended: bool = False


_runs: dict[str, RepairRun] = {}
_lock = threading.Lock()


def start(repair: Repair, which: Which, options: Options, judge: Callable[[], object]) -> str:
    """Begin one unless this server repairs these already; returns the batch.

    :param repair: acts as the person who started it, also after they have left.
    :param judge: brings causes up to date after one that was stopped.
    """
    with _lock:
        for run in _runs.values():
            if run.which == which and not run.ended:
                return run.batch_id
        batch_id = str(uuid.uuid4())
        _runs[batch_id] = RepairRun(batch_id, which, options.actor or "", datetime.now(UTC))
        forget_old(_runs, lambda run: run.ended)
    work = threading.Thread(
        target=_work, args=(repair, which, batch_id, options, judge), name=f"repair-{batch_id}", daemon=True
    )
    work.start()
    return batch_id


def find(batch_id: str) -> RepairRun | None:
    """One that this server knows, or None."""
    return _runs.get(batch_id)


def stop(batch_id: str, actor: str) -> None:
    """Ask it to end after the call that it is at. Serves as ``on_click``."""
    _note(batch_id, stopped_by=actor)


def _work(repair: Repair, which: Which, batch_id: str, options: Options, judge: Callable[[], object]) -> None:
    def told(done: int, total: int) -> None:
        _note(batch_id, done=done, total=total)
        if done < total and _runs[batch_id].stopped_by:
            raise _Stopped

    try:
        _note(batch_id, outcome=repair.repair_all(which, batch_id=batch_id, options=options, progress=told))
    except _Stopped:
        judge()
    except PatchbayError as error:
        _note(batch_id, problem=error.message)
    except Exception as error:
        log.exception("repair %s ended unexpectedly", batch_id)
        _note(batch_id, problem=f"Something unexpected happened ({type(error).__name__}); the server's log says more.")
    finally:
        _note(batch_id, ended=True)


def _note(batch_id: str, **facts: object) -> None:
    with _lock:
        run = _runs.get(batch_id)
        if run is not None and not (run.ended and "stopped_by" in facts):
            _runs[batch_id] = replace(run, **facts)
