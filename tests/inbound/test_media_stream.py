"""Calls on the media stream: Twilio's side is streamdouble, OpenAI's a stand-in that checks every event."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import websockets
from streamdouble import protocol
from streamdouble.session import Session, SessionConfig, SessionResult

from core.telephony.signatures import Signatures
from tests import running
from tests.inbound.conftest import AUTH_TOKEN, SID, Peer, Starting
from tests.inbound.realtime import LOUD, SILENT, Realtime, realtime

TURN = [LOUD] * 25 + [SILENT] * 30
"""Half a second of speech, and a pause."""


@pytest.fixture
def openai() -> Iterator[Realtime]:
    with realtime() as peer:
        yield peer


@pytest.fixture
def twilio(serve: Starting, openai: Realtime) -> Peer:
    return serve(OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=openai.url)


async def call(
    twilio: Peer, turns: int = 2, call_sid: str = SID, *, token: str | None = None, **parameters: str
) -> SessionResult:
    """One call, from the first frame to hanging up."""
    given = Signatures(AUTH_TOKEN, None).stream_token(call_sid) if token is None else token
    config = SessionConfig(custom_parameters={"token": given, **parameters}, quiet_period_s=0.4, response_timeout_s=5)
    url = twilio.base.replace("http", "ws") + "/media-stream"
    identity = protocol.StreamIdentity(call_sid=call_sid)
    return await Session(url, TURN * turns, config=config, identity=identity).run()


def transcript(twilio: Peer, call_sid: str = SID) -> list[tuple[str, str]]:
    rows = twilio.rows('call_sid, role, content, "timestamp"', "conversation_transcripts")
    own = sorted((row[3], row[1], row[2]) for row in rows if row[0] == call_sid)
    return [(role, content) for _, role, content in own]


def eventually(check: Any, seconds: float = 8.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.05)
    return bool(check())


def test_a_call_is_spoken_with_and_written_down_in_order(twilio: Peer, openai: Realtime) -> None:
    result = running.run(call(twilio))
    assert result.violations == []
    assert len(result.audio_received) >= 2 * 5 * 1600
    expected = [
        ("user", "User said 1"),
        ("assistant", "Assistant reply 1"),
        ("user", "User said 2"),
        ("assistant", "Assistant reply 2"),
    ]
    assert eventually(lambda: len(transcript(twilio)) == 4)
    assert transcript(twilio) == expected, "the caller's words come late and stand in their place"
    assert openai.complaints == []
    assert openai.keys == {"Bearer sk-test"}
    sent = openai.sessions[0]["audio"]
    assert (sent["input"]["format"], sent["output"]["format"]) == ({"type": "audio/pcmu"}, {"type": "audio/pcmu"})
    assert sent["input"]["transcription"]["model"]


def test_the_agent_speaks_first_when_it_was_asked_to(twilio: Peer, openai: Realtime) -> None:
    running.run(call(twilio, turns=1, speakFirst="true", initialMessage="Good morning from Kestrel"))
    assert "Good morning from Kestrel" in openai.of("response.create")[0]["response"]["instructions"]
    assert eventually(lambda: ("assistant", "Hello, this is Patchbay.") in transcript(twilio))


def test_the_caller_can_interrupt(twilio: Peer, openai: Realtime) -> None:
    async def scene() -> SessionResult:
        given = Signatures(AUTH_TOKEN, None).stream_token(SID)
        config = SessionConfig(
            custom_parameters={"token": given, "speakFirst": "true"}, echo_marks=False, quiet_period_s=0.3
        )
        frames = [SILENT] * 15 + TURN
        url = twilio.base.replace("http", "ws") + "/media-stream"
        return await Session(url, frames, config=config, identity=protocol.StreamIdentity(call_sid=SID)).run()

    result = running.run(scene())
    assert result.clears_received >= 1
    assert openai.of("conversation.item.truncate")[0]["item_id"] == "item_first"
    assert result.violations == []


@pytest.mark.parametrize("token", ["", "1999999999.abc", "0.0"])
def test_a_stream_without_proof_is_turned_away(twilio: Peer, openai: Realtime, token: str) -> None:
    result = running.run(call(twilio, turns=1, token=token))
    assert result.closed_early or result.audio_received == b""
    assert openai.sessions == []


def test_a_token_of_another_call_is_no_proof(twilio: Peer, openai: Realtime) -> None:
    other = Signatures(AUTH_TOKEN, None).stream_token("CA" + "9" * 32)
    running.run(call(twilio, turns=1, token=other))
    assert openai.sessions == []


def test_openai_away_ends_the_stream_so_that_the_apology_is_heard(twilio: Peer, openai: Realtime) -> None:
    openai.refuses = True
    result = running.run(call(twilio, turns=1))
    assert result.closed_early
    assert result.violations == []


@pytest.mark.parametrize(
    "step",
    [
        "session.updated",
        "input_audio_buffer.speech_started",
        "response.output_audio.delta",
        "response.output_audio_transcript.done",
        "conversation.item.input_audio_transcription.completed",
    ],
)
def test_openai_vanishes_and_nothing_that_was_said_is_lost(twilio: Peer, openai: Realtime, step: str) -> None:
    openai.drops_at = step
    result = running.run(call(twilio, turns=1))
    assert result.violations == []
    if step.startswith("response.output_audio_transcript") or step.startswith("conversation"):
        assert eventually(lambda: ("assistant", "Assistant reply 1") in transcript(twilio)), "as far as it was spoken"
    assert eventually(lambda: openai.open == 0)


@pytest.mark.parametrize("frames", [0, 5, 26, 60])
def test_the_caller_vanishes_in_the_middle(twilio: Peer, openai: Realtime, frames: int) -> None:
    async def vanish() -> None:
        identity = protocol.StreamIdentity(call_sid=SID)
        token = Signatures(AUTH_TOKEN, None).stream_token(SID)
        async with websockets.connect(twilio.base.replace("http", "ws") + "/media-stream") as line:
            await line.send(json.dumps(protocol.build_connected()))
            await line.send(json.dumps(protocol.build_start(identity, 1, custom_parameters={"token": token})))
            for n, frame in enumerate((TURN * 2)[:frames]):
                await line.send(json.dumps(protocol.build_media(identity, n + 2, n + 1, n * 20, frame)))
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            line.transport.abort()  # no goodbye

    running.run(vanish())
    assert eventually(lambda: openai.open == 0)
    if frames >= 60:
        assert eventually(
            lambda: set(transcript(twilio)) >= {("user", "User said 1"), ("assistant", "Assistant reply 1")}
        )


class Caller:
    """Twilio's side by hand: what streamdouble would never send."""

    def __init__(self, twilio: Peer, call_sid: str = SID) -> None:
        self._url = twilio.base.replace("http", "ws") + "/media-stream"
        self.identity = protocol.StreamIdentity(call_sid=call_sid)
        self.parameters = {"token": Signatures(AUTH_TOKEN, None).stream_token(call_sid)}
        self.sent = 0

    async def __aenter__(self) -> "Caller":
        self.line = await websockets.connect(self._url, max_size=None)
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self.line.close()

    async def start(self) -> None:
        await self.say(protocol.build_connected())
        await self.say(protocol.build_start(self.identity, 1, custom_parameters=self.parameters))

    async def say(self, message: Any) -> None:
        await self.line.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def speak(self, frames: list[bytes]) -> None:
        for frame in frames:
            self.sent += 1
            at = self.sent * 20
            await self.say(protocol.build_media(self.identity, self.sent + 1, self.sent, at, frame))
            await asyncio.sleep(0.005)

    async def is_cut(self) -> bool:
        try:
            async with asyncio.timeout(5):
                async for _ in self.line:
                    pass
        except TimeoutError:
            return False
        except websockets.ConnectionClosed:
            pass
        return True


