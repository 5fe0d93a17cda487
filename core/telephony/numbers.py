"""Our own numbers as the Twilio account lists them."""

from typing import Protocol

from core.store.gateway import Gateway


class Numbered(Protocol):
    """An account that lists its numbers."""

    def numbers(self) -> frozenset[str]:
        """Its phone numbers, in E.164."""
        ...


def read_account(gateway: Gateway, account: Numbered) -> frozenset[str]:
    """Ask the account for its numbers and keep them as ours (source ``twilio``); returns them.

    Never a counterpart from then on: calls that this concerns are judged again.

    :raises core.errors.Unavailable: when Twilio cannot be asked; nothing is changed.
    """
    numbers = account.numbers()
    gateway.call("note_account_numbers", p_numbers=sorted(numbers))
    return numbers
