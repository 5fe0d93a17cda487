"""The queue ``outbound-calls`` for those who are not asynchronous: pages, command line, HTTP.

One event loop in a background thread and one BullMQ queue for each app, both started at first use. Every call answers
or fails within five seconds. Credentials in jobs are redacted before they leave this module.
"""

import base64
import hashlib
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from core.errors import BadInput, NotAllowed, NotFound, PatchbayError, RequestIdReused, Unavailable
from core.linking import fields
from core.linking.jobs import JobResult, note
from core.model import phone
from core.outbound import bull
from core.outbound.attempts import Attempts
from core.outbound.bull import STATES, RawJob
from core.outbound.connection import PATIENCE, QueueConnection
from core.outbound.jobs import OUR_JOBS, QUEUE, Job, ScheduleRequest
from core.outbound.loop import BackgroundLoop
from core.store.gateway import Condition, Gateway, Order, Row, Where

_FRESH_SECONDS = 10.0
"""How long an answer of the server's is taken as a sign that it is there."""
LARGEST_PAGE = 1000
LARGEST_BULK = 1000
STALLED = "stalled"

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs of one state.

    :ivar total: how many there are altogether.
    """

    total: int
    jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class Workers:
    """Who is connected to take jobs.

    :ivar ours: at least one worker of Patchbay's, in whichever process.
    :ivar theirs: at least one of the backend's own (Node).
    """

    ours: bool
    theirs: bool


class OutboundQueue:
    """The queue of one app. Safe to share between threads; connects at first use.

    :param connect: how the queue is reached; asked at first use, so that an app without a queue can be built.
    :param region: country in which a number without country code is read.
    :param simulated: what is scheduled here is only played, by no worker that really dials.
    """

    def __init__(
        self, connect: Callable[[], QueueConnection], gateway: Gateway, *, region: str, simulated: bool = False
    ) -> None:
        self._connect, self._gateway, self._region, self._simulated = connect, gateway, region, simulated
        self._attempts = Attempts(gateway)
        self._loop = BackgroundLoop("outbound-queue")
        self._lock = threading.Lock()
        self._connection: QueueConnection | None = None
        self._queue: Any = None
        self._answered = 0.0

    @property
    def connection(self) -> QueueConnection:
        """How the queue is reached.

        :raises Unavailable: when the settings name no place for it.
        """
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection

    def schedule(self, request: ScheduleRequest) -> Job:
        """Put a call into the queue.

        With a ``key`` the same request again gives the same job, also after the queue forgot it.

        :raises BadInput: when the request cannot be meant.
        :raises RequestIdReused: when the key stands for another call.
        :raises Unavailable: when the queue does not answer; with a key, repeat it with the same one.
        """
        checked = self._checked(request)
        job_id, now = _job_id(checked.key), datetime.now(UTC)
        if checked.key is not None:
            known = self._known(job_id)
            if known is not None:
                return _same(known, checked)
        raw = self._use(lambda queue: bull.add(queue, checked, job_id, now))
        self._note([raw])
        job = Job.from_bullmq(raw)
        return _same(job, checked) if checked.key is not None else job

    def schedule_many(self, requests: Sequence[ScheduleRequest]) -> tuple[Job, ...]:
        """Put several calls into the queue, all or none; jobs of type ``bulk`` unless they say otherwise.

        One with a ``key`` that is known already is not queued again, as by :meth:`schedule`.

        :raises BadInput: for more than 1000, or one that cannot be meant; nothing is queued.
        """
        if not 1 <= len(requests) <= LARGEST_BULK:
            raise BadInput(f"There are {len(requests)} calls: expected 1 to {LARGEST_BULK} at a time.")
        checked = [self._checked(request) for request in requests]
        if any(request.recurring for request in checked):
            raise BadInput("A recurring call is scheduled by itself, not in a bulk.")
        now = datetime.now(UTC)
        ids = [_job_id(request.key) for request in checked]
        known = {job_id: self._known(job_id) for job_id, each in zip(ids, checked, strict=True) if each.key is not None}
        new = [(job_id, ask) for job_id, ask in zip(ids, checked, strict=True) if known.get(job_id) is None]
        there = {
            job_id: _same(job, ask) for job_id, ask in zip(ids, checked, strict=True) if (job := known.get(job_id))
        }
        raws = self._use(lambda queue: bull.add_many(queue, new, now)) if new else []
        self._note(raws)
        there |= {str(raw["id"]): Job.from_bullmq(raw) for raw in raws}
        return tuple(there[job_id] for job_id in ids)

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state of :data:`STATES`, and ``paused``: 1 when the queue is paused."""
        return self._use(bull.counts)

    def jobs(self, state: str, offset: int = 0, limit: int = 50) -> JobPage:
        """Jobs of one state: those that come next first, finished ones newest first.

        :param state: one of :data:`STATES`.
        """
        fields.choice("state", state, STATES)
        fields.whole("offset", offset, 0, 10_000_000)
        fields.whole("limit", limit, 1, LARGEST_PAGE)
        total, raws = self._use(lambda queue: bull.page(queue, state, offset, limit))
        return JobPage(total, tuple(Job.from_bullmq(raw) for raw in raws))

    def raw_jobs(self, state: str, offset: int, limit: int) -> list[RawJob]:
        """As :meth:`jobs`, as BullMQ has them: for the harvest only, credentials and all."""
        return self._use(lambda queue: bull.page(queue, state, offset, limit), seconds=30.0)[1]

    def under_way(self, number: str) -> tuple[Job, ...]:
        """Jobs to a number that some worker, also the backend's own, does at this moment; among the newest 1000.

        :param number: in E.164.
        """
        active = self.jobs("active", limit=LARGEST_PAGE).jobs
        return tuple(job for job in active if phone.normalise(job.to or "", self._region).e164 == number)

    def job(self, job_id: str) -> Job | None:
        """One job, or None when the queue does not have it."""
        raw = self._use(lambda queue: bull.read(queue, _text(job_id)))
        return None if raw is None else Job.from_bullmq(raw)

    def jobs_named(self, job_ids: Sequence[str]) -> tuple[Job, ...]:
        """Those of these jobs that the queue has, in the same order; at most a page of them."""
        return tuple(map(Job.from_bullmq, self._use(lambda queue: bull.read_all(queue, job_ids[:LARGEST_PAGE]))))

    def find(
        self, *, call_sid: str | None = None, lead_id: int | None = None, number: str | None = None, limit: int = 100
    ) -> tuple[Job, ...]:
        """Jobs by their call, lead or number, newest first; also those that the queue has forgotten.

        :raises BadInput: unless exactly one is given, and can be meant.
        """
        rows = self._results(_condition(call_sid, lead_id, number, self._region), limit)
        if number is not None:
            wanted = phone.normalise(number, self._region).e164
            rows = [row for row in rows if phone.normalise(row["to_number"], self._region).e164 == wanted]
        ids = list(dict.fromkeys(row["job_id"] for row in rows))
        raws = self._use(lambda queue: bull.read_all(queue, ids))
        there = {(job.job_id, job.at): job for job in map(Job.from_bullmq, raws)}
        forgotten = (Job.from_result(row) for row in rows)
        return tuple(there.get((job.job_id, job.at), job) for job in forgotten)

    def retry(self, job_id: str, *, perhaps_dialled: bool = False) -> Job:
        """Put a failed job back into the queue.

        :param perhaps_dialled: also one of which nobody knows whether its worker had dialled (it ended over it, or it
            was the backend's).
        :raises NotFound: when there is no such job.
        :raises NotAllowed: when it has not failed, or was dialled, or perhaps was.
        """
        job = self._existing(job_id)
        attempt = self._attempts.of_job(QUEUE, job.job_id, job.at)
        if job.state != "failed":
            raise NotAllowed(f"The job is {job.state}: only a failed one can be tried again.")
        if attempt is not None and attempt.may_have_dialled:
            what = f"was dialled: {attempt.call_sid}" if attempt.call_sid else "may have been dialled"
            raise NotAllowed(
                f"This job's call {what}. It is never dialled twice.", hint="Schedule a new call if one is wanted."
            )
        if attempt is None and job.perhaps_dialled and not perhaps_dialled:
            raise NotAllowed(
                "Nothing tells whether the worker that had this job had dialled.",
                hint="Ask the carrier for calls to this number first.",
            )
        return self._changed(job.job_id, lambda found: found.retry("failed", {"resetAttemptsMade": True}))

    def promote(self, job_id: str) -> Job:
        """Let a delayed job be done now.

        :raises NotAllowed: when it is not delayed.
        """
        job = self._existing(job_id)
        if job.state != "delayed":
            raise NotAllowed(f"The job is {job.state}: only a delayed one can be done earlier.")
        return self._changed(job.job_id, lambda found: found.promote())

    def cancel(self, job_id: str) -> Job:
        """Take a job that has not begun out of the queue; gives it as it was.

        :raises NotAllowed: when a worker has it, or it is finished.
        """
        job = self._existing(job_id)
        if job.state not in ("waiting", "delayed"):
            raise NotAllowed(f"The job is {job.state}: only one that has not begun can be cancelled.")
        self._changed(job.job_id, lambda found: found.remove(), gone=True)
        return job

    def recurring(self) -> list[dict[str, Any]]:
        """What is dialled again and again: ``id``, ``name``, ``every`` or ``pattern``, ``next`` (milliseconds)."""
        found = self._use(lambda queue: queue.getJobSchedulers(0, LARGEST_PAGE - 1, True))
        return [
            {name: each.get(name) for name in ("key", "id", "name", "every", "pattern", "next")} for each in found or ()
        ]

    def stop_recurring(self, key: str) -> bool:
        """End what is dialled again and again; False when there was no such thing."""
        missing = self._use(lambda queue: queue.removeJobScheduler(_text(key)))
        return int(missing) == 0  # BullMQ's 0 is success

    def workers(self) -> Workers | None:
        """Who is connected to take jobs, or None where the server does not tell.

        :raises Unavailable: when the queue does not answer.
        """
        found = self._use(bull.client_names)
        if found is None:
            return None
        names = {name.split(":", 1)[-1].split(":w:", 1)[0] for name in found}
        return Workers(ours=QUEUE in names, theirs=base64.b64encode(QUEUE.encode()).decode() in names)

    def ping(self) -> None:
        """Return when the queue answers.

        :raises Unavailable: otherwise.
        """
        self._use(bull.counts)

    def close(self) -> None:
        """Give connections and thread up; may be called again, and used afterwards it starts anew."""
        if not self._loop.started:
            return
        with self._lock:
            queue, self._queue = self._queue, None
        if queue is not None:
            try:
                self._loop.run(bull.closed(queue), 3.0)
            except PatchbayError:
                log.warning("the queue's connections did not close in time")
        self._loop.close()

    def _use(self, use: Callable[[Any], Awaitable[_Result]], seconds: float = PATIENCE) -> _Result:
        connection = self.connection
        return self._loop.run(self._with_queue(connection, use, seconds), seconds + 1.0)

    async def _with_queue(
        self, connection: QueueConnection, use: Callable[[Any], Awaitable[_Result]], seconds: float
    ) -> _Result:
        if time.monotonic() - self._answered > _FRESH_SECONDS:
            await connection.probe()
        if self._queue is None:
            from bullmq import Queue  # half a second of imports, for those who use the queue

            self._queue = Queue(QUEUE, connection.options)
        queue = self._queue
        try:
            found = await connection.limited(lambda: use(queue), seconds)
        except Unavailable:
            await self._forget(queue)
            raise
        self._answered = time.monotonic()
        return found

    async def _forget(self, queue: Any) -> None:
        """After a failure nobody knows what state its connection is in."""
        self._answered = 0.0
        if self._queue is queue:
            self._queue = None
        await bull.closed(queue)

    def _checked(self, request: ScheduleRequest) -> ScheduleRequest:
        return replace(request.checked(self._region), simulated=request.simulated or self._simulated)

    def _existing(self, job_id: str) -> Job:
        job = self.job(job_id)
        if job is None:
            raise NotFound(f"The queue has no job {fields.shown(job_id)}.", hint="It may be finished and forgotten.")
        return job

    def _changed(self, job_id: str, change: Callable[[Any], Awaitable[Any]], *, gone: bool = False) -> Job:
        raw = self._use(lambda queue: bull.change(queue, job_id, change))
        if raw is None and not gone:
            raise NotFound(f"The queue has no job {fields.shown(job_id)} any more.")
        return Job.from_bullmq(raw or {"id": job_id})

    def _known(self, job_id: str) -> Job | None:
        """A job with an id of ours that was made before, in the queue or among the results that were kept."""
        there = self.job(job_id)
        if there is not None:
            return there
        rows = self._results((Where("job_id", "eq", job_id),), 1)
        return Job.from_result(rows[0]) if rows else None

    def _results(self, where: Sequence[Condition], limit: int) -> list[Row]:
        given = (Where("queue", "eq", QUEUE), *where)
        order = (Order("job_at", descending=True), Order("job_id"))
        return self._gateway.select("job_results", where=given, order=order, limit=limit)

    def _note(self, raws: Sequence[RawJob]) -> None:
        """Keep what was just queued, so that it can be found; the harvest would do it a little later."""
        try:
            note(self._gateway, [JobResult.from_bullmq(raw) for raw in raws])
        except PatchbayError as error:
            log.warning("new jobs are kept later: %s", error.code)


