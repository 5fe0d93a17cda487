"""What happens beside dialling: outcomes that waited for the database, attempts that nobody saw the end of, results."""

import logging
import threading
from collections.abc import Callable

from core.errors import PatchbayError
from core.outbound.attempts import Attempts
from core.outbound.carrier import Carrier
from core.outbound.harvest import Harvest
from core.outbound.journal import Journal
from core.outbound.queue import OutboundQueue
from core.outbound.settling import Settling
from core.store.gateway import Gateway

PAUSE_SECONDS = 5.0

log = logging.getLogger(__name__)


class Upkeep(threading.Thread):
    """Replays the journal, asks about open attempts and keeps results, until it is stopped.

    A database, queue or carrier that is down only makes it wait.

    :param journal: None where nothing is dialled and another process keeps one.
    :param carrier: None where there is nobody to ask.
    :param pause: seconds between rounds; :meth:`nudge` begins one at once.
    :param known: each part's problem that was logged already, kept up to date; None: none.
    """

    def __init__(
        self,
        queue: OutboundQueue,
        gateway: Gateway,
        *,
        journal: Journal | None = None,
        carrier: Carrier | None = None,
        pause: float = PAUSE_SECONDS,
        known: dict[str, str] | None = None,
    ) -> None:
        super().__init__(name="outbound-upkeep", daemon=True)
        self._attempts, self._journal = Attempts(gateway), journal
        self._harvest = Harvest(queue, gateway)
        self._settling = None if carrier is None else Settling(gateway, carrier, queue, self._harvest)
        self._pause = pause
        self._ending, self._wanted = threading.Event(), threading.Event()
        self._said = {} if known is None else known

    def run(self) -> None:
        """The thread's body: a round, then a pause."""
        while not self._ending.is_set():
            self.once()
            self._wanted.wait(self._pause)
            self._wanted.clear()

    def once(self) -> None:
        """One round. Each part is tried whatever became of the others."""
        journal = self._journal
        if journal is not None:
            self._guarded("journal", lambda: journal.replay(self._attempts))
        if self._settling is not None:
            self._guarded("settling", self._settling.settle)
        self._guarded("harvest", self._harvest.collect)

    def nudge(self) -> None:
        """Begin a round soon: something has finished."""
        self._wanted.set()

    def stop(self, seconds: float = 6.0) -> None:
        """Ask it to end and wait for the round that is under way."""
        self._ending.set()
        self._wanted.set()
        if self.is_alive():
            self.join(seconds)

    def _guarded(self, part: str, work: Callable[[], object]) -> None:
        try:
            work()
            problem = ""
        except PatchbayError as error:
            problem = error.code
        except Exception as error:  # a thread that died would lose every result from here on, unseen
            problem = type(error).__name__
        if problem != self._said.get(part, ""):
            log.warning("outbound %s waits: %s", part, problem) if problem else log.warning("outbound %s goes on", part)
        self._said[part] = problem
