"""Hand-written stand-ins for what lies beyond a seam."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from core.store.gateway import Condition, Order, Row


class FakeGateway:
    """A :class:`core.store.gateway.Gateway` that remembers what it was asked and answers what it was told.

    :param answers: for each function or relation a value, or a callable that gets the arguments; errors are raised.
    """

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

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
        """The rows that were told."""
        rows: list[Row] = self._answer(relation, dict(args or {}))
        return rows

    def count(self, relation: str, *, where: Iterable[Condition] = (), args: Mapping[str, Any] | None = None) -> int:
        """How many rows were told."""
        return len(self._answer(relation, dict(args or {})))

    def call(self, function: str, **args: Any) -> Any:
        """The value that was told."""
        return self._answer(function, args)

    def ping(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing to give back."""

    def _answer(self, name: str, args: dict[str, Any]) -> Any:
        self.asked.append((name, args))
        answer = self.answers[name]
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer(**args)
        if isinstance(answer, Exception):
            raise answer
        return answer
