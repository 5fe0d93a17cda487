"""Everything that a process does for outbound calls while it runs: dialling, and what goes on beside it."""

import threading
from dataclasses import dataclass

from core.outbound.attempts import Attempts
from core.outbound.carrier import Carrier
from core.outbound.journal import Journal
from core.outbound.processor import Processor
from core.outbound.queue import OutboundQueue
from core.outbound.upkeep import Upkeep
from core.outbound.worker import CallWorker, Pace
from core.store.gateway import Gateway


@dataclass(frozen=True, slots=True)
class Parts:
    """What it works with.

    :ivar simulated: the carrier only plays calls: jobs of other producers are left to workers that can dial.
    """

    queue: OutboundQueue
    gateway: Gateway
    carrier: Carrier
    journal: Journal
    pace: Pace
    region: str
    simulated: bool


class Calls:
    """The worker and its upkeep. Runs in the thread that calls :meth:`run`, until it is stopped."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ending = threading.Event()
        self._worker: CallWorker | None = None

    def run(self, *, dialling: bool = True, known: dict[str, str] | None = None) -> None:
        """Work until :meth:`stop`. What is being dialled then is finished, and its results are kept.

        :param dialling: take jobs; else only keep results and settle what others left open.
        :param known: what was logged before this run, and later what it logged: nothing is said again at each new try.
        :raises core.errors.Unavailable: when the queue does not answer at the start.
        """
        parts = self._parts
        asked = None if parts.simulated and not dialling else parts.carrier  # a simulation knows its own calls only
        upkeep = Upkeep(parts.queue, parts.gateway, journal=parts.journal, carrier=asked, known=known)
        upkeep.start()
        try:
            if dialling:
                self._dial(upkeep)
            else:
                self._ending.wait()
        finally:
            upkeep.stop()
        upkeep.once()

    def stop(self) -> None:
        """Ask it to end; safe in a signal handler and from other threads."""
        self._ending.set()
        worker = self._worker
        if worker is not None:
            worker.stop()

    @property
    def dialling(self) -> bool:
        """Whether jobs are being taken."""
        return self._worker is not None and self._worker.running

    def _dial(self, upkeep: Upkeep) -> None:
        parts = self._parts
        processor = Processor(
            Attempts(parts.gateway), parts.carrier, parts.journal, region=parts.region, simulated=parts.simulated
        )
        self._worker = worker = CallWorker(parts.queue.connection, processor, parts.pace, finished=upkeep.nudge)
        try:
            if not self._ending.is_set():
                worker.run()
        finally:
            self._worker = None
