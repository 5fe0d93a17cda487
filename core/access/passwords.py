"""What a password must be, and argon2 hashes of passwords (argon2id, RFC 9106's low-memory parameters)."""

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.errors import BadInput

SHORTEST = 10
LONGEST = 1024
"""Longer ones are refused: hashing takes time in proportion."""
AT_ONCE = 2
"""Hashes computed at a time: each takes 64 MiB, and sign-ins must not take the machine's memory."""
NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$cu1uKezJOsCTpgXpk/7Aqg$qGII4g/cQFOavmUKmBKrjtEi+XCUnP0WA1O3hIGw0pQ"
"""Checked when there is no such account, so that the answer takes as long as for an account."""

_hasher = PasswordHasher()
_slots = threading.BoundedSemaphore(AT_ONCE)


def check_rules(password: str, name: str) -> None:
    """At least ten characters, and not the account's name.

    :raises BadInput: says which rule is broken; never holds the password.
    """
    plain = _plain(password)
    if len(plain) < SHORTEST:
        raise BadInput(f"The password has {len(plain)} characters: expected at least {SHORTEST}.")
    if len(password) > LONGEST:
        raise BadInput(f"The password has {len(password)} characters: expected at most {LONGEST}.")
    if len(set(plain)) < 3:
        raise BadInput("The password repeats one or two characters: expected one that is harder to guess.")
    folded, known = plain.casefold().strip(), name.casefold().strip()
    if folded in (known, known[::-1], known.partition("@")[0]):
        raise BadInput("The password is the account's name: expected one that others cannot know.")


def make_hash(password: str) -> str:
    """The argon2 hash to store, with its parameters and salt."""
    with _slots:
        return _hasher.hash(_plain(password))


def is_right(stored: str | None, password: str) -> bool:
    """Whether a password fits a stored hash. Takes as long where there is none (None: no such account)."""
    with _slots:
        try:
            fits = _hasher.verify(stored or NOBODY, _plain(password[:LONGEST]))
        except (VerificationError, InvalidHashError):
            return False
    return fits and stored is not None and len(password) <= LONGEST


def _plain(password: str) -> str:
    """The same characters whichever way a keyboard composes them (NFKC); half characters make no difference."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()
