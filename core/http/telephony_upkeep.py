"""What the server does for telephony between requests: leads get back what they had before test calls, and the Twilio
account's numbers are read once at the start. Nobody waits for either."""

import logging
import threading

from core import app as application
from core.errors import PatchbayError

LOOK_SECONDS = 15.0
"""Pause between looks at test calls that nobody watches."""

log = logging.getLogger(__name__)


class TelephonyUpkeep(threading.Thread):
    """Runs as long as the server does. A database or a Twilio that is down only makes it wait.

    :param pause: seconds between looks.
    """

    def __init__(self, pause: float = LOOK_SECONDS) -> None:
        super().__init__(name="telephony-upkeep", daemon=True)
        self._pause = pause
        self._ending = threading.Event()
        self._numbers_read = False
        self._said: str | None = None

    def run(self) -> None:
        """The thread's body."""
        while not self._ending.wait(self._pause if self._numbers_read else min(self._pause, 2.0)):
            try:
                self._look()
                self._said = None
            except PatchbayError as error:
                self._say(error.code)
            except Exception as error:  # a thread that died would leave leads with a test call's values, unseen
                self._say(type(error).__name__)

    def stop(self, seconds: float = 5.0) -> None:
        """Ask it to end and wait for what is under way."""
        self._ending.set()
        self.join(seconds)

    def _look(self) -> None:
        app = application.shared()
        app.test_calls.finish_all()
        if not self._numbers_read:
            self._numbers_read = True  # once: a Twilio that is down at the start is asked again by hand
            app.telephony.refresh_numbers()

    def _say(self, problem: str) -> None:
        if problem != self._said:
            log.warning("telephony upkeep waits: %s", problem)  # the kind only: messages may hold more
        self._said = problem
