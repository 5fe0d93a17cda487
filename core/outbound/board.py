"""The queue as people look at it: each job beside its attempt, its call and its lead; what may be done with it.

Reads only, but for :meth:`Board.act`, which leaves every decision to the queue itself: what is said here of a job was
true when it was read, and the queue looks again.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from core.access.identity import Identity, need_writer
from core.errors import BadInput, NotFound, Stale, Unavailable
from core.linking import fields
from core.model import call_sid as sids
from core.model import phone
from core.model.records import Call
from core.outbound.attempts import Attempt, Attempts
from core.outbound.jobs import QUEUE, Job
from core.outbound.queue import LARGEST_PAGE, OutboundQueue
from core.store.gateway import AnyOf, Condition, Gateway, Order, Where

Action: TypeAlias = Literal["retry", "promote", "cancel"]
FITTING: dict[Action, tuple[str, ...]] = {
    "retry": ("failed",),
    "promote": ("delayed",),
    "cancel": ("waiting", "delayed"),
}
"""The states in which something can be done with a job."""
NEXT_RUN = "repeat:"
"""How the id of the next job of a recurring call begins."""
ASKED_AT_ONCE = 100
"""Ids in one question: they stand in an address where the database is reached over HTTP."""
SCANNED = 200
MOST_SCANNED = 2000
"""Kept jobs that are looked through for one page of those whose call is unlinked."""
NEWEST_FIRST = (Order("job_at", descending=True), Order("job_id"))
LAST_FINISHED_FIRST = (Order("finished_at", descending=True), Order("job_id"))
FINISHED = ("completed", "failed")
"""The states that are kept for good: what the queue forgets of these is listed all the same."""
OF_QUEUE = Where("queue", "eq", QUEUE)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """One job with everything that belongs to it.

    :ivar attempt: how far a worker of ours got, if one ever took it.
    :ivar call: the call that its result or its attempt names, if that is known.
    :ivar lead_name: of the job's lead; ``lead_gone`` when there is no such lead any more.
    """

    job: Job
    attempt: Attempt | None = None
    call: Call | None = None
    lead_name: str | None = None
    lead_gone: bool = False

    @property
    def key(self) -> str:
        """Names the job for good: ids start again when a queue is flushed, so its time belongs to it."""
        return key_of(self.job.job_id, self.job.at)

    @property
    def call_sid(self) -> str | None:
        """The call that was made for the job."""
        return self.job.call_sid or (self.attempt.call_sid if self.attempt else None)

    @property
    def waited(self) -> float | None:
        """Seconds from when it was due until a worker took it, the last time; None before."""
        wait = self.job.wait
        return None if wait is None else max(wait - _delay(self.job), 0.0)

    @property
    def perhaps_dialled(self) -> bool:
        """Nothing tells whether the worker that had it dialled: only a person's word lets it be tried."""
        return self.attempt is None and self.job.perhaps_dialled


