"""Commands that lost a race for the same rows are run again: the same patience on every way into the database."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from core.errors import Busy

RETRY_SECONDS = 2.0
"""How long a command that lost a race is repeated before :class:`core.errors.Busy`."""

_Result = TypeVar("_Result")


def until_won(attempt: Callable[[], _Result], lost: Callable[[Busy], bool], seconds: float | None = None) -> _Result:
    """Run ``attempt`` until it wins, for about two seconds.

    :param lost: whether this Busy is a lost race (and not, say, a pool without a free connection).
    :raises Busy: when it kept losing.
    """
    deadline = time.monotonic() + (RETRY_SECONDS if seconds is None else seconds)
    pause = 0.02
    while True:
        try:
            return attempt()
        except Busy as busy:
            if not lost(busy) or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, 0.3)
