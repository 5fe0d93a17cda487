"""Telephony in one place: who dials, repair, test calls."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from core.access.identity import Identity, need_writer
from core.errors import Unavailable
from core.linking.results import Check
from core.outbound.carrier import Carrier
from core.settings import Settings
from core.store.gateway import Gateway
from core.telephony import numbers
from core.telephony.known_call import KnownCall
from core.telephony.repair import Repair
from core.telephony.simulator import SimulatedCarrier
from core.telephony.test_calls import Queueing, TestCalls


class FullCarrier(Carrier, Protocol):
    """A carrier that says all it knows of a call."""

    def fetch(self, call_sid: str) -> KnownCall | None:
        """The call, or None when it is not known."""
        ...

    def numbers(self) -> frozenset[str]:
        """The account's phone numbers, in E.164."""
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of asking Twilio last: when, the error or None, and how many numbers the account has."""

    at: datetime
    error: Unavailable | None
    numbers: int


class Telephony:
    """What the console, the command line and the worker use. Safe to share between threads; connects when used.

    :ivar repair: fills what is missing with what Twilio answers.
    :ivar test_calls: places and watches test calls.

    :param judge: brings causes up to date after a repair.
    :param queue: the outbound queue, for test calls through it.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        *,
        judge: Callable[[], object] = lambda: None,
        queue: Queueing | None = None,
    ) -> None:
        self._gateway, self._settings = gateway, settings
        self._lock = threading.Lock()
        self._carrier: FullCarrier | None = None
        self._last: _Answer | None = None
        self.repair = Repair(gateway, settings, self.carrier, judge=judge)
        self.test_calls = TestCalls(gateway, settings, self.carrier, queue=queue)

    @property
    def simulated(self) -> bool:
        """Calls are played by the built-in carrier: say so on every screen that touches them."""
        return not self._settings.names_twilio

    def carrier(self) -> FullCarrier:
        """Who dials: the Twilio account of the settings, else the simulated carrier.

        :raises core.errors.Unavailable: when only half of the credentials is set.
        """
        with self._lock:
            if self._carrier is None:
                self._carrier = self._made()
            return self._carrier

    def refresh_numbers(self, identity: Identity | None = None) -> frozenset[str]:
        """Read our own numbers from the Twilio account (none where calls are simulated).

        :param identity: the signed-in person who asks; None: this machine's own user.
        :raises core.errors.NotAllowed: for a viewer.
        :raises core.errors.Unavailable: when Twilio cannot be asked.
        """
        need_writer(identity)
        try:
            account = self.carrier()
            if isinstance(account, SimulatedCarrier):
                return frozenset()
            found = numbers.read_account(self._gateway, account)
        except Unavailable as error:
            self._last = _Answer(datetime.now(UTC), error, 0)
            raise
        self._last = _Answer(datetime.now(UTC), None, len(found))
        return found

    def check(self) -> Check:
        """The System page's line: is there an account, is it complete, and what did Twilio say when it was last asked?

        Asks nobody; see :meth:`refresh_numbers`.
        """
        return _check(self._settings, self._last)

    def finish_simulation(self, seconds: float) -> bool:
        """Wait until simulated calls have ended; says whether they have. For programs that end after placing one."""
        account = self._carrier
        return account.wait(seconds) if isinstance(account, SimulatedCarrier) else True

    def _made(self) -> FullCarrier:
        if self.simulated:
            return SimulatedCarrier(self._gateway, self._settings, plays=self.test_calls.plays)
        from core.telephony.client import TwilioCarrier  # half a second of imports, for those who dial or ask

        return TwilioCarrier(self._settings)


def _check(settings: Settings, last: _Answer | None) -> Check:
    if not settings.names_twilio:
        return Check("Twilio", True, "No account is set: calls are simulated, and nothing can be repaired from Twilio.")
    for variable, value in (
        ("TWILIO_ACCOUNT_SID", settings.twilio_account_sid),
        ("TWILIO_AUTH_TOKEN", settings.twilio_auth_token),
        ("TWILIO_PHONE_NUMBER", settings.twilio_phone_number),
        ("PUBLIC_URL", settings.public_url),
    ):
        if value is None:
            return Check("Twilio", False, f"{variable} is not set, so no call can be made.", f"{variable}=…")
    if last is None:
        return Check("Twilio", True, "An account is set; Twilio has not been asked yet.")
    if last.error is not None:
        return Check("Twilio", False, f"{last.error.message} Asked at {last.at:%H:%M:%S} UTC.", last.error.hint)
    one = last.numbers == 1
    known = f"{last.numbers} number{'' if one else 's'}"
    return Check("Twilio", True, f"The account answered at {last.at:%H:%M:%S} UTC and has {known}.")
