"""Telephony in one place: who dials, repair, test calls."""

import threading
from collections.abc import Callable
from typing import Protocol

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

    def refresh_numbers(self) -> frozenset[str]:
        """Read our own numbers from the Twilio account (none where calls are simulated).

        :raises core.errors.Unavailable: when Twilio cannot be asked.
        """
        account = self.carrier()
        return frozenset() if isinstance(account, SimulatedCarrier) else numbers.read_account(self._gateway, account)

    def finish_simulation(self, seconds: float) -> bool:
        """Wait until simulated calls have ended; says whether they have. For programs that end after placing one."""
        account = self._carrier
        return account.wait(seconds) if isinstance(account, SimulatedCarrier) else True

    def _made(self) -> FullCarrier:
        if self.simulated:
            return SimulatedCarrier(self._gateway, self._settings)
        from core.telephony.client import TwilioCarrier  # half a second of imports, for those who dial or ask

        return TwilioCarrier(self._settings)
