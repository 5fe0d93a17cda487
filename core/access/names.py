"""Names of accounts and tokens: what they may be, and when two are the same. Pure."""

import unicodedata

from core.errors import BadInput

LONGEST = 100


def checked(field: str, value: object) -> str:
    """A name as it is shown: one line without control characters, 1 to 100 characters.

    :raises BadInput: with the field's name.
    """
    text = unicodedata.normalize("NFKC", value).strip() if isinstance(value, str) else ""
    if not text:
        raise BadInput(f"{field} is empty: expected a name such as ana or ana@example.com.")
    if len(text) > LONGEST:
        raise BadInput(f"{field} has {len(text)} characters: expected at most {LONGEST}.")
    if any(not sign.isprintable() for sign in text):
        raise BadInput(f"{field} contains control characters: expected a name such as ana or ana@example.com.")
    return text


def key(name: str) -> str:
    """What makes two names the same: case and the way characters are composed do not count."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()
