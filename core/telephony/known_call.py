"""What a carrier knows of a call beyond what the queue needs."""

from dataclasses import dataclass
from datetime import datetime

from core.outbound.carrier import CarrierCall

FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Twilio's final call states."""


@dataclass(frozen=True, slots=True)
class KnownCall(CarrierCall):
    """A call as the carrier describes it.

    :ivar from_number: who called, as Twilio writes it; ``to`` is who was called.
    :ivar duration: seconds; None until it has ended.
    :ivar started_at: when it was answered or came in; ``ended_at``: when it ended; in UTC.
    """

    from_number: str | None = None
    duration: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
