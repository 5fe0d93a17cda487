"""Rows of the customer's tables as they are handed out: whole, with times that say their zone."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_NAIVE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")


def in_utc(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its naive times marked as UTC (contract: naive ones in the database are read as UTC).

    Times are the texts in ``timestamp`` and in columns that end in ``_at``; everything else is handed on as it is.
    """
    return {name: _marked(value) if _is_time(name) else value for name, value in row.items()}


def all_in_utc(rows: Iterable[Mapping[str, Any]] | None) -> tuple[dict[str, Any], ...]:
    """Several rows; none for None."""
    return tuple(in_utc(row) for row in rows or ())


def _is_time(column: str) -> bool:
    return column == "timestamp" or column.endswith("_at")


def _marked(value: Any) -> Any:
    return f"{value}+00:00" if isinstance(value, str) and _NAIVE.fullmatch(value) else value
