"""Phone numbers as Twilio, the backend and people write them, and when two writings are one number.

Numbers are compared in E.164. Only *possible* numbers are asked for, never *valid* ones: validity would drop the
fictional ranges that test data uses. What the customer's backend does to numbers (a country code guessed from two,
Excel's ``.0``, extensions, two numbers in one field) is read as it is found.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import phonenumbers
from phonenumbers import CountryCodeSource, NumberParseException, PhoneNumberFormat, ValidationResult

Kind: TypeAlias = Literal["number", "withheld", "client", "sip", "short", "invalid", "missing"]
Likeness: TypeAlias = Literal["same", "national", "other_country", "variant"]

WITHHELD_NUMBERS = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on a telephone's keypad: what Twilio sends as the caller."""
WITHHELD_WORDS = frozenset(
    {"anonymous", "restricted", "unknown", "unavailable", "private", "blocked", "withheld"}
    | {"nocallerid", "privatenumber"}
)
KEY_DIGITS = 7
"""Numbers that are one number have at least these last digits in common (the SQL function patchbay_phone_keys)."""
LONGEST_NUMBER = 15
"""Digits of an E.164 number."""
LONGEST_TEXT = 250
"""Longer texts are no phone field."""
SHORT_CODE_DIGITS = 6
REMEMBERED = 16_384

_SEPARATORS = re.compile(r"[,;/|\n]|\b(?:or|and)\b", re.IGNORECASE)
_EXTENSION = re.compile(r"ext(?:ension|n)?\.?|x|#", re.IGNORECASE)
_SIP_NUMBER = re.compile(r"sips?:(\+\d{7,15})@", re.IGNORECASE)
_EXCEL = re.compile(r"(\+?\d[\d ]*)\.0*")
_INTERNATIONAL = re.compile(r"[\s(]*00[\s.()-]*(?=[1-9])")
_WRITTEN_E164 = re.compile(r"\+[1-9]\d{6,14}")
_DIGITS = re.compile(r"\d")

# A mobile digit that one network writes and another leaves out, after the country code (and area code).
_BRAZIL = re.compile(r"\+55(\d{2})9(\d{8})")
_ARGENTINA = re.compile(r"\+549(\d{10})")
_MEXICO = re.compile(r"\+521(\d{10})")


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """What a party's text means.

    :ivar kind: ``number``; ``withheld`` (the caller hides it); ``client`` and ``sip`` (no telephone); ``short`` (a
        short code); ``missing`` (no text); ``invalid`` (anything else).
    :ivar e164: ``+`` and digits for a number. An impossible number that was written with ``+`` keeps its digits here,
        so that it still equals itself (the guide's sample +1234567890 is one).
    :ivar extension: digits after an ``ext.`` or ``x``, or None.
    :ivar raw: the text as it was.
    :ivar international: the text itself names the country.
    """

    kind: Kind
    e164: str | None
    extension: str | None
    raw: str
    international: bool = False


def normalise(raw: str | None, region: str) -> PhoneNumber:
    """What a text from a phone field or from Twilio means.

    :param region: ISO 3166 region in which a number without country code is read.
    """
    text = raw or ""
    if len(text) > LONGEST_TEXT:
        return PhoneNumber("invalid", None, None, text[:LONGEST_TEXT])
    return _normalised(text, region)


def all_numbers(raw: str | None, region: str) -> tuple[PhoneNumber, ...]:
    """Every distinct phone number in a field, which may hold two; in its order, only those with an E.164 form."""
    found: dict[str, PhoneNumber] = {}
    for part in parts(raw):
        number = normalise(part, region)
        if number.e164 is not None:
            found.setdefault(number.e164, number)
    return tuple(found.values())


