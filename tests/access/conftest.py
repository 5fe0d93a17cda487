"""The door in front of a small application, served by a real uvicorn on 127.0.0.1 over a real database.

``front()`` starts one: ``front()`` for this machine's user, ``front(PUBLIC_URL="https://console.example.com")`` for
accounts. Its :class:`Front` has the printed lines, the ways in, and a client.
"""

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from core.access import Access
from core.errors import MigrationNeeded
from core.http.gate_parts import sign_in
from core.http.health import healthz
from core.http.hosts import HostGuard, accepted_hosts
from core.settings import Settings
from core.store.postgres import PostgresGateway
from tests.database.conftest import cluster_folder, cluster_user, connection, db, gateway, pg18

__all__ = ["cluster_folder", "cluster_user", "connection", "db", "gateway", "pg18"]

PASSWORD = "correct horse 17"
PUBLIC = "https://console.example.com"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: str

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name]

    def header(self, name: str) -> str:
        found = self.all(name)
        return found[0] if found else ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """``name=value`` of the cookie that was set."""
        return self.header("set-cookie").partition(";")[0]


@dataclass
class Front:
    """A server behind the door."""

    port: int
    access: Access
    printed: list[str] = field(default_factory=list)
    source: str = "127.0.0.1"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        """One request, byte for byte: nothing tidies the path. Underscores in header names become dashes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20, source_address=(self.source, 0))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            named.setdefault("Content-Type", "application/x-www-form-urlencoded")
        try:
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.getheaders(), answer.read().decode())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def token(self) -> str:
        """The newest token or code that was printed."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if self.printed:
                found = re.findall(r"[A-Za-z0-9_-]{43}", self.printed[-1])
                if found:
                    return str(found[-1])
            time.sleep(0.02)
        raise AssertionError("nothing was printed")

    def by_link(self) -> str:
        """Sign in with the one-time link; the cookie."""
        answer = self.get(f"/login?token={self.token()}")
        assert answer.status == 303, answer.body
        return answer.cookie

    def by_password(self, name: str = "ana", password: str = PASSWORD, **headers: str) -> Answer:
        return self.ask("POST", "/login", f"name={name}&password={password.replace(' ', '+')}&next=", **headers)


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"the console at {request.url.path}")


async def _me(request: Request) -> JSONResponse:
    who = request.scope.get("patchbay.identity")
    told = {key: value for key, value in request.headers.items() if key.startswith("x-") or key == "cookie"}
    return JSONResponse({"name": who and who.name, "role": who and who.role, "headers": told})


async def _stream(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"{text} {socket.headers.get('x-patchbay-session', '')}")


Starting = Callable[..., Front]


@pytest.fixture
def front(gateway: PostgresGateway) -> Iterator[Starting]:
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(access: Access | Callable[[], Access] | None = None, **environment: str) -> Front:
        settings = Settings.load(env=environment)
        known = access or Access.over(gateway, settings)
        ways = known if callable(known) else lambda: known
        printed: list[str] = []
        parts = sign_in(settings, ways, say=printed.append)
        app = Starlette(
            routes=[
                *parts.routes,
                Route("/healthz", healthz),
                Route("/api/me", _me, methods=["GET", "POST"]),
                WebSocketRoute("/_stcore/stream", _stream),
                WebSocketRoute("/media-stream", _stream),
                Route("/{rest:path}", _page, methods=["GET", "POST", "DELETE"]),
            ],
            middleware=[Middleware(HostGuard, hosts=accepted_hosts(settings.public_url)), parts.gate],
        )
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
        parts.doorman._port = port
        with suppress(MigrationNeeded):  # the thread that it is would wait
            parts.doorman.announce()
        return Front(port, known if isinstance(known, Access) else Access.over(gateway, settings), printed)

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(10)
