"""Sign-in at Supabase Auth: against a GoTrue-compatible server from npm, and against answers that it never gives.

The server is ``@supabase/lite`` (``make tools`` installs it, pinned). It has no admin API: roles are granted as README
says, by SQL, while it is not running.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from core.access import Access, Identity, TooManyAttempts
from core.access.sessions import Sessions
from core.access.supabase_auth import SupabaseAuth
from core.access.throttle import Throttle
from core.errors import NotAllowed, PatchbayError, Unavailable
from core.settings import Settings
from core.store.postgres import PostgresGateway
from tests.access.conftest import PASSWORD, PUBLIC, Starting

LITE = Path(__file__).parent / "gotrue" / "node_modules" / ".bin" / "lite"
HERE = "192.0.2.7"


@dataclass(frozen=True)
class Project:
    url: str
    key: str


class Lite:
    """A project folder of ``@supabase/lite``."""

    def __init__(self, folder: Path) -> None:
        assert LITE.exists(), "the GoTrue-compatible server is needed: make tools"
        self.folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.run("init", "--pglite")
        config = folder / "supabase" / "config.toml"
        text = config.read_text().replace("port = 54321", f"port = {self.port}")
        config.write_text(text.replace("dev-secret-change-me", os.urandom(24).hex()))
        found = re.search(r"SUPABASE_PUBLISHABLE_KEY=(\S+)", (folder / ".env").read_text())
        assert found
        self.project = Project(f"http://127.0.0.1:{self.port}", found[1])

    def run(self, *words: str) -> None:
        done = subprocess.run([LITE, *words], cwd=self.folder, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def running(self) -> Iterator[Project]:
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(
                [LITE, "start", "--no-admin"], cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            end = time.monotonic() + 90
            while "Ready" not in (self.folder / "log").read_text():
                assert process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.1)
            yield self.project
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)

    def sign_up(self, email: str, **claims: Any) -> None:
        body = json.dumps({"email": email, "password": PASSWORD, "data": claims}).encode()
        headers = {"apikey": self.project.key, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.project.url}/auth/v1/signup", body, headers)  # noqa: S310 - our own server
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own server
            assert answer.status == 200

    def grant(self, email: str, role: str) -> None:
        self.run(
            "db", "query",
            "update auth.users set raw_app_meta_data = raw_app_meta_data || "
            f"'{{\"patchbay_role\": \"{role}\"}}' where email = '{email}'",
        )  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Ana is an operator; Ben signed himself up and claims to be an administrator; Vera is a viewer."""
    folder = tmp_path_factory.mktemp("supabase")
    lite = Lite(folder)
    with lite.running():
        lite.sign_up("ana@example.com")
        lite.sign_up("ben@example.com", patchbay_role="admin", app_metadata={"patchbay_role": "admin"})
        lite.sign_up("vera@example.com")
    lite.grant("ana@example.com", "operator")
    lite.grant("vera@example.com", "viewer")
    with lite.running() as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def access(project: Project, gateway: PostgresGateway) -> Access:
    environment = {"PUBLIC_URL": PUBLIC, "SUPABASE_URL": project.url + "/", "SUPABASE_ANON_KEY": project.key}
    return Access.over(gateway, Settings.load(env=environment))


def test_people_of_the_project_sign_in_with_the_role_that_the_project_gave_them(access: Access) -> None:
    for name, role in (("ana", "operator"), ("vera", "viewer")):
        token = access.sign_in(f" {name.upper()}@example.com", PASSWORD, HERE)
        assert token and access.sessions.by_token(token) == Identity(f"{name}@example.com", role, "supabase")  # type: ignore[arg-type]


def test_wrong_passwords_and_strangers_are_refused_alike(access: Access) -> None:
    assert access.sign_in("ana@example.com", "wrong password", HERE) is None
    assert access.sign_in("eve@example.com", PASSWORD, HERE) is None
    assert access.sign_in("not an address", "", HERE) is None


