"""A signed-in person's way into a Supabase project: commands with their own token, wherever the project allows that.

With the token the database itself knows who acts: the actor of a link event is then the token's verified e-mail,
whatever the command says. That takes a grant that Patchbay never makes (``docs/decisions``), so a function that refuses
the person is called with the project's key instead, and the actor is the name that is given along. What only reads goes
with the key always: pages share what was read, so it must not depend on who read it first.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.store.failures import RightMissing, TokenRefused
from core.store.gateway import Condition, Gateway, Order, Row

COMMAND = "p_options"
"""Every function that changes links takes the command's options, the actor among them; no other function does."""


class PersonGateway:
    """:class:`core.store.gateway.Gateway` for one signed-in person. Safe to share between threads.

    :param by_key: the project by its key.
    :param theirs: the same project by the person's token.
    """

    def __init__(self, by_key: Gateway, theirs: Gateway) -> None:
        self._by_key, self._theirs = by_key, theirs
        self._not_granted: set[str] = set()
        self._refused = False

    def select(
        self,
        relation: str,
        *,
        columns: Sequence[str] = ("*",),
        where: Iterable[Condition] = (),
        order: Sequence[Order] = (),
        limit: int | None = None,
        args: Mapping[str, Any] | None = None,
    ) -> list[Row]:
        """As by the key."""
        return self._by_key.select(relation, columns=columns, where=where, order=order, limit=limit, args=args)

    def count(self, relation: str, *, where: Iterable[Condition] = (), args: Mapping[str, Any] | None = None) -> int:
        """As by the key."""
        return self._by_key.count(relation, where=where, args=args)

    def call(self, function: str, **args: Any) -> Any:
        """A command with the person's token, or by the key where that is refused. A refusal writes nothing."""
        if COMMAND not in args or self._refused or function in self._not_granted:
            return self._by_key.call(function, **args)
        try:
            return self._theirs.call(function, **args)
        except RightMissing:
            self._not_granted.add(function)
        except TokenRefused:
            self._refused = True
        return self._by_key.call(function, **args)

    def ping(self) -> None:
        """As by the key."""
        self._by_key.ping()

    def close(self) -> None:
        """Nothing: the connections belong to the gateway by key."""
