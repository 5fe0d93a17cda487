"""The server's edge: who may speak to it, what it says about itself, and what it does between requests."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from core import app as application
from core.errors import BadInput, DatabaseDown, MigrationNeeded, Unavailable
from core.http import background, server_parts
from core.http.health import ROUTES
from core.http.hosts import HostGuard, accepted_hosts
from core.settings import Settings


async def _hello(_request: Any) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def guarded(public_url: str | None = None, exempt: tuple[str, ...] = ()) -> TestClient:
    inner = Starlette(
        routes=[
            Route("/{rest:path}", _hello, methods=["GET", "POST"]),
            WebSocketRoute("/stream", _echo),
        ]
    )
    return TestClient(HostGuard(inner, accepted_hosts(public_url), exempt), base_url="http://localhost:8501")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8501", "LOCALHOST:1", "127.0.0.1:8501", "[::1]", "[::1]:8501"]
)
def test_loopback_names_are_served_on_any_port(host: str) -> None:
    assert guarded().get("/", headers={"Host": host}).text == "hello"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:8501", "localhost@evil.example", "", "127.0.0.1.nip.io",
     "console.example.com", "0.0.0.0:8501", "[::2]:8501"],
)  # fmt: skip
def test_other_names_are_refused(host: str) -> None:
    answer = guarded().get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"].startswith("text/plain")
    with pytest.raises(WebSocketDisconnect), guarded().websocket_connect("/stream", headers={"Host": host}):
        pass


def test_two_host_headers_are_refused() -> None:
    request = httpx2.Request("GET", "http://localhost/", headers=[("Host", "localhost"), ("Host", "evil.example")])
    assert guarded().send(request).status_code == 421


def test_the_public_address_is_served_beside_loopback() -> None:
    client = guarded("https://Console.example.com")
    assert client.get("/", headers={"Host": "console.example.com"}).status_code == 200
    assert client.get("/", headers={"Host": "localhost:8501"}).status_code == 200
    assert client.get("/", headers={"Host": "other.example.com"}).status_code == 421
    assert accepted_hosts("http://[2001:db8::1]:8501") >= {"[2001:db8::1]"}


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        ("http://localhost:8501", 200),
        ("http://127.0.0.1:3000", 200),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_foreign_pages_may_not_write(origin: str | None, status: int) -> None:
    headers = {"Host": "localhost:8501"} | ({"Origin": origin} if origin else {})
    assert guarded().post("/", headers=headers).status_code == status
    assert guarded().get("/", headers=headers).status_code == 200
    if status == 403:
        with pytest.raises(WebSocketDisconnect), guarded().websocket_connect("/stream", headers=headers):
            pass
    else:
        with guarded().websocket_connect("/stream", headers=headers) as socket:
            assert socket.receive_text() == "hello"


@pytest.mark.parametrize(
    "path", ["/_stcore/agent", "/_stcore/agent/interact", "/_stcore/agent/mcp", "/_stcore/metrics"]
)
def test_machine_interfaces_are_not_there(path: str) -> None:
    assert guarded().get(path).status_code == 404
    assert guarded().post(path).status_code == 404


def test_other_internal_paths_are_there() -> None:
    assert guarded().get("/_stcore/health").status_code == 200
    assert guarded().get("/_stcore/agents-of-change").status_code == 200


def test_probes_are_answered_whatever_the_host_and_only_read() -> None:
    client = guarded()
    foreign = {"Host": "10.0.0.7:8501"}
    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers=foreign).status_code == client.head(path, headers=foreign).status_code == 200
        assert client.post(path, headers=foreign).status_code == 421
        assert client.get(f"{path}/", headers=foreign).status_code == 421


def test_programs_are_refused_in_json() -> None:
    answer = guarded().get("/api/calls", headers={"Host": "evil.example"})
    assert answer.status_code == 421
    assert answer.json() == {"success": False, "error": "This address is not served here. Use the printed one."}


def test_exempt_paths_are_open_to_any_host_and_only_they() -> None:
    client = guarded(exempt=("/call-events",))
    foreign = {"Host": "tunnel.example", "Origin": "https://evil.example"}
    assert client.post("/call-events", headers=foreign).status_code == 200
    assert client.post("/call-events/x", headers=foreign).status_code == 200
    assert client.post("/call-events-not", headers=foreign).status_code == 421


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What ``shared()`` answers in a test: ``migrated`` a bool, or an error to raise."""
    state: dict[str, Any] = {"migrated": True, "judged": [], "portion": 0}

    def migrated() -> bool:
        if isinstance(state["migrated"], Exception):
            raise state["migrated"]
        return bool(state["migrated"])

    def judge(limit: int) -> int:
        state["judged"].append(limit)
        if isinstance(state["portion"], Exception):
            raise state["portion"]
        return int(state["portion"])

    app = SimpleNamespace(is_migrated=migrated, finish_installation=lambda: None, linking=SimpleNamespace(judge=judge))
    monkeypatch.setattr(application, "shared", lambda: app)
    return state


