"""Access tokens of people who signed in at Supabase: in this process's memory, for as long as session and token live.

They are never stored, logged or shown. Another process, or this one after a restart, does without.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from core.store.gateway import Gateway
from core.store.person_gateway import PersonGateway

MOST_PEOPLE = 64
"""Whose client is kept; who was away longest goes first, and acts by the project's key from then on."""
EARLY_SECONDS = 30.0
"""A token that is about to expire is not used any more: clocks differ."""


@runtime_checkable
class Project(Gateway, Protocol):
    """A gateway that can act for people: :class:`core.store.supabase.SupabaseGateway`."""

    def for_token(self, token: str) -> Gateway:
        """The same project as a signed-in person sees it."""
        ...

    def forget(self, token: str) -> None:
        """Give up the client that was made for a token."""
        ...


@dataclass(frozen=True, slots=True)
class _Kept:
    token: str = field(repr=False)
    ends: float
    gateway: PersonGateway = field(repr=False)


class PersonTokens:
    """One client for each signed-in person, by the key of their session. Safe to share between threads.

    :param clock: seconds that only go forward.
    """

    def __init__(self, project: Project, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._project, self._clock = project, clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, key: str, token: str, seconds: float) -> None:
        """Remember a person's token.

        :param key: the key of their session.
        :param seconds: how long the token is good from now on.
        """
        kept = _Kept(token, self._clock() + seconds, PersonGateway(self._project, self._project.for_token(token)))
        with self._lock:
            gone = [self._kept.pop(key, None)]
            self._kept[key] = kept
            while len(self._kept) > MOST_PEOPLE:
                gone.append(self._kept.popitem(last=False)[1])
        self._give_up(*gone)

    def gateway(self, key: str) -> Gateway | None:
        """The way for commands of the person who has this session; None: the project's key it is."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if kept.ends - EARLY_SECONDS > self._clock():
                self._kept.move_to_end(key)
                return kept.gateway
            del self._kept[key]
        self._give_up(kept)
        return None

    def drop(self, key: str) -> None:
        """The session ended: forget token and client."""
        with self._lock:
            gone = self._kept.pop(key, None)
        self._give_up(gone)

    def _give_up(self, *gone: _Kept | None) -> None:
        for kept in gone:
            if kept is not None:
                self._project.forget(kept.token)
