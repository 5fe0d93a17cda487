"""Twilio's side of a media stream: its messages, read and written."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.errors import BadInput
from core.inbound.callbacks import as_twilio_writes
from core.linking import fields

START_SECONDS = 10.0
"""So long a stream may take to say which call it is."""
LONGEST_MESSAGE = 64_000
"""Characters. Twilio sends 20 ms of audio at a time, a few hundred characters."""


class Socket(Protocol):
    """A WebSocket that carries JSON, as Starlette's does."""

    async def receive_text(self) -> str:
        """The next message."""

    async def send_json(self, data: Any) -> None:
        """Send a message."""


class Broken(Exception):
    """The other side does not keep to Twilio's protocol."""


@dataclass(frozen=True, slots=True)
class Start:
    """What a stream says of itself.

    :ivar parameters: the ``<Parameter>`` elements of the call's TwiML.
    """

    stream_sid: str
    call_sid: str
    parameters: Mapping[str, str] = field(default_factory=dict)


async def started(socket: Socket) -> Start:
    """Read until the stream says which call it is.

    :raises Broken: when it says something else, or nothing for :data:`START_SECONDS`.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            while (message := await _message(socket)).get("event") == "connected":
                continue
    except TimeoutError:
        raise Broken("no start") from None
    start = message.get("start")
    if message.get("event") != "start" or not isinstance(start, dict):
        raise Broken("no start")
    given = start.get("customParameters")
    parameters = {str(k): str(v) for k, v in given.items()} if isinstance(given, dict) else {}
    try:
        call_sid = as_twilio_writes(fields.call_sid(start.get("callSid")))
    except BadInput:
        raise Broken("no call") from None
    return Start(str(start.get("streamSid", "")), call_sid, parameters)


async def messages(socket: Socket) -> AsyncIterator[dict[str, Any]]:
    """What comes after ``start``, until ``stop``. Ends silently when the socket does."""
    while True:
        message = await _message(socket)
        if message.get("event") == "stop":
            return
        yield message


async def _message(socket: Socket) -> dict[str, Any]:
    try:
        text = await socket.receive_text()
    except KeyError:
        raise Broken("no text") from None
    if len(text) > LONGEST_MESSAGE:
        raise Broken("too long")
    try:
        message = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise Broken("no JSON") from None
    if not isinstance(message, dict):
        raise Broken("no object")
    return message


def heard(message: Mapping[str, Any]) -> tuple[str, int | None] | None:
    """The caller's audio in a message (base64 μ-law) and its time in milliseconds; None for another track's.

    :raises Broken: when it is no media message as Twilio sends them.
    """
    try:
        media = message["media"]
        if media.get("track", "inbound") != "inbound":
            return None
        payload, at = media["payload"], media.get("timestamp")
        if not isinstance(payload, str):
            raise TypeError
        return payload, None if at is None else int(at)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Broken("no media") from None


def media(stream_sid: str, payload: str) -> dict[str, Any]:
    """Audio for the caller, base64 μ-law."""
    return {"event": "media", "streamSid": stream_sid, "media": {"payload": payload}}


def mark(stream_sid: str, name: str) -> dict[str, Any]:
    """Ask to be told when everything before this was played."""
    return {"event": "mark", "streamSid": stream_sid, "mark": {"name": name}}


def clear(stream_sid: str) -> dict[str, Any]:
    """Drop what was not played yet."""
    return {"event": "clear", "streamSid": stream_sid}
