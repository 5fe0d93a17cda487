"""Writes down what is said in one call, with the time at which each utterance began.

The caller's words are transcribed while the reply is already spoken: they arrive late and stand in their place all the
same. What was spoken when the line broke is written as far as it came.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.errors import PatchbayError
from core.inbound.inbox import Inbox, Line
from core.inbound.transcripts import Role

INAUDIBLE = "[inaudible]"

log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Utterance:
    role: Role
    at: datetime
    parts: list[str] = field(default_factory=list)


class Scribe:
    """The transcript of one call. Its methods return at once; saving happens beside the conversation, in order.

    :param call_sid: the call.
    :param inbox: where lines go; it keeps them when the database is away.
    :param now: the clock.
    """

    def __init__(self, call_sid: str, inbox: Inbox, now: Callable[[], datetime] = _now) -> None:
        self._call_sid, self._inbox, self._now = call_sid, inbox, now
        self._begun: dict[str, _Utterance] = {}
        self._lines: asyncio.Queue[Line | None] = asyncio.Queue()
        self._saving = asyncio.create_task(self._save())
        self.lost = 0

    def begins(self, item_id: str, role: Role) -> None:
        """An utterance begins; the first to say so is right."""
        self._begun.setdefault(item_id, _Utterance(role, self._now()))

    def goes_on(self, item_id: str, role: Role, text: str) -> None:
        """A piece of an utterance."""
        self.begins(item_id, role)
        self._begun[item_id].parts.append(text)

    def said(self, item_id: str, role: Role, text: str) -> None:
        """An utterance is complete."""
        self.begins(item_id, role)
        utterance = self._begun.pop(item_id)
        self._write(item_id, role, text, utterance.at)

    async def close(self) -> None:
        """Write what was begun and not completed, and wait until everything is saved or kept."""
        for item_id, utterance in list(self._begun.items()):
            self._write(item_id, utterance.role, "".join(utterance.parts), utterance.at)
        self._begun.clear()
        self._lines.put_nowait(None)
        await asyncio.shield(self._saving)

    def _write(self, item_id: str, role: Role, text: str, at: datetime) -> None:
        if text.strip():
            self._lines.put_nowait(Line(self._call_sid, role, text, at, f"{self._call_sid}-{item_id}"))

    async def _save(self) -> None:
        while (line := await self._lines.get()) is not None:
            try:
                await asyncio.to_thread(self._inbox.take_line, line)
            except PatchbayError as error:
                self.lost += 1
                log.error("a line of a transcript is lost: %s", error.code)
            except Exception as error:  # the next lines must be saved all the same
                self.lost += 1
                log.error("a line of a transcript is lost: %s", type(error).__name__)
