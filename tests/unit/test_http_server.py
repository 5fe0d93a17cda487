"""The real server, started in each of the three ways, over an embedded database of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.conftest import ROOT
from tests.sign_in import sign_in

ENTRY = ROOT / "streamlit_app.py"
PARTS = ("core", "dashboard", "pages", "migrations", "streamlit_app.py")
WAYS = {
    "streamlit run": ["-m", "streamlit", "run", str(ENTRY), "--server.port", "{port}"],
    "uvicorn": ["-m", "uvicorn", "streamlit_app:app", "--port", "{port}", "--app-dir", str(ROOT)],
    "python": ["streamlit_app.py"],  # takes its port from the configuration beside the script: runs as a copy
}


@pytest.fixture
def place() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="patchbay-server-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


class Server:
    """One running console.

    :ivar address: host and port.
    """

    def __init__(self, way: str, place: Path, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._place = place
        (place / ".streamlit").mkdir()
        config = (ROOT / ".streamlit" / "config.toml").read_text().replace("port = 8501", f"port = {port}")
        (place / ".streamlit" / "config.toml").write_text(config)
        if way == "python":
            for part in PARTS:
                copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
                copy(ROOT / part, place / part)
        env = {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_URL", "SUPABASE"))}
        self.process = subprocess.Popen(
            [sys.executable, *(part.format(port=port) for part in WAYS[way])],
            cwd=place, env=env | {"PATCHBAY_DATA_DIR": str(place / "data")}, stdin=subprocess.DEVNULL,
            stdout=(place / "log").open("w"), stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.cookie = ""

    def said(self) -> str:
        return (self._place / "log").read_text()

    def sign_in(self) -> None:
        self.cookie = sign_in(f"http://{self.address}", self.said).header

    def get(self, path: str, host: str = "localhost") -> httpx2.Response:
        return httpx2.get(f"http://{self.address}{path}", headers={"Host": host, "Cookie": self.cookie}, timeout=10)

    def wait_for(self, path: str) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                if self.get(path).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < end, f"{path} was not served within a minute"
            time.sleep(0.1)

    def databases(self) -> list[int]:
        inside = str(self._place / "data" / "pg18")
        return [each.pid for each in psutil.process_iter(["cmdline"]) if inside in (each.info["cmdline"] or ())]


@pytest.mark.parametrize("way", list(WAYS))
def test_started_each_way_it_serves_guards_and_ends(way: str, place: Path, free_port: int) -> None:
    server = Server(way, place, free_port)
    try:
        server.wait_for("/healthz")
        server.wait_for("/readyz")
        assert server.get("/").status_code == 303
        assert not _speaks(server, server.address, None), "nobody is signed in"
        server.sign_in()
        assert "text/html" in server.get("/", host=server.address).headers["content-type"]
        assert server.get("/", host="evil.example").status_code == 421
        for path in ("/_stcore/agent/interact", "/_stcore/agent/mcp", "/_stcore/metrics"):
            assert server.get(path).status_code == 404
        assert _speaks(server, server.address, None)
        assert not _speaks(server, "evil.example", None)
        assert not _speaks(server, "localhost", "http://evil.example")
        assert len(server.databases()) == 1
    finally:
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
    assert "Traceback" not in server.said()
    assert server.databases() == []


def test_it_listens_on_loopback_only(place: Path, free_port: int) -> None:
    server = Server("streamlit run", place, free_port)
    try:
        server.wait_for("/healthz")
        listening = {
            each.laddr.ip
            for each in psutil.Process(server.process.pid).net_connections("inet")
            if each.status == psutil.CONN_LISTEN
        }
        assert listening == {"127.0.0.1"}
    finally:
        server.process.terminate()
        server.process.wait(30)


def _speaks(server: Server, host: str, origin: str | None) -> bool:
    """Whether the page's WebSocket is accepted."""
    port = int(server.address.rpartition(":")[2])
    try:
        with connect(
            f"ws://{host}/_stcore/stream" if host == server.address else f"ws://{host}:{port}/_stcore/stream",
            additional_headers={"Cookie": server.cookie},
            sock=socket.create_connection(("127.0.0.1", port)),
            origin=Origin(origin) if origin else None,
            subprotocols=[Subprotocol("streamlit")],
        ):
            return True
    except InvalidStatus:
        return False
