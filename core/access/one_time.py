"""Links and codes that work once: the machine user's sign-in link, the code for the first account."""

from typing import Literal, TypeAlias

from core.access.provisional import Caller
from core.access.secret_tokens import digest, is_token, new_token

Purpose: TypeAlias = Literal["link", "first_admin"]
SECONDS: dict[Purpose, int] = {"link": 900, "first_admin": 3600}
"""How long each is good for."""


class OneTime:
    """Issue and redeem. The database decides who was first, whichever process is asked."""

    def __init__(self, gateway: Caller) -> None:
        self._gateway = gateway

    def issue(self, purpose: Purpose) -> str:
        """A new token, good once and for :data:`SECONDS`. Earlier ones stay good for their time."""
        token = new_token()
        self._gateway.call(
            "patchbay_one_time_issue", p_key=digest(token), p_purpose=purpose, p_seconds=SECONDS[purpose]
        )
        return token

    def is_live(self, token: str) -> bool:
        """Whether a token that was issued can still be used."""
        return bool(self._gateway.call("patchbay_one_time_is_live", p_key=digest(token)))

    def redeem(self, token: str, purpose: Purpose) -> bool:
        """Use a token up; True for one caller only."""
        if not is_token(token):
            return False
        return bool(self._gateway.call("patchbay_one_time_redeem", p_key=digest(token), p_purpose=purpose))
