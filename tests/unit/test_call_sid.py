"""Call SIDs in whatever people paste."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model import call_sid

A = "CA0123456789abcdef0123456789abcdef"
B = "CAfedcba9876543210fedcba9876543210"
SAMPLE = "CA1234567890abcdef"

standard = st.text("0123456789abcdef", min_size=32, max_size=32).map(lambda digits: "CA" + digits)
around = st.text(st.sampled_from(" /=:,;.\"'&?{}()[]<>_-\n\t…é"), max_size=8)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (A, [A]),
        (f"  {A}\n", [A]),
        (A.upper(), [A]),
        (A.lower(), [A]),
        (f"[worker] ✅ call {A} to +14155552671 initiated", [A]),
        (f"https://console.twilio.com/us1/monitor/logs/calls/{A}?x=1", [A]),
        (f"https://api.twilio.com/2010-04-01/Accounts/AC7f/Calls/{A}.json", [A]),
        (f'{{"CallSid":"{A}","ParentCallSid":"{B}"}}', [A, B]),
        (f"CallSid={B}&From=%2B1415&x={A}", [B, A]),
        (f"%7B%22CallSid%22%3A%22{A}%22%7D", [A]),
        (f"2026/09/23/{A}_RE0123.mp3", [A]),
        (f"{A} again {A.upper()}", [A]),
        (f"see {A}0", []),
        (f"{A}0", [f"{A}0"]),
        (f"X{A}", []),
        (f"call {SAMPLE} failed", []),
        (SAMPLE, [SAMPLE]),
        (f" {SAMPLE} ", [SAMPLE]),
        ("CAFE", []),
        ("California", []),
        ("CA0123", []),
        ("", []),
        ("📞", []),
        ("(415) 555-2671", []),
    ],
)
def test_sids_are_found_in_pasted_text(text: str, found: list[str]) -> None:
    assert call_sid.find(text) == found


@given(st.lists(standard, min_size=1, max_size=4, unique=True), st.data())
def test_every_sid_of_a_text_is_found_in_its_order(sids: list[str], data: st.DataObject) -> None:
    pieces = [data.draw(around.filter(bool)) + data.draw(st.sampled_from([sid, sid.upper()])) for sid in sids]
    assert call_sid.find("".join(pieces) + " end") == sids


@given(st.text(max_size=300))
def test_any_text_can_be_searched(text: str) -> None:
    assert all(sid[:2].upper() == "CA" for sid in call_sid.find(text))


@pytest.mark.parametrize(
    ("text", "yes"), [(A, True), (A.upper(), False), (SAMPLE, False), (A + "\n", False), ("", False)]
)
def test_the_standard_form_is_known(text: str, yes: bool) -> None:
    assert call_sid.is_standard(text) is yes


def test_tables_show_a_short_form() -> None:
    assert call_sid.short(A) == "CA01…cdef"
    assert call_sid.short("CA12345678") == "CA12345678"
