"""What became of attempts that nobody saw the end of: the carrier is asked, and nothing is ever dialled for it.

A callback settles them too, since the attempt's id is in its address (:meth:`core.outbound.attempts.Attempts.place`).
"""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from core.outbound.attempts import Attempt, Attempts
from core.outbound.carrier import Carrier, CarrierCall
from core.store.gateway import Gateway, Where

CLOCKS_DIFFER = timedelta(seconds=5)
DIALLED_WITHIN = timedelta(minutes=2)
"""From the claim on: a worker's time limits together are shorter."""
CARRIER_KNOWS_AFTER = timedelta(minutes=10)
"""When a call that the carrier does not list does not exist."""
ASK_AGAIN_SECONDS = (30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)

log = logging.getLogger(__name__)


class Settling:
    """Asks the carrier about open attempts, each now and then. For one thread."""

    def __init__(self, gateway: Gateway, carrier: Carrier) -> None:
        self._gateway, self._carrier = gateway, carrier
        self._attempts = Attempts(gateway)
        self._asked: dict[str, tuple[int, float]] = {}

    def settle(self, now: datetime | None = None, *, everything: bool = False) -> int:
        """Ask about attempts that are open. Returns how many were settled.

        :param everything: also those that were asked about a moment ago.
        :raises core.errors.Unavailable: when carrier or database do not answer.
        """
        moment = now or datetime.now(UTC)
        attempts = self._attempts.open()
        self._asked = {a.attempt_id: self._asked[a.attempt_id] for a in attempts if a.attempt_id in self._asked}
        return sum(self._one(attempt, attempts, moment) for attempt in attempts if everything or self._due(attempt))

    def _due(self, attempt: Attempt) -> bool:
        times, next_at = self._asked.get(attempt.attempt_id, (0, 0.0))
        if time.monotonic() < next_at:
            return False
        pause = ASK_AGAIN_SECONDS[min(times, len(ASK_AGAIN_SECONDS) - 1)]
        self._asked[attempt.attempt_id] = (times + 1, time.monotonic() + pause)
        return True

    def _one(self, attempt: Attempt, open_ones: Sequence[Attempt], now: datetime) -> bool:
        if attempt.to is None:
            return False
        calls = self._unclaimed(attempt, self._carrier.calls_to(attempt.to, attempt.claimed_at - CLOCKS_DIFFER))
        rivals = [other for other in open_ones if other is not attempt and _overlap(other, attempt)]
        if len(calls) == 1 and not rivals:
            self._attempts.place(attempt.attempt_id, calls[0].call_sid, calls[0].created_at or attempt.claimed_at)
            log.info("attempt %s was dialled as %s", attempt.attempt_id, calls[0].call_sid)
            return True
        if not calls and now - attempt.claimed_at > CARRIER_KNOWS_AFTER:
            self._attempts.settle(
                attempt.attempt_id, "not_dialled", "The carrier knows of no call to this number then."
            )
            return True
        if calls:
            self._attempts.settle(attempt.attempt_id, "unknown", _undecided(calls, rivals))
        return False

    def _unclaimed(self, attempt: Attempt, calls: Sequence[CarrierCall]) -> list[CarrierCall]:
        """Calls that were dialled in the attempt's time and that no other attempt or job accounts for."""
        latest = attempt.claimed_at + DIALLED_WITHIN
        fitting = [
            call
            for call in calls
            if call.direction.startswith("outbound") and (call.created_at is None or call.created_at <= latest)
        ]
        if not fitting:
            return []
        sids = [call.call_sid for call in fitting]
        taken = {
            row["call_sid"]
            for relation in ("call_attempts", "job_results")
            for row in self._gateway.select(relation, columns=("call_sid",), where=(Where("call_sid", "in", sids),))
        }
        return [call for call in fitting if call.call_sid not in taken]


def _overlap(a: Attempt, b: Attempt) -> bool:
    return a.to == b.to and abs(a.claimed_at - b.claimed_at) <= DIALLED_WITHIN


def _undecided(calls: Sequence[CarrierCall], rivals: Sequence[Attempt]) -> str:
    if rivals:
        return f"{len(rivals) + 1} attempts to this number are open at once: which call is whose cannot be told."
    return f"The carrier knows of {len(calls)} calls to this number then: {', '.join(c.call_sid for c in calls[:5])}."