@dataclass(frozen=True, slots=True)
class BoardPage:
    """Some jobs of a list.

    :ivar total: how many the whole list has; None where that is not known.
    :ivar following: where the next page begins, or None on the last one.
    """

    entries: tuple[Entry, ...]
    total: int | None = None
    following: str | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """Reads jobs for people and does what they ask. Safe to share between threads.

    :param region: country in which a number without country code is read.
    :param identity: the signed-in person who acts; None: this machine's own user.
    """

    queue: OutboundQueue
    gateway: Gateway
    region: str
    identity: Identity | None = None

    def page(self, state: str, offset: int = 0, limit: int = 50) -> BoardPage:
        """Jobs of one state of the queue: those that come next first, finished ones newest first.

        :raises core.errors.Unavailable: when queue or database do not answer.
        """
        found = self.queue.jobs(state, offset, limit)
        more = offset + limit < found.total
        return BoardPage(self._entries(found.jobs), found.total, str(offset + limit) if more else None)

    def kept(self, after: str | None = None, limit: int = 50, *, unlinked: bool = False) -> BoardPage:
        """Every job that is known, newest first, whether the queue still has it or not. Works without a queue.

        :param after: where the page before ended.
        :param unlinked: only those whose call is unlinked.
        """
        if not unlinked:
            jobs = self._kept(after, limit + 1)
            more = _cursor(jobs[limit - 1]) if len(jobs) > limit else None
            return BoardPage(self._entries(self._as_now(jobs[:limit])), None, more)
        found: list[Entry] = []
        place, scanned = after, 0
        while scanned < MOST_SCANNED:
            jobs = self._kept(place, SCANNED, Where("call_sid", "not_null"))
            hits = [entry for entry in self._entries(jobs) if entry.call is not None and entry.call.state == "unlinked"]
            found += hits
            if len(found) > limit:
                return BoardPage(tuple(found[:limit]), None, _cursor(found[limit - 1].job))
            if len(jobs) < SCANNED:
                return BoardPage(tuple(found))
            scanned, place = scanned + len(jobs), _cursor(jobs[-1])
        return BoardPage(tuple(found), None, place)

    def finished(self, state: str, after: str | None = None, limit: int = 50) -> BoardPage:
        """Every known job that ended so, the last one first; also what the queue has forgotten. Works without a queue.

        One that was put back since is among them until it ends again, in the state that it has now.

        :param state: one of :data:`FINISHED`.
        :param after: where the page before ended.
        """
        fields.choice("state", state, FINISHED)
        conditions: list[Condition] = [*_ended(state)]
        if after:
            conditions.append(_following("finished_at", after))
        found = self.gateway.select("job_results", where=conditions, order=LAST_FINISHED_FIRST, limit=limit + 1)
        jobs = [Job.from_result(row) for row in found]
        last = jobs[limit - 1] if len(jobs) > limit else None
        more = _place(last.job_id, last.finished_at) if last is not None and last.finished_at is not None else None
        return BoardPage(self._entries(self._as_now(jobs[:limit])), None, more)

    def known(self) -> dict[str, int]:
        """How many jobs :meth:`kept` lists (``all``), and :meth:`finished` of each state. Works without a queue."""
        ended = {state: self.gateway.count("job_results", where=_ended(state)) for state in FINISHED}
        return {"all": self.gateway.count("job_results", where=(OF_QUEUE,)), **ended}

    def find(self, text: str, limit: int = 100) -> BoardPage:
        """Jobs by what a person types: a Call SID in any text, a phone number, a lead's id, a job's id. Newest first.

        :raises BadInput: when the text can mean none of them.
        """
        wanted = fields.line("search", text, fields.TEXT_LENGTH)
        named = sids.find(wanted)
        if named:
            return self._all(job for sid in named[:10] for job in self.queue.find(call_sid=sid, limit=limit))
        lead = re.fullmatch(r"(?:lead\s*#?\s*)?(\d{1,18})", wanted, re.IGNORECASE)
        if phone.normalise(wanted, self.region).kind == "number" and not (lead and len(lead[1]) < 7):
            return self._all(self.queue.find(number=wanted, limit=limit))
        jobs = list(self._with_id(wanted))
        if lead:
            jobs += self.queue.find(lead_id=int(lead[1]), limit=limit)
        return self._all(jobs)

    def entry(self, key: str) -> Entry:
        """One job by :attr:`Entry.key`, from the queue, or what was kept of it.

        :raises NotFound: when neither knows it.
        """
        job_id, at = _parts(key)
        job: Job | None = None
        try:
            job = self.queue.job(job_id)
        except Unavailable:
            log.debug("the queue is away: what was kept of a job is shown")
        if job is None or _milliseconds(job.at) != _milliseconds(at):
            same = (Where("job_id", "eq", job_id), Where("job_at", "eq", at.isoformat()))
            rows = self.gateway.select("job_results", where=(OF_QUEUE, *same), limit=1)
            if not rows:
                raise NotFound(f"Nothing is known of the job {fields.shown(job_id)}.", hint="Was it cancelled?")
            job = Job.from_result(rows[0])
        return self._entries([job])[0]

    def all_of(self, state: str, limit: int) -> tuple[Entry, ...]:
        """Jobs of a state from its beginning, for something that is to be done with all of them."""
        found: list[Entry] = []
        place: str | None = "0"
        while place is not None and len(found) < limit:
            page = self.page(state, int(place), min(LARGEST_PAGE, limit - len(found)))
            found += page.entries
            place = page.following
        return tuple(found)

    def last_taken(self) -> datetime | None:
        """When a worker last took one of the newest jobs, as far as that was kept."""
        rows = self.gateway.select(
            "job_results", columns=("processed_at",), where=(OF_QUEUE,), order=NEWEST_FIRST, limit=50
        )
        times = [fields.moment("processed_at", row["processed_at"]) for row in rows if row["processed_at"]]
        return max(times, default=None)

    def act(self, action: Action, key: str, *, perhaps_dialled: bool = False) -> Job:
        """Do something with a job.

        :param key: see :attr:`Entry.key`.
        :param perhaps_dialled: a person has made sure that nobody was called; see :attr:`Entry.perhaps_dialled`.
        :raises core.errors.NotAllowed: when its state forbids it, or the person may only read.
        :raises NotFound: when the queue does not have it any more.
        :raises Stale: when the queue was flushed and gave its id to another job.
        """
        need_writer(self.identity)
        job_id, at = _parts(key)
        there = self.queue.job(job_id)
        if there is not None and _milliseconds(there.at) != _milliseconds(at):
            raise Stale("Another job has this id now: the queue was emptied meanwhile.", hint="Look again.")
        if action == "retry":
            job = self.queue.retry(job_id, perhaps_dialled=perhaps_dialled)
        elif action == "promote":
            job = self.queue.promote(job_id)
        else:
            job = self.queue.cancel(job_id)
        log.info("%s of job %s by %s", action, job_id, self.identity.name if self.identity else "this machine")
        return job

    def stop_recurring(self, key: str) -> None:
        """End what is dialled again and again; its next call is cancelled with it.

        :raises NotFound: when there is no such thing.
        """
        need_writer(self.identity)
        if not self.queue.stop_recurring(key):
            raise NotFound(f"Nothing recurs as {fields.shown(key)} any more.")

    def _kept(self, after: str | None, limit: int, *where: Condition) -> list[Job]:
        conditions: list[Condition] = [OF_QUEUE, *where]
        if after:
            conditions.append(_following("job_at", after))
        rows = self.gateway.select("job_results", where=conditions, order=NEWEST_FIRST, limit=limit)
        return [Job.from_result(row) for row in rows]

    def _as_now(self, jobs: Sequence[Job]) -> list[Job]:
        """The same jobs as the queue has them, where it has them and answers."""
        if not jobs:
            return []
        try:
            found = self.queue.jobs_named([job.job_id for job in jobs])
        except Unavailable:
            return list(jobs)
        there = {key_of(job.job_id, job.at): job for job in found}
        return [there.get(key_of(job.job_id, job.at), job) for job in jobs]

    def _with_id(self, job_id: str) -> Iterable[Job]:
        there = self.queue.job(job_id)
        if there is not None:
            yield there
        rows = self.gateway.select(
            "job_results", where=(OF_QUEUE, Where("job_id", "eq", job_id)), order=NEWEST_FIRST, limit=20
        )
        for job in map(Job.from_result, rows):
            if there is None or _milliseconds(job.at) != _milliseconds(there.at):
                yield job

    def _all(self, jobs: Iterable[Job]) -> BoardPage:
        once = {key_of(job.job_id, job.at): job for job in jobs}
        entries = self._entries(sorted(once.values(), key=lambda job: job.at, reverse=True))
        return BoardPage(entries, len(entries))

    def _entries(self, jobs: Sequence[Job]) -> tuple[Entry, ...]:
        mine: dict[str, Attempt] = {}
        for begin in range(0, len(jobs), ASKED_AT_ONCE):
            some = [(job.job_id, job.at) for job in jobs[begin : begin + ASKED_AT_ONCE]]
            mine |= {key_of(*of): each for of, each in Attempts(self.gateway).of_jobs(QUEUE, some).items()}
        found = [Entry(job, mine.get(key_of(job.job_id, job.at))) for job in jobs]
        calls = self._calls({entry.call_sid for entry in found if entry.call_sid})
        leads = self._leads({entry.job.lead_id for entry in found if entry.job.lead_id is not None})
        return tuple(
            Entry(
                job=entry.job,
                attempt=entry.attempt,
                call=calls.get(entry.call_sid or ""),
                lead_name=leads.get(entry.job.lead_id or 0),
                lead_gone=entry.job.lead_id is not None and entry.job.lead_id not in leads,
            )
            for entry in found
        )

    def _calls(self, wanted: set[str]) -> dict[str, Call]:
        rows: list[dict[str, Any]] = []
        listed = sorted(wanted)
        for begin in range(0, len(listed), ASKED_AT_ONCE):
            some = listed[begin : begin + ASKED_AT_ONCE]
            rows += self.gateway.select("call_links", where=(Where("call_sid", "in", some),))
        return {row["call_sid"]: Call.from_row(row) for row in rows}

    def _leads(self, wanted: set[int]) -> dict[int, str | None]:
        if not wanted:
            return {}
        rows = self.gateway.select("leads_by_ids", args={"p_ids": sorted(wanted)})
        return {row["id"]: row["name"] for row in rows}


