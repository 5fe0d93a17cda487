"""SQL for the gateway's three questions. Names become quoted identifiers, values always bound parameters.

Scalars are bound as text of unknown type, as PostgREST does: the column or the function decides what they are, so an
id may be an int here and a bigint there, and a value that cannot be read is an input error, not a missing operator.
"""

# ruff: noqa: S608 - names go through identifier(), values are bound

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeAlias
from uuid import UUID

from core.errors import BadInput
from core.store.gateway import AnyOf, Condition, Order, Where

Params: TypeAlias = list[str | None]
BYTE_ORDERED = frozenset({"call_sid"})
"""Columns that compare in byte order, whatever the database's collation ("greater SID" means byte order)."""

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL as JSON writes it; a backslash that is itself text comes in pairs."""
_COMPARE = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@dataclass(frozen=True, slots=True)
class Signature:
    """What ``pg_proc`` says about one function.

    :ivar types: SQL type of each named input argument.
    :ivar returns_set: the function returns rows.
    :ivar returns_void: the function returns nothing.
    """

    types: Mapping[str, str]
    returns_set: bool
    returns_void: bool


def select_rows(
    source: str,
    columns: Sequence[str],
    where: Iterable[Condition],
    order: Sequence[Order],
    limit: int | None,
) -> tuple[str, Params]:
    """The rows of ``source`` that fit, in order."""
    condition, params = _all_of(where)
    names = ", ".join("*" if column == "*" else identifier(column) for column in columns)
    sorting = f" order by {', '.join(_sorting(item) for item in order)}" if order else ""
    cut = "" if limit is None else f" limit {int(limit)}"
    return f"select {names} from {source} where {condition}{sorting}{cut}", params


def as_json(rows: str) -> str:
    """One JSON array with the rows of a select."""
    return f"select coalesce(json_agg(t), '[]') from ({rows}) t"


def count_rows(source: str, where: Iterable[Condition]) -> tuple[str, Params]:
    """How many rows of ``source`` fit."""
    condition, params = _all_of(where)
    return f"select count(*) from {source} where {condition}", params


def call_function(name: str, signature: Signature, args: Mapping[str, Any]) -> tuple[str, Params]:
    """A call whose result is one JSON value (an array for a function that returns rows)."""
    invocation, params = function_source(name, signature, args)
    if signature.returns_void:
        return f"select {invocation}", params
    if signature.returns_set:
        return f"select coalesce(jsonb_agg(to_jsonb(t)), '[]') from {invocation} t", params
    return f"select to_jsonb({invocation})", params


def function_source(name: str, signature: Signature, args: Mapping[str, Any]) -> tuple[str, Params]:
    """``public.name(arg => $1::type, …)``."""
    given, params = [], []
    for key, value in args.items():
        kind = signature.types.get(key)
        given.append(f"{identifier(key)} => %s{f'::{kind}' if kind else ''}")
        params.append(_argument(key, kind, value))
    return f"{relation_source(name)}({', '.join(given)})", params


def relation_source(name: str) -> str:
    """A table or view of schema public."""
    return f"public.{identifier(name)}"


def identifier(name: str) -> str:
    """A name, quoted as SQL wants it and psycopg lets it pass."""
    return '"' + name.replace('"', '""').replace("%", "%%") + '"'


def _all_of(conditions: Iterable[Condition]) -> tuple[str, Params]:
    parts: list[str] = []
    params: Params = []
    for condition in conditions:
        part, values = _any_of(condition) if isinstance(condition, AnyOf) else _one(condition)
        parts.append(part)
        params += values
    return (" and ".join(parts) or "true"), params


def _any_of(choice: AnyOf) -> tuple[str, Params]:
    groups = [_all_of(group) for group in choice.groups]
    if not groups:
        return "false", []
    joined = " or ".join(f"({part})" for part, _ in groups)
    params = [value for _, values in groups for value in values]
    bound = leading_bound(choice)
    if bound is None:
        return f"({joined})", params
    first, values = _one(bound)
    return f"({first} and ({joined}))", values + params


def leading_bound(choice: AnyOf) -> Where | None:
    """The range that every group of a keyset condition implies, said outright.

    ``a < x or (a = x and b > y)`` implies ``a <= x``; only that plain form lets an index scan start at the right place.
    """
    firsts = [group[0] for group in choice.groups if group]
    if len(firsts) < 2 or len(firsts) != len(choice.groups):
        return None
    if len({(first.column, repr(first.value)) for first in firsts}) != 1:
        return None
    ops = {first.op for first in firsts}
    for strict, loose in (("lt", "le"), ("gt", "ge")):
        if strict in ops and ops <= {strict, loose, "eq"}:
            return Where(firsts[0].column, "le" if loose == "le" else "ge", firsts[0].value)
    return None


def _one(condition: Where) -> tuple[str, Params]:
    column = identifier(condition.column)
    if condition.op == "is_null":
        return f"{column} is null", []
    if condition.op == "not_null":
        return f"{column} is not null", []
    if condition.op == "in":
        return f"{column} = any(%s)", [array_literal(condition.column, condition.value)]
    if isinstance(condition.value, bool) and condition.op in ("eq", "ne"):
        # A literal, no parameter: a prepared plan only uses a partial index when it knows that the condition fits.
        return f"{column} {_COMPARE[condition.op]} {'true' if condition.value else 'false'}", []
    text = scalar(condition.column, condition.value)
    if condition.op == "ilike":
        return f"{column} ilike %s", [text]
    if condition.op == "prefix":
        return f"{column} like %s", [like_literal(text or "") + "%"]
    if condition.column in BYTE_ORDERED and condition.op in ("lt", "le", "gt", "ge"):
        column += ' collate "C"'
    return f"{column} {_COMPARE[condition.op]} %s", [text]


def _sorting(order: Order) -> str:
    column = identifier(order.column) + (' collate "C"' if order.column in BYTE_ORDERED else "")
    return f"{column} desc" if order.descending else column


def _argument(name: str, kind: str | None, value: Any) -> str | None:
    if value is None:
        return None
    if kind in ("jsonb", "json"):
        return json_text(name, value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return array_literal(name, value)
    if isinstance(value, Mapping):
        return json_text(name, value)
    return scalar(name, value)


def json_text(name: str, value: Any) -> str:
    """A value as JSON that PostgreSQL can hold.

    :raises BadInput: for what JSON cannot say, and for text that no PostgreSQL database can hold.
    """
    try:
        text = json.dumps(value, default=str, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{name} cannot be written as JSON: {error}.") from error
    return _checked(name, _NUL.sub("\x00", text))


def scalar(name: str, value: Any) -> str | None:
    """A plain value as the text that PostgreSQL reads it from.

    :raises BadInput: for text that no PostgreSQL database can hold, and for values that are not plain.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (str, int, float, UUID)):
        return _checked(name, str(value))
    raise BadInput(f"{name} is a {type(value).__name__}: expected text, a number, a time or nothing.")


def array_literal(name: str, values: Any) -> str:
    """A PostgreSQL array in its text form, for any element type."""
    if isinstance(values, (str, Mapping)) or not isinstance(values, Iterable):
        raise BadInput(f"{name} is a {type(values).__name__}: expected a list.")
    return "{" + ",".join(_element(scalar(name, value)) for value in values) + "}"


def _element(text: str | None) -> str:
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _checked(name: str, text: str) -> str:
    if "\x00" in text:
        raise BadInput(f"{name} holds a NUL character: expected text without it.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{name} holds half a character (a lone surrogate): expected whole Unicode text.") from error
    return text


def like_literal(text: str) -> str:
    """Text as a LIKE pattern that finds just it."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
