"""Twilio's error codes in words."""

import pytest

from core.telephony.codes import CODES, explain


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_code_has_a_sentence_and_a_remedy(code: int) -> None:
    said = explain(code)
    assert said.sentence.endswith(".") and said.remedy.endswith(".")
    assert len(said.sentence) < 90 and said.sentence != said.remedy


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        (None, 401, "credentials"),
        (None, 403, "does not allow"),
        (None, 404, "knows nothing"),
        (None, 429, "too many requests"),
        (None, 503, "error of its own"),
        (77777, 400, "error 77777"),
        (None, 400, "refused the request."),
    ],
)
def test_what_has_no_sentence_of_its_own(code: int | None, status: int, says: str) -> None:
    assert says in explain(code, status).sentence
