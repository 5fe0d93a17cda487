"""What people see of a job holds no credential, and still says which call and which job it is."""

import pytest

from core.outbound.redaction import REDACTED, redacted

SID = "CA" + "0a" * 16
JOB = "patchbay-" + "0b" * 16
HEX = "0c" * 16


@pytest.mark.parametrize(
    "secret",
    ["https://abc.supabase.co/rest", "redis://:pass@host:6379", "eyJhbGciOi.eyJpc3MiOi.c2ln", "sb_secret_abc", "sk-abc",
     "AC" + HEX, "Bearer abc.def", HEX, "auth_token=abc"],
)  # fmt: skip
def test_texts_lose_their_credentials(secret: str) -> None:
    said = redacted({"failure": [f"refused {secret} for {SID}"]})["failure"][0]
    assert secret not in said and SID in said and said.startswith("refused ")


def test_fields_that_are_named_like_credentials_are_hidden() -> None:
    given = {
        "supabaseKey": "x",
        "nested": {"authToken": 1, "account_sid": "y"},
        "callSid": SID,
        "key": None,
        "jobId": JOB,
    }
    assert redacted(given) == {
        "supabaseKey": REDACTED, "nested": {"authToken": REDACTED, "account_sid": REDACTED}, "callSid": SID,
        "key": None, "jobId": JOB,
    }  # fmt: skip
