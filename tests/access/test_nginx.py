"""A real nginx in front, as it comes and as README tells to set it up. It must not open the door by being local."""

import os
import pwd
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core.access.secret_tokens import new_token
from tests.access.conftest import PASSWORD, PUBLIC, Front, Starting
from tests.conftest import ROOT

NGINX = Path("/usr/sbin/nginx")
STOCK = "proxy_pass http://127.0.0.1:{port};"
FRAME = """
daemon off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{listen}; server_name console.example.com; location / {{ {location} }} }}
}}
"""
Proxy = Callable[..., Front]


@pytest.fixture
def nginx(cluster_folder: Path, cluster_user: pwd.struct_passwd) -> Iterator[Proxy]:
    """Start nginx, unprivileged, in front of a front: ``nginx(front())``; its answers come from the returned front."""
    assert NGINX.exists(), "nginx is needed: apt-get install nginx-light"
    started: list[subprocess.Popen[bytes]] = []

    def start(behind: Front, location: str = STOCK) -> Front:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            listen = int(probe.getsockname()[1])
        folder = cluster_folder / f"nginx{listen}"
        folder.mkdir()
        settings = folder / "nginx.conf"
        settings.write_text(
            FRAME.format(folder=folder, listen=listen, location=location.replace("{port}", str(behind.port)))
        )
        as_user = {"user": cluster_user.pw_uid, "group": cluster_user.pw_gid, "extra_groups": []}
        if os.geteuid() == 0:
            os.chown(folder, cluster_user.pw_uid, cluster_user.pw_gid)
        log = (folder / "out").open("wb")
        started.append(
            subprocess.Popen(
                [str(NGINX), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(settings)],
                stdout=log,
                stderr=log,
                cwd="/",
                **(as_user if os.geteuid() == 0 else {}),  # type: ignore[arg-type]
            )
        )
        end = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", listen), timeout=1).close()
                return replace(behind, port=listen)
            except OSError:
                assert time.monotonic() < end and started[-1].poll() is None, (folder / "out").read_text()
                time.sleep(0.05)

    yield start
    for process in started:
        process.terminate()
        process.wait(10)


def documented() -> str:
    """The location of README's example, with this test's port."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"location / \{\n(.*?)\n\s*\}", text, re.DOTALL)
    assert found, "README shows how to put nginx in front"
    return found[1].replace("8501", "{port}")


def websocket(outside: Front, headers: dict[str, str]) -> ClientConnection:
    """The console's WebSocket, asked for by its public name."""
    return connect(
        "ws://console.example.com/_stcore/stream",
        sock=socket.create_connection(("127.0.0.1", outside.port)),
        additional_headers=headers,
    )


def test_stock_nginx_does_not_lend_its_address_to_others(front: Starting, nginx: Proxy) -> None:
    behind = front()
    outside = nginx(behind)
    link = f"/login?token={behind.token()}"
    for path in (link, "/login", "/lookup", "/"):
        answer = outside.get(path, host="console.example.com")
        assert answer.status == 403 and "PUBLIC_URL" in answer.body, path
        assert not answer.all("set-cookie")
    assert outside.get("/api/me", host="console.example.com").status == 403
    assert outside.get("/healthz").status == 200
    assert behind.get(link).status == 303, "the link was not used up from outside"


@pytest.mark.parametrize(
    "extra", ["", "proxy_set_header Host $host;", "proxy_set_header X-Forwarded-For $remote_addr;"]
)
def test_an_nginx_that_speaks_http_1_1_does_not_either(front: Starting, nginx: Proxy, extra: str) -> None:
    behind = front()
    outside = nginx(behind, STOCK + "proxy_http_version 1.1; proxy_set_header Connection '';" + extra)
    for path in ("/lookup", "/api/me", f"/login?token={new_token()}", "/login"):
        answer = outside.get(path, host="console.example.com", origin=PUBLIC)
        assert answer.status in (303, 401, 403, 421, 200) and not answer.all("set-cookie")
        assert "the console at" not in answer.body and '"name"' not in answer.body
        assert answer.status != 200 or path == "/login"
    assert outside.ask("POST", "/login", "name=a&password=b", host="console.example.com", origin=PUBLIC).status in (
        403,
        421,
    )


def test_stock_nginx_and_accounts(front: Starting, nginx: Proxy) -> None:
    behind = front(PUBLIC_URL=PUBLIC)
    behind.access.accounts.add("ana", "operator", PASSWORD)
    outside = nginx(behind)
    assert outside.get("/lookup?q=1").header("location") == "/login?next=%2Flookup%3Fq%3D1"
    assert outside.by_password(origin="https://evil.example", host="console.example.com").status == 403
    answer = outside.by_password(origin=PUBLIC, host="console.example.com")
    assert answer.status == 303 and answer.cookie.startswith("__Host-") and "Secure" in answer.header("set-cookie")
    spoofed = {"x_patchbay_session": "a" * 64, "x_patchbay_role": "admin"}
    assert outside.get("/api/me", **spoofed).status == 401
    assert outside.get("/api/me", cookie=answer.cookie, **spoofed).json["name"] == "ana"


def test_nginx_as_readme_sets_it_up(front: Starting, nginx: Proxy) -> None:
    behind = front(PUBLIC_URL=PUBLIC)
    behind.access.accounts.add("ana", "operator", PASSWORD)
    outside = nginx(behind, documented())
    seen = {"host": "console.example.com", "origin": PUBLIC}
    cookie = outside.by_password(**seen).cookie
    with websocket(outside, {"Cookie": cookie, "Origin": PUBLIC}) as open_socket:
        open_socket.send("hello")
        assert str(open_socket.recv(10)).startswith("hello")
    for refused in ({"Origin": PUBLIC}, {"Cookie": cookie, "Origin": "https://evil.example"}):
        with pytest.raises(InvalidStatus), websocket(outside, refused):
            pass
    stranger = replace(outside, source="127.0.0.5")
    for number in range(30):
        stranger.by_password(f"name{number}", "x", **seen, x_forwarded_for=f"198.51.100.{number}")
    assert outside.by_password(**seen).status == 303, "others are not held up"
    assert stranger.by_password(**seen).status == 429, "made-up addresses in X-Forwarded-For do not help"
