"""Going through the unlinked calls one at a time: which is next, how many are left, what somebody did today.

The order is the worklist's, newest first, and the place is a key (start, then SID): calls that arrive meanwhile are
newer than the place and never shift it; calls that others finish are not met any more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.linking import fields, worklist
from core.linking.worklist import Query
from core.model.records import CONFIDENCES, Call, LinkEvent
from core.store.gateway import AnyOf, Gateway, Where

MOST_EVENTS = 50
NO_CANDIDATE = "none"
"""In place of a confidence: only calls without any candidate."""
SURENESS = (*CONFIDENCES, NO_CANDIDATE)


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of a pass through the worklist.

    :ivar call: the call, or None at the end.
    :ivar following: the SID of the call after it, or None; read ahead while a person looks at this one.
    :ivar left: how many calls are left, this one included.
    """

    call: Call | None
    following: str | None
    left: int


@dataclass(frozen=True, slots=True)
class Work:
    """What one person did to calls since a moment and did not undo; ``events`` are the newest 50 of it."""

    linked: int
    set_aside: int
    events: tuple[LinkEvent, ...]


def narrowed(wanted: Query, confidence: str | None) -> Query:
    """A worklist's query, only with calls whose best candidate is so sure.

    :param confidence: one of :data:`SURENESS`; None does not filter.
    :raises BadInput: for another word.
    """
    if confidence is None:
        return wanted
    word = fields.choice("confidence", confidence, SURENESS)
    missing = Where("best_confidence", "is_null")
    sure = missing if word == NO_CANDIDATE else Where("best_confidence", "eq", word)
    return replace(wanted, where=(*wanted.where, sure))


def after(gateway: Gateway, wanted: Query, call: Call | None) -> Turn:
    """The turn that follows a call in the worklist's order, which need not be on it any more; None: the first one."""
    cursor = None if call is None else worklist.make_cursor(_row(call))
    found, _ = worklist.read(gateway, wanted, limit=2, after=cursor)
    if not found:
        return Turn(None, None, 0)
    return Turn(found[0], _sid(found[1:]), left(gateway, wanted, found[0]))


def at(gateway: Gateway, wanted: Query, call: Call) -> Turn:
    """The turn of this very call, whether or not it is still on the worklist."""
    found, _ = worklist.read(gateway, wanted, limit=1, after=worklist.make_cursor(_row(call)))
    return Turn(call, _sid(found), left(gateway, wanted, call))


def left(gateway: Gateway, wanted: Query, call: Call) -> int:
    """How many calls of the worklist are at or behind the place of this one."""
    row = _row(call)
    here = (Where("started_at", "eq", row["started_at"]), Where("sid_key", "le", row["call_sid"]))
    behind = AnyOf(((Where("started_at", "lt", row["started_at"]),), here))
    return gateway.count(wanted.relation, where=(*wanted.where, behind), args=wanted.args)


def work(gateway: Gateway, actor: str, since: datetime) -> Work:
    """What somebody did since a moment, from the ledger; see :class:`Work`."""
    told = gateway.call("patchbay_work_of", p_actor=actor, p_since=since.isoformat(), p_limit=MOST_EVENTS)
    return Work(told["linked"], told["set_aside"], tuple(map(LinkEvent.from_row, told["events"])))


def _row(call: Call) -> dict[str, Any]:
    return {"started_at": call.started_at.isoformat(), "call_sid": call.call_sid}


def _sid(calls: Sequence[Call]) -> str | None:
    return calls[0].call_sid if calls else None
