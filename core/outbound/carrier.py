"""The port to whoever dials: Twilio, or something that behaves like it.

What matters most is what an error says of the call: :class:`Retryable` and :class:`Rejected` mean that nothing was
dialled, :class:`Unknown` that perhaps it was. A carrier that cannot tell raises :class:`Unknown`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Dialled:
    """A call that the carrier accepted.

    :ivar status: the carrier's word, ``queued`` as a rule.
    :ivar at: when it was dialled, by the carrier's clock where it says so; in UTC.
    """

    call_sid: str
    status: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CarrierCall:
    """What the carrier knows of a call.

    :ivar created_at: when the carrier took it; None where it does not say.
    """

    call_sid: str
    to: str
    status: str
    direction: str
    created_at: datetime | None


class Carrier(Protocol):
    """Dials, and answers questions about calls. Blocking, with its own time limits, safe to share between threads."""

    def dial(self, to: str, *, attempt_id: str, message: str | None, metadata: Mapping[str, Any]) -> Dialled:
        """Dial a number once; never repeated inside.

        :param to: E.164.
        :param attempt_id: goes into the addresses that the carrier calls back, so that a lost answer can be found.
        :param message: what is said first, or None.
        :param metadata: the job's own, with ``speakFirst`` and ``initialMessage`` where the job has them.
        :raises Retryable, Rejected, Unknown: when no Call SID came back.
        """
        ...

    def calls_to(self, number: str, since: datetime) -> Sequence[CarrierCall]:
        """Every call that was dialled to a number since a time, as far as the carrier's clock can tell.

        :raises core.errors.Unavailable: when the carrier does not answer.
        """
        ...

    def fetch(self, call_sid: str) -> CarrierCall | None:
        """One call, or None when the carrier does not know it.

        :raises core.errors.Unavailable: when the carrier does not answer.
        """
        ...


class DialError(Exception):
    """No Call SID came back.

    :param message: one sentence for people, without credentials and phone numbers.
    :param code: the carrier's own code for it, e.g. 21211.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


class Retryable(DialError):
    """Nothing was dialled, and later it may work: too many requests, a refused connection, no connection in time."""


class Rejected(DialError):
    """Nothing was dialled, and it will not be: the carrier refused the request."""


class Unknown(DialError):
    """Perhaps it was dialled: an error of the carrier's own, no answer in time, a connection that broke."""
