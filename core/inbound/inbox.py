"""Where callbacks and spoken lines arrive: into the database, or on disk until the database is back."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from core.errors import BadInput, PatchbayError
from core.inbound.backlog import Backlog
from core.inbound.callbacks import StatusCallback, save_callback
from core.inbound.transcripts import Role, save_line
from core.store.gateway import Gateway

SPARED_SECONDS = 2.0
"""So long a database that was away is not asked again: a burst of callbacks must not wait for it one by one."""
ASKING_SECONDS = 5.0
"""So long asking may take; then another one asks."""
PAUSE_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance; see :func:`core.inbound.transcripts.save_line`."""

    call_sid: str
    role: Role
    content: str
    at: datetime
    message_id: str | None = None


Saved: TypeAlias = Callable[[str, Mapping[str, Any]], None]


def _nothing(_kind: str, _item: Mapping[str, Any]) -> None:
    pass


class Inbox:
    """Takes in what must not be lost. Safe to share between threads; blocking.

    :param gateway: the way into the database; asked for when it is needed, and may raise errors of :mod:`core.errors`.
    :param saved: told kind and item of everything that was written, for automatic linking; must not raise.
    """

    def __init__(self, gateway: Callable[[], Gateway], backlog: Backlog, *, saved: Saved = _nothing) -> None:
        self._gateway, self._backlog, self._saved = gateway, backlog, saved
        self._lock = threading.Lock()
        self._spared_until, self._is_away = 0.0, False

    def take_callback(self, callback: StatusCallback) -> bool:
        """Save a callback; False when it waits on disk.

        :raises core.errors.Unavailable: when it can neither be saved nor kept.
        """
        return self._take("callback", _document(callback))

    def take_line(self, line: Line) -> bool:
        """Save an utterance; False when it waits on disk.

        :raises core.errors.Unavailable: when it can neither be saved nor kept.
        """
        return self._take("line", _document(line))

    def replay(self) -> int:
        """Write what waits; returns how much was written."""
        if self._backlog.is_empty():
            return 0
        written = self._backlog.replay(self._write)
        if written:
            self._answered()
        return written

    def close(self) -> None:
        """Close what is open; what waits stays on disk."""
        self._backlog.close()

    def _take(self, kind: str, item: Mapping[str, Any]) -> bool:
        """Save, or keep for later whatever went wrong: nobody sends it again."""
        if self._may_try():
            try:
                self._write(kind, item)
                self._answered()
                return True
            except BadInput:
                raise
            except PatchbayError as error:
                self._spare(kind, error.code)
            except Exception as error:
                self._spare(kind, type(error).__name__)
        self._backlog.keep(kind, item)
        return False

    def _may_try(self) -> bool:
        """Whether to ask the database. While it is away one caller at a time finds out whether it is back."""
        with self._lock:
            now = time.monotonic()
            if now < self._spared_until:
                return False
            if self._is_away:
                self._spared_until = now + ASKING_SECONDS
            return True

    def _answered(self) -> None:
        if self._is_away:
            with self._lock:
                self._spared_until, self._is_away = 0.0, False

    def _spare(self, kind: str, why: str) -> None:
        log.warning("a %s waits on disk: %s", kind, why)
        with self._lock:
            self._spared_until, self._is_away = time.monotonic() + SPARED_SECONDS, True

    def _write(self, kind: str, item: Mapping[str, Any]) -> None:
        gateway = self._gateway()
        if kind == "callback":
            save_callback(gateway, _callback(item))
        elif kind == "line":
            save_line(gateway, **{**item, "at": datetime.fromisoformat(item["at"])})
        else:
            raise BadInput(f"kind is {kind!r}: expected callback or line.")
        self._saved(kind, item)


class Replaying(threading.Thread):
    """Writes what waits as soon as the database is back, until it is stopped."""

    def __init__(self, inbox: Inbox, pause: float = PAUSE_SECONDS) -> None:
        super().__init__(name="inbound-backlog", daemon=True)
        self._inbox, self._pause = inbox, pause
        self._ending = threading.Event()

    def run(self) -> None:
        """The thread's body."""
        while not self._ending.wait(self._pause):
            try:
                written = self._inbox.replay()
                if written:
                    log.warning("%d items of the inbound backlog are written", written)
            except Exception as error:  # a thread that died would leave everything on disk, unseen
                log.error("the inbound backlog cannot be read: %s", type(error).__name__)

    def stop(self, seconds: float = 5.0) -> None:
        """Ask it to end and wait for what is under way."""
        self._ending.set()
        if self.is_alive():
            self.join(seconds)
        self._inbox.close()


def _document(item: StatusCallback | Line) -> dict[str, Any]:
    named = asdict(item)
    return {**named, "at": item.at.isoformat() if item.at else None}


def _callback(item: Mapping[str, Any]) -> StatusCallback:
    known = StatusCallback(**item)
    return known if known.at is None else replace(known, at=datetime.fromisoformat(str(known.at)))
