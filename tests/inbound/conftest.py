"""The server's whole inbound side over a real database, and Twilio's signature for its requests."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import psycopg
import pytest
import uvicorn
from starlette.applications import Starlette
from twilio.request_validator import RequestValidator

from core import app as application
from core.http import server_parts
from core.inbound.backlog import Backlog, backlog_of
from core.settings import Settings
from core.store.postgres import PostgresGateway
from tests.database.conftest import cluster_folder, cluster_user, connection, db, gateway, pg18

__all__ = ["cluster_folder", "cluster_user", "connection", "db", "gateway", "pg18"]

AUTH_TOKEN = "12345678901234567890123456789012"
SID = "CA" + "c3" * 16
OWN, THEIRS = "+14155550142", "+14155550101"


def form(call_sid: str = SID, status: str = "completed", **more: str) -> dict[str, str]:
    """The form fields of a status callback for an inbound call."""
    base = {"CallSid": call_sid, "AccountSid": "AC" + "0" * 32, "CallStatus": status, "Direction": "inbound"}
    return {**base, "From": THEIRS, "To": OWN, **more}


@dataclass(frozen=True)
class Peer:
    """Twilio, as far as a server meets it: requests with its signature."""

    base: str
    signed_base: str
    database_url: str
    backlog: Backlog

    def post(
        self, path: str, fields: Mapping[str, str], *, token: str | None = AUTH_TOKEN, **headers: str
    ) -> httpx.Response:
        if token is not None:
            signature = RequestValidator(token).compute_signature(self.signed_base + path, dict(fields))
            headers["X-Twilio-Signature"] = signature
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return httpx.post(self.base + path, content=urlencode(fields), headers=headers, timeout=20)

    def get(self, path: str, *, token: str | None = AUTH_TOKEN) -> httpx.Response:
        headers = {}
        if token is not None:
            headers["X-Twilio-Signature"] = RequestValidator(token).compute_signature(self.signed_base + path, {})
        return httpx.get(self.base + path, headers=headers, timeout=20)

    def rows(self, columns: str, table: str = "call_events") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(f"select {columns} from public.{table} order by id").fetchall()


Starting = Callable[..., Peer]


@pytest.fixture
def serve(db: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Starting]:
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(**environment: str) -> Peer:
        for name in ("SUPABASE_URL", "REDIS_URL", "REDIS_HOST", "PUBLIC_URL", "OPENAI_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        defaults = {"DATABASE_URL": db, "TWILIO_AUTH_TOKEN": AUTH_TOKEN, "PATCHBAY_DATA_DIR": str(tmp_path)}
        for name, value in {**defaults, **environment}.items():
            monkeypatch.setenv(name, value)
        application.close_shared()
        parts = server_parts()
        app = Starlette(**parts)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        running.append((server, thread))
        end = time.monotonic() + 20
        while not server.started and time.monotonic() < end:
            time.sleep(0.02)
        base = f"http://127.0.0.1:{port}"
        return Peer(base, environment.get("PUBLIC_URL", base), db, backlog_of(Settings.load()))

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)
    application.close_shared()


@pytest.fixture
def flaky(gateway: PostgresGateway) -> "Flaky":
    return Flaky(gateway)


class Flaky:
    """A way into the database that can be away."""

    def __init__(self, gateway: PostgresGateway) -> None:
        self.gateway, self.is_away, self.asked = gateway, False, 0

    def __call__(self) -> PostgresGateway:
        from core.errors import DatabaseDown

        self.asked += 1
        if self.is_away:
            raise DatabaseDown("The database does not answer.")
        return self.gateway
