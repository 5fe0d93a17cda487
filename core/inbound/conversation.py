"""One call between Twilio's media stream and OpenAI's Realtime session: audio both ways, barge-in, transcripts."""

import asyncio
import logging
from contextlib import suppress
from typing import Any

from core.inbound import media_stream, voice
from core.inbound.media_stream import Broken, Socket, Start
from core.inbound.scribe import INAUDIBLE, Scribe
from core.inbound.voice import Voice

LATE_SECONDS = 2.0
"""So long the session is listened to after the caller hung up: transcripts come late."""

log = logging.getLogger(__name__)


class Gone(Exception):
    """The Realtime session ended, or could not be opened, while the caller was still there."""


class Conversation:
    """Carries one call until either side is gone.

    :param socket: Twilio's side.
    :param start: what the stream said of itself.
    :param scribe: writes down what is said.
    :param speaker: who speaks.
    """

    def __init__(self, socket: Socket, start: Start, scribe: Scribe, speaker: Voice) -> None:
        self._socket, self._start, self._scribe, self._voice = socket, start, scribe, speaker
        self._heard_ms = 0
        self._speaking: str | None = None
        self._began_ms = 0
        self._unplayed: list[str] = []
        self._caller_speaks = self._hung_up = False

    async def run(self) -> None:
        """Returns when the caller has hung up and everything said is written.

        :raises Gone: when the other side vanished first.
        """
        try:
            await self._speak()
        finally:
            await self._scribe.close()

    async def _speak(self) -> None:
        from openai import AsyncOpenAI, OpenAIError  # a second of imports, for servers that speak

        client = AsyncOpenAI(api_key=self._voice.api_key, base_url=self._voice.base_url, max_retries=1)
        try:
            async with client.realtime.connect(model=self._voice.model) as session:
                await session.session.update(session=self._voice.session())  # type: ignore[arg-type]
                await self._open_with(session)
                await self._carry(session)
        except (OpenAIError, OSError, TimeoutError) as error:
            raise Gone(type(error).__name__) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] == "websockets":
                raise Gone(type(error).__name__) from error
            raise
        finally:
            await client.close()

    async def _open_with(self, session: Any) -> None:
        given = self._start.parameters
        if given.get("speakFirst", "").lower() == "true" or given.get("initialMessage"):
            words = given.get("initialMessage") or given.get("message") or voice.GREETING
            await session.response.create(response=voice.first_words(words))

    async def _carry(self, session: Any) -> None:
        listening = asyncio.create_task(self._caller_to_session(session))
        speaking = asyncio.create_task(self._session_to_caller(session))
        try:
            await asyncio.wait((listening, speaking), return_when=asyncio.FIRST_COMPLETED)
            ended_early = speaking.done() and not listening.done()
            if not speaking.done():
                await self._hear_out(session, speaking)
        finally:
            for task in (listening, speaking):
                task.cancel()
            outcomes = await asyncio.gather(listening, speaking, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not _is_goodbye(outcome):
                raise outcome
        if ended_early:
            raise Gone("session ended")

    async def _hear_out(self, session: Any, speaking: "asyncio.Task[None]") -> None:
        """The caller has hung up: what they said last is transcribed, too."""
        self._hung_up = True
        if self._caller_speaks:
            with suppress(Exception):  # the session may be gone, too; what was heard so far is written
                await session.input_audio_buffer.commit()
        await asyncio.wait((speaking,), timeout=LATE_SECONDS)

    async def _caller_to_session(self, session: Any) -> None:
        async for message in media_stream.messages(self._socket):
            event = message.get("event")
            if event == "media":
                sound = media_stream.heard(message)
                if sound is not None:
                    self._heard_ms = self._heard_ms if sound[1] is None else sound[1]
                    await session.input_audio_buffer.append(audio=sound[0])
            elif event == "mark" and self._unplayed:
                self._unplayed.pop(0)

    async def _session_to_caller(self, session: Any) -> None:
        async for event in session:
            await self._on(session, event)

    async def _on(self, session: Any, event: Any) -> None:
        scribe = self._scribe
        match event.type:
            case "response.output_audio.delta":
                await self._play(event.item_id, event.delta)
            case "input_audio_buffer.speech_started":
                self._caller_speaks = True
                scribe.begins(event.item_id, "user")
                await self._interrupted(session)
            case "input_audio_buffer.committed":
                self._caller_speaks = False
            case "conversation.item.added" | "conversation.item.created":
                role = getattr(event.item, "role", None)
                if role in ("user", "assistant"):
                    scribe.begins(event.item.id, role)
            case "response.output_audio_transcript.delta":
                scribe.goes_on(event.item_id, "assistant", event.delta)
            case "response.output_audio_transcript.done":
                scribe.said(event.item_id, "assistant", event.transcript)
            case "conversation.item.input_audio_transcription.delta":
                scribe.goes_on(event.item_id, "user", event.delta or "")
            case "conversation.item.input_audio_transcription.completed":
                scribe.said(event.item_id, "user", event.transcript)
            case "conversation.item.input_audio_transcription.failed":
                scribe.said(event.item_id, "user", INAUDIBLE)
            case "error":
                log.warning("the Realtime session reports an error: %s", event.error.code or event.error.type)

    async def _play(self, item_id: str, payload: str) -> None:
        stream = self._start.stream_sid
        await self._send(media_stream.media(stream, payload))
        if self._speaking != item_id:
            self._speaking, self._began_ms = item_id, self._heard_ms
        await self._send(media_stream.mark(stream, item_id))
        self._unplayed.append(item_id)

    async def _send(self, message: dict[str, Any]) -> None:
        """Nothing is played to somebody who hung up; what comes after it may still be a transcript."""
        if self._hung_up:
            return
        try:
            await self._socket.send_json(message)
        except Exception as error:
            if not _is_goodbye(error):
                raise
            self._hung_up = True

    async def _interrupted(self, session: Any) -> None:
        """The caller speaks over us: what was not played is dropped, and the session told what was heard."""
        if not self._unplayed or self._speaking is None:
            return
        await self._send(media_stream.clear(self._start.stream_sid))
        heard = max(0, self._heard_ms - self._began_ms)
        await session.conversation.item.truncate(item_id=self._speaking, content_index=0, audio_end_ms=heard)
        self._unplayed.clear()
        self._speaking = None


def _is_goodbye(error: Exception) -> bool:
    """Whether this is how Twilio's side ends when the caller hangs up in the middle of a word."""
    return isinstance(error, Broken | RuntimeError) or type(error).__name__ == "WebSocketDisconnect"
