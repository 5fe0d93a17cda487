"""What people and scripts give us, checked before anything is looked up.

Each check returns the value in the form the database takes, or raises :class:`core.errors.BadInput` with a message that
names the field, what was wrong and what is expected.
"""

import re
import unicodedata
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from core.errors import BadInput
from core.model import call_sid as sids

LARGEST_ID = 2**63 - 1
REQUEST_ID_LENGTH = 200
ACTOR_LENGTH = 200
REASON_LENGTH = 2000
TEXT_LENGTH = 400
SHOWN_LENGTH = 40
LOOKUP_EXPECTED = (
    "Expected a Call SID (CA and 32 hexadecimal digits), a text that contains one, a part of one, or a phone number."
)


def shown(value: object) -> str:
    """A value as it can stand in a message: quoted, one line, short."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]}…")


def identifier(field: str, value: object) -> int:
    """A row's id: a whole number from 1 to the largest bigint, as int or as ASCII digits."""
    expected = "expected a whole number such as 212"
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadInput(f"{field} is {shown(value)}: {expected}.")
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,30}", value.strip()):
        raise BadInput(f"{field} is {shown(value)}: {expected}.")
    number = int(value)
    if number < 1:
        raise BadInput(f"{field} is {number}: {expected}, counted from 1.")
    if number > LARGEST_ID:
        raise BadInput(f"{field} is {number}: that is larger than any id can be ({expected}).")
    return number


def call_sid(value: object, field: str = "call SID") -> str:
    """A call's identifier, exactly as given: not blank, at most 50 characters, no control characters inside."""
    if not isinstance(value, str):
        raise BadInput(f"{field} is {shown(value)}: {sids.EXPECTED}.")
    if not value.strip():
        raise BadInput(f"{field} is empty: {sids.EXPECTED}.")
    if _has_control(value.strip()) or "\0" in value:
        raise BadInput(f"{field} contains control characters: {sids.EXPECTED}.")
    if len(value) > sids.LONGEST:
        raise BadInput(f"{field} has {len(value)} characters, at most {sids.LONGEST} fit the column: {sids.EXPECTED}.")
    return value


def lookup_text(value: object) -> str:
    """What somebody pasted to look up: without NUL, broken characters and surrounding white space; not empty."""
    if not isinstance(value, str):
        raise BadInput(f"text is {shown(value)}. {LOOKUP_EXPECTED}")
    cleaned = re.sub("[\0\ud800-\udfff]", " ", value).strip()
    if not cleaned:
        raise BadInput(f"There is nothing to look up: the text is empty. {LOOKUP_EXPECTED}")
    return cleaned


def batch_id(value: object) -> str:
    """A batch: a UUID, in its canonical form."""
    try:
        return str(uuid.UUID(value if isinstance(value, str) else str(value)))
    except ValueError:
        raise BadInput(
            f"batch is {shown(value)}: expected a UUID such as 1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77."
        ) from None


def line(field: str, value: object, longest: int) -> str:
    """One non-blank line of text without control characters, with surrounding white space removed."""
    checked = prose(field, value, longest)
    if _has_control(checked):
        raise BadInput(f"{field} contains control characters: expected one line of text.")
    return checked


def prose(field: str, value: object, longest: int) -> str:
    """Non-blank text, line breaks allowed, with surrounding white space removed."""
    if not isinstance(value, str):
        raise BadInput(f"{field} is {shown(value)}: expected text.")
    checked = value.strip()
    if not checked:
        raise BadInput(f"{field} is empty: expected text, or leave it out.")
    if "\0" in checked:
        raise BadInput(f"{field} contains a NUL character: expected plain text.")
    if _unpaired(checked):
        raise BadInput(f"{field} is not valid Unicode text: expected UTF-8.")
    if len(checked) > longest:
        raise BadInput(f"{field} has {len(checked)} characters: expected at most {longest}.")
    return checked


def choice(field: str, value: object, allowed: Iterable[str]) -> str:
    """One of a few words."""
    words = tuple(allowed)
    if value not in words:
        raise BadInput(f"{field} is {shown(value)}: expected one of {', '.join(words)}.")
    return str(value)


def whole(field: str, value: object, least: int, most: int) -> int:
    """A whole number between two bounds, both included."""
    expected = f"expected a whole number from {least} to {most}"
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadInput(f"{field} is {shown(value)}: {expected}.")
    return value


def moment(field: str, value: object) -> datetime:
    """A time: a datetime or ISO 8601 text; a naive one is read as UTC (contract)."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise BadInput(
                f"{field} is {shown(value)}: expected a date or time such as 2026-03-01 or 2026-03-01T09:30:00Z."
            ) from None
    if not isinstance(value, datetime):
        raise BadInput(f"{field} is {shown(value)}: expected a date or time such as 2026-03-01T09:30:00Z.")
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise BadInput(
            f"{field} is {shown(value.isoformat())}: expected a time between the years 1 and 9999."
        ) from None


def _has_control(text: str) -> bool:
    return any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def _unpaired(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
