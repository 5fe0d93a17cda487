"""What the server does between requests: it builds the application and keeps causes and candidates up to date."""

from core import app as application
from core.http.caretaker import Caretaker

JUDGE_SECONDS = 3.0
"""Pause between looks at the calls whose cause became doubtful."""
JUDGE_LIMIT = 500
"""Calls per look: short enough to stop in between."""


class Judging(Caretaker):
    """Judges in small portions until it is stopped.

    :param pause: seconds between looks.
    """

    def __init__(self, pause: float = JUDGE_SECONDS) -> None:
        super().__init__("judging", pause)

    def run(self) -> None:
        """The thread's body: judge, and pause when there was nothing left to do."""
        while not self._ending.is_set():
            if (self._tried(_portion) or 0) < JUDGE_LIMIT:
                self._ending.wait(self._pause)


def _portion() -> int:
    app = application.shared()
    app.finish_installation()
    return app.linking.judge(JUDGE_LIMIT)