def test_who_signed_himself_up_has_no_role_whatever_he_claims(access: Access) -> None:
    with pytest.raises(NotAllowed, match="no role"):
        access.sign_in("ben@example.com", PASSWORD, HERE)


def test_a_wrong_project_key_is_no_wrong_password(project: Project, gateway: PostgresGateway) -> None:
    sessions, throttle = Sessions(gateway, {"supabase"}), Throttle(gateway)
    with pytest.raises(Unavailable, match="401"):
        SupabaseAuth(project.url, "sb_publishable_wrong", sessions, throttle).sign_in("ana@example.com", PASSWORD, HERE)


def test_through_the_door(access: Access, front: Starting, project: Project) -> None:
    here = front(access, PUBLIC_URL=PUBLIC, SUPABASE_URL=project.url, SUPABASE_ANON_KEY=project.key)
    page = here.get("/login").body
    assert 'type="email"' in page and "One-time code" not in page and not here.printed
    assert here.by_password("ana%40example.com", "wrong password").status == 401
    refused = here.by_password("ben%40example.com")
    assert refused.status == 403 and "no role" in refused.body
    answer = here.by_password("ana%40example.com")
    assert answer.status == 303
    me = here.get("/api/me", cookie=answer.cookie).json
    assert (me["name"], me["role"]) == ("ana@example.com", "operator")


def test_accounts_here_do_not_open_a_console_of_a_project(access: Access) -> None:
    access.accounts.add("eve@example.com", "admin", PASSWORD)
    assert access.sign_in("eve@example.com", PASSWORD, HERE) is None


# Answers that no project should give


def answering(gateway: PostgresGateway, respond: Callable[[httpx.Request], httpx.Response]) -> SupabaseAuth:
    sessions, throttle = Sessions(gateway, {"supabase"}), Throttle(gateway)
    return SupabaseAuth("https://p.example", "key", sessions, throttle, transport=httpx.MockTransport(respond))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (429, "{}", TooManyAttempts),
        (500, "oops", Unavailable),
        (302, "", Unavailable),
        (200, "not json", Unavailable),
        (200, "[]", Unavailable),
        (200, '{"access_token": "x"}', Unavailable),
        (200, '{"user": {"email": "a@b.example"}}', NotAllowed),
        (200, '{"user": {"email": "a@b.example", "app_metadata": ["admin"]}}', NotAllowed),
        (200, '{"user": {"email": "a@b.example", "app_metadata": {"patchbay_role": "root"}}}', NotAllowed),
        (200, '{"user": {"email": "a@b.example", "user_metadata": {"patchbay_role": "admin"}}}', NotAllowed),
        (200, '{"user": {"email": null, "app_metadata": {"patchbay_role": "admin"}}}', PatchbayError),
        (200, '{"user": {"role": "admin", "email": "a@b.example", "app_metadata": {"role": "admin"}}}', NotAllowed),
    ],
)
def test_whatever_is_answered_nobody_slips_in(
    gateway: PostgresGateway, status: int, body: str, error: type[PatchbayError]
) -> None:
    with pytest.raises(error):
        answering(gateway, lambda _request: httpx.Response(status, text=body)).sign_in("a@b.example", PASSWORD, HERE)


def test_a_service_that_is_down_says_so(gateway: PostgresGateway) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectTimeout("late", request=request)

    with pytest.raises(Unavailable, match="does not answer"):
        answering(gateway, fail).sign_in("a@b.example", PASSWORD, HERE)


def test_a_service_that_is_asked_only_whether_it_is_there(gateway: PostgresGateway) -> None:
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.method} {request.url.path} {request.headers['apikey']}")
        return httpx.Response(200, json={"name": "GoTrue"})

    answering(gateway, respond).ping()
    assert asked == ["GET /auth/v1/health key"]
    for status in (401, 403, 500, 503):
        with pytest.raises(Unavailable, match=f"status {status}"):
            answering(gateway, lambda _request, status=status: httpx.Response(status)).ping()
