"""Unlinked calls grouped by the number of the other party: one decision for the calls of one person."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.errors import BadInput
from core.linking import fields, worklist
from core.linking.worklist import WorklistFilter
from core.model.records import Confidence, parse_time
from core.store.gateway import AnyOf, Condition, Gateway, Row

LARGEST_PAGE = 500


@dataclass(frozen=True, slots=True)
class NumberGroup:
    """The unlinked calls of one number.

    :ivar counterpart: E.164, or None for the calls without a number of the other party.
    :ivar inbound: how many of the calls came in.
    :ivar causes: how many calls each cause has.
    :ivar best_lead_id: the surest candidate of any of the calls, or None; calls without a number have nothing in
        common, so they have none.
    """

    counterpart: str | None
    calls: int
    inbound: int
    newest: datetime
    oldest: datetime
    causes: Mapping[str, int]
    best_lead_id: int | None
    best_confidence: Confidence | None
    best_lead_name: str | None
    best_lead_phone: str | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "NumberGroup":
        """A group of the SQL function ``unlinked_by_number``."""
        known = {name: row[name] for name in cls.__dataclass_fields__}
        if row["counterpart"] is None:
            known |= dict.fromkeys(("best_lead_id", "best_confidence", "best_lead_name", "best_lead_phone"))
        newest, oldest = parse_time(row["newest"]), parse_time(row["oldest"])
        if newest is None or oldest is None:
            raise ValueError("a group has no start: calls.started_at is never null")
        return cls(**{**known, "newest": newest, "oldest": oldest})

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        shown = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**shown, "newest": self.newest.isoformat(), "oldest": self.oldest.isoformat()}


@dataclass(frozen=True, slots=True)
class NumberPage:
    """One page of groups, the busiest number first; ``total`` groups hold ``calls`` calls."""

    items: tuple[NumberGroup, ...]
    next: str | None
    total: int
    calls: int

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        groups = [group.to_json() for group in self.items]
        return {"total": self.total, "calls": self.calls, "items": groups, "next": self.next}


def by_number(
    gateway: Gateway,
    wanted: WorklistFilter,
    *,
    now: datetime,
    grace_seconds: int,
    region: str,
    limit: object,
    after: object,
) -> NumberPage:
    """A page of groups; see :meth:`core.linking.Linking.by_number`."""
    asked = query(wanted, now=now, grace_seconds=grace_seconds, region=region, limit=limit, after=after)
    size = asked["limit"]
    told: Mapping[str, Any] = gateway.call("unlinked_by_number", p_filter={**asked, "limit": size + 1})
    rows: list[Row] = told["groups"]
    following = _cursor(rows[size - 1]) if len(rows) > size else None
    return NumberPage(tuple(NumberGroup.from_row(row) for row in rows[:size]), following, told["total"], told["calls"])


def query(
    wanted: WorklistFilter, *, now: datetime, grace_seconds: int, region: str, limit: object = 50, after: object = None
) -> dict[str, Any]:
    """The filter as the SQL function takes it, checked; looks nothing up.

    :raises BadInput: naming the field that cannot be meant.
    """
    if wanted.view != "unlinked":
        raise BadInput(f"view is {fields.shown(wanted.view)}: only unlinked calls are grouped by number.")
    checked = worklist.query(wanted, now=now, grace_seconds=grace_seconds, region=region)
    asked: dict[str, Any] = {"limit": fields.whole("limit", limit, 1, LARGEST_PAGE)}
    for condition in checked.where:
        asked.update(_asked(condition))
    if wanted.cause == "pending":
        asked["after_cutoff"] = (now - timedelta(seconds=grace_seconds)).isoformat()
    if checked.args is not None:
        asked["text"] = checked.args["p_text"]
    if after is not None:
        asked["after"] = _place(after)
    return asked


_NAMES = {("started_at", "le"): "cutoff", ("started_at", "ge"): "since", ("started_at", "lt"): "until"}


def _asked(condition: Condition) -> dict[str, Any]:
    """One condition of the worklist in the words of the SQL function."""
    if isinstance(condition, AnyOf):  # the same number on any side
        return {"counterpart": condition.groups[-1][0].value}
    if (condition.column, condition.op) in _NAMES:
        return {_NAMES[condition.column, condition.op]: condition.value}
    if condition.column == "counterpart":
        return {"digits": str(condition.value).strip("%")}
    return {condition.column: condition.value} if condition.column in ("cause", "direction", "status") else {}


def _cursor(row: Row) -> str:
    place = json.dumps([row["calls"], row["newest"], row["counterpart"] or ""], separators=(",", ":"))
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place(cursor: object) -> list[Any]:
    wrong = BadInput(
        f"cursor is {fields.shown(cursor)}: expected the value of `next` from the page before.",
        hint="Leave the cursor out to start with the busiest number.",
    )
    if not isinstance(cursor, str) or len(cursor) > 1000 or not cursor.isascii():
        raise wrong
    try:
        calls, newest, number = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        if not isinstance(number, str) or len(number) > 40 or "\0" in number:
            raise wrong
        return [fields.whole("cursor", calls, 1, 2**31 - 1), fields.moment("cursor", newest).isoformat(), number]
    except (binascii.Error, ValueError, TypeError, RecursionError, BadInput):
        raise wrong from None
