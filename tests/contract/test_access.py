"""Accounts, sessions, codes and tokens by every way into the database."""

from typing import Any

import pytest

from core.access import Access, Identity, TooManyAttempts
from core.access.secret_tokens import digest, new_token
from core.access.sessions import Sessions
from core.access.throttle import PER_ACCOUNT
from core.errors import NotAllowed, NotFound
from core.settings import Settings

PASSWORD = "correct horse 17"


@pytest.fixture
def access(gateway: Any) -> Access:
    return Access.over(gateway, Settings.load(env={"PATCHBAY_AUTH": "required"}))


def test_signing_in_and_out(access: Access, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"ana {new_token()}"
    access.accounts.add(name, "operator", PASSWORD)
    with pytest.raises(NotAllowed, match="already") as refusal:
        access.accounts.add(name.upper(), "operator", PASSWORD)
    assert refusal.value.hint == "Set a new password with: user passwd"
    token = access.sign_in(name, PASSWORD, "192.0.2.1")
    assert token and access.sessions.by_token(token, touch=True) == Identity(name, "operator")
    assert name in [row["name"] for row in access.accounts.all()] and access.accounts.are_there_any()
    access.accounts.disable(name)
    assert Sessions(gateway, {"password"}).by_token(token) is None
    with pytest.raises(NotFound):
        access.accounts.disable(new_token())
    monkeypatch.setattr("core.access.passwords.is_right", lambda stored, password: False)
    for _ in range(PER_ACCOUNT):
        assert access.sign_in(name, PASSWORD, "192.0.2.1") is None
    with pytest.raises(TooManyAttempts):
        access.sign_in(name, PASSWORD, "198.51.100.1")


def test_codes_and_tokens(access: Access) -> None:
    code = access.one_time.issue("first_admin")
    assert access.one_time.is_live(code)
    assert access.one_time.redeem(code, "first_admin") and not access.one_time.redeem(code, "first_admin")
    with pytest.raises(NotAllowed):
        access.accounts.first_admin(digest(code), "eve", PASSWORD)
    name = new_token()
    token, _ = access.tokens.add(name, "viewer")
    assert access.tokens.identity(token) == Identity(name, "viewer", "token")
    access.tokens.revoke(name)
    assert access.tokens.identity(token) is None and access.tokens.all()[-1]["revoked_at"]
