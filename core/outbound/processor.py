"""What is done with one job: claim, dial, keep what came of it. Never more than one dial for a job.

The order is what makes it safe. The claim is in the database before anything is dialled; the Call SID is on disk before
the database is asked to keep it; and a job whose claim is open is failed, whoever left it so.
"""

import logging
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import PatchbayError, Unavailable
from core.outbound.attempts import Attempt, Attempts, Claim, State
from core.outbound.carrier import Carrier, DialError, Dialled, Rejected, Retryable
from core.outbound.jobs import DIALLING_JOBS, NOT_DIALLED, QUEUE, CallOrder, Malformed
from core.outbound.journal import Journal, Outcome

DIAL_WITHIN = timedelta(seconds=60)
"""From the claim on. Whoever stood still for longer (a machine that slept) may have been taken for dead meanwhile."""

log = logging.getLogger(__name__)


class Again(Exception):
    """Nothing was dialled, and the queue may try the job again."""


class Never(Exception):
    """The job has failed for good: it cannot be meant, it was refused, or perhaps it was dialled."""


class NotOurs(Exception):
    """A job for another worker: of a name that this one does not know, or real where calls are only simulated.

    :ivar always: it is handed back however often nobody else takes it.
    """

    def __init__(self, reason: str, *, always: bool = False) -> None:
        super().__init__(reason)
        self.always = always


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that a worker took from the queue."""

    job_id: str
    name: str
    data: Any
    at: datetime


class Processor:
    """Does jobs. Blocking, and safe to be used by many threads.

    :param region: country in which a number without country code is read.
    :param simulated: the carrier only plays calls: jobs of other producers are not for it.
    """

    def __init__(
        self, attempts: Attempts, carrier: Carrier, journal: Journal, *, region: str, simulated: bool = False
    ) -> None:
        self._attempts, self._carrier, self._journal, self._region = attempts, carrier, journal, region
        self._simulated = simulated
        self._undialled: dict[tuple[str, datetime], str] = {}
        self._lock = threading.Lock()

    def process(self, job: Taken) -> Mapping[str, Any]:
        """Do a job and give its return value, in the backend's shape.

        :raises Again, Never, NotOurs: see there; the message is for people.
        """
        if job.name not in DIALLING_JOBS:
            raise NotOurs(f"Patchbay's worker does not do jobs named {job.name[:60]!r}")
        simulated = isinstance(job.data, Mapping) and job.data.get("simulated") is True
        if self._simulated and not simulated:
            raise NotOurs("This worker only simulates calls, since no Twilio account is set", always=True)
        if simulated and not self._simulated:
            raise NotOurs("It was scheduled where calls are only simulated, and this worker really dials")
        try:
            order = CallOrder.read(job.data, self._region)
        except Malformed as wrong:
            raise Never(f"{NOT_DIALLED}{wrong}") from None
        began = datetime.now(UTC)
        attempt = self._claim(job, order)
        if attempt.state == "placed" and attempt.call_sid is not None:
            return order.result(attempt.call_sid, "queued", attempt.dialled_at or attempt.claimed_at)
        if not attempt.go:
            raise Never(_refusal(attempt))
        if datetime.now(UTC) - began > DIAL_WITHIN:
            self._give_back(job, attempt, "The worker stood still after it had claimed the call.")
            raise Again(f"{NOT_DIALLED}The worker stood still after it had claimed the call.")
        return self._dial(job, order, attempt)

    def _claim(self, job: Taken, order: CallOrder) -> Attempt:
        key = (job.job_id, job.at)
        with self._lock:
            token = self._undialled.setdefault(key, str(uuid.uuid4()))
        try:
            attempt = self._attempts.claim(Claim(QUEUE, job.job_id, job.at, token, order.to, order.lead_id))
        except Unavailable as error:
            raise Again(f"{NOT_DIALLED}{error.message}") from error  # the token stays: this process has not dialled
        except PatchbayError as error:
            raise Never(f"{NOT_DIALLED}{error.message}") from error
        with self._lock:
            self._undialled.pop(key, None)
        return attempt

    def _dial(self, job: Taken, order: CallOrder, attempt: Attempt) -> Mapping[str, Any]:
        metadata = {**order.metadata, **order.spoken}
        try:
            dialled = self._carrier.dial(
                order.to, attempt_id=attempt.attempt_id, message=order.message, metadata=metadata
            )
        except Retryable as error:
            self._give_back(job, attempt, error.message)
            raise Again(f"{NOT_DIALLED}{error.message}") from error
        except Rejected as error:
            self._settle(attempt, "rejected", error.message)
            raise Never(f"{NOT_DIALLED}{error.message}") from error
        except Exception as error:  # whatever it was, the call may be under way
            said = (
                error.message if isinstance(error, DialError) else f"The dialling broke off ({type(error).__name__})."
            )
            self._settle(attempt, "unknown", said)
            raise Never(f"Perhaps dialled, and not tried again: {said}") from error
        self._keep(attempt, dialled)
        return order.result(dialled.call_sid, dialled.status, datetime.now(UTC))

    def _keep(self, attempt: Attempt, dialled: Dialled) -> None:
        """The call is under way: from here on nothing may be lost, and nothing may raise."""
        outcome = Outcome(attempt.attempt_id, dialled.at.isoformat(), call_sid=dialled.call_sid)
        if self._journal.write(outcome, self._attempts):
            log.info("dialled %s for job %s", dialled.call_sid, attempt.job_id)
        else:
            log.warning("dialled %s for job %s; its link is written later", dialled.call_sid, attempt.job_id)

    def _give_back(self, job: Taken, attempt: Attempt, problem: str) -> None:
        """Nothing was dialled. Not by the journal: replayed during the next try that would open the claim again."""
        try:
            self._attempts.settle(attempt.attempt_id, "retryable", problem, attempt.claim)
        except PatchbayError as error:
            log.warning("attempt %s stays claimed: %s", attempt.attempt_id, error.code)
            with self._lock:
                self._undialled[(job.job_id, job.at)] = attempt.claim

    def _settle(self, attempt: Attempt, state: State, problem: str) -> None:
        outcome = Outcome(
            attempt.attempt_id, datetime.now(UTC).isoformat(), state=state, problem=problem, claim=attempt.claim
        )
        self._journal.write(outcome, self._attempts)


def _refusal(attempt: Attempt) -> str:
    if attempt.state == "unknown":
        return f"Perhaps dialled, and not tried again: {attempt.problem or 'an earlier worker ended while dialling.'}"
    if attempt.state == "dialling":
        return "Perhaps dialled, and not tried again: another worker is dialling for this job."
    return f"{NOT_DIALLED}{attempt.problem or attempt.state}"
