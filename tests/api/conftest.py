"""The API behind its door, served by a real uvicorn on 127.0.0.1 over a database with a handful of calls."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

from core import app as application
from core.http.api import api_routes
from core.http.gate_parts import sign_in
from core.http.hosts import HostGuard, accepted_hosts
from core.settings import Settings
from tests.database.conftest import cluster_folder, cluster_user, pg18

__all__ = ["cluster_folder", "cluster_user", "pg18"]

ANN, BOB = 1, 2
SID = "CA" + "a1" * 16
OTHER = "CA" + "b2" * 16
ROWS = f"""
    insert into public.leads (id, name, email, phone, company, lead_source, lead_status, lead_priority, created_at)
    values
      (1, 'Ann Lee', 'ann@example.com', '+14155550101', 'Kestrel', 'api', 'contacted', 'high', '2026-09-01 10:00Z'),
      (2, 'Bob Ray', 'bob@example.com', '(415) 555-0102', null, 'shopify', 'new', 'low', '2026-09-02 10:00Z'),
      (3, 'Cy Ode', 'cy@example.net', null, null, 'api', 'new', 'medium', '2026-09-03 10:00Z');
    insert into public.call_events (call_sid, call_status, direction, from_number, to_number, call_duration, created_at)
    values
      ('{SID}', 'completed', 'outbound-api', '+14155550142', '+14155550101', 30, '2026-10-01 10:00Z'),
      ('{OTHER}', 'completed', 'inbound', '+14155550102', '+14155550142', 40, '2026-10-02 10:00Z');
    insert into public.conversation_transcripts (call_sid, role, content, "timestamp") values
      ('{SID}', 'assistant', 'Hello', '2026-10-01 10:00:01Z'), ('{SID}', 'user', 'Hi there', '2026-10-01 10:00:03Z');
"""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    json: Any


@dataclass(frozen=True)
class Api:
    """The server, and the tokens of a viewer and an operator."""

    port: int
    tokens: dict[str, str]
    database_url: str

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, role: str | None = "operator", **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if role is not None:
            named["Authorization"] = f"Bearer {self.tokens[role]}"
        sent = None
        if body is not None:
            named.setdefault("Content-Type", "application/json")
            sent = body if isinstance(body, (str, bytes)) else json.dumps(body)
        try:
            connection.request(method, path, sent, named)
            answer = connection.getresponse()
            text = answer.read().decode()
            told = {name.lower(): value for name, value in answer.getheaders()}
            is_json = told.get("content-type", "").startswith("application/json")
            return Reply(answer.status, told, json.loads(text) if is_json else text)
        finally:
            connection.close()

    def get(self, path: str, role: str | None = "viewer") -> Reply:
        return self.ask("GET", path, role=role)

    def post(self, path: str, body: Any = None, **more: Any) -> Reply:
        return self.ask("POST", path, body, **more)

    def slot(self, lead: int) -> str | None:
        with psycopg.connect(self.database_url) as connection:
            row = connection.execute("select call_sid from public.leads where id = %s", (lead,)).fetchone()
        return row[0] if row else None


@pytest.fixture
def api(pg18: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    with pg18.database(pg18.migrated_database()) as url:
        with psycopg.connect(url) as connection:
            connection.execute(ROWS)
        for name in ("SUPABASE_URL", "REDIS_URL", "REDIS_HOST", "PUBLIC_URL"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DATABASE_URL", url)
        application.close_shared()
        server, thread, port = _serve()
        access = application.shared().access
        roles = ("viewer", "operator")
        yield Api(port, {role: access.tokens.add(f"a {role}", role)[0] for role in roles}, url)
        server.should_exit = True
        thread.join(10)
        application.close_shared()


def _serve() -> tuple[uvicorn.Server, threading.Thread, int]:
    settings = Settings.load()
    parts = sign_in(settings, lambda: application.shared().access, say=lambda line: None)
    guards = [Middleware(HostGuard, hosts=accepted_hosts(settings.public_url)), parts.gate]
    app = Starlette(routes=[*parts.routes, *api_routes()], middleware=guards)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started and time.monotonic() < end:
        time.sleep(0.02)
    return server, thread, port