def test_the_last_words_before_hanging_up_are_written(twilio: Peer, openai: Realtime) -> None:
    async def scene() -> None:
        async with Caller(twilio) as caller:
            await caller.start()
            await caller.speak([LOUD] * 30)
            await asyncio.sleep(0.3)
            await caller.say({"event": "stop", "streamSid": caller.identity.stream_sid, "stop": {}})

    running.run(scene())
    assert eventually(lambda: ("user", "User said 1") in transcript(twilio))
    assert openai.complaints == []


def test_words_that_come_after_hanging_up_in_the_middle_of_a_reply_are_written(twilio: Peer, openai: Realtime) -> None:
    openai.slow_seconds, openai.late_seconds = 0.15, 0.7

    async def scene() -> None:
        async with Caller(twilio) as caller:
            await caller.start()
            await caller.speak(TURN)
            await asyncio.sleep(0.2)
            caller.line.transport.abort()

    running.run(scene())
    expected = {("user", "User said 1"), ("assistant", "Assistant reply 1")}
    assert eventually(lambda: set(transcript(twilio)) == expected), transcript(twilio)


def test_words_that_cannot_be_transcribed_leave_their_place(twilio: Peer, openai: Realtime) -> None:
    openai.mishears = True
    running.run(call(twilio, turns=1))
    assert eventually(lambda: transcript(twilio) == [("user", "[inaudible]"), ("assistant", "Assistant reply 1")])