@pytest.mark.parametrize(
    ("migrated", "status"),
    [
        (True, 200),
        (False, 503),
        (DatabaseDown("The database at secret.example does not answer."), 503),
        (MigrationNeeded("secret"), 503),
    ],
)
def test_readiness_tells_no_reason(shared: dict[str, Any], migrated: Any, status: int) -> None:
    shared["migrated"] = migrated
    client = TestClient(Starlette(routes=ROUTES))
    answer = client.get("/readyz")
    assert answer.status_code == status
    assert "secret" not in answer.text
    assert client.get("/healthz").text == "ok\n"
    assert client.head("/healthz").status_code == 200


def test_judging_goes_on_after_errors_and_stops_when_told(
    shared: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    shared["portion"] = DatabaseDown("+14155550101 is secret")
    judging = background.Judging(pause=0.01)
    judging.start()
    _wait_for(lambda: len(shared["judged"]) > 3)
    shared["portion"] = ValueError("+14155550101 is secret")
    _wait_for(lambda: any("ValueError" in line for line in caplog.messages))
    shared["portion"] = 0
    _wait_for(lambda: any("goes on" in line for line in caplog.messages))
    judging.stop()
    assert not judging.is_alive()
    assert "secret" not in caplog.text
    assert len(caplog.messages) == 3


def test_judging_does_not_pause_while_there_is_more(shared: dict[str, Any]) -> None:
    shared["portion"] = background.JUDGE_LIMIT
    judging = background.Judging(pause=60)
    judging.start()
    _wait_for(lambda: len(shared["judged"]) > 20)
    judging.stop()
    assert not judging.is_alive()


def test_a_bad_environment_is_said_before_the_server_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "nonsense")
    with pytest.raises(BadInput, match="PUBLIC_URL"):
        server_parts()


def test_a_supabase_project_without_database_url_is_migrated_by_pasting() -> None:
    settings = Settings(supabase_url="https://x.supabase.co", supabase_key="sb_secret_word")
    app = application.build(settings)
    assert app.database_url is None and "migrate --print" in app.migrate_hint
    app.close()
    with pytest.raises(Unavailable) as raised, application.database(settings):
        pass
    assert "cannot change the schema" in raised.value.message and "migrate --print" in (raised.value.hint or "")


def test_the_application_is_built_once_per_process(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []

    def build(_settings: Settings) -> Any:
        time.sleep(0.05)
        built.append(SimpleNamespace(require_schema=lambda: None, close=lambda: built.append("closed")))
        return built[-1]

    monkeypatch.setattr(application, "build", build)
    monkeypatch.setattr(application, "_shared", None)
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(application.shared())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(app) for app in got}) == 1
    application.close_shared()
    application.close_shared()
    assert built[1:] == ["closed"]


def _wait_for(condition: Any) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "it did not happen within ten seconds"
        time.sleep(0.005)
