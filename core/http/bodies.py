"""How much a request may send, and how slowly: a body is read to its end before anybody works on it.

Behind the door, so that of strangers' bodies only those for the open paths are read at all.
"""

import asyncio

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.http.gate_requests import header

LARGEST_BODY = 1_000_000
"""Bytes. Forms of Twilio's and commands of the API have a few kB."""
BODY_SECONDS = 20.0
"""So long a body may take to arrive."""
UNLIMITED = "/_stcore/"
"""Streamlit has limits of its own for what people upload."""


class BodyGuard:
    """ASGI middleware: a body that is too large is answered 413, one that does not come 408.

    :param largest: bytes.
    :param seconds: until all of it must have arrived.
    """

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY, seconds: float = BODY_SECONDS) -> None:
        self._app, self._largest, self._seconds = app, largest, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(UNLIMITED) or scope["method"] in ("GET", "HEAD"):
            return await self._app(scope, receive, send)
        try:
            async with asyncio.timeout(self._seconds):
                body = await self._read(scope, receive)
        except TimeoutError:
            return await _refusal(408, "The request took too long to arrive.")(scope, receive, send)
        if body is None:
            told = f"The request is larger than {self._largest // 1000} kB."
            return await _refusal(413, told)(scope, receive, send)
        return await self._app(scope, _again(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> list[Message] | None:
        """The body's messages; None when there is too much of it."""
        told = header(scope, b"content-length") or ""
        if told.isascii() and told.isdigit() and int(told[:20]) > self._largest:
            return None
        messages: list[Message] = []
        size, more = 0, True
        while more:
            message = await receive()
            messages.append(message)
            more = message["type"] == "http.request" and message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > self._largest:
                return None
        return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """What was read, then whatever comes."""
    waiting = iter(messages)

    async def next_message() -> Message:
        return next(waiting, None) or await receive()

    return next_message


def _refusal(status: int, message: str) -> JSONResponse:
    headers = {"Connection": "close", "Cache-Control": "no-store"}
    return JSONResponse({"success": False, "error": message}, status, headers)
