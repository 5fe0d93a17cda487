"""Accounts, sessions, one-time links and tokens work alike on every way into the database."""

from uuid import uuid4

import pytest

from core.access import Access
from core.errors import PatchbayError
from core.settings import Settings
from core.store.gateway import Gateway

PASSWORD = "correct horse battery staple"


@pytest.fixture
def access(gateway: Gateway) -> Access:
    return Access.over(gateway, Settings(auth="required", actor="ops"))


def test_an_account_signs_in_until_it_is_disabled(access: Access) -> None:
    name = f"ada{uuid4().hex[:8]}"
    row = access.accounts.add(name, "operator", PASSWORD)
    assert row["name"] == name and access.accounts.are_there_any()
    assert name in {each["name"] for each in access.accounts.all()}
    assert access.sign_in(name, "wrong", "192.0.2.1") is None
    token = access.sign_in(name, PASSWORD, "192.0.2.1")
    assert token is not None
    identity = access.sessions.by_token(token, touch=True)
    assert identity is not None and identity.name == name
    access.sessions.close(token)
    assert access.sessions.by_token(token) is None
    again = access.sign_in(name, PASSWORD, "192.0.2.1")
    access.accounts.disable(name)
    assert again is not None and access.sessions.by_token(again) is None
    assert access.sign_in(name, PASSWORD, "192.0.2.1") is None


def test_a_one_time_link_works_once(access: Access) -> None:
    token = access.one_time.issue("link")
    assert access.one_time.is_live(token)
    assert access.one_time.redeem(token, "link") and not access.one_time.redeem(token, "link")


def test_an_api_token_until_it_is_revoked(access: Access) -> None:
    name = f"script {uuid4().hex[:8]}"
    token, row = access.tokens.add(name, "viewer")
    identity = access.tokens.identity(token)
    assert identity is not None and row["name"] == name
    with pytest.raises(PatchbayError):
        access.tokens.add(name, "viewer")
    access.tokens.revoke(name)
    assert access.tokens.identity(token) is None
