"""What the server does between requests: it builds the application and keeps causes and candidates up to date."""

import logging
import threading

from core import app as application
from core.errors import PatchbayError

JUDGE_SECONDS = 3.0
"""Pause between looks at the calls whose cause became doubtful."""
JUDGE_LIMIT = 500
"""Calls per look: short enough to stop in between."""

log = logging.getLogger(__name__)


class Judging(threading.Thread):
    """Judges in small portions until it is stopped. A database that is down only makes it wait.

    :param pause: seconds between looks.
    """

    def __init__(self, pause: float = JUDGE_SECONDS) -> None:
        super().__init__(name="judging", daemon=True)
        self._pause = pause
        self._ending = threading.Event()
        self._said: str | None = None

    def run(self) -> None:
        """The thread's body: judge, and pause when there was nothing left to do."""
        while not self._ending.is_set():
            if self._portion() < JUDGE_LIMIT:
                self._ending.wait(self._pause)

    def stop(self, seconds: float = 5.0) -> None:
        """Ask it to end and wait for the portion that is under way."""
        self._ending.set()
        self.join(seconds)

    def _portion(self) -> int:
        try:
            app = application.shared()
            app.finish_installation()
            judged = app.linking.judge(JUDGE_LIMIT)
            self._say(None)
        except PatchbayError as error:
            self._say(error.code)
            return 0
        except Exception as error:  # a thread that died would leave every new call without a cause, unseen
            self._say(type(error).__name__)
            return 0
        return judged

    def _say(self, problem: str | None) -> None:
        """Log a change once: the kind of problem only, messages may hold what people said or typed."""
        if problem != self._said and (problem or self._said):
            log.warning("judging waits: %s", problem) if problem else log.warning("judging goes on")
        self._said = problem
