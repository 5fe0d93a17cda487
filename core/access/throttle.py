"""How often a sign-in may be tried: counted in the database, so that processes and restarts make no difference."""

import ipaddress

from core.access.secret_tokens import digest
from core.errors import NotAllowed
from core.store.gateway import Gateway

WINDOW_SECONDS = 900
PER_ACCOUNT = 10
"""Attempts on one account in a window, wherever they come from."""
PER_ADDRESS = 30
"""Attempts from one address in a window, whatever the accounts; an office may share an address."""


class TooManyAttempts(NotAllowed):
    """Nothing was checked. :ivar seconds: when it is worth trying again."""

    code = "too_many_attempts"

    def __init__(self, seconds: int) -> None:
        minutes = -(-seconds // 60)
        super().__init__(
            "There were too many attempts to sign in.",
            hint=f"Try again in {minutes} minute{'s' if minutes > 1 else ''}.",
        )
        self.seconds = seconds


class Throttle:
    """Counts attempts per account and per address; an unknown account counts like any other."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def count(self, account: str, address: str) -> None:
        """Count an attempt before it is checked.

        :raises TooManyAttempts: when the account or the address has used its attempts up.
        """
        wait = self._gateway.call(
            "patchbay_sign_in_attempt",
            p_account=digest(account),
            p_address=digest(network(address)),
            p_seconds=WINDOW_SECONDS,
            p_account_limit=PER_ACCOUNT,
            p_address_limit=PER_ADDRESS,
        )
        if wait:
            raise TooManyAttempts(int(wait))

    def forget(self, account: str, address: str) -> None:
        """The password was right: this account's attempts from here do not count any more."""
        self._gateway.call("patchbay_sign_in_succeeded", p_account=digest(account), p_address=digest(network(address)))


def network(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that an IPv6 subscriber gets."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
