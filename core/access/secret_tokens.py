"""Random tokens and their digests. Only digests are ever stored, logged or looked up.

A token has 256 random bits, so its SHA-256 needs no salt, and finding a digest in an index tells by its timing at most
something about a digest, from which no token can be made.
"""

import hashlib
import re
import secrets

_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """43 characters that fit a cookie, a header and an address."""
    return secrets.token_urlsafe(32)


def digest(text: str) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def is_token(text: str) -> bool:
    """Whether this can be one of our tokens: what cannot is not worth a question to the database."""
    return _FORM.fullmatch(text) is not None
