"""The server's part in outbound calls: results of jobs are kept, and without a Redis the worker runs here, too."""

import logging
import threading

from core import app as application
from core.app import App
from core.errors import PatchbayError
from core.outbound.service import Calls

START_AGAIN_SECONDS = 10.0

log = logging.getLogger(__name__)

_here: set["Calling"] = set()


def dialling_here() -> bool:
    """Whether this very process takes jobs from the queue."""
    return any(calling.dialling for calling in tuple(_here))


class Calling(threading.Thread):
    """Waits for the application, then works until it is stopped. Whatever is down only makes it wait.

    With a Redis the queue is shared with other workers, and dialling is left to ``python -m core worker``.

    :param pause: seconds until the next try when something is down.
    """

    def __init__(self, pause: float = START_AGAIN_SECONDS) -> None:
        super().__init__(name="calling", daemon=True)
        self._pause = pause
        self._ending = threading.Event()
        self._calls: Calls | None = None
        self._said: str | None = None

    @property
    def dialling(self) -> bool:
        """Whether it takes jobs now."""
        calls = self._calls
        return calls is not None and calls.dialling

    def run(self) -> None:
        """The thread's body."""
        _here.add(self)
        while not self._ending.is_set():
            try:
                self._work(application.shared())
                self._say(None)
            except PatchbayError as error:
                self._say(error.code)
            except Exception as error:  # a thread that died would leave every job undone, unseen
                self._say(type(error).__name__)
            self._ending.wait(self._pause)
        _here.discard(self)

    def stop(self, seconds: float = 40.0) -> None:
        """Ask it to end and wait for the calls that are being dialled."""
        self._ending.set()
        calls = self._calls
        if calls is not None:
            calls.stop()
        if self.is_alive():
            self.join(seconds)

    def _work(self, app: App) -> None:
        app.finish_installation()
        self._calls = calls = app.calls()
        try:
            if not self._ending.is_set():
                calls.run(dialling=app.settings.redis_url is None)
        finally:
            self._calls = None

    def _say(self, problem: str | None) -> None:
        """Log a change once: the kind of problem only."""
        if problem != self._said and (problem or self._said):
            log.warning("calling waits: %s", problem) if problem else log.warning("calling goes on")
        self._said = problem
