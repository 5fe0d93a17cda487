"""What is asked of a BullMQ queue, whichever server it lies on: jobs go in and come out in BullMQ's JSON shape."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from core.errors import NotAllowed
from core.outbound.jobs import ScheduleRequest, people_state

STATES = ("waiting", "delayed", "active", "completed", "failed")
"""Of jobs, as people call them."""
_PARTS: Mapping[str, tuple[str, ...]] = {"waiting": ("wait", "paused", "prioritized")}
"""What people call waiting lies in three places: with a priority every job is prioritized."""
_LISTS = frozenset({"wait", "paused", "active"})

log = logging.getLogger(__name__)

RawJob: TypeAlias = dict[str, Any]
"""A BullMQ job in its JSON shape, with its state; credentials and all."""


async def closed(queue: Any) -> None:
    """Close a queue's connections; one that will not is left."""
    try:
        await asyncio.wait_for(queue.close(), 2.0)
    except Exception as error:
        log.debug("closing the queue: %s", type(error).__name__)


async def add(queue: Any, request: ScheduleRequest, job_id: str, now: datetime) -> RawJob:
    """Put a job into the queue, or what is dialled again and again; gives it as it lies there."""
    data = request.data(now)
    if request.recurring:
        every = {"every": int(request.every.total_seconds() * 1000)} if request.every else {"pattern": request.cron}
        job = await queue.upsertJobScheduler(job_id, every, request.job_name, data, request.options())
        return _raw(job, "delayed") if job is not None else {"id": job_id, "name": request.job_name, "data": data}
    job = await queue.add(request.job_name, data, _options(job_id, request, now))
    found = await read(queue, job.id)
    return found or {"id": job.id, "name": job.name, "data": data, "timestamp": job.timestamp, "state": "unknown"}


async def add_many(queue: Any, requests: Sequence[tuple[str, ScheduleRequest]], now: datetime) -> list[RawJob]:
    """Put several jobs into the queue, each with its id: all or none."""
    jobs = await queue.addBulk([_entry(job_id, request, now) for job_id, request in requests])
    return [
        {"id": job.id, "name": job.name, "data": job.data, "opts": job.opts, "timestamp": job.timestamp,
         "priority": job.opts.get("priority"), "delay": job.opts.get("delay"),
         "state": "delayed" if job.opts.get("delay") else "waiting"}
        for job in jobs
    ]  # fmt: skip


def _entry(job_id: str, request: ScheduleRequest, now: datetime) -> dict[str, Any]:
    return {"name": request.job_name, "data": request.data(now), "opts": _options(job_id, request, now)}


def _options(job_id: str, request: ScheduleRequest, now: datetime) -> dict[str, Any]:
    return {**request.options(), "jobId": job_id, "timestamp": int(now.timestamp() * 1000)}


async def counts(queue: Any) -> dict[str, int]:
    """How many jobs there are in each of :data:`STATES`, and ``paused``: 1 when the queue is paused."""
    kinds = [part for state in STATES for part in _PARTS.get(state, (state,))]
    found = await queue.getJobCounts(*kinds)
    told = {state: sum(int(found.get(part) or 0) for part in _PARTS.get(state, (state,))) for state in STATES}
    return {**told, "paused": int(bool(await queue.isPaused()))}


async def client_names(queue: Any) -> list[str] | None:
    """What the connected workers call themselves: ``bull:outbound-calls``; Node writes the queue's name in base64."""
    try:
        lists = await queue.backend.getClientList()
    except Exception as refused:
        said = str(refused).lower()
        if "unknown command" in said or "noperm" in said or "permission" in said:
            return None
        raise
    return [name for clients in lists for name in _names_in(clients)]


def _names_in(clients: Any) -> list[str]:
    """Names in one answer to CLIENT LIST, read or as text."""
    if isinstance(clients, list):
        return [str(client.get("name") or "") for client in clients if isinstance(client, dict)]
    text = clients.decode() if isinstance(clients, bytes) else str(clients)
    return [part.removeprefix("name=") for part in text.split() if part.startswith("name=")]


async def page(queue: Any, state: str, offset: int, limit: int) -> tuple[int, list[RawJob]]:
    """Jobs of one state, also where that lies in several places, one after the other."""
    places = _PARTS.get(state, (state,))
    found = await queue.getJobCounts(*places)
    held = [int(found.get(place) or 0) for place in places]
    ids: list[tuple[str, str]] = []
    begin = offset
    for place, count in zip(places, held, strict=True):
        wanted = min(limit - len(ids), count - begin)
        if wanted > 0:
            ids += [(each, state) for each in await _range(queue, place, begin, wanted, count)]
        begin = max(begin - count, 0)
    raws = await asyncio.gather(*(read(queue, each, known) for each, known in ids))
    return sum(held), [raw for raw in raws if raw is not None]


async def _range(queue: Any, place: str, begin: int, wanted: int, count: int) -> list[str]:
    """Ids of one place from ``begin`` on: what comes next first, what is finished newest first."""
    forward = place not in ("completed", "failed")
    if queue.redisConnection is None and place in _LISTS:  # on PostgreSQL lists are counted from their newest
        begin = count - begin - wanted
    return [str(each) for each in await queue.backend.getRanges([place], begin, begin + wanted - 1, forward)]


async def read_all(queue: Any, ids: Sequence[str]) -> list[RawJob]:
    """Those of these jobs that the queue has, in the same order."""
    return [raw for raw in await asyncio.gather(*(read(queue, each) for each in ids)) if raw is not None]


async def read(queue: Any, job_id: str, state: str | None = None) -> RawJob | None:
    """One job with its state; None when the queue does not have it."""
    from bullmq import Job as BullJob

    known = state or str(await queue.getJobState(job_id))  # first, so that what is finished has its result
    try:
        job = await BullJob.fromId(queue, job_id)
    except ValueError:  # what stands there is no JSON
        return {"id": job_id, "name": "", "data": None, "state": known, "failedReason": "It cannot be read."}
    return None if job is None else _raw(job, known)


def _raw(job: Any, state: str) -> RawJob:
    return {
        "id": job.id,
        "name": job.name,
        "data": job.data,
        "opts": job.opts,
        "returnvalue": job.returnvalue,
        "timestamp": job.timestamp,
        "processedOn": job.processedOn or None,
        "finishedOn": job.finishedOn or None,
        "attemptsMade": job.attemptsMade,
        "attemptsStarted": job.attemptsStarted,
        "stalledCounter": job.stalledCounter,
        "failedReason": job.failedReason,
        "priority": job.priority or job.opts.get("priority"),
        "delay": job.delay,
        "state": people_state(state),
    }


async def change(queue: Any, job_id: str, how: Callable[[Any], Awaitable[Any]]) -> RawJob | None:
    """Change a job and read it again; None when it is not there, or not any more.

    :raises NotAllowed: when BullMQ refuses, because its state is another one by now.
    """
    from bullmq import Job as BullJob

    job = await BullJob.fromId(queue, job_id)
    if job is None:
        return None
    try:
        await how(job)
    except Exception as refused:
        if _is_refusal(refused):
            raise NotAllowed("The job has just been taken by a worker, or is gone.", hint="Look again.") from refused
        raise
    return await read(queue, job_id)


def _is_refusal(error: Exception) -> bool:
    """BullMQ's own complaints are plain exceptions; those of drivers are not."""
    return type(error) in (Exception, TypeError)
