"""What comes in, as fast as it may come: status callbacks at 200 a second, and thirty calls that speak at once.

The server is a process of its own, so that its share of the machine can be told from that of the stand-ins for Twilio
and OpenAI, which are in this one. A callback or a line that is not in the database afterwards ends the measurement.
"""

import asyncio
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg
from psycopg.conninfo import make_conninfo
from streamdouble import protocol
from streamdouble.session import Session, SessionConfig, SessionResult
from twilio.request_validator import RequestValidator

from core.store.migrate import migrate
from core.telephony.signatures import Signatures
from tests.inbound.realtime import LOUD, SILENT, Realtime, realtime

TOKEN = "12345678901234567890123456789012"
A_SECOND, SECONDS = 200, 10
CONNECTIONS = 32
CALLS, TURNS = 30, 6
STATUSES = ("initiated", "ringing", "in-progress", "completed")
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: milliseconds, and shares of one core.

    :ivar rate: callbacks a second that were answered.
    """

    rate: float
    median: float
    worst_of_hundred: float
    cpu_of_callbacks: float
    cpu_of_calls: float
    lines: int


class Server:
    """The server's parts in a process of their own."""

    def __init__(self, database: str, openai: str, folder: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.base = f"http://127.0.0.1:{port}"
        environment = {
            "DATABASE_URL": database,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": openai,
            "PATCHBAY_DATA_DIR": folder,
            "PATH": os.environ["PATH"],
        }
        command = [sys.executable, "-m", "tests.inbound.server_process", str(port)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                httpx.get(f"{self.base}/readyz", timeout=5)
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError("the server did not start")

    def cpu_seconds(self) -> float:
        """What it has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Stop it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)


def measure(url: str) -> dict[str, Any]:
    """Both, on a database of their own, printed as they come."""
    with _database(url) as database, realtime() as openai, tempfile.TemporaryDirectory() as folder:
        server = Server(database, openai.url, folder)
        try:
            times, took, share = _callbacks(server, database)
            lines, share_of_calls = asyncio.run(_calls(server, database, openai))
        finally:
            server.end()
    ranked = sorted(times)
    figures = Figures(
        rate=round(len(times) / took),
        median=round(statistics.median(ranked) * 1000, 1),
        worst_of_hundred=round(ranked[int(len(ranked) * 0.99)] * 1000, 1),
        cpu_of_callbacks=round(share, 2),
        cpu_of_calls=round(share_of_calls, 2),
        lines=lines,
    )
    print(
        f"\n  callbacks  {figures.rate} a second, answered in {figures.median} ms (99 of 100 within "
        f"{figures.worst_of_hundred} ms), {figures.cpu_of_callbacks:.0%} of a core, none lost"
    )
    print(f"  calls      {CALLS} at once: {figures.cpu_of_calls:.0%} of a core, {lines} lines, none lost", flush=True)
    return asdict(figures)


@contextmanager
def _database(url: str) -> Iterator[str]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop database if exists bench_inbound with (force)")
        connection.execute("create database bench_inbound")
        own = make_conninfo(url, dbname="bench_inbound")
        migrate(own)
        yield own
        connection.execute("drop database bench_inbound with (force)")


def _callbacks(server: Server, database: str) -> tuple[list[float], float, float]:
    """Seconds that each took, seconds that all took, and the server's share of a core."""
    sids = [f"CA{n:032x}" for n in range(A_SECOND * SECONDS // len(STATUSES))]
    forms = [(sid, status, n) for n, status in enumerate(STATUSES) for sid in sids]  # a call's are seconds apart
    requests, times = [_request(server.base, *each) for each in forms], [0.0] * len(forms)
    places = iter(range(len(forms)))

    async def worker(began: float) -> None:
        host, _, port = server.base.rpartition("/")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for place in places:
            due = began + place / A_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(requests[place])
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(re.findall(rb"content-length: (\d+)", head)[0]))
            times[place] = time.perf_counter() - due  # from when Twilio would have sent it
            if not head.startswith(b"HTTP/1.1 200"):
                raise AssertionError(f"a callback was answered with {head[:20]!r}")
        writer.close()

    async def send_all() -> float:
        began = time.perf_counter()
        await asyncio.gather(*(worker(began) for _ in range(CONNECTIONS)))
        return time.perf_counter() - began

    used = server.cpu_seconds()
    took = asyncio.run(send_all())
    share = (server.cpu_seconds() - used) / took
    _all_there(database, "select count(*) from call_events where call_status = 'completed'", len(sids))
    _all_there(database, "select count(*) from call_events", len(sids))
    return times, took, share


def _request(base: str, sid: str, status: str, sequence: int) -> bytes:
    """A callback as Twilio sends it. By hand: a client library costs more than the server."""
    fields = {"CallSid": sid, "CallStatus": status, "Direction": "inbound", "From": "+14155550101"}
    fields |= {"To": "+14155550142", "SequenceNumber": str(sequence)}
    signature = RequestValidator(TOKEN).compute_signature(f"{base}/call-events", fields)
    body = urlencode(fields)
    return (
        f"POST /call-events HTTP/1.1\r\nHost: {base.rpartition('/')[2]}\r\nX-Twilio-Signature: {signature}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def _calls(server: Server, database: str, openai: Realtime) -> tuple[int, float]:
    frames = ([LOUD] * 25 + [SILENT] * 60) * TURNS
    signatures = Signatures(TOKEN, None)

    async def one(number: int) -> SessionResult:
        sid = f"CA{number + (1 << 64):032x}"
        parameters = {"token": signatures.stream_token(sid)}
        config = SessionConfig(custom_parameters=parameters, quiet_period_s=0.5, response_timeout_s=10)
        url = server.base.replace("http", "ws") + "/media-stream"
        return await Session(url, frames, config=config, identity=protocol.StreamIdentity(call_sid=sid)).run()

    used, began = server.cpu_seconds(), time.perf_counter()
    results = await asyncio.gather(*map(one, range(CALLS)))
    share = (server.cpu_seconds() - used) / (time.perf_counter() - began)
    if any(result.violations for result in results) or openai.complaints:
        raise AssertionError("somebody did not keep to the protocol")
    lines = CALLS * TURNS * 2
    await asyncio.to_thread(_all_there, database, "select count(*) from conversation_transcripts", lines)
    return lines, share


def _all_there(database: str, query: str, expected: int) -> None:
    end = time.monotonic() + 30
    with psycopg.connect(database, autocommit=True) as connection:
        while (row := connection.execute(query.encode()).fetchone()) and row[0] != expected:
            if time.monotonic() > end:
                raise AssertionError(f"{expected} expected, {row[0]} found: {query}")
            threading.Event().wait(0.1)