def test_a_second_stream_of_a_call_is_turned_away(twilio: Peer, openai: Realtime) -> None:
    async def scene() -> bool:
        async with Caller(twilio) as first:
            await first.start()
            await first.speak([SILENT] * 20)
            async with Caller(twilio) as second:
                second.parameters = {"token": first.parameters["token"]}
                await second.start()
                cut = await second.is_cut()
            await first.speak(TURN)
            await asyncio.sleep(0.5)
        return cut

    assert running.run(scene())
    assert len(openai.sessions) == 1
    assert eventually(lambda: len(transcript(twilio)) == 2), "the first one goes on"


def test_a_token_opens_one_stream(twilio: Peer, openai: Realtime) -> None:
    token = Signatures(AUTH_TOKEN, None).stream_token(SID)
    running.run(call(twilio, turns=1, token=token))
    running.run(call(twilio, turns=1, token=token))
    assert len(openai.sessions) == 1


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x01",
        "no JSON",
        "[" * 5000,
        "[]",
        '{"event": "start"}',
        '{"event": "start", "start": {"callSid": 1}}',
        '{"event": "start", "start": {"callSid": "CA\\u0000"}}',
        '{"event": ' + "1" * 5000 + "}",
        '{"event": "connected", "pad": "' + "x" * 100_000 + '"}',
    ],
)
def test_hostile_messages_before_the_proof_end_the_stream(
    twilio: Peer, openai: Realtime, message: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> bool:
        async with Caller(twilio) as caller:
            await caller.say(message)
            return await caller.is_cut()

    assert running.run(scene())
    assert openai.sessions == []
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("message", [{"event": "media"}, {"event": "media", "media": {"payload": 7}}, "x" * 100_000])
def test_nonsense_in_a_stream_ends_it_and_keeps_what_was_said(twilio: Peer, openai: Realtime, message: Any) -> None:
    async def scene() -> bool:
        async with Caller(twilio) as caller:
            await caller.start()
            await caller.speak(TURN)
            await asyncio.sleep(0.4)
            await caller.say(message)
            return await caller.is_cut()

    assert running.run(scene())
    assert eventually(lambda: len(transcript(twilio)) == 2)


def test_nothing_leaks_over_many_calls(twilio: Peer, openai: Realtime) -> None:
    sids = [f"CA{n:032x}" for n in range(30)]

    async def together() -> list[Any]:
        return list(await asyncio.gather(*(call(twilio, turns=1, call_sid=sid) for sid in sids)))

    results = running.run(together())
    assert [result.violations for result in results] == [[]] * 30
    assert eventually(lambda: len(twilio.rows("id", "conversation_transcripts")) == 60, 15)
    assert all(len(transcript(twilio, sid)) == 2 for sid in sids)
    assert eventually(lambda: openai.open == 0)
