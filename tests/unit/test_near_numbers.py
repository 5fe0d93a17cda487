"""Numbers that are one number but for a slip."""

import pytest

from core.model import near_numbers, phone

LONDON, BOSTON, DELHI = "+442079460958", "+16175550142", "+919876543210"


@pytest.mark.parametrize(
    ("field", "number", "slip"),
    [
        ("+44 20 7946 958", LONDON, "digit_missing"),
        ("020 7946 0985", LONDON, "digits_swapped"),
        ("+4420794600958", LONDON, "digit_extra"),
        ("+12079460959", LONDON, "digit_wrong"),  # the validator's +1, and a typo
        ("+91207946095", LONDON, "digit_missing"),  # the validator's +91, and a digit lost
        ("(617) 555-0124", BOSTON, "digits_swapped"),
        ("617 555 014", BOSTON, "digit_missing"),
        ("+1987654321", DELHI, "digit_missing"),
        ("98765 4321", DELHI, "digit_missing"),
        ("617-555-0143 / 030 1234567", BOSTON, "digit_wrong"),
        ("6175550142", BOSTON, None),  # it is the number
        ("+12079460958", LONDON, None),  # it is the number behind another country code: a candidate already
        ("+16175550253", BOSTON, None),
        ("5550142", BOSTON, None),
        ("garbage", BOSTON, None),
        ("", BOSTON, None),
        (None, BOSTON, None),
    ],
)
def test_the_slip_between_a_field_and_a_number(field: str | None, number: str, slip: str | None) -> None:
    found = near_numbers.slip(field, number, "US")
    assert (found[0] if found else None) == slip
    if found and field is not None:
        assert near_numbers.keys(number) & phone.keys(field), "the database would find it"


def test_every_slip_in_a_number_is_found_by_its_keys() -> None:
    digits, known = LONDON[1:], near_numbers.keys(LONDON)
    assert len(known) < 160
    for place in range(len(digits)):
        writings = [digits[:place] + digits[place + 1 :]]
        writings += [digits[:place] + digit + digits[place + 1 :] for digit in "0123456789"]
        writings += [digits[:place] + digit + digits[place:] for digit in "0123456789"]
        if place:
            writings.append(digits[: place - 1] + digits[place] + digits[place - 1] + digits[place + 1 :])
        for writing in writings:
            assert phone.keys("+" + writing) & known, writing


@pytest.mark.parametrize(
    ("field", "mended"),
    [
        ("617 555 014", BOSTON),
        ("617-555-0143 / 030 1234567", f"{BOSTON} / 030 1234567"),
        ("(617) 555-0143 ext. 12", f"{BOSTON} ext. 12"),
    ],
)
def test_what_else_the_field_holds_stays(field: str, mended: str) -> None:
    found = near_numbers.slip(field, BOSTON, "US")
    assert found is not None
    assert near_numbers.mended(field, found[1], BOSTON, "US") == mended


def test_a_number_that_is_none_has_no_near_ones() -> None:
    assert near_numbers.keys("+123") == frozenset()
    assert near_numbers.keys("anonymous") == frozenset()
