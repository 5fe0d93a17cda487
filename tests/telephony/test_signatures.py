"""Proof that a request comes from Twilio: what opens the door, and what never does."""

import pytest

from core.telephony.signatures import TOKEN_SECONDS, Signatures

SID, OTHER = "CA" + "1" * 32, "CA" + "2" * 32


def test_a_stream_token_is_good_for_its_call_and_for_a_while() -> None:
    signatures = Signatures("secret", None)
    token = signatures.stream_token(SID, now=1000)
    assert signatures.is_stream_token(SID, token, now=1000 + TOKEN_SECONDS)
    assert not signatures.is_stream_token(SID, token, now=1001 + TOKEN_SECONDS)
    assert not signatures.is_stream_token(OTHER, token, now=1000)
    assert not Signatures("another", None).is_stream_token(SID, token, now=1000)


@pytest.mark.parametrize(
    "token", ["", ".", "99999999999.", "x.y", "99999999999.\u00e9", "\u00b2.\u00b2", "9" * 13 + "."]
)
@pytest.mark.parametrize("secret", [None, "secret"])
def test_what_is_no_token_opens_nothing(secret: str | None, token: str) -> None:
    assert not Signatures(secret, None).is_stream_token(SID, token, now=1000)


def test_without_an_auth_token_nothing_is_valid() -> None:
    signatures = Signatures(None, None)
    assert not signatures.is_stream_token(SID, signatures.stream_token(SID, now=1000), now=1000)
    assert not signatures.is_valid("http://localhost", "/call-events", {}, "")
