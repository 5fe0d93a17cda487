"""The database vanishes at every step of a call, and the server too: nothing that was said or reported is lost."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from twilio.request_validator import RequestValidator

from tests import running
from tests.database.conftest import Cluster
from tests.inbound.conftest import AUTH_TOKEN, OWN, SID, THEIRS, Peer, Starting, form
from tests.inbound.proxy import Line, Proxy
from tests.inbound.realtime import LOUD, SILENT, Realtime, realtime
from tests.inbound.test_media_stream import Caller, call, eventually, transcript

TURN = [LOUD] * 25 + [SILENT] * 30
WORDS = {
    ("user", "User said 1"),
    ("assistant", "Assistant reply 1"),
    ("user", "User said 2"),
    ("assistant", "Assistant reply 2"),
}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def openai() -> Iterator[Realtime]:
    with realtime() as peer:
        yield peer


@pytest.fixture
def proxy(pg18: Cluster) -> Iterator[Proxy]:
    made = Proxy(pg18.port)
    yield made
    made.close()


def through(proxy: Proxy, db: str) -> str:
    """The database by way of the proxy."""
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/{conninfo_to_dict(db)['dbname']}"


@pytest.fixture
def twilio(serve: Starting, db: str, proxy: Proxy, openai: Realtime) -> Peer:
    return serve(DATABASE_URL=through(proxy, db), OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=openai.url)


STEPS = ("before anything", "before the TwiML", "between callbacks", "during speech", "at hang-up")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("line", ["cut", "frozen"])
def test_the_database_is_away_from_a_step_on_until_after_the_call(
    twilio: Peer, proxy: Proxy, step: str, line: Line
) -> None:
    def reached(this: str) -> None:
        if this == step:
            proxy.be(line)

    reached("before anything")
    if step != "before anything":
        assert httpx.get(f"{twilio.base}/readyz", timeout=20).status_code == 200
    reached("before the TwiML")
    answer = twilio.post("/media-stream-twiml", form(status="ringing", SequenceNumber="0"))
    assert answer.status_code == 200 and "<Stream" in answer.text
    reached("between callbacks")
    assert twilio.post("/call-events", form(status="in-progress", SequenceNumber="1")).status_code == 200
    running.run(_conversation(twilio, reached))
    assert twilio.post("/call-events", form(CallDuration="9", SequenceNumber="2")).status_code == 200
    assert twilio.post("/recording-status", {"CallSid": SID, "RecordingSid": "RE1"}).status_code == 200
    proxy.be("there")
    assert eventually(lambda: set(transcript(twilio)) == WORDS, 20), transcript(twilio)
    row = (SID, "completed", THEIRS, OWN, 9, "RE1")
    columns = "call_sid, call_status, from_number, to_number, call_duration, recording_sid"
    assert eventually(lambda: twilio.rows(columns) == [row], 20), twilio.rows(columns)
    assert eventually(twilio.backlog.is_empty)
    spoken = [role for role, _ in transcript(twilio)]
    assert spoken == ["user", "assistant"] * 2, "in the order in which it was said"


async def _conversation(twilio: Peer, reached: Callable[[str], None]) -> None:
    async with Caller(twilio) as caller:
        await caller.start()
        await caller.speak(TURN)
        await asyncio.sleep(0.4)
        reached("during speech")
        await caller.speak(TURN)
        await asyncio.sleep(0.4)
        reached("at hang-up")
        await caller.say({"event": "stop", "streamSid": caller.identity.stream_sid, "stop": {}})


class Process:
    """A server of its own process."""

    def __init__(self, port: int, **environment: str) -> None:
        self.base = f"http://127.0.0.1:{port}"
        left_out = ("SUPABASE_URL", "REDIS_URL", "REDIS_HOST", "PUBLIC_URL")
        inherited = {name: value for name, value in os.environ.items() if name not in left_out}
        command = [sys.executable, "-m", "tests.inbound.server_process", str(port)]
        env = {**inherited, "TWILIO_AUTH_TOKEN": AUTH_TOKEN, **environment}
        self._process = subprocess.Popen(command, cwd=ROOT, env=env)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                httpx.get(f"{self.base}/healthz", timeout=5)
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError("the server did not start")

    def post(self, path: str, fields: dict[str, str]) -> int:
        signature = RequestValidator(AUTH_TOKEN).compute_signature(self.base + path, fields)
        return httpx.post(self.base + path, data=fields, headers={"X-Twilio-Signature": signature}).status_code

    def end(self, how: int = signal.SIGTERM) -> None:
        if self._process.poll() is None:
            self._process.send_signal(how)
        self._process.wait(60)


def test_a_killed_server_leaves_what_it_took_to_the_next_one(
    db: str, proxy: Proxy, openai: Realtime, tmp_path: Path, free_port: int
) -> None:
    environment = {
        "DATABASE_URL": through(proxy, db),
        "PATCHBAY_DATA_DIR": str(tmp_path),
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": openai.url,
    }
    first = Process(free_port, **environment)
    peer = Peer(first.base, first.base, db, None)  # type: ignore[arg-type]
    try:
        assert first.post("/call-events", form(status="in-progress", SequenceNumber="0")) == 200

        async def until_it_is_killed() -> None:
            async with Caller(peer) as caller:
                await caller.start()
                await caller.speak(TURN)
                assert await asyncio.to_thread(eventually, lambda: len(transcript(peer)) == 2, 20)
                proxy.be("cut")
                await caller.speak(TURN)
                await asyncio.to_thread(eventually, lambda: _kept(tmp_path) >= 2, 20)
                assert await asyncio.to_thread(first.post, "/call-events", form(CallDuration="9", SequenceNumber="1"))
                first.end(signal.SIGKILL)

        running.run(until_it_is_killed())
    finally:
        first.end(signal.SIGKILL)
    assert len(transcript(peer)) == 2
    proxy.be("there")
    second = Process(free_port, **environment)
    try:
        assert eventually(lambda: set(transcript(peer)) == WORDS, 30), transcript(peer)
        assert eventually(lambda: peer.rows("call_status, call_duration") == [("completed", 9)], 20)
        assert _kept(tmp_path) == 0
    finally:
        second.end()


def _kept(folder: Path) -> int:
    return sum(path.read_text().count("\n") for path in folder.rglob("*.open"))


def test_two_servers_take_the_callbacks_of_one_call(serve: Starting, db: str, tmp_path: Path, free_port: int) -> None:
    twilio = serve()
    other = Process(free_port, DATABASE_URL=db, PATCHBAY_DATA_DIR=str(tmp_path))
    try:
        steps = [form(status=s, SequenceNumber=str(n)) for n, s in enumerate(("initiated", "ringing", "in-progress"))]
        steps.append(form(CallDuration="7", SequenceNumber="3"))
        with ThreadPoolExecutor(8) as pool:
            one = pool.map(lambda said: twilio.post("/call-events", said).status_code, steps * 3)
            two = pool.map(lambda said: other.post("/call-events", said), list(reversed(steps)) * 3)
            assert {*one, *two} == {200}
        assert twilio.rows("call_status, call_duration, from_number") == [("completed", 7, THEIRS)]
    finally:
        other.end()


def test_callbacks_come_thick_and_the_database_goes_in_between(twilio: Peer, proxy: Proxy) -> None:
    sids = [f"CA{n:032x}" for n in range(150)]
    said = [
        form(sid, status, SequenceNumber=str(n))
        for n, status in enumerate(("initiated", "in-progress", "completed"))
        for sid in sids
    ]
    outage = threading.Timer(0.5, lambda: proxy.be("cut"))
    outage.start()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda fields: twilio.post("/call-events", fields).status_code, said))
    outage.join()
    proxy.be("there")
    assert set(answers) == {200}
    assert eventually(lambda: twilio.rows("call_sid, call_status") != [] and _all_final(twilio, sids), 40)


def _all_final(twilio: Peer, sids: list[str]) -> bool:
    found: dict[str, Any] = dict(twilio.rows("call_sid, call_status"))
    return found == dict.fromkeys(sids, "completed")


POOLED = 20
"""Pools of connections and threads may still grow by so many; one thing left by each of a hundred calls is more."""


def test_nothing_is_left_over_after_a_hundred_calls(twilio: Peer, openai: Realtime) -> None:
    async def calls(first: int, number: int) -> None:
        sids = [f"CA{n:032x}" for n in range(first, first + number)]
        await asyncio.gather(*(call(twilio, turns=1, call_sid=sid) for sid in sids))

    running.run(calls(1000, 10))  # pools and caches fill
    assert eventually(lambda: openai.open == 0)
    time.sleep(1)
    before = _held()
    for batch in range(4):
        running.run(calls(batch * 25, 25))
    assert eventually(lambda: openai.open == 0)
    assert eventually(lambda: len(twilio.rows("id", "conversation_transcripts")) == 220, 30)
    assert eventually(lambda: all(now <= then + POOLED for now, then in zip(_held(), before, strict=True)), 20), (
        before,
        _held(),
    )


def _held() -> tuple[int, int, int]:
    """File descriptors, threads and unfinished tasks of this process, in which server and stand-ins run."""
    tasks = [task for task in tuple(asyncio.tasks._all_tasks) if not task.done()]  # type: ignore[attr-defined]
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count(), len(tasks)


def test_a_scratch_database_that_is_stopped_and_started(pg18: Cluster, serve: Starting, db: str) -> None:
    """Connections of the pool that died with their server are not handed out to a callback."""
    twilio = serve()
    assert twilio.post("/call-events", form(status="ringing")).status_code == 200
    with psycopg.connect(pg18.url(), autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()")
    assert twilio.post("/call-events", form()).status_code == 200
    assert eventually(lambda: twilio.rows("call_status") == [("completed",)])
