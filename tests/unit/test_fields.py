"""What is typed is checked before anything is looked up, and the message says what is expected."""

from datetime import UTC, datetime

import pytest

from core.errors import BadInput
from core.linking import fields


@pytest.mark.parametrize("given", [212, "212", " 212 ", "9223372036854775807"])
def test_an_identifier_is_a_whole_number(given: object) -> None:
    assert fields.identifier("lead id", given) == int(str(given))


@pytest.mark.parametrize(
    "given",
    ["abc", "1e9", "٣", "99999999999999999999", "0", "-1", "", "1.5", "+5", "212;--", "🙂", None, True, 1.0, "1" * 40],
)
def test_what_is_no_id_is_refused_by_name(given: object) -> None:
    with pytest.raises(BadInput, match=r"^lead id is .*expected a whole number such as 212"):
        fields.identifier("lead id", given)


@pytest.mark.parametrize("given", ["CA" + "0" * 32, "CA1234567890abcdef", "x", " CA12 ", "été"])
def test_a_call_sid_is_kept_as_given(given: str) -> None:
    assert fields.call_sid(given) == given


@pytest.mark.parametrize("given", ["", "   ", "x" * 51, "CA\x0012", "CA\x1b[31m", "CA\ud800", None, 5])
def test_what_the_column_cannot_hold_is_no_call_sid(given: object) -> None:
    with pytest.raises(BadInput, match=r"call SID .*expected an identifier such as CA"):
        fields.call_sid(given)


@pytest.mark.parametrize("given", ["nonsense", "", "1b4e28ba-2fa1-4c1e", "🙂", "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77x"])
def test_a_batch_is_a_uuid(given: str) -> None:
    with pytest.raises(BadInput, match=r"batch is .*expected a UUID"):
        fields.batch_id(given)


def test_a_time_without_zone_is_utc() -> None:
    assert fields.moment("since", "2026-03-01") == datetime(2026, 3, 1, tzinfo=UTC)
    assert fields.moment("since", "2026-03-01T10:00:00+02:00") == datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", "", "0001-01-01T00:00:00+14:00", 5])
def test_what_is_no_time_is_refused(given: object) -> None:
    with pytest.raises(BadInput, match=r"^since is .*expected"):
        fields.moment("since", given)


@pytest.mark.parametrize("given", ["0", "-3", "10001", "ten", "1e3", 2.0, True, None])
def test_a_limit_has_bounds(given: object) -> None:
    with pytest.raises(BadInput, match=r"^limit is .*expected a whole number from 1 to 10000"):
        fields.whole("limit", given, 1, 10_000)


@pytest.mark.parametrize("given", ["", " \n ", "x" * 2001, "nul\0", "half \ud800"])
def test_a_reason_is_readable_text(given: str) -> None:
    with pytest.raises(BadInput, match=r"^reason "):
        fields.prose("reason", given, fields.REASON_LENGTH)


def test_a_long_value_is_shown_short_in_a_message() -> None:
    assert len(fields.shown("x" * 10_000)) < 60
