"""Call SIDs: Twilio's identifiers of calls, as people paste them and as the database keeps them."""

import re

LONGEST = 50
"""Width of ``leads.call_sid`` in the customer's guide, in characters."""
SHORTEST_LOOSE = 8
"""A text of ``CA`` and fewer hexadecimal digits is rather a part of a SID, or a word."""
EXPECTED = "expected an identifier such as CA followed by 32 hexadecimal digits"

_STANDARD = re.compile(r"CA[0-9a-f]{32}")
# The SID may touch anything but a letter or digit; in a URL-encoded text it follows the digits of an escape (%22CA…).
_WITHIN = re.compile(r"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2}))CA[0-9a-f]{32}(?![0-9A-Za-z])", re.IGNORECASE)
_LOOSE = re.compile(rf"CA[0-9a-f]{{{SHORTEST_LOOSE},{LONGEST - 2}}}", re.IGNORECASE)


def is_standard(text: str) -> bool:
    """Does the text have the form of Twilio's Call SIDs, ``CA`` and 32 lower-case hexadecimal digits?

    Others (the guide's own sample is one) are shown with a warning and work all the same.
    """
    return _STANDARD.fullmatch(text) is not None


def find(text: str) -> list[str]:
    """Every distinct Call SID in a text (a log line, a URL, JSON), in its order, in Twilio's writing.

    A SID that lacks digits, such as the guide's sample ``CA1234567890abcdef``, counts only when it is the whole text;
    it is kept as written.
    """
    found = [_folded(match) for match in _WITHIN.findall(text)]
    if not found and _LOOSE.fullmatch(text.strip()):
        found = [text.strip()]
    return list(dict.fromkeys(found))


def short(sid: str) -> str:
    """A SID as tables show it: ``CA3f…9c1e``. Short ones stay whole."""
    return sid if len(sid) <= 12 else f"{sid[:4]}…{sid[-4:]}"


def _folded(sid: str) -> str:
    return "CA" + sid[2:].lower()
