"""What the server's own threads have in common: they go on until they are stopped, whatever happens to their work."""

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from core.errors import PatchbayError

log = logging.getLogger(__name__)

T = TypeVar("T")


class Caretaker(threading.Thread):
    """Works beside the requests. A database or a service that is down only makes it wait.

    :param name: what it is called, in the log too.
    :param pause: seconds between looks.
    """

    def __init__(self, name: str, pause: float) -> None:
        super().__init__(name=name, daemon=True)
        self._pause = pause
        self._ending = threading.Event()
        self._said: str | None = None

    def stop(self, seconds: float = 5.0) -> None:
        """Ask it to end and wait for what is under way."""
        self._ending.set()
        if self.is_alive():
            self.join(seconds)

    def _tried(self, work: Callable[[], T]) -> T | None:
        """Do a piece of work; None when it failed. Whatever fails: a thread that died would be missed by nobody."""
        try:
            done = work()
        except PatchbayError as error:
            self._say(error.code)
            return None
        except Exception as error:
            self._say(type(error).__name__)
            return None
        self._say(None)
        return done

    def _say(self, problem: str | None) -> None:
        """Log a change once: the kind of problem only, messages may hold what people said or typed."""
        if problem != self._said:
            log.warning("%s waits: %s", self.name, problem) if problem else log.warning("%s goes on", self.name)
        self._said = problem
