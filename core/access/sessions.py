"""Sessions live in the database, keyed by the digest of the token in the person's cookie.

They end when they are revoked, 12 hours after the last sign of life and 7 days after signing in. What the database said
is believed for a few seconds, so that a page with forty files asks once.
"""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from core.access.identity import Identity, Method
from core.access.identity import role as known_role
from core.access.provisional import Caller
from core.access.secret_tokens import digest, is_token, new_token
from core.errors import Unavailable

IDLE_SECONDS = 12 * 3600
ABSOLUTE_SECONDS = 7 * 24 * 3600
BELIEVED_SECONDS = 3.0
"""How long an answer is used again: a session revoked elsewhere ends this much later at most."""
OUTAGE_SECONDS = 600.0
"""How long somebody who was signed in may look at the error screens while the database cannot be asked."""
TOUCH_SECONDS = 60.0
"""Signs of life are passed on this often."""
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Answer:
    """What was said of a session, when, when it was last asked about, and when it was last a sign of life."""

    identity: Identity
    at: float
    asked: float
    touched: float


class Sessions:
    """Open, look up and close sessions. Safe to share between threads.

    :param methods: ways of signing in whose sessions count; those of another way are as good as none.
    :param clock: seconds that only go forward.
    :param ended: told the key of a session that was found to have ended, and of one that is closed here.
    """

    def __init__(
        self,
        gateway: Caller,
        methods: Collection[Method],
        *,
        clock: Callable[[], float] = time.monotonic,
        ended: Callable[[str], None] = lambda key: None,
    ) -> None:
        self._gateway, self._methods, self._clock, self._ended = gateway, frozenset(methods), clock, ended
        self._answers: dict[str, _Answer] = {}
        self._lock = threading.Lock()

    def open(self, identity: Identity, *, user_id: int | None = None, password_hash: str | None = None) -> str | None:
        """A new session's token, for the cookie; None when the account changed while its password was checked.

        :param user_id: the account here that was signed in to; its role then counts, disabling it ends the session.
        :param password_hash: what the password was checked against.
        """
        token = new_token()
        opened = self._gateway.call(
            "patchbay_session_open",
            p_key=digest(token),
            p_user_id=user_id,
            p_password_hash=password_hash,
            p_name=identity.name,
            p_role=identity.role,
            p_method=identity.method,
            p_seconds=ABSOLUTE_SECONDS,
        )
        return token if opened else None

    def by_token(self, token: str, *, touch: bool = False) -> Identity | None:
        """Who holds this cookie; None for a session that ended and for text that is no token."""
        return self.by_key(digest(token), touch=touch) if is_token(token) else None

    def by_key(self, key: str, *, touch: bool = False) -> Identity | None:
        """Who the session belongs to that has this digest as key.

        :param touch: this is a person doing something, which starts the idle time anew.
        :raises core.errors.Unavailable: when the database cannot be asked and did not know the session lately.
        """
        now = self._clock()
        known = self._answers.get(key)
        stale_touch = touch and known is not None and now - known.touched > TOUCH_SECONDS
        if known and now - known.asked < BELIEVED_SECONDS and not stale_touch:
            return known.identity
        try:
            found = self._gateway.call("patchbay_session", p_key=key, p_idle_seconds=IDLE_SECONDS, p_touch=touch)
        except Unavailable:
            if known and now - known.at < OUTAGE_SECONDS:
                said = self._clock()  # whoever has just waited does not wait again
                self._remember(key, replace(known, asked=said, touched=said))
                return known.identity
            raise
        identity = self._identity(found)
        touched = now if touch else known.touched if known else float("-inf")
        self._remember(key, _Answer(identity, now, now, touched) if identity else None)
        if identity is None:
            self._ended(key)
        return identity

    def close(self, token: str) -> None:
        """End a session, here at once."""
        if is_token(token):
            key = digest(token)
            self._ended(key)
            self._gateway.call("patchbay_session_close", p_key=key)
            with self._lock:
                self._answers.pop(key, None)

    def _identity(self, found: Any) -> Identity | None:
        if not found or found["method"] not in self._methods:
            return None
        return Identity(found["name"], known_role(found["role"]), found["method"])

    def _remember(self, key: str, answer: _Answer | None) -> None:
        with self._lock:
            self._answers.pop(key, None)
            if answer is not None:
                self._answers[key] = answer
            while len(self._answers) > REMEMBERED:
                del self._answers[next(iter(self._answers))]
