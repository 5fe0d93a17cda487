"""What became of attempts that nobody saw the end of: the carrier is asked, and nothing is ever dialled for it.

A callback settles them too, since the attempt's id is in its address (:meth:`core.outbound.attempts.Attempts.place`).
"""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core.linking.fields import moment
from core.outbound.attempts import Attempt, Attempts, State
from core.outbound.carrier import Carrier, CarrierCall
from core.outbound.harvest import Harvest
from core.outbound.queue import OutboundQueue
from core.store.gateway import Gateway, Where
from core.wording import count

CLOCKS_DIFFER = timedelta(seconds=5)
CLOCKS_AT_WORST = timedelta(minutes=15)
"""A call that nobody accounts for and that lies this near may be the attempt's, if a clock is wrong."""
DIALLED_WITHIN = timedelta(minutes=2)
"""From the claim on: a worker's time limits together are shorter."""
CARRIER_KNOWS_AFTER = timedelta(minutes=10)
"""When a call that the carrier does not list does not exist."""
ASK_AGAIN_SECONDS = (30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)

log = logging.getLogger(__name__)


class Settling:
    """Asks the carrier about open attempts, each now and then. For one thread.

    :param queue: where other workers, the backend's too, take their jobs.
    :param harvest: keeps what they have finished, so that their calls are known as theirs.
    """

    def __init__(self, gateway: Gateway, carrier: Carrier, queue: OutboundQueue, harvest: Harvest) -> None:
        self._gateway, self._carrier = gateway, carrier
        self._queue, self._harvest = queue, harvest
        self._attempts = Attempts(gateway)
        self._asked: dict[str, tuple[int, float]] = {}

    def settle(self, now: datetime | None = None, *, everything: bool = False) -> int:
        """Ask about attempts that are open. Returns how many were settled.

        :param everything: also those that were asked about a moment ago.
        :raises core.errors.Unavailable: when carrier, queue or database do not answer.
        """
        at = now or datetime.now(UTC)
        attempts = self._attempts.open()
        self._asked = {a.attempt_id: self._asked[a.attempt_id] for a in attempts if a.attempt_id in self._asked}
        return sum(self._one(attempt, at) for attempt in attempts if everything or self._due(attempt))

    def _due(self, attempt: Attempt) -> bool:
        times, next_at = self._asked.get(attempt.attempt_id, (0, 0.0))
        if time.monotonic() < next_at:
            return False
        pause = ASK_AGAIN_SECONDS[min(times, len(ASK_AGAIN_SECONDS) - 1)]
        self._asked[attempt.attempt_id] = (times + 1, time.monotonic() + pause)
        return True

    def _one(self, attempt: Attempt, now: datetime) -> bool:
        if attempt.to is None:
            return False
        listed = self._carrier.calls_to(attempt.to, attempt.claimed_at - CLOCKS_AT_WORST)
        near = [call for call in listed if _is_near(call, attempt)]
        rivals = 0
        if near:  # rivals before what is taken: who places a call meanwhile is one or other
            rivals = self._rivals(attempt, attempt.to)
            self._harvest.collect()
            near = self._unclaimed(near)
        calls = [call for call in near if _fits(call, attempt)]
        if len(calls) == 1 and not rivals:
            self._attempts.place(attempt.attempt_id, calls[0].call_sid, calls[0].created_at or attempt.claimed_at)
            log.info("attempt %s was dialled as %s", attempt.attempt_id, calls[0].call_sid)
            return True
        if near:
            self._say(attempt, "unknown", _undecided(calls, near, rivals))
        elif now - attempt.claimed_at > CARRIER_KNOWS_AFTER:
            return self._say(attempt, "not_dialled", "The carrier knows of no call to this number then.")
        return False

    def _say(self, attempt: Attempt, state: State, problem: str) -> bool:
        """Whether it is so now: somebody may have claimed the job anew, or placed its call, meanwhile."""
        return self._attempts.settle(attempt.attempt_id, state, problem, attempt.claim).state == state

    def _rivals(self, attempt: Attempt, number: str) -> int:
        """How many others may have dialled the number then without a Call SID yet."""
        others = [other for other in self._attempts.matching(number=number) if other.attempt_id != attempt.attempt_id]
        where = (Where("to_number", "eq", number), Where("call_sid", "is_null"), Where("state", "ne", "failed"))
        tests = self._gateway.select("test_calls", columns=("at",), where=(*where, Where("via", "eq", "direct")))
        times = [other.claimed_at for other in others if other.state in ("dialling", "unknown")]
        times += [moment("at", row["at"]) for row in tests]
        ours = {attempt.job_id, *(other.job_id for other in others)}
        theirs = sum(job.job_id not in ours for job in self._queue.under_way(number))
        return sum(abs(at - attempt.claimed_at) <= DIALLED_WITHIN for at in times) + theirs

    def _unclaimed(self, calls: Sequence[CarrierCall]) -> list[CarrierCall]:
        """Those that no other attempt, job or test call accounts for."""
        sids = [call.call_sid for call in calls]
        taken = {
            row["call_sid"]
            for relation in ("call_attempts", "job_results", "test_calls")
            for row in self._gateway.select(relation, columns=("call_sid",), where=(Where("call_sid", "in", sids),))
        }
        return [call for call in calls if call.call_sid not in taken]


def _is_near(call: CarrierCall, attempt: Attempt) -> bool:
    if not call.direction.startswith("outbound"):
        return False
    return call.created_at is None or abs(call.created_at - attempt.claimed_at) <= CLOCKS_AT_WORST


def _fits(call: CarrierCall, attempt: Attempt) -> bool:
    """Whether it was dialled in the attempt's time."""
    if call.created_at is None:
        return True
    return -CLOCKS_DIFFER <= call.created_at - attempt.claimed_at <= DIALLED_WITHIN


def _undecided(calls: Sequence[CarrierCall], near: Sequence[CarrierCall], rivals: int) -> str:
    if rivals and calls:
        return f"{rivals + 1} attempts to this number are open at once: which call is whose cannot be told."
    when = "then" if calls else "about then"
    found = calls or near
    named = ", ".join(call.call_sid for call in found[:5])
    return f"The carrier knows of {count(len(found), 'call')} to this number {when}: {named}."
