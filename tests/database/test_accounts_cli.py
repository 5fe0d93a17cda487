"""``user`` and ``token`` on the command line."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from core.access import Access, Identity
from core.cli import main
from core.settings import Settings
from core.store.postgres import PostgresGateway

PASSWORD = "correct horse 17"
Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def run(db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("DATABASE_URL", db)
    for name in ("SUPABASE_URL", "SUPABASE_KEY", "SUPABASE_SERVICE_ROLE_KEY", "PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: str, typed: str = "") -> tuple[int, Any, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = main(["--json", *words])
        printed = capsys.readouterr()
        assert PASSWORD not in printed.out + printed.err
        return code, json.loads(printed.out), printed.err

    return call


@pytest.fixture
def access(gateway: PostgresGateway) -> Access:
    return Access.over(gateway, Settings.load(env={"PATCHBAY_AUTH": "required"}))


def test_a_users_life(run: Run, access: Access) -> None:
    code, added, _ = run("user", "add", "Ana", "--role", "admin", "--password-stdin", typed=PASSWORD + "\n")
    assert code == 0 and (added["name"], added["role"]) == ("Ana", "admin")
    assert "password_hash" not in added
    assert access.sign_in("ana", PASSWORD, "192.0.2.1")
    assert run("user", "add", "ana", "--role", "viewer", "--password-stdin", typed=PASSWORD)[0] == 4
    code, listed, _ = run("user", "list")
    assert code == 0 and [row["name"] for row in listed] == ["Ana"] and listed[0]["last_sign_in_at"]
    session = access.sign_in("ana", PASSWORD, "192.0.2.1")
    assert session and access.sessions.by_token(session) == Identity("Ana", "admin")
    code, changed, _ = run("user", "role", "ANA", "--role", "viewer")
    assert code == 0 and changed["role"] == "viewer"
    access.sessions._answers.clear()  # three seconds later
    assert access.sessions.by_token(session) == Identity("Ana", "viewer"), "without signing in anew"
    assert run("user", "role", "nobody", "--role", "viewer")[0] == 3
    assert run("user", "passwd", "ana", "--password-stdin", typed="another password\n")[0] == 0
    assert access.sign_in("ana", PASSWORD, "192.0.2.1") is None
    assert access.sign_in("ana", "another password", "192.0.2.1")
    code, gone, _ = run("user", "disable", "ana")
    assert code == 0 and gone["disabled_at"]
    assert access.sign_in("ana", "another password", "192.0.2.1") is None
    assert run("user", "disable", "nobody")[0] == 3


def test_a_tokens_life(run: Run, access: Access) -> None:
    code, added, _ = run("token", "add", "ci", "--role", "operator")
    assert code == 0 and access.tokens.identity(added["token"]) == Identity("ci", "operator", "token")
    code, listed, _ = run("token", "list")
    assert code == 0 and listed[0]["name"] == "ci" and added["token"] not in json.dumps(listed)
    assert run("token", "add", "CI", "--role", "operator")[0] == 4
    assert run("token", "revoke", "ci")[0] == 0
    assert access.tokens.identity(added["token"]) is None
    assert run("token", "revoke", "ci")[0] == 3


@pytest.mark.parametrize(
    ("words", "typed", "says"),
    [
        (("user", "sing", "ana"), "", "expected one of add"),
        (("user", "add"), "", "needs a name"),
        (("user", "add", "ana"), "", "needs --role"),
        (("user", "add", "ana", "--role", "root"), "", "expected one of viewer"),
        (("user", "role", "ana"), "", "user role needs --role"),
        (("user", "role", "ana", "--role", "root"), "", "expected one of viewer"),
        (("user", "role", "--role", "viewer"), "", "needs a name"),
        (("user", "add", "ana", "--role", "admin"), "", "--password-stdin"),
        (("user", "add", "ana", "--role", "admin", "--password-stdin"), "short\n", "at least 10"),
        (("user", "add", "anastasia1", "--role", "admin", "--password-stdin"), "AnaStasia1\n", "account's name"),
        (("user", "add", "a\x07na", "--role", "admin", "--password-stdin"), PASSWORD, "control"),
        (("user", "list", "ana"), "", "takes no name"),
        (("user", "disable", "ana", "--role", "admin"), "", "does not go with"),
        (("token", "add", "ci"), "", "needs --role"),
        (("token", "list", "--role", "admin"), "", "does not go with"),
        (("token", "revoke"), "", "needs a name"),
    ],
)
def test_bad_words_are_refused_before_anything_is_looked_up(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], typed: str, says: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/nowhere")
    code, told, err = run(*words, typed=typed)
    assert code == 2 and says in told["error"]["message"] and err.startswith("error: ")
