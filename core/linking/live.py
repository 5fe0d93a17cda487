"""Calls in progress: not over, begun lately, with a fresh sign of life; and what was said in them last.

One read of the SQL function ``live_calls``, which looks at a few entries of small indexes however many calls there are:
pages that show living calls ask every two seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from core.linking import fields
from core.model.records import Call, LinkEvent, parse_time
from core.store.gateway import Gateway

MOST_CALLS = 100
LAST_LINES = 2
"""Lines of each call's transcript that come with it."""

Mark: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class LiveLine:
    """One of the last lines of a call; very long ones are cut."""

    role: str | None
    content: str
    at: datetime | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "LiveLine":
        """A line of ``live_calls``."""
        return cls(row["role"], (row["content"] or "").strip(), parse_time(row["at"]))


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call in progress.

    :ivar answered_at: when somebody took it, where a callback said so.
    :ivar lines: its last lines, in speaking order.
    :ivar linked: the event that tied it to its lead, for a linked call.
    :ivar read_at: the database's clock, by which :attr:`seconds` is counted.
    """

    call: Call
    answered_at: datetime | None
    lines: tuple[LiveLine, ...]
    linked: LinkEvent | None
    read_at: datetime

    @property
    def seconds(self) -> int:
        """How long it has lasted, from being answered where that is known."""
        return max(0, int((self.read_at - (self.answered_at or self.call.started_at)).total_seconds()))

    @property
    def link_mark(self) -> Mark:
        """Changes when the call's link does."""
        return (self.call.state, self.call.lead_id)

    @property
    def mark(self) -> Mark:
        """Changes when there is anything new to show: words, a status, a number, a link, a candidate."""
        call = self.call
        said = (call.transcript_count, *((line.at, line.content) for line in self.lines))
        return (*self.link_mark, call.status, call.event_count, call.counterpart, call.cause, call.best_lead_id, *said)


@dataclass(frozen=True, slots=True)
class LiveCalls:
    """The newest calls in progress; ``total`` says how many there are (counted to 200)."""

    calls: tuple[LiveCall, ...]
    total: int

    @property
    def more(self) -> int:
        """How many are not among :attr:`calls`."""
        return max(0, self.total - len(self.calls))


def read(gateway: Gateway, limit: int, call_sid: str | None = None) -> LiveCalls:
    """The newest calls in progress, or only this one."""
    most = fields.whole("limit", limit, 1, MOST_CALLS)
    found = gateway.call("live_calls", p_limit=most, p_call_sid=call_sid, p_lines=LAST_LINES)
    now = parse_time(found["now"])
    if now is None:
        raise ValueError("live_calls always says what time it is")
    return LiveCalls(tuple(_call(row, now) for row in found["calls"] or ()), found["total"])


def _call(row: Mapping[str, Any], now: datetime) -> LiveCall:
    return LiveCall(
        Call.from_row(row["call"]),
        parse_time(row["answered_at"]),
        tuple(LiveLine.from_row(line) for line in row["lines"]),
        LinkEvent.from_row(row["linked"]) if row["linked"] else None,
        now,
    )
