"""What is printed at start, and when; what is opened, and where."""

import os
import socket
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.errors import DatabaseDown
from core.http import login_link
from core.http.login_link import Doorman
from core.settings import Settings


@dataclass
class Codes:
    issued: list[str] = field(default_factory=list)
    live: bool = True

    def issue(self, purpose: str) -> str:
        self.issued.append(purpose)
        return f"token{len(self.issued)}"

    def is_live(self, _token: str) -> bool:
        return self.live


@dataclass
class Ways:
    """The ways in, as far as the doorman asks."""

    one_time: Codes = field(default_factory=Codes)
    users: bool = False
    supabase: Any = None

    @property
    def accounts(self) -> "Ways":
        return self

    def are_there_any(self) -> bool:
        return self.users


def doorman(ways: Ways, **environment: str) -> tuple[Doorman, list[str]]:
    said: list[str] = []
    return Doorman(lambda: ways, Settings.load(env=environment), say=said.append), said  # type: ignore[arg-type,return-value]


def test_a_link_is_printed_once_until_it_is_used() -> None:
    ways = Ways()
    man, said = doorman(ways)
    assert man.announce() == "http://localhost:8501/login?token=token1"
    assert man.announce() is None and len(said) == 1 and "token1" in said[0]
    ways.one_time.live = False
    assert man.announce() == "http://localhost:8501/login?token=token2"
    assert ways.one_time.issued == ["link", "link"]


def test_the_first_account_gets_a_code_and_nobody_a_link() -> None:
    man, said = doorman(Ways(), PUBLIC_URL="https://console.example.com")
    assert man.announce() is None
    assert "https://console.example.com/login" in said[0] and "?token=" not in said[0]


@pytest.mark.parametrize("ways", [Ways(users=True), Ways(supabase=object())])
def test_nothing_is_printed_where_people_have_accounts(ways: Ways) -> None:
    man, said = doorman(ways, PATCHBAY_AUTH="required")
    assert man.announce() is None and said == [] and ways.one_time.issued == []


def test_it_waits_for_the_server_and_the_database_and_then_opens_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_link, "DATABASE_PAUSE", 0.01)
    opened: list[str] = []
    monkeypatch.setattr(login_link, "open_in_browser", opened.append)
    failures = [DatabaseDown("away"), DatabaseDown("away")]

    def access() -> Any:
        if failures:
            raise failures.pop()
        return Ways()

    said: list[str] = []
    settings = Settings.load(env={"PATCHBAY_OPEN_BROWSER": "1", "DISPLAY": ":0"})
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        man = Doorman(access, settings, say=said.append)
        man.start()
        man.join(20)
        ports = login_link._listening(os.getpid())
    assert not man.is_alive() and server and len(said) == 1
    assert opened == [f"http://localhost:{min(ports)}/login?token=token1"]


def test_it_can_be_stopped_while_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_link, "_listening", lambda _pid: {1})

    def access() -> Any:
        raise DatabaseDown("away")

    man = Doorman(access, Settings.load(env={}), say=lambda _text: None)
    man.start()
    man.stop()
    man.join(10)
    assert not man.is_alive()


def test_only_one_link_is_printed_to_many_at_once() -> None:
    ways = Ways()
    man, said = doorman(ways)
    start = threading.Barrier(5)

    def ask() -> None:
        start.wait(10)
        man.announce()

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(said) == 1


def test_without_an_opener_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    login_link.open_in_browser("http://localhost:8501/login?token=x")
