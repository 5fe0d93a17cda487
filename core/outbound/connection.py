"""Where the queue lies: the backend's Redis, or BullMQ's tables in the database. The only place that knows which.

redis-py gives up a read after 5 seconds, which is as long as BullMQ blocks for a job: a read timeout of 30 keeps an
idle worker awake. BullMQ's own retries wait for minutes on a Redis that is down, so every use has a time limit here.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from core.errors import PatchbayError, Unavailable
from core.settings import Settings
from core.store.connections import readable
from core.store.failures import place
from core.store.queue_schema import make_queue_schema

SCHEMA = "bullmq"
PATIENCE = 4.5
"""Seconds that one use of the queue may take; people are told within five."""
PROBE_SECONDS = 2.0
_READ_TIMEOUT = 30

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class QueueConnection:
    """How BullMQ reaches the queue.

    :ivar where: names the server for people, without credentials.
    :ivar options: BullMQ's connection options; they hold the password.
    """

    where: str
    kind: str
    options: dict[str, Any] = field(repr=False)
    _made: threading.Event = field(default_factory=threading.Event, repr=False)

    @classmethod
    def of(cls, settings: Settings, database_url: str | None) -> "QueueConnection":
        """What the settings choose: Redis when there is one, else the database.

        :param database_url: of the database that the app works on, where it has one.
        :raises Unavailable: when there is neither, with the variables that would help.
        """
        if settings.redis_url is not None:
            return _redis(settings.redis_url)
        if database_url is None:
            raise Unavailable(
                "There is no queue: a Supabase project by URL and key alone cannot hold one.",
                hint="Set REDIS_URL (the backend's Redis), or DATABASE_URL (the project's connection string).",
            )
        conninfo, pooled = readable(database_url)
        if pooled:
            raise Unavailable(
                "The queue cannot work through a transaction pooler: it has to be told of new jobs.",
                hint="Set DATABASE_URL to the direct connection or the session pooler (port 5432), or set REDIS_URL.",
            )
        return cls(place(conninfo), "postgres", {"backend": "postgres", "connection": conninfo, "schema": SCHEMA})

    async def probe(self) -> None:
        """Find out quickly whether the server answers; BullMQ itself would wait for minutes.

        :raises Unavailable: when it does not.
        """
        if self.kind != "redis":
            if not self._made.is_set():
                await asyncio.to_thread(make_queue_schema, self.options["connection"], SCHEMA)
                self._made.set()
            return
        import redis.asyncio

        client = redis.asyncio.Redis.from_url(
            self.options["connection"], retry=None, socket_connect_timeout=PROBE_SECONDS
        )
        try:
            await self.limited(lambda: client.ping(), PROBE_SECONDS)
        finally:
            await client.aclose()

    async def limited(self, use: Callable[[], Awaitable[_Result]], seconds: float = PATIENCE) -> _Result:
        """Use the queue within a time limit.

        :raises Unavailable: when it does not answer, whatever the driver calls that.
        """
        try:
            return await asyncio.wait_for(use(), seconds)
        except PatchbayError:
            raise
        except Exception as failure:
            if isinstance(failure, TypeError | ValueError | KeyError):
                raise  # BullMQ's own complaints about a job
            raise self.failed(failure) from failure

    def failed(self, failure: BaseException) -> Unavailable:
        """Why the queue could not be used, in words that hold no secret."""
        text = str(failure).lower()
        if "auth" in text or "password" in text or "noperm" in text:
            return Unavailable(f"{self.where} refuses the queue's user or password.", hint=self._hint)
        if "permission denied" in text:
            return Unavailable(f"{self.where} does not let this user keep a queue.", hint="Use the database's owner.")
        return Unavailable(f"{self.where} does not answer: the queue cannot be used.", hint=self._hint)

    @property
    def _hint(self) -> str:
        return "Check REDIS_URL." if self.kind == "redis" else "Check DATABASE_URL."


def _redis(url: str) -> QueueConnection:
    parts = urlsplit(url)
    where = f"Redis at {parts.hostname}:{parts.port or 6379}" if parts.hostname else "Redis on the local socket"
    joint = "&" if parts.query else "?"
    timed = url if "socket_timeout=" in parts.query else f"{url}{joint}socket_timeout={_READ_TIMEOUT}"
    return QueueConnection(where, "redis", {"connection": timed})