def obstacle(entry: Entry, action: Action) -> str | None:
    """Why something cannot be done with a job, as a sentence; None when it can (perhaps after a person's word)."""
    job, attempt = entry.job, entry.attempt
    if not job.in_queue:
        return "Only what was kept of this job is here: the queue has forgotten it, or does not answer."
    if job.state not in FITTING[action]:
        return f"It is {job.state}: {_ONLY[action]}."
    if action == "cancel" and job.job_id.startswith(NEXT_RUN):
        return "It is the next run of a recurring call: end that instead."
    if action == "retry" and attempt is not None and attempt.may_have_dialled:
        if attempt.call_sid:
            return f"It was dialled: {attempt.call_sid}. No job is dialled twice; schedule a new call."
        return "It may have been dialled. No job is dialled twice; schedule a new call if one is wanted."
    return None


_ONLY: dict[Action, str] = {
    "retry": "only a failed job can be tried again",
    "promote": "only a delayed job can be done earlier",
    "cancel": "only a job that has not begun can be cancelled",
}


def key_of(job_id: str, at: datetime) -> str:
    """A job's id and time as one text."""
    return f"{job_id}@{_milliseconds(at)}"


def _cursor(job: Job) -> str:
    """A job's place among the kept ones, to the microsecond: keys are for people, places must be exact."""
    return _place(job.job_id, job.at)


def _place(job_id: str, at: datetime) -> str:
    return f"{job_id}@{at.isoformat()}"


def _following(column: str, after: str) -> AnyOf:
    """What comes after a place in a list that is sorted by this time, the newest first."""
    job_id, at = _parts(after)
    earlier, same = Where(column, "lt", at.isoformat()), Where(column, "eq", at.isoformat())
    return AnyOf(((earlier,), (same, Where("job_id", "gt", job_id))))


def _ended(state: str) -> tuple[Where, ...]:
    return OF_QUEUE, Where("state", "eq", state), Where("finished_at", "not_null")


def _parts(key: str) -> tuple[str, datetime]:
    job_id, _, at = fields.line("job", key, 500).rpartition("@")
    if not job_id:
        raise BadInput(f"job is {fields.shown(key)}: expected a job's id and time, such as 1042@1795365771576.")
    if at.isascii() and at.isdigit() and len(at) < 16:
        return job_id, datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(at))
    return job_id, fields.moment("job", at)


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _delay(job: Job) -> float:
    """Seconds that it had to wait before it was due."""
    given = job.options.get("delay") if isinstance(job.options, dict) else None
    return given / 1000 if isinstance(given, int | float) and not isinstance(given, bool) else 0.0
