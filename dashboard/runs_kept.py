"""How many runs a server remembers: what goes on is never forgotten, of what has ended the newest are kept."""

from collections.abc import Callable
from typing import TypeVar

MOST_KEPT = 50
Run = TypeVar("Run")


def forget_old(runs: dict[str, Run], ended: Callable[[Run], bool]) -> None:
    """Drop the oldest that have ended, as far as there are more than :data:`MOST_KEPT`. The caller holds the lock."""
    over = len(runs) - MOST_KEPT
    for name in [name for name, run in runs.items() if ended(run)][: max(over, 0)]:
        del runs[name]
