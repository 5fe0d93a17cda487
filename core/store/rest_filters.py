"""Conditions, sorting and arguments as PostgREST takes them in a URL and a body.

PostgREST takes a value after ``eq.`` as it stands; inside ``or=(…)`` and ``in.(…)`` it is quoted. Both hold for any
text: commas, quotes, parentheses, dots, backslashes, percent signs and emoji are only text.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import quote

from core.errors import BadInput
from core.store.gateway import AnyOf, Condition, Order, Row, Where
from core.store.statements import array_literal, json_text, leading_bound, like_literal, scalar

Param: TypeAlias = tuple[str, str]

SID_KEYED = frozenset(
    {
        "call_links", "call_links_matching", "worklist_matching", "find_calls", "suspect_links", "stuck_calls",
        "dangling_links", "worklist_calls",
    }
)  # fmt: skip
"""Relations with ``sid_key``, the SID in byte order: there ``call_sid`` is sorted and compared by it.

PostgREST cannot say ``collate "C"``. Elsewhere the database's collation decides, which sorts Twilio's SIDs (one case,
hexadecimal) the same.
"""
LONGEST_QUERY = 6000
"""Characters of one URL's conditions: hosted gateways take 8 kB for a request line."""

_COMPARE = {"eq": "eq", "ne": "neq", "lt": "lt", "le": "lte", "gt": "gt", "ge": "gte"}
_WILDCARDS = {"%": ".*", "_": "."}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Conditions:
    """Conditions ready for a URL.

    :ivar params: query parameters.
    :ivar long: the one ``in`` condition whose list is too long for a URL, or None; ``params`` is without it.
    :ivar impossible: no row can fit, so nobody needs to be asked.
    """

    params: tuple[Param, ...]
    long: Where | None = None
    impossible: bool = False


def conditions(relation: str, where: Iterable[Condition]) -> Conditions:
    """All conditions as query parameters.

    :raises BadInput: for values that no database can hold, and for conditions that are too long for a URL.
    """
    params: list[Param] = []
    lists: list[Where] = []
    impossible = False
    for condition in where:
        if isinstance(condition, AnyOf):
            told = _any_of(relation, condition)
            impossible |= told is None
            params += told or []
        elif _never(condition):
            impossible = True
        elif condition.op == "in" and _length(_one(relation, condition)) > LONGEST_QUERY // 2:
            lists.append(condition)
        else:
            params.append(_one(relation, condition))
    if len(lists) > 1 or sum(map(_length, params)) > LONGEST_QUERY:
        raise BadInput("These conditions are too long to be sent: expected fewer or shorter values.")
    return Conditions(tuple(params), lists[0] if lists else None, impossible)


def portions(relation: str, long: Where) -> list[Param]:
    """A long ``in`` condition as several that exclude each other and together say the same."""
    found: list[Param] = []
    portion: list[str] = []
    size = 0
    for text in dict.fromkeys(_texts(long)):
        length = _length(("", _quoted(text))) + 3
        if portion and size + length > LONGEST_QUERY // 2:
            found.append(_one(relation, Where(long.column, "in", portion)))
            portion, size = [], 0
        portion.append(text)
        size += length
    return [*found, _one(relation, Where(long.column, "in", portion))]


def columns_of(names: Sequence[str]) -> str:
    """``select``'s value."""
    return ",".join(name if name == "*" else _name(name) for name in names)


def sorting(relation: str, order: Sequence[Order]) -> list[Param]:
    """``order``, if there is one; nulls stand where PostgreSQL puts them."""
    if not order:
        return []
    told = [f"{_name(_by_bytes(relation, each.column))}.{'desc' if each.descending else 'asc'}" for each in order]
    return [("order", ",".join(told))]


def in_order(rows: list[Row], order: Sequence[Order]) -> list[Row]:
    """Rows of several answers in one order: text by its characters, nulls greatest, as PostgreSQL has them."""
    for each in reversed(order):
        rows = sorted(rows, key=_sort_key(each.column), reverse=each.descending)
    return rows


