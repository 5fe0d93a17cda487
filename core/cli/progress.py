"""What a command that takes a while says on stderr, so that stdout stays its answer."""

import sys
import time
from typing import Protocol

SAID_SECONDS = 1.0


class Reached(Protocol):
    """How far something is: ``skipped`` of the ``done`` were left as they are."""

    @property
    def done(self) -> int: ...

    @property
    def total(self) -> int: ...

    @property
    def skipped(self) -> int: ...


class Following:
    """Says now and then how far a batch is, and how fast it goes."""

    def __init__(self) -> None:
        self._begun = self._said = time.monotonic()

    def __call__(self, at: Reached) -> None:
        """Told after every change."""
        now = time.monotonic()
        if now - self._said < SAID_SECONDS and at.done < at.total:
            return
        self._said = now
        pace = at.done / max(now - self._begun, 0.001)
        say(f"{at.done} of {at.total} ({pace:.0f}/s), {at.skipped} skipped")


def say(line: str) -> None:
    """One line for whoever waits."""
    print(line, file=sys.stderr, flush=True)
