"""Numbers that are one number but for a slip: a digit dropped, doubled, mistyped, two swapped.

What the backend's validator does to numbers (a country code guessed from two, a digit lost on the way) is among it. A
lead whose phone is such a near miss may be the caller; only a person can say so.
"""

from typing import Literal, TypeAlias

from core.model import phone

Slip: TypeAlias = Literal["digit_missing", "digit_extra", "digits_swapped", "digit_wrong"]

SLIPS: tuple[Slip, ...] = ("digit_missing", "digit_extra", "digits_swapped", "digit_wrong")
"""The likeliest to be a slip first: a number that is too short or too long is nobody else's."""
GUESSED_CODES = ("1", "91")
"""The country codes that the backend's validator knows, and puts before numbers of other countries."""
FEWEST_DIGITS = 8
"""Digits of a national number below which one slip leaves too little to tell."""


def keys(e164: str) -> frozenset[str]:
    """The last 7 digits of every writing of a number with one slip in it, to find leads by: about 150."""
    digits = e164.removeprefix("+")
    size = phone.KEY_DIGITS
    if len(digits) <= size or not digits.isdigit():
        return frozenset()
    tail, wider = digits[-size:], digits[-size - 1 :]
    found = {tail}
    for place in range(size):
        found.add((wider[: place + 1] + wider[place + 2 :])[-size:])  # dropped
        for digit in "0123456789":
            found.add(tail[:place] + digit + tail[place + 1 :])  # mistyped
            found.add((tail[: place + 1] + digit + tail[place + 1 :])[-size:])  # doubled
        swapped = wider[:place] + wider[place + 1] + wider[place] + wider[place + 2 :]
        found.add(swapped[-size:])
    return frozenset(found)


def slip(raw: str | None, e164: str, region: str) -> tuple[Slip, str] | None:
    """The slip by which a phone field misses a number, and the piece of the field; None when it has it or is far off.

    :param region: ISO 3166 region in which a field without country code is read.
    """
    if phone.likeness(raw, e164, region) is not None:
        return None
    wanted = _writings(e164)
    found = [(_one_slip(_digits(piece, region), writing), piece) for piece in phone.parts(raw) for writing in wanted]
    known = [(kind, piece) for kind, piece in found if kind is not None]
    return min(known, key=lambda each: SLIPS.index(each[0]), default=None)


def mended(raw: str | None, piece: str, e164: str, region: str) -> str:
    """The phone field with one piece replaced by the number; what else it holds, and an extension, stays."""
    extension = phone.normalise(piece, region).extension
    number = f"{e164} ext. {extension}" if extension else e164
    return (raw or "").replace(piece.strip(), number, 1) if raw and piece.strip() else number


def _writings(e164: str) -> tuple[str, ...]:
    """A number's digits as a field may hold them: with its country code, nationally, behind a guessed code."""
    digits, code = e164.removeprefix("+"), phone.country_code(e164)
    if code is None or not digits.startswith(str(code)):
        return (digits,)
    national = digits[len(str(code)) :]
    if len(national) < FEWEST_DIGITS:
        return (digits,)
    return tuple(dict.fromkeys((digits, national, "0" + national, *(guess + national for guess in GUESSED_CODES))))


def _digits(piece: str, region: str) -> str:
    """The digits of one number, without its extension's."""
    digits = "".join(character for character in piece if character in "0123456789")
    extension = phone.normalise(piece, region).extension
    return digits.removesuffix(extension) if extension else digits


def _one_slip(written: str, wanted: str) -> Slip | None:
    if len(written) < FEWEST_DIGITS - 1 or written == wanted:
        return None
    if len(written) == len(wanted):
        return _same_length(written, wanted)
    if len(written) + 1 == len(wanted):
        return "digit_missing" if _lacks_one(written, wanted) else None
    if len(written) == len(wanted) + 1:
        return "digit_extra" if _lacks_one(wanted, written) else None
    return None


def _same_length(written: str, wanted: str) -> Slip | None:
    places = [place for place, (a, b) in enumerate(zip(written, wanted, strict=True)) if a != b]
    if len(places) == 1:
        return "digit_wrong"
    if len(places) == 2 and places[1] == places[0] + 1:
        first, second = places
        return "digits_swapped" if (written[first], written[second]) == (wanted[second], wanted[first]) else None
    return None


def _lacks_one(short: str, long: str) -> bool:
    """Is ``short`` the same as ``long`` without one digit?"""
    place = next((at for at, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[place:] == long[place + 1 :]
