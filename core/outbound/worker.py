"""The worker: takes jobs from ``outbound-calls`` and hands them to the :class:`~core.outbound.processor.Processor`.

BullMQ runs a job again when its worker ended over it, which would dial again. Here such a job is failed instead
(``maxStalledCount`` 0), so that no worker of anybody's gets it a second time.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.errors import PatchbayError, Unavailable
from core.outbound.connection import PATIENCE, QueueConnection
from core.outbound.jobs import NOT_DIALLED, QUEUE, moment
from core.outbound.processor import Again, Never, NotOurs, Processor, Taken

HANDED_BACK_SECONDS = 30
MOST_HANDED_BACK = 10
"""A job that is not ours is handed back this often, for another worker to take it; then it fails, with the reason."""
WAKE_SECONDS = 0.2
LONGEST_JOB_SECONDS = 35.0
"""A carrier's time limits and the database's together are shorter."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a worker is.

    :ivar concurrency: jobs at a time.
    :ivar limit: jobs that it begins in ``limit_seconds``; 0: as many as there are.
    :ivar lock_seconds: how long a job stays a worker's that stopped saying so.
    """

    concurrency: int
    limit: int
    limit_seconds: int
    lock_seconds: float = 30.0


class CallWorker:
    """One worker. Runs in the thread that calls :meth:`run`, until it is stopped.

    :param finished: told after each job that came to an end; must not block.
    """

    def __init__(
        self,
        connection: QueueConnection,
        processor: Processor,
        pace: Pace,
        *,
        finished: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection, self._processor, self._pace, self._finished = connection, processor, pace, finished
        self._ending = threading.Event()
        self._running = threading.Event()
        self._said = 0.0

    def run(self) -> None:
        """Work until :meth:`stop`; a job that is under way is finished first.

        :raises core.errors.Unavailable: when the queue does not answer at the start (later it is waited for), or when
            BullMQ gave up.
        """
        asyncio.run(self._work())

    def stop(self) -> None:
        """Ask it to end; safe in a signal handler and from other threads."""
        self._ending.set()

    @property
    def running(self) -> bool:
        """Whether it is taking jobs."""
        return self._running.is_set()

    async def _work(self) -> None:
        await self._connection.probe()
        await self._connection.limited(self._reachable, PATIENCE)
        threads = ThreadPoolExecutor(self._pace.concurrency, thread_name_prefix="dialling")
        worker = _finishing_worker()(QUEUE, self._doing(threads), self._options())
        for event in ("completed", "failed"):
            worker.on(event, lambda *_: self._finished())
        worker.on("error", self._complain)
        running = asyncio.ensure_future(worker.run())
        self._running.set()
        try:
            while not self._ending.is_set() and not running.done():
                await asyncio.sleep(WAKE_SECONDS)
            if running.done():
                running.result()
                if not self._ending.is_set():  # BullMQ prints what went wrong and just returns
                    raise Unavailable("The queue's worker ended by itself.", hint="It can be started again.")
        finally:
            self._running.clear()
            await _ended(worker, running)
            threads.shutdown(wait=False)

    async def _reachable(self) -> None:
        """A queue object makes BullMQ's tables where they are missing, and shows whether there is somebody."""
        from bullmq import Queue

        queue = Queue(QUEUE, self._connection.options)
        try:
            await queue.getJobCounts("wait")
        finally:
            await queue.close()

    def _options(self) -> dict[str, Any]:
        pace = self._pace
        options: dict[str, Any] = {
            **self._connection.options,
            "autorun": False,
            "concurrency": pace.concurrency,
            "maxStalledCount": 0,
            "lockDuration": int(pace.lock_seconds * 1000),
            "stalledInterval": int(pace.lock_seconds * 1000),
        }
        if pace.limit:
            options["drainDelay"] = 1  # seconds until it looks whether the limit is over; BullMQ's five would add to it
            options["limiter"] = {"max": pace.limit, "duration": pace.limit_seconds * 1000}
        return options

    def _doing(self, threads: ThreadPoolExecutor) -> Callable[[Any, str], Any]:
        async def do(job: Any, token: str) -> Mapping[str, Any]:
            from bullmq import UnrecoverableError

            taken = Taken(str(job.id), str(job.name), job.data, moment(job.timestamp) or datetime.fromtimestamp(0, UTC))
            try:
                return await asyncio.get_running_loop().run_in_executor(threads, self._processor.process, taken)
            except NotOurs as reason:
                await self._hand_back(job, token, reason)
                raise
            except Never as never:
                raise UnrecoverableError(str(never)) from None
            except Again as again:
                raise RuntimeError(str(again)) from None  # BullMQ tries it again, as the job's options say

        return do

    async def _hand_back(self, job: Any, token: str, reason: NotOurs) -> None:
        """A job that another worker may know: put it back for later, and in the end say that nobody took it."""
        from bullmq import UnrecoverableError
        from bullmq.custom_errors import DelayedError

        if job.attemptsStarted >= MOST_HANDED_BACK and not reason.always:
            raise UnrecoverableError(f"{NOT_DIALLED}{reason}, and no other worker took it.")
        await job.moveToDelayed(int((time.time() + HANDED_BACK_SECONDS) * 1000), token)
        raise DelayedError()

    def _complain(self, error: Any, *_: Any) -> None:
        """At most once a minute; only the kind, since messages may hold what jobs hold."""
        now = time.monotonic()
        if now - self._said > 60:
            self._said = now
            kind = error.code if isinstance(error, PatchbayError) else type(error).__name__
            log.warning("the worker met an error of the queue: %s", kind)


async def _ended(worker: Any, running: asyncio.Future[None]) -> None:
    """Take no more jobs, let BullMQ's loop come to its end, and only then close.

    BullMQ's own close waits for the tasks that there are: a job which the loop had got and not begun would be left.
    """
    worker.closing, worker.paused = True, False
    worker.resume_event.set()
    if worker.waiting:
        worker.waiting.cancel()
    await asyncio.wait([running], timeout=LONGEST_JOB_SECONDS)
    await worker.close()


def _finishing_worker() -> Any:
    """BullMQ's worker, which also does a job that it was just fetching when it was told to end.

    BullMQ leaves such a job behind as active: it would fail half a minute later, although nobody had begun it.
    """
    from bullmq import Worker

    class FinishingWorker(Worker):  # type: ignore[misc]  # bullmq has no types
        async def getNextJob(self, token: str) -> Any:
            job = await super().getNextJob(token)
            if job is None or not self.closing:
                return job
            await self.processJob(job, token)
            return None

        async def processJob(self, job: Any, token: str) -> Any:
            following = await super().processJob(job, token)
            while following is not None and self.closing:  # it came with the answer to the one before
                following = await super().processJob(following, following.token)
            return following

    return FinishingWorker
