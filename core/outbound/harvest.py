"""Keeps the results of jobs: the queue forgets them after days, and they prove which call was made for whom.

At the start everything that the queue has is kept, then what finishes, and now and then everything again. Keeping a job
twice changes nothing.
"""

import logging
import time
from typing import Protocol

from core.errors import BadInput
from core.linking.jobs import JobResult, note
from core.outbound.bull import STATES, RawJob
from core.outbound.queue import LARGEST_PAGE
from core.store.gateway import Gateway

FINISHED = ("completed", "failed")
PAGE = 200
EVERYTHING_SECONDS = 600.0
"""How often everything is kept, beside what has just finished."""

log = logging.getLogger(__name__)


class Jobs(Protocol):
    """Where jobs are read: :class:`core.outbound.queue.OutboundQueue`."""

    def raw_jobs(self, state: str, offset: int, limit: int) -> list[RawJob]:
        """Jobs of one state as BullMQ has them; finished ones newest first."""
        ...


class Harvest:
    """What was kept so far, so that only news are read. For one thread."""

    def __init__(self, queue: Jobs, gateway: Gateway) -> None:
        self._queue, self._gateway = queue, gateway
        self._newest: dict[str, float] = dict.fromkeys(FINISHED, 0.0)
        self._complete_at: float | None = None

    def collect(self) -> int:
        """Keep what is new. Returns how many rows are new or changed.

        :raises core.errors.Unavailable: when queue or database do not answer; what was not kept is kept next time.
        """
        now = time.monotonic()
        if self._complete_at is None or now - self._complete_at > EVERYTHING_SECONDS:
            changed = sum(self._all_of(state) for state in STATES)
            self._complete_at = now
            return changed
        return sum(self._news_of(state) for state in FINISHED)

    def _all_of(self, state: str) -> int:
        changed, offset = 0, 0
        while page := self._queue.raw_jobs(state, offset, LARGEST_PAGE):
            changed += self._keep(state, page)
            if len(page) < LARGEST_PAGE:
                break
            offset += LARGEST_PAGE
        return changed

    def _news_of(self, state: str) -> int:
        """Newest first, until a page brings nothing that is younger than what was kept."""
        seen, changed, offset = self._newest[state], 0, 0
        while page := self._queue.raw_jobs(state, offset, PAGE):
            news = [job for job in page if _finished(job) >= seen]
            changed += self._keep(state, news)
            if len(news) < PAGE:
                break
            offset += PAGE
        return changed

    def _keep(self, state: str, jobs: list[RawJob]) -> int:
        results = []
        for job in jobs:
            try:
                results.append(JobResult.from_bullmq(job))
            except BadInput as wrong:
                log.debug("a job was left out: %s", wrong.code)
        changed = note(self._gateway, results) if results else 0
        if state in self._newest:
            self._newest[state] = max([self._newest[state], *map(_finished, jobs)])
        return changed


def _finished(job: RawJob) -> float:
    return float(job.get("finishedOn") or 0)
