"""Who may dial for a job: the table ``call_attempts``, in which only one claim can win.

Every change is one SQL function (``migrations/…_outbound.sql``), so that a worker which is killed at any step leaves a
row that says how far it was.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

from core.errors import NotFound
from core.model import phone
from core.store.gateway import Condition, Gateway, Order, Row, Where

State: TypeAlias = Literal["dialling", "retryable", "rejected", "placed", "unknown", "not_dialled"]
DIALLING_FOR = timedelta(minutes=2)
"""Longer than any carrier's time limits together: who still claims to be dialling after that has ended."""
WORKER = "worker"
"""The actor of the links that are made when a call was dialled."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker brings along to claim a job's call.

    :ivar job_at: the job's own timestamp; job ids start again when a queue is flushed.
    :ivar token: the same one repeats a claim whose answer was lost.
    :ivar to: the number in E.164.
    """

    queue: str
    job_id: str
    job_at: datetime
    token: str
    to: str
    lead_id: int | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One job's call, as far as it got.

    :ivar state: ``dialling``; ``retryable``, ``rejected``, ``not_dialled``: nothing was dialled; ``placed``: there is a
        Call SID; ``unknown``: perhaps it was dialled, so never again, until a callback or the carrier tells.
    :ivar problem: why it is not placed; on a placed one what else is wrong.
    :ivar link_problem: why the lead of a placed call does not have it.
    :ivar go: only in the answer to a claim: this worker may dial now.
    """

    attempt_id: str
    queue: str
    job_id: str
    job_at: datetime
    state: State
    tries: int
    to: str | None
    lead_id: int | None
    call_sid: str | None
    claimed_at: datetime
    dialled_at: datetime | None
    settled_at: datetime | None
    problem: str | None
    link_problem: str | None
    event_id: int | None
    claim: str
    go: bool = False

    @classmethod
    def from_row(cls, row: Row, now: datetime | None = None) -> "Attempt":
        """From a row of ``call_attempts``; who claims to be dialling for too long is unknown."""
        claimed = _moment(row["claimed_at"])
        state: State = row["state"]
        if state == "dialling" and (now or datetime.now(UTC)) - claimed > DIALLING_FOR and not row.get("go"):
            state = "unknown"
        return cls(
            attempt_id=row["attempt_id"],
            queue=row["queue"],
            job_id=row["job_id"],
            job_at=_moment(row["job_at"]),
            state=state,
            tries=row["tries"],
            to=row["to_number"],
            lead_id=row["lead_id"],
            call_sid=row["call_sid"],
            claimed_at=claimed,
            dialled_at=_moment(row["dialled_at"]) if row["dialled_at"] else None,
            settled_at=_moment(row["settled_at"]) if row["settled_at"] else None,
            problem=row["problem"],
            link_problem=row["link_problem"],
            event_id=row["event_id"],
            claim=row["claim"],
            go=bool(row.get("go")),
        )

    @property
    def may_have_dialled(self) -> bool:
        """Whether dialling for this job again could call somebody twice."""
        return self.state in ("dialling", "unknown", "placed")


class Attempts:
    """The attempts of one database. Safe to share between threads."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def claim(self, claim: Claim) -> Attempt:
        """Ask for the right to dial; only with ``go`` it is had.

        :raises core.errors.Unavailable: when the database cannot be asked. Perhaps the claim was made: the same claim
            again gives the same answer.
        """
        told = {
            "attempt_id": str(uuid.uuid4()),
            "queue": claim.queue,
            "job_id": claim.job_id,
            "job_at": claim.job_at.isoformat(),
            "claim": claim.token,
            "to_number": claim.to,
            "lead_id": claim.lead_id,
        }
        return Attempt.from_row(self._gateway.call("claim_call_attempt", p_job=told))

    def place(self, attempt_id: str, call_sid: str, at: datetime) -> Attempt:
        """Keep the call's SID and tie the call to the job's lead, in one transaction; again it changes nothing.

        Used by the worker, by the carrier's callback (which names the attempt) and by whoever asked the carrier.

        :param at: when it was dialled.
        :raises NotFound: when there is no such attempt.
        :raises core.errors.Unavailable: when nothing could be written.
        """
        row = self._gateway.call(
            "place_call_attempt",
            p_attempt_id=attempt_id,
            p_call_sid=call_sid,
            p_at=at.isoformat(),
            p_options={"actor": WORKER},
        )
        return Attempt.from_row(row)

    def settle(self, attempt_id: str, state: State, problem: str, claim: str | None = None) -> Attempt:
        """Say what became of an attempt that brought no Call SID; a placed one stays placed.

        :param claim: only if this is still the newest claim.
        """
        row = self._gateway.call(
            "fail_call_attempt", p_attempt_id=attempt_id, p_state=state, p_problem=problem, p_claim=claim
        )
        return Attempt.from_row(row)

    def find(self, attempt_id: str) -> Attempt:
        """One attempt.

        :raises NotFound: when there is none.
        """
        found = self._read((Where("attempt_id", "eq", attempt_id),), 1)
        if not found:
            raise NotFound(f"There is no call attempt {attempt_id}.")
        return found[0]

    def of_job(self, queue: str, job_id: str, job_at: datetime) -> Attempt | None:
        """A job's attempt, if a worker of ours ever took the job."""
        return self.of_jobs(queue, ((job_id, job_at),)).get((job_id, job_at))

    def of_jobs(self, queue: str, jobs: Sequence[tuple[str, datetime]]) -> dict[tuple[str, datetime], Attempt]:
        """The attempts of several jobs, by id and timestamp; at most a page of jobs."""
        if not jobs:
            return {}
        ids = sorted({job_id for job_id, _ in jobs})
        found = self._read((Where("queue", "eq", queue), Where("job_id", "in", ids)), 5 * len(ids))
        wanted = set(jobs)
        known = {(attempt.job_id, attempt.job_at): attempt for attempt in found}
        return {key: attempt for key, attempt in known.items() if key in wanted}

    def open(self, limit: int = 200) -> list[Attempt]:
        """Attempts of which nobody knows what came of them, oldest first."""
        found = self._read((Where("state", "in", ["dialling", "unknown"]),), limit, oldest_first=True)
        return [attempt for attempt in found if attempt.state == "unknown"]

    def matching(
        self, *, call_sid: str | None = None, lead_id: int | None = None, number: str | None = None, limit: int = 100
    ) -> list[Attempt]:
        """Attempts by call, lead or number (E.164), newest first."""
        where: list[Condition] = []
        if call_sid is not None:
            where.append(Where("call_sid", "eq", call_sid))
        if lead_id is not None:
            where.append(Where("lead_id", "eq", lead_id))
        if number is not None:
            where += [Where("to_key", "eq", phone.key(number) or ""), Where("to_number", "eq", number)]
        return self._read(tuple(where), limit)

    def _read(self, where: tuple[Condition, ...], limit: int, *, oldest_first: bool = False) -> list[Attempt]:
        order = (Order("claimed_at", descending=not oldest_first), Order("attempt_id"))
        return [
            Attempt.from_row(row)
            for row in self._gateway.select("call_attempts", where=where, order=order, limit=limit)
        ]


def _moment(text: Any) -> datetime:
    at = datetime.fromisoformat(str(text))
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
