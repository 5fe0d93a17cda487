"""Judging the causes that became doubtful: when asked, after a command, and before figures are read."""

import contextlib

from core.errors import Busy, PatchbayError, TimedOut
from core.linking import backlog, judge
from core.linking.service.desk import Desk

JUDGED_AFTER_A_COMMAND = 200
"""A command makes few calls doubtful; whatever else waits is left to the background."""
JUDGED_BEFORE_COUNTING = 1000
"""Judged in well under a second."""


class Judging(Desk):
    """Causes that are late, brought up to date."""

    def judge(self, limit: int | None = None) -> int:
        """Judge calls whose cause is doubtful, with ``limit`` at most about so many; returns how many."""
        return judge.run(self._gateway, self._settings, limit)

    def _judge_first(self) -> None:
        # A database that is down is said at once by what is read next, not after a second try.
        with contextlib.suppress(Busy, TimedOut):
            self._catch_up(JUDGED_BEFORE_COUNTING)

    def _judge_soon(self) -> None:
        # The command is done and must not look failed because the causes are late: the background catches up.
        with contextlib.suppress(PatchbayError):
            self._catch_up(JUDGED_AFTER_A_COMMAND)

    def _catch_up(self, most: int) -> None:
        if backlog.is_short(self._gateway, self._settings, most):
            self.judge(most)
