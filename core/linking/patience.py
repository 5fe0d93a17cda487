"""Waiting for a database that does not answer for a while, where work in hand must not be given up at once."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from core.errors import Busy, MigrationNeeded, Unavailable

PATIENCE_SECONDS = 60.0
"""So long a database that does not answer is waited for; then the batch stays as it is, to be carried on."""

P = ParamSpec("P")
T = TypeVar("T")


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
