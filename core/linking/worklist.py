"""The worklist and its other views: calls, filtered, newest first (suspect links: the worst first), page by page.

Paging is by key (start, then SID), so that calls which arrive or leave meanwhile never repeat or hide others, and a
late page costs what the first one costs.
"""

import base64
import binascii
import json
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args

from core.errors import BadInput
from core.linking import fields
from core.model import causes, phone, suspects
from core.model.records import CALL_COLUMNS, Call, parse_time
from core.store.gateway import AnyOf, Condition, Gateway, Order, Row, Where

View: TypeAlias = Literal["unlinked", "set_aside", "suspect", "stuck", "dangling", "all"]
Direction: TypeAlias = Literal["inbound", "outbound"]

LARGEST_PAGE = 10_000
LARGEST_READ = 500
"""Rows of one read: PostgREST cuts silently at 1000."""
# sid_key is the SID in byte order, whatever the database's collation.
NEWEST_FIRST = (Order("started_at", descending=True), Order("sid_key", descending=True))
WORST_FIRST = (Order("suspect"), *NEWEST_FIRST)
PLACE_OF_WORST = 3
RELATIONS = {"suspect": "suspect_links", "stuck": "stuck_calls", "dangling": "dangling_links"}
WITH_NAMED_LEADS = "worklist_calls"
"""``call_links`` with the leads that the sentences name, so that a page of them is one read."""
VIEWS_OF_THEIR_OWN = frozenset(RELATIONS)
TEST, NO_TEST = Where("test", "eq", True), Where("test", "eq", False)
"""Test calls are on no worklist; the views of their own leave them out by themselves."""
STATUS_LENGTH = 50
FEWEST_DIGITS = 3
SEARCHED = "call_links_matching"
FIRST_LOOK, MOST_LOOKED, LOOK_SECONDS = 200, 20_000, 0.4
"""A text is looked for in so many calls at a time, at first and at most; each look should take about so long."""


