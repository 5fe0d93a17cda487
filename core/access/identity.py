"""Who is signed in and what that person may do. Pure.

=========  ======  ==========================  ==========================
role       reads   link, unlink, undo …        accounts, tokens, settings
=========  ======  ==========================  ==========================
viewer     yes     no                          no
operator   yes     yes                         no
admin      yes     yes                         yes
=========  ======  ==========================  ==========================
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from core.errors import BadInput, NotAllowed

Role: TypeAlias = Literal["viewer", "operator", "admin"]
Method: TypeAlias = Literal["link", "password", "supabase", "token"]
"""How somebody came in: the one-time link, an account here, Supabase Auth, an API token."""

ROLES: tuple[Role, ...] = get_args(Role)
VIEWERS_READ = "You are signed in as a viewer, and viewers can read but not change anything."
ASK_FOR_ROLE = "Ask an administrator for the role operator."


class SignedOut(NotAllowed):
    """Nobody is signed in, or no longer: the session ended, was revoked, or there never was one."""

    code = "signed_out"

    def __init__(self) -> None:
        super().__init__("You are signed out.", hint="Sign in again to go on.")


@dataclass(frozen=True, slots=True)
class Identity:
    """One signed-in person or program.

    :ivar name: the name that link events carry as actor.
    """

    name: str
    role: Role
    method: Method = "password"

    @property
    def may_write(self) -> bool:
        """Whether commands of this person are carried out."""
        return self.role != "viewer"


def need_writer(identity: Identity | None) -> None:
    """Refuse commands of viewers. None is this machine's own user (command line, worker), who owns the database.

    :raises NotAllowed: for a viewer.
    """
    if identity is not None and not identity.may_write:
        raise NotAllowed(VIEWERS_READ, hint=ASK_FOR_ROLE)


def role(value: object) -> Role:
    """A role by its name.

    :raises BadInput: for any other text.
    """
    for known in ROLES:
        if value == known:
            return known
    raise BadInput(f"role is {str(value)[:40]!r}: expected one of {', '.join(ROLES)}.")
