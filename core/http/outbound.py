"""The server's part in outbound calls: results of jobs are kept, and without a Redis the worker runs here, too."""

from core import app as application
from core.http.caretaker import Caretaker
from core.outbound.service import Calls

START_AGAIN_SECONDS = 10.0

_here: set["Calling"] = set()


def dialling_here() -> bool:
    """Whether this very process takes jobs from the queue."""
    return any(calling.dialling for calling in tuple(_here))


class Calling(Caretaker):
    """Waits for the application, then works until it is stopped.

    With a Redis the queue is shared with other workers, and dialling is left to ``python -m core worker``.

    :param pause: seconds until the next try when something is down.
    """

    def __init__(self, pause: float = START_AGAIN_SECONDS) -> None:
        super().__init__("calling", pause)
        self._calls: Calls | None = None
        self._known: dict[str, str] = {}

    @property
    def dialling(self) -> bool:
        """Whether it takes jobs now."""
        calls = self._calls
        return calls is not None and calls.dialling

    def run(self) -> None:
        """The thread's body."""
        _here.add(self)
        while not self._ending.is_set():
            self._tried(self._work)
            self._ending.wait(self._pause)
        _here.discard(self)

    def stop(self, seconds: float = 40.0) -> None:
        """Ask it to end and wait for the calls that are being dialled."""
        self._ending.set()
        calls = self._calls
        if calls is not None:
            calls.stop()
        super().stop(seconds)

    def _work(self) -> None:
        app = application.shared()
        app.finish_installation()
        self._calls = calls = app.calls()
        try:
            if not self._ending.is_set():
                calls.run(dialling=app.settings.redis_url is None, known=self._known)
        finally:
            self._calls = None
