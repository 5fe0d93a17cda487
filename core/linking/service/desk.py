"""What every use case has at hand: the way into the database, the settings, the clock, and who acts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from core.access.identity import Identity
from core.linking import sentences
from core.linking.commands import Options
from core.model.records import Call
from core.settings import Settings
from core.store.gateway import Gateway


def _now() -> datetime:
    return datetime.now(UTC)


class Desk:
    """The ground of every use case: what :class:`core.linking.Linking` is made from."""

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        *,
        now: Callable[[], datetime] = _now,
        identity: Identity | None = None,
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._now = now
        self._identity = identity

    def _actor(self, given: str | None = None) -> str:
        """Who acts: whoever is signed in, else whom the caller names, else this machine's user."""
        return self._identity.name if self._identity is not None else given or self._settings.actor

    def _named(self, options: Options) -> Options:
        """The options in the name of whoever is signed in; they cannot act in another's."""
        return options if self._identity is None else replace(options, actor=self._identity.name)

    def _as_of(self, call: Call, now: datetime) -> Call:
        return sentences.as_of(call, now, self._settings.link_grace_seconds)
