"""A stand-in for OpenAI's Realtime API: every event, both ways, is checked against the SDK's own types.

It hears speech as loud μ-law, answers each turn with audio and a transcript, and sends the caller's own words late, as
the real one does. Faults are asked for by name.
"""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import websockets
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError
from websockets.asyncio.server import ServerConnection, serve

CLIENT: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)
SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
LOUD, SILENT = bytes([0x10]) * 160, bytes([0xFF]) * 160
"""20 ms of speech and of silence, as μ-law."""
QUIET_FRAMES = 10


@dataclass
class Realtime:
    """The stand-in, as tests see it.

    :ivar refuses: every connection is refused.
    :ivar drops_at: the connection is dropped when this event would be sent.
    :ivar late_seconds: so long after the reply the caller's words are known.
    :ivar slow_seconds: between two pieces of a reply's audio.
    :ivar mishears: the caller's words cannot be transcribed.
    """

    url: str = ""
    refuses: bool = False
    drops_at: str | None = None
    late_seconds: float = 0.2
    slow_seconds: float = 0.0
    mishears: bool = False
    sessions: list[dict[str, Any]] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    open: int = 0

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The client's events of a type."""
        return [event for event in self.received if event["type"] == kind]


class _Dropped(Exception):
    pass


class _Session:
    def __init__(self, peer: Realtime, line: ServerConnection) -> None:
        self.peer, self.line = peer, line
        self.turn, self.speaking, self.quiet, self.sent = 0, False, 0, 0
        self.later: set[asyncio.Task[None]] = set()

    async def send(self, kind: str, **body: Any) -> None:
        if kind == self.peer.drops_at:
            raise _Dropped
        self.sent += 1
        event = {"type": kind, "event_id": f"ev_{self.sent}", **body}
        try:
            SERVER.validate_python(event)
        except ValidationError as error:
            self.peer.complaints.append(f"the stand-in sent a bad {kind}: {error}")
        await self.line.send(json.dumps(event))

    async def serve(self) -> None:
        await self.send("session.created", session={"type": "realtime", "model": "gpt-realtime-2.1"})
        async for raw in self.line:
            event = json.loads(raw)
            try:
                CLIENT.validate_python(event)
            except ValidationError as error:
                self.peer.complaints.append(f"the client sent a bad {event.get('type')}: {error}")
            await self.on(event)

    async def on(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "input_audio_buffer.append":
            await self.hear(base64.b64decode(event["audio"]))
            return
        self.peer.received.append(event)
        if kind == "session.update":
            self.peer.sessions.append(event["session"])
            await self.send("session.updated", session=event["session"])
        elif kind == "input_audio_buffer.commit" and self.speaking:
            self.speaking = False
            item = f"item_u{self.turn}"
            await self.send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
            self.later.add(asyncio.create_task(self.transcribe(item, f"User said {self.turn}\n")))
        elif kind == "response.create":
            await self.speak("item_first", "Hello, this is Patchbay.")

    async def hear(self, audio: bytes) -> None:
        loud = sum((byte & 0x7F) < 0x60 for byte in audio) > len(audio) // 4
        if loud and not self.speaking:
            self.speaking, self.turn, self.quiet = True, self.turn + 1, 0
            await self.send("input_audio_buffer.speech_started", audio_start_ms=0, item_id=f"item_u{self.turn}")
        elif self.speaking:
            self.quiet = 0 if loud else self.quiet + 1
            if self.quiet >= QUIET_FRAMES:
                self.speaking = False
                await self.answer(self.turn)

    async def answer(self, turn: int) -> None:
        item = f"item_u{turn}"
        await self.send("input_audio_buffer.speech_stopped", audio_end_ms=0, item_id=item)
        await self.send("input_audio_buffer.committed", item_id=item, previous_item_id=None)
        await self.send("conversation.item.added", item=_item(item, "user"), previous_item_id=None)
        speaking = asyncio.create_task(self.speak(f"item_a{turn}", f"Assistant reply {turn}"))
        self.later |= {speaking, asyncio.create_task(self.transcribe(item, f"User said {turn}\n"))}
        if not self.peer.slow_seconds:
            await speaking

    async def speak(self, item: str, words: str) -> None:
        await self.send("conversation.item.added", item=_item(item, "assistant"), previous_item_id=None)
        place: dict[str, Any] = {"response_id": "resp_1", "item_id": item, "output_index": 0, "content_index": 0}
        for _ in range(5):
            delta = base64.b64encode(bytes([0x11]) * 1600).decode()
            await self.send("response.output_audio.delta", **place, delta=delta)
            await asyncio.sleep(self.peer.slow_seconds)
        half = len(words) // 2
        for part in (words[:half], words[half:]):
            await self.send("response.output_audio_transcript.delta", **place, delta=part)
        await self.send("response.output_audio_transcript.done", **place, transcript=words)

    async def transcribe(self, item: str, words: str) -> None:
        await asyncio.sleep(self.peer.late_seconds)
        kind = "conversation.item.input_audio_transcription.completed"
        body: dict[str, Any] = {"transcript": words, "usage": {"type": "duration", "seconds": 1.0}}
        if self.peer.mishears:
            kind, body = kind.replace("completed", "failed"), {"error": {"type": "server_error", "code": "bad_audio"}}
        try:
            await self.send(kind, item_id=item, content_index=0, **body)
        except _Dropped:
            await self.line.close(1011)
        except websockets.ConnectionClosed:
            pass


def _item(item: str, role: str) -> dict[str, Any]:
    return {"id": item, "type": "message", "role": role, "status": "completed", "content": []}


@contextmanager
def realtime() -> Iterator[Realtime]:
    """The stand-in, served on 127.0.0.1 until the block ends."""
    peer, ready, ending = Realtime(), threading.Event(), threading.Event()

    async def handle(line: ServerConnection) -> None:
        peer.keys.add(line.request.headers.get("Authorization", "") if line.request else "")
        peer.open += 1
        try:
            await _Session(peer, line).serve()
        except _Dropped:
            await line.close(1011)
        except websockets.ConnectionClosed:
            pass
        finally:
            peer.open -= 1

    async def refuse(line: ServerConnection, request: Any) -> Any:
        return line.respond(503, "away\n") if peer.refuses else None

    async def run() -> None:
        async with serve(handle, "127.0.0.1", 0, process_request=refuse, max_size=None) as server:
            peer.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/v1"
            ready.set()
            await asyncio.to_thread(ending.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    ready.wait(10)
    try:
        yield peer
    finally:
        ending.set()
        thread.join(10)