@lru_cache(REMEMBERED)
def parts(raw: str | None) -> tuple[str, ...]:
    """The pieces of a phone field that may each be a number.

    It is split where people separate numbers, unless a piece has too few digits to be one (030/1234567 is one number).
    """
    text = (raw or "")[:LONGEST_TEXT]
    pieces = [piece for piece in _SEPARATORS.split(text) if _DIGITS.search(piece)]
    chosen = pieces if pieces and all(len(_DIGITS.findall(p)) >= KEY_DIGITS for p in pieces) else [text]
    return tuple(half for piece in chosen for half in _halves(piece))


def key(e164: str) -> str | None:
    """The last 7 digits of a number, by which the database finds leads that might have it; None when it has fewer."""
    digits = "".join(_DIGITS.findall(e164))
    return digits[-KEY_DIGITS:] if len(digits) >= KEY_DIGITS else None


def keys(raw: str | None) -> frozenset[str]:
    """The keys of every number that a field may hold, as the SQL function ``patchbay_phone_keys`` makes them."""
    found = set()
    for piece in (p for split in _SEPARATORS.split(raw or "") for p in _EXTENSION.split(split)):
        digits = "".join(_DIGITS.findall(re.sub(r"\.0+\s*$", "", piece)))
        if len(digits) >= KEY_DIGITS:
            found.add(digits[-KEY_DIGITS:])
        if len(digits) > LONGEST_NUMBER:
            found.add(digits[: len(digits) // 2][-KEY_DIGITS:])
    return frozenset(found)


def likeness(raw: str | None, e164: str, region: str) -> Likeness | None:
    """How a phone field holds a number, the strongest way first; None when it does not.

    ``same``: read in ``region`` it is that number. ``national``: read in the number's own country it is that number,
    and the text names no country. ``other_country``: the same national number behind another country code (the
    backend's validator writes such). ``variant``: the same but for a mobile digit that some networks leave out (Brazil,
    Argentina, Mexico).
    """
    found = {_likeness(part, e164, region) for part in parts(raw)}
    order: tuple[Likeness, ...] = ("same", "national", "other_country", "variant")
    return next((like for like in order if like in found), None)


def same_national(raw: str | None, e164: str, region: str) -> bool:
    """Does the field hold the number once it is read in the number's own country, the text naming no other?"""
    return likeness(raw, e164, region) in ("same", "national")


def reads_elsewhere(raw: str | None, e164: str, region: str) -> str | None:
    """The other number, valid in ``region``, that a field means there; None when it means only ``e164``, or nothing."""
    for number in all_numbers(raw, region):
        if number.e164 is None or number.e164 == e164 or number.international:
            continue
        parsed = _parsed(number.e164, None)
        if parsed is not None and phonenumbers.is_valid_number_for_region(parsed, region):
            return number.e164
    return None


def country_code(e164: str) -> int | None:
    """The country calling code of an E.164 number, such as 44."""
    parsed = _parsed(e164, None)
    return parsed.country_code if parsed is not None else None


@lru_cache(REMEMBERED)
def display(e164: str) -> str:
    """A number as people read it, in the international format; anything else unchanged."""
    parsed = _parsed(e164, None) if e164.startswith("+") else None
    if parsed is None or not phonenumbers.is_possible_number(parsed):
        return e164
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)


@lru_cache(REMEMBERED)
def _normalised(raw: str, region: str) -> PhoneNumber:
    text = raw.strip()
    if not text:
        return PhoneNumber("missing", None, None, raw)
    lowered = text.lower()
    if _is_withheld(lowered):
        return PhoneNumber("withheld", None, None, raw)
    if lowered.startswith("client:"):
        return PhoneNumber("client", None, None, raw)
    if lowered.startswith(("sip:", "sips:")):
        number = _SIP_NUMBER.match(text)
        if number is None:
            return PhoneNumber("sip", None, None, raw)
        text = number[1]
    return _as_number(raw, _cleaned(text), region)


def _is_withheld(lowered: str) -> bool:
    if lowered.startswith(("sip:anonymous@", "sips:anonymous@")):
        return True
    letters = re.sub(r"[^a-z]", "", lowered)
    if letters and not _DIGITS.search(lowered):
        return letters in WITHHELD_WORDS
    return re.sub(r"[\s().-]", "", lowered) in WITHHELD_NUMBERS


def _cleaned(text: str) -> str:
    """Without a channel's prefix and Excel's ``.0``, and with ``+`` for ``00``."""
    bare = re.sub(r"^(?:whatsapp|tel):", "", text, flags=re.IGNORECASE).strip()
    excel = _EXCEL.fullmatch(bare)
    if excel and len(_DIGITS.findall(excel[1])) >= KEY_DIGITS:
        bare = excel[1]
    return _INTERNATIONAL.sub("+", bare, count=1) if _INTERNATIONAL.match(bare) else bare


def _as_number(raw: str, text: str, region: str) -> PhoneNumber:
    parsed = _parsed(text, region)
    international = parsed is not None and parsed.country_code_source != CountryCodeSource.FROM_DEFAULT_COUNTRY
    if parsed is not None and _is_possible(parsed):
        e164 = phonenumbers.format_number(parsed, PhoneNumberFormat.E164)
        return PhoneNumber("number", e164, parsed.extension or None, raw, international)
    digits = "".join(_DIGITS.findall(text))
    if text.startswith("+"):
        written = _WRITTEN_E164.fullmatch("+" + digits)
        return PhoneNumber("invalid", written[0] if written else None, None, raw, True)
    abroad = _without_plus(text, digits)
    if abroad is not None:
        return PhoneNumber("number", abroad, None, raw)  # the country is read into it, it is not written
    if parsed is not None and len(str(parsed.national_number)) <= SHORT_CODE_DIGITS:
        return PhoneNumber("short", None, None, raw)
    return PhoneNumber("invalid", None, None, raw)


def _without_plus(text: str, digits: str) -> str | None:
    """A number that is too long for the region is one with its country code, if it is valid as such."""
    if not 11 <= len(digits) <= LONGEST_NUMBER or digits.startswith("0") or re.search(r"[^\W\d_]", text):
        return None
    parsed = _parsed("+" + digits, None)
    if parsed is None or not phonenumbers.is_valid_number(parsed):
        return None
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def _likeness(part: str, e164: str, region: str) -> Likeness | None:
    number = normalise(part, region)
    if number.e164 == e164:
        return "same"
    parsed = _parsed(e164, None)
    if parsed is None or parsed.country_code is None or number.kind in ("withheld", "client", "sip", "missing"):
        return None
    there = phonenumbers.region_code_for_country_code(parsed.country_code)
    if not number.international and normalise(part, there).e164 == e164:
        return "national"
    read = {number.e164} if number.international else {number.e164, normalise(part, there).e164}
    if _variant(e164) in {_variant(other) for other in read if other is not None}:
        return "variant"
    if number.e164 is None:
        return None
    return "other_country" if _national(number.e164) == str(parsed.national_number) else None


def _national(e164: str) -> str | None:
    parsed = _parsed(e164, None)
    return str(parsed.national_number) if parsed is not None else None


def _variant(e164: str) -> str:
    """A number without the digit that some networks leave out."""
    for pattern, plain in ((_BRAZIL, r"+55\1\2"), (_ARGENTINA, r"+54\1"), (_MEXICO, r"+52\1")):
        if pattern.fullmatch(e164):
            return pattern.sub(plain, e164)
    return e164


def _halves(piece: str) -> tuple[str, ...]:
    """Two numbers written behind each other without a separator have more digits than one can have."""
    places = [match.end() for match in _DIGITS.finditer(_EXTENSION.split(piece)[0])]
    if len(places) <= LONGEST_NUMBER:
        return (piece,)
    middle = places[len(places) // 2 - 1]
    return (piece[:middle], piece[middle:])


@lru_cache(REMEMBERED)
def _parsed(text: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region, keep_raw_input=True)
    except NumberParseException:
        return None


def _is_possible(parsed: phonenumbers.PhoneNumber) -> bool:
    return phonenumbers.is_possible_number_with_reason(parsed) == ValidationResult.IS_POSSIBLE