def body(args: Mapping[str, Any]) -> dict[str, Any]:
    """Named arguments as JSON values; the function's own types decide what they become.

    :raises BadInput: for values that no database can hold.
    """
    return {name: _argument(name, value) for name, value in args.items()}


def _argument(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, set | frozenset):
        value = list(value)
    if isinstance(value, Mapping | list | tuple):
        return json.loads(json_text(name, value))
    text = scalar(name, value)
    if isinstance(value, int) or (isinstance(value, float) and text not in ("nan", "inf", "-inf")):
        return value
    return text


def _any_of(relation: str, choice: AnyOf) -> list[Param] | None:
    """``or=(…)``; None when no row can fit."""
    groups = [group for group in choice.groups if not any(_never(where) for where in group)]
    if not groups:
        return None
    if any(not group for group in groups):
        return []  # a group without conditions always holds
    told = [",".join(_inside(relation, where) for where in group) for group in groups]
    joined = ",".join(f"and({text})" if len(group) > 1 else text for text, group in zip(told, groups, strict=True))
    bound = leading_bound(AnyOf(tuple(groups)))
    return [*([] if bound is None else [_one(relation, bound)]), ("or", f"({joined})")]


def _never(where: Where) -> bool:
    """Whether no row can fit: nothing is equal to, or before or after, null."""
    if where.op == "in":
        return not _texts(where)
    return where.value is None and where.op not in ("is_null", "not_null", "prefix")


def _one(relation: str, where: Where) -> Param:
    """A condition that stands alone: the value as it is."""
    operator, text = _operation(where)
    return _name(_compared(relation, where)), operator if text is None else f"{operator}.{text}"


def _inside(relation: str, where: Where) -> str:
    """A condition in ``or=(…)``: the value quoted."""
    operator, text = _operation(where)
    told = f"{_name(_compared(relation, where))}.{operator}"
    if text is None:
        return told
    return f"{told}.{text}" if where.op == "in" else f"{told}.{_quoted(text)}"


def _operation(where: Where) -> tuple[str, str | None]:
    if where.op == "is_null":
        return "is.null", None
    if where.op == "not_null":
        return "not.is.null", None
    if where.op == "in":
        texts = _texts(where)
        if texts == [""]:  # PostgREST reads a list of one empty text as an empty list
            texts = ["", ""]
        return "in", f"({','.join(map(_quoted, texts))})"
    text = scalar(where.column, where.value) or ""
    if where.op in _COMPARE:
        return _COMPARE[where.op], text
    pattern = like_literal(text) + "%" if where.op == "prefix" else text
    if "*" in pattern:  # PostgREST reads it as a wildcard, and offers no way to say it literally
        return ("match" if where.op == "prefix" else "imatch"), _as_regular_expression(pattern)
    return ("like" if where.op == "prefix" else "ilike"), pattern


def _as_regular_expression(pattern: str) -> str:
    """A LIKE pattern as the regular expression that finds the same."""
    parts = []
    for piece in re.findall(r"\\.|.", pattern, re.DOTALL):
        if piece in _WILDCARDS:
            parts.append(_WILDCARDS[piece])
        else:
            character = piece[-1]
            parts.append(character if character.isalnum() or not character.isascii() else f"\\{character}")
    return f"^{''.join(parts)}$"


def _compared(relation: str, where: Where) -> str:
    return _by_bytes(relation, where.column) if where.op in ("lt", "le", "gt", "ge") else where.column


def _by_bytes(relation: str, column: str) -> str:
    return "sid_key" if column == "call_sid" and relation in SID_KEYED else column


def _name(column: str) -> str:
    return column if _PLAIN_NAME.fullmatch(column) else _quoted(column)


def _texts(where: Where) -> list[str]:
    """The list of an ``in`` condition as texts; null is in no list."""
    array_literal(where.column, where.value)
    return [text for value in where.value if (text := scalar(where.column, value)) is not None]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _length(param: Param) -> int:
    return len(quote(param[0], safe="")) + len(quote(param[1], safe="")) + 2


def _sort_key(column: str) -> Callable[[Row], Any]:
    return lambda row: (row[column] is None, 0 if row[column] is None else row[column])
