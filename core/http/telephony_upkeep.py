"""What the server does for telephony between requests: leads get back what they had before test calls, and the Twilio
account's numbers are read once at the start. Nobody waits for either."""

from core import app as application
from core.http.caretaker import Caretaker

LOOK_SECONDS = 15.0
"""Pause between looks at test calls that nobody watches."""


class TelephonyUpkeep(Caretaker):
    """Runs as long as the server does.

    :param pause: seconds between looks.
    """

    def __init__(self, pause: float = LOOK_SECONDS) -> None:
        super().__init__("telephony upkeep", pause)
        self._numbers_read = False

    def run(self) -> None:
        """The thread's body."""
        while not self._ending.wait(self._pause if self._numbers_read else min(self._pause, 2.0)):
            self._tried(self._look)

    def _look(self) -> None:
        app = application.shared()
        app.test_calls.finish_all()
        if not self._numbers_read:
            self._numbers_read = True  # once: a Twilio that is down at the start is asked again by hand
            app.telephony.refresh_numbers()
