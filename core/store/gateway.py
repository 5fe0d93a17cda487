"""The seam between the rules and the database: what every way in must be able to do, and no more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

Row: TypeAlias = dict[str, Any]
"""One row as JSON values: timestamps are ISO 8601 strings in UTC, numbers and booleans themselves."""

Op: TypeAlias = Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "is_null", "not_null", "ilike", "prefix"]


@dataclass(frozen=True, slots=True)
class Where:
    """One condition on a column. ``value`` is ignored by ``is_null`` and ``not_null``.

    ``ilike`` takes a finished pattern (``%`` and ``_`` escaped with a backslash by the caller); ``prefix`` takes
    plain text.
    """

    column: str
    op: Op
    value: Any = None


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the groups holds; within a group every condition holds. Serves keyset paging."""

    groups: tuple[tuple[Where, ...], ...]


Condition: TypeAlias = Where | AnyOf


@dataclass(frozen=True, slots=True)
class Order:
    """Sort by a column; text sorts in byte order where it matters (call SIDs)."""

    column: str
    descending: bool = False


class Gateway(Protocol):
    """A connection to one database, safe to share between threads.

    Every method raises the errors of :mod:`core.errors` and nothing of the driver's.
    """

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
        """Rows of a table or view, or with ``args`` of a set-returning function."""
        ...

    def count(self, relation: str, *, where: Iterable[Condition] = (), args: Mapping[str, Any] | None = None) -> int:
        """Exactly how many rows ``select`` would find."""
        ...

    def call(self, function: str, **args: Any) -> Any:
        """Call a SQL function with named arguments and return its result as JSON values.

        Calls that lost a race (``PB006``, lock timeouts, deadlocks) are repeated for about two seconds, then
        :class:`core.errors.Busy` is raised.
        """
        ...

    def ping(self) -> None:
        """Return when the database answers; raise :class:`core.errors.DatabaseDown` within 3 seconds otherwise."""
        ...

    def close(self) -> None:
        """Give all connections back."""
        ...
