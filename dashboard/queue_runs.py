"""One action on many jobs, in a thread of its own: closing the browser does not stop it.

A run is known to the server that works on it, until that ends or a hundred others have followed.
"""

import logging
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.errors import NotFound, PatchbayError, Refused
from core.outbound.board import Action, Board
from dashboard.runs_kept import forget_old

log = logging.getLogger("patchbay.queue")

FAILURES_THAT_END_IT = 3
"""So many failures of the queue in a row: it is away, and the rest would only wait for it."""


@dataclass(slots=True)
class Run:
    """One action on many jobs, as far as it is.

    :ivar keys: the jobs, in the order in which they are done.
    :ivar done: how many were done; ``refused``: those that were not, with why.
    :ivar left_out: how many the plan had left alone.
    :ivar broken: why it ended early.
    """

    run_id: str
    action: Action
    chosen: str
    actor: str
    keys: tuple[str, ...]
    left_out: int
    begun_at: datetime
    done: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    ended_at: datetime | None = None
    stopped_by: str | None = None
    broken: str | None = None

    @property
    def seen(self) -> int:
        """How many jobs it has come to."""
        return self.done + len(self.refused)


_runs: dict[str, Run] = {}
_lock = threading.Lock()


def start(board: Board, action: Action, keys: Sequence[str], *, chosen: str, left_out: int) -> Run:
    """Begin; returns at once.

    :param board: acts as the person who started it, also after they have left.
    :param chosen: which jobs these are, in words.
    """
    actor = board.identity.name if board.identity else "this machine"
    run = Run(uuid.uuid4().hex[:12], action, chosen, actor, tuple(keys), left_out, datetime.now(UTC))
    with _lock:
        _runs[run.run_id] = run
        forget_old(_runs, lambda run: run.ended_at is not None)
    threading.Thread(target=_work, args=(board, run), name=f"queue-{run.run_id}", daemon=True).start()
    return run


def find(run_id: str) -> Run | None:
    """A run by its id, or None."""
    return _runs.get(run_id)


def stop(run_id: str, actor: str) -> None:
    """Ask it to end after the job that it is at."""
    run = _runs.get(run_id)
    if run is not None and run.ended_at is None:
        run.stopped_by = actor


def _work(board: Board, run: Run) -> None:
    failures = 0
    try:
        for key in run.keys:
            if run.stopped_by:
                break
            failures = failures + 1 if _one(board, run, key) else 0
            if failures == FAILURES_THAT_END_IT:
                run.broken = run.refused[-1][1]
                break
    except Exception as error:
        log.exception("run %s ended unexpectedly", run.run_id)
        run.broken = f"Something unexpected happened ({type(error).__name__}); the server's log has the details."
    finally:
        run.ended_at = datetime.now(UTC)


def _one(board: Board, run: Run, key: str) -> bool:
    """Do one job; says whether the queue failed, which a refusal is not."""
    try:
        board.act(run.action, key)
        run.done += 1
    except PatchbayError as error:
        run.refused.append((key, error.message))
        return not isinstance(error, Refused | NotFound)
    return False
