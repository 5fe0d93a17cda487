"""``/media-stream``: Twilio's WebSocket, proven by the signature of its handshake or by the token in its TwiML."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from core.inbound import media_stream
from core.inbound.conversation import Conversation, Gone
from core.inbound.inbox import Inbox
from core.inbound.media_stream import Broken, Start
from core.inbound.scribe import Scribe
from core.inbound.voice import Voice
from core.telephony.signatures import HEADER, TOKEN_SECONDS, Signatures

POLICY_VIOLATION = 1008
TRY_LATER = 1013

GONE = (Broken, WebSocketDisconnect, RuntimeError)
"""How a stream ends from the other side; Starlette says RuntimeError of a socket that is closed already."""

log = logging.getLogger(__name__)


class MediaStreams:
    """The calls that are being spoken with.

    :param inbox: where transcripts go.
    :param speaker: who speaks; None: nobody, and streams are turned away.
    """

    def __init__(self, inbox: Callable[[], Inbox], signatures: Signatures, speaker: Voice | None) -> None:
        self._inbox, self._signatures, self._voice = inbox, signatures, speaker
        self._live: set[str] = set()
        self._used: dict[str, float] = {}

    @property
    def live(self) -> frozenset[str]:
        """The Call SIDs of the streams that are open now."""
        return frozenset(self._live)

    def routes(self) -> list[BaseRoute]:
        """The path of the contract."""
        return [WebSocketRoute("/media-stream", self._stream)]

    async def _stream(self, socket: WebSocket) -> None:
        if self._voice is None:
            await socket.close(TRY_LATER, "nobody speaks here")
            return
        signed = self._is_signed(socket)
        await socket.accept()
        try:
            start = await media_stream.started(socket)
        except GONE:
            await _close(socket, POLICY_VIOLATION)
            return
        token = start.parameters.get("token", "")
        if not signed and not self._signatures.is_stream_token(start.call_sid, token):
            log.warning("a media stream is neither signed nor has it a token")
            await _close(socket, POLICY_VIOLATION)
            return
        if start.call_sid in self._live or (not signed and self._was_used(token)):
            log.warning("a media stream of a call that has one, or a token for the second time")
            await _close(socket, POLICY_VIOLATION)
            return
        await self._converse(socket, start, self._voice)

    def _was_used(self, token: str) -> bool:
        """Whether a token opened a stream before; from now on it did."""
        now = time.monotonic()
        self._used = {known: until for known, until in self._used.items() if until > now}
        if token in self._used:
            return True
        self._used[token] = now + TOKEN_SECONDS
        return False

    async def _converse(self, socket: WebSocket, start: Start, speaker: Voice) -> None:
        self._live.add(start.call_sid)
        try:
            await Conversation(socket, start, Scribe(start.call_sid, self._inbox()), speaker).run()
        except Gone as gone:  # Twilio goes on with the next verb of the TwiML: an apology
            log.error("a conversation ended early: %s", gone)
        except GONE:
            log.info("a caller vanished")
        finally:
            self._live.discard(start.call_sid)
            await _close(socket)

    def _is_signed(self, socket: WebSocket) -> bool:
        own = f"{socket.url.scheme}://{socket.url.netloc}"
        target = socket.url.path + (f"?{socket.url.query}" if socket.url.query else "")
        return self._signatures.is_valid(own, target, {}, socket.headers.get(HEADER))


async def _close(socket: WebSocket, code: int = 1000) -> None:
    with suppress(RuntimeError, WebSocketDisconnect):  # it may be closed already
        await socket.close(code)