@dataclass(frozen=True, slots=True)
class WorklistFilter:
    """What a worklist shows. Everything that is None does not filter.

    :ivar view: ``unlinked`` (without pending and set aside calls), ``set_aside``, ``suspect`` (linked calls whose lead
        does not fit, the worst kind first), ``stuck`` (not final long after they must have ended) or ``dangling`` (a
        lead's current call that nothing else knows), ``all`` (every call, linked or not).
    :ivar cause: one cause; ``pending`` lists the calls that the plain list leaves out. In the view ``suspect`` one of
        :data:`core.model.suspects.SUSPECTS`; stuck and dangling calls have none.
    :ivar direction: ``inbound`` or ``outbound``; matches Twilio's ``outbound-api`` and the like.
    :ivar status: Twilio's word, e.g. ``completed``.
    :ivar number: a phone number as written anywhere, or at least 3 digits of the counterpart's number.
    :ivar text: searched in SID, numbers, the best candidate's name and what was said.
    :ivar since: only calls that started at or after this time; naive times are UTC.
    :ivar until: only calls that started before this time.
    """

    view: View = "unlinked"
    cause: str | None = None
    direction: str | None = None
    status: str | None = None
    number: str | None = None
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A checked filter as the gateway takes it.

    :ivar digits: a part of the number of unlinked calls, which has an index of its own.
    """

    relation: str
    args: dict[str, Any] | None
    where: tuple[Condition, ...]
    worst_first: bool = False
    digits: str | None = None

    @property
    def by_text(self) -> bool:
        """A text is looked for among all the calls of a view: see :func:`search`."""
        return self.relation == SEARCHED


@dataclass(frozen=True, slots=True)
class Found:
    """A page of calls and the cursor of the next one (None on the last page).

    :ivar searched_to: where a search ran out of time: the start of the last call that it looked at.
    """

    calls: list[Call]
    next: str | None
    searched_to: datetime | None = None


def query(wanted: WorklistFilter, *, now: datetime, grace_seconds: int, region: str) -> Query:
    """Check a filter and turn it into conditions.

    :param now: the time at which ``pending`` is judged.
    :param grace_seconds: how long an unlinked call counts as pending.
    :param region: region in which a number without country code is read.
    :raises BadInput: naming the field that cannot be meant.
    """
    where = _of_view(wanted, now - timedelta(seconds=grace_seconds))
    if wanted.view not in VIEWS_OF_THEIR_OWN:
        where.append(NO_TEST)
    if wanted.direction is not None:
        where.append(Where("direction", "prefix", fields.choice("direction", wanted.direction, get_args(Direction))))
    if wanted.status is not None:
        where.append(Where("status", "eq", fields.line("status", wanted.status, STATUS_LENGTH).lower()))
    if wanted.number is not None:
        where.append(_of_number(wanted.number, region))
    where += _of_time(wanted)
    worst_first = wanted.view == "suspect"
    if wanted.text is None:
        relation = RELATIONS.get(wanted.view, WITH_NAMED_LEADS)
        digits = _digits(where) if wanted.view == "unlinked" else None
        return Query(relation, None, tuple(where), worst_first, digits)
    text = fields.prose("text", wanted.text, fields.TEXT_LENGTH)
    if wanted.view in VIEWS_OF_THEIR_OWN:
        return Query("worklist_matching", {"p_view": wanted.view, "p_text": text}, tuple(where), worst_first)
    return Query(SEARCHED, {"p_text": text}, tuple(where), worst_first)


def read(gateway: Gateway, wanted: Query, *, limit: int, after: str | None) -> tuple[list[Call], str | None]:
    """A page of calls and the cursor of the next one (None on the last page).

    :param limit: 1 to 10000 calls.
    :param after: a cursor that an earlier page gave.
    :raises BadInput: for a limit or cursor that cannot be meant.
    """
    found = page(gateway, wanted, limit=limit, after=after)
    return found.calls, found.next


def page(gateway: Gateway, wanted: Query, *, limit: int, after: str | None, seconds: float | None = None) -> Found:
    """The same, saying how far a text was looked for; see :func:`search`."""
    if wanted.by_text:
        return search(gateway, wanted, limit=limit, after=after, seconds=seconds)
    size, position = check_page(limit, after)
    if position is not None and wanted.worst_first != (len(position) == PLACE_OF_WORST):
        raise _no_cursor(after)
    rows: list[Row] = []
    while len(rows) <= size:
        ask = min(LARGEST_READ, size + 1 - len(rows))
        found = _chunk(gateway, wanted, position, ask)
        rows += found
        if len(found) < ask:
            break
        position = _place(found[-1], wanted.worst_first)
    more = len(rows) > size
    shown = rows[:size]
    following = make_cursor(shown[-1], wanted.worst_first) if more else None
    return Found([Call.from_row(row) for row in shown], following)


def search(gateway: Gateway, wanted: Query, *, limit: int, after: str | None, seconds: float | None = None) -> Found:
    """A page of the calls that a text finds. Words have no index: calls are looked at in portions, newest first.

    :param seconds: about how long to look; what was found until then is a page, and ``next`` goes on behind it.
        None: until the page is full or there are no more calls.
    :raises BadInput: as :func:`read`.
    """
    size, position = check_page(limit, after)
    if position is not None and len(position) == PLACE_OF_WORST:
        raise _no_cursor(after)
    began, looked, rows = time.monotonic(), FIRST_LOOK, list[Row]()
    while True:
        look = time.monotonic()
        told = _look(gateway, wanted, position, min(size + 1 - len(rows), LARGEST_READ), looked)
        rows += told["rows"]
        if len(rows) > size:
            return Found([Call.from_row(row) for row in rows[:size]], make_cursor(rows[size - 1]))
        calls = [Call.from_row(row) for row in rows]
        if told["found"] > len(told["rows"]):  # a read takes no more: the rest of this portion comes with the next
            position = _place(rows[-1], False)
            continue
        if told["last"] is None:
            return Found(calls, None)
        position = tuple(told["last"])
        now = time.monotonic()
        if seconds is not None and now - began > seconds:
            last = {"started_at": position[0], "call_sid": position[1]}
            return Found(calls, make_cursor(last), parse_time(position[0]))
        looked = max(FIRST_LOOK, min(MOST_LOOKED, 4 * looked, int(looked * LOOK_SECONDS / max(now - look, 0.001))))


def _look(gateway: Gateway, wanted: Query, position: tuple[str, ...] | None, limit: int, looked: int) -> Row:
    asked: Row = {"where": [_told(condition) for condition in wanted.where], "digits": wanted.digits}
    if wanted.args is not None:
        asked["text"] = wanted.args["p_text"]
    if position is not None:
        asked["after"] = list(position)
    told: Row = gateway.call("search_calls", p_filter=asked, p_limit=limit, p_looked=looked)
    return told


def _told(condition: Condition) -> Row:
    if isinstance(condition, AnyOf):
        return {"any": [[_told(each) for each in group] for group in condition.groups]}
    return {"column": condition.column, "op": condition.op, "value": condition.value}


def check_page(limit: int, after: str | None) -> tuple[int, tuple[str, ...] | None]:
    """The size of a page and the place after which it starts.

    :raises BadInput: for a limit or cursor that cannot be meant.
    """
    return fields.whole("limit", limit, 1, LARGEST_PAGE), None if after is None else parse_cursor(after)


def count(gateway: Gateway, wanted: Query) -> int:
    """Exactly how many calls the filter finds. Words have no index: counting what a text finds takes long."""
    if wanted.by_text:
        return _count_found(gateway, wanted)
    # The views join leads to calls one to one; counting calls alone can be answered from an index.
    relation = "calls" if wanted.relation in (WITH_NAMED_LEADS, "call_links") else wanted.relation
    if relation != "calls" or NO_TEST not in wanted.where or wanted.digits is not None:
        return gateway.count(relation, where=wanted.where, args=wanted.args)
    # Few calls are tests: they are counted by themselves, so that all the others need not be looked at one by one.
    rest = tuple(condition for condition in wanted.where if condition != NO_TEST)
    return gateway.count(relation, where=rest) - gateway.count(relation, where=(*rest, TEST))


def _count_found(gateway: Gateway, wanted: Query) -> int:
    position: tuple[str, ...] | None = None
    total: int = 0
    while True:
        told = _look(gateway, wanted, position, 0, MOST_LOOKED)
        total += told["found"]
        if told["last"] is None:
            return total
        position = tuple(told["last"])


def make_cursor(row: Row, worst_first: bool = False) -> str:
    """The place just after a row, opaque to its holder."""
    place = json.dumps(_place(row, worst_first), separators=(",", ":"))
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def parse_cursor(cursor: object) -> tuple[str, ...]:
    """The start (ISO 8601) and SID of a cursor, and where the worst come first the kind of suspicion.

    :raises BadInput: when it is not one that :func:`make_cursor` gave.
    """
    wrong = _no_cursor(cursor)
    if not isinstance(cursor, str) or len(cursor) > 1000 or not cursor.isascii():
        raise wrong
    try:
        place = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        started_at, call_sid, *kind = place
        if len(kind) > 1:
            raise wrong
        checked = fields.moment("cursor", started_at).isoformat(), fields.call_sid(call_sid)
        return (*checked, *(fields.choice("cursor", word, suspects.SUSPECTS) for word in kind))
    except (binascii.Error, ValueError, TypeError, RecursionError, BadInput):
        raise wrong from None


def _no_cursor(cursor: object) -> BadInput:
    return BadInput(
        f"cursor is {fields.shown(cursor)}: expected the value of `next` from the page before.",
        hint="Leave the cursor out to start with the newest call.",
    )


def _place(row: Row, worst_first: bool) -> tuple[str, ...]:
    return (row["started_at"], row["call_sid"], *((row["suspect"],) if worst_first else ()))


def _chunk(gateway: Gateway, wanted: Query, position: tuple[str, ...] | None, limit: int) -> list[Row]:
    where = (*wanted.where, *(() if position is None else (_after(*position),)))
    order = WORST_FIRST if wanted.worst_first else NEWEST_FIRST
    if wanted.digits is not None:
        found: list[Row] = _look(gateway, wanted, position, limit, limit)["rows"]
        return found
    # PostgREST filters and sorts a function's rows by no column that is not asked for.
    columns = CALL_COLUMNS if wanted.relation == WITH_NAMED_LEADS else ("*",)
    return gateway.select(wanted.relation, columns=columns, where=where, order=order, limit=limit, args=wanted.args)


def _after(started_at: str, call_sid: str, kind: str | None = None) -> Condition:
    """Behind a place in the list."""
    same_kind = () if kind is None else (Where("suspect", "eq", kind),)
    earlier = (*same_kind, Where("started_at", "lt", started_at))
    same_start = (*same_kind, Where("started_at", "eq", started_at), Where("sid_key", "lt", call_sid))
    milder = () if kind is None else ((Where("suspect", "gt", kind),),)
    return AnyOf((earlier, same_start, *milder))


def _of_view(wanted: WorklistFilter, cutoff: datetime) -> list[Condition]:
    view = fields.choice("view", wanted.view, get_args(View))
    if view in VIEWS_OF_THEIR_OWN:
        return _of_other_view(view, wanted.cause)
    cause = None if wanted.cause is None else fields.choice("cause", wanted.cause, causes.CAUSES)
    if view == "all":
        return [Where("cause", "eq", cause)] if cause else []
    if view == "set_aside":
        where: list[Condition] = [Where("set_aside", "eq", True)]
        return [*where, Where("cause", "eq", cause)] if cause else where
    where = [Where("lead_id", "is_null"), Where("set_aside", "eq", False)]
    if cause == "pending":
        return [*where, Where("started_at", "gt", cutoff.isoformat())]
    where.append(Where("started_at", "le", cutoff.isoformat()))
    return [*where, Where("cause", "eq", cause)] if cause else where


def _of_other_view(view: str, cause: str | None) -> list[Condition]:
    if cause is None:
        return []
    if view != "suspect":
        raise BadInput(f"cause is {fields.shown(cause)}: {view} calls have no cause; leave it out.")
    return [Where("suspect", "eq", fields.choice("cause", cause, suspects.SUSPECTS))]


def _of_number(text: str, region: str) -> Condition:
    number = fields.line("number", text, 100)
    e164 = phone.normalise(number, region).e164
    if e164 is not None:
        # The key is indexed for every call, whatever its state.
        other = (Where("counterpart_key", "eq", phone.key(e164)), Where("counterpart", "eq", e164))
        return AnyOf((other, (Where("from_number", "eq", e164),), (Where("to_number", "eq", e164),)))
    digits = "".join(character for character in number if character in "0123456789")
    if len(digits) < FEWEST_DIGITS:
        raise BadInput(
            f"number is {fields.shown(number)}: expected a phone number such as +1 415 555 2671, "
            f"or at least {FEWEST_DIGITS} of its digits."
        )
    return Where("counterpart", "ilike", f"%{digits}%")


def _digits(where: list[Condition]) -> str | None:
    like = [each for each in where if isinstance(each, Where) and (each.column, each.op) == ("counterpart", "ilike")]
    return str(like[0].value).strip("%") if like else None


def _of_time(wanted: WorklistFilter) -> list[Condition]:
    since = None if wanted.since is None else fields.moment("since", wanted.since)
    until = None if wanted.until is None else fields.moment("until", wanted.until)
    if since and until and since > until:
        raise BadInput(f"since ({since:%Y-%m-%d %H:%M}) is later than until ({until:%Y-%m-%d %H:%M}): swap them.")
    where: list[Condition] = []
    if since:
        where.append(Where("started_at", "ge", since.isoformat()))
    if until:
        where.append(Where("started_at", "lt", until.isoformat()))
    return where