def _job_id(key: str | None) -> str:
    if key is None:
        return f"{OUR_JOBS}{uuid.uuid4().hex}"
    given = fields.line("key", key, fields.REQUEST_ID_LENGTH)
    return f"{OUR_JOBS}{hashlib.sha256(given.encode()).hexdigest()[:32]}"


def _same(job: Job, request: ScheduleRequest) -> Job:
    """The job that a key stands for, if it is the call that is asked for."""
    if (job.to, job.lead_id) != (request.to, request.lead_id):
        raise RequestIdReused("This key already stands for another call.", hint="Use a new key for every call.")
    return job


def _condition(call_sid: str | None, lead_id: int | None, number: str | None, region: str) -> tuple[Condition, ...]:
    if sum(each is not None for each in (call_sid, lead_id, number)) != 1:
        raise BadInput("Expected exactly one of call_sid, lead_id and number.")
    if call_sid is not None:
        return (Where("call_sid", "eq", fields.call_sid(call_sid)),)
    if lead_id is not None:
        return (Where("lead_id", "eq", fields.identifier("lead_id", lead_id)),)
    wanted = phone.normalise(number, region).e164
    key = phone.key(wanted) if wanted else None
    if key is None:
        raise BadInput(f"number is {fields.shown(number)}: expected a phone number such as +14155550123.")
    return (Where("to_key", "eq", key),)


def _text(job_id: str) -> str:
    return fields.line("job id", job_id, 400)
