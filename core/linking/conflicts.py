"""Conflicts with the rows involved, and their remedies: each is one transaction, previewed, undone by the ledger."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import BadInput, NotAllowed, NotFound
from core.linking import claims, commands, fields, own_numbers
from core.linking.claims import Claim, Reading
from core.linking.commands import Action, Command, Options
from core.model import conflicts, phone
from core.model.conflicts import CONFLICT_KINDS, Conflict
from core.model.records import Call, Lead, LinkEvent
from core.model.rows import all_in_utc, in_utc
from core.settings import Settings
from core.store.gateway import Gateway, Row

LARGEST_PAGE = 200
MOST_ROWS = 50
"""So many event rows of one call are shown; a merge takes them all."""
MOST_OFFENDERS = 100
CONTRADICTING = "contradicting_event_rows"


@dataclass(frozen=True, slots=True)
class Side:
    """What is known of one of the SIDs that a conflict involves.

    :ivar call: the call with its link, or None where no row of the roll-up carries the SID.
    :ivar events: its event rows, oldest first, at most 50; ``event_count`` of the call says how many there are.
    :ivar standard: the SID in Twilio's writing, or as it is where it has not that form.
    :ivar jobs: the queue's jobs whose result names the call, the oldest first.
    """

    call_sid: str
    standard: str
    call: Call | None
    events: tuple[Row, ...]
    recordings: int
    claims: tuple[Claim, ...]
    jobs: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class ConflictDetail:
    """A conflict with the rows involved.

    :ivar sentence: what contradicts what.
    :ivar sides: one for each SID involved.
    :ivar differing: the columns in which its event rows differ.
    :ivar readings: where its event rows contradict each other, what each of the sides says and what speaks for it.
    """

    conflict: Conflict
    sentence: str
    sides: tuple[Side, ...] = ()
    differing: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape: kind, the rows involved, the remedy's name."""
        found = self.conflict
        return {
            "kind": found.kind,
            "call_sid": found.call_sid,
            "call_sids": list(found.call_sids),
            "started_at": found.started_at.isoformat() if found.started_at else None,
            "lead_ids": list(found.lead_ids),
            "row_count": found.row_count,
            "detail": self.sentence,
            "remedy": found.remedy,
            "differing": list(self.differing),
            "readings": [reading.to_json() for reading in self.readings],
            "rows": {
                "call_events": [row for side in self.sides for row in side.events],
                "leads": [claim.to_json() for side in self.sides for claim in side.claims],
                "job_results": [row for side in self.sides for row in side.jobs],
            },
        }


@dataclass(frozen=True, slots=True)
class ConflictPage:
    """One page of conflicts, newest first, the missing constraint before all.

    :ivar counts: how many there are of each kind, whatever the filter.
    :ivar total: how many the filter finds.
    """

    items: tuple[ConflictDetail, ...]
    next: str | None
    total: int
    counts: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """The contract's JSON shape."""
        return {
            "total": self.total,
            "counts": dict(self.counts),
            "items": [item.to_json() for item in self.items],
            "next": self.next,
        }


@dataclass(frozen=True, slots=True)
class MergePreview:
    """What merging a call's event rows would leave.

    :ivar kept: the row that stays, as it would be; ``changed`` names its columns that would be written.
    :ivar removed: the rows that go, as they are.
    :ivar event: the link event that would be written; None when the call has one row already (nothing to merge).
    :ivar live: the call has not ended yet, as far as is known: the backend may still write to a row that goes.
    :ivar options: pass these (or a copy with actor, reason …) to :meth:`Linking.merge_rows`, so that it is refused as
        stale when a row changed since this was read.
    """

    call_sid: str
    kept: Row | None
    changed: tuple[str, ...]
    removed: tuple[Row, ...]
    event: LinkEvent | None
    live: bool
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class NormalisePreview:
    """What giving a SID variant's rows the standard SID would do.

    :ivar variant: the SID that goes, with its call; ``standard``: the one that stays (its ``call`` is None when no row
        has it yet).
    :ivar moved: how many rows of each table take the standard SID.
    :ivar lead_id: the lead that the call belongs to afterwards, or None.
    :ivar slots: the leads whose ``call_sid`` becomes the standard SID; none where that is a test call's.
    :ivar obstacle: why it would be refused, a sentence, or None.
    """

    variant: Side
    standard: Side
    moved: Mapping[str, int]
    lead_id: int | None
    slots: tuple[int, ...]
    obstacle: str | None
    options: Options = field(default_factory=Options)

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {
            "call_sid": self.variant.call_sid,
            "becomes": self.standard.call_sid,
            "moved": dict(self.moved),
            "lead_id": self.lead_id,
            "slots": list(self.slots),
            "obstacle": self.obstacle,
        }


@dataclass(frozen=True, slots=True)
class Constraint:
    """Whether ``leads.call_sid`` is UNIQUE, and what stands in the way.

    :ivar offenders: the SIDs that stand in several leads, at most 100, each a ``two_leads_claim`` conflict.
    :ivar total: how many there are.
    """

    exists: bool
    offenders: tuple[ConflictDetail, ...]
    total: int


def page(
    gateway: Gateway, settings: Settings, *, kind: object = None, limit: object = 50, after: object = None
) -> ConflictPage:
    """A page of conflicts; see :meth:`core.linking.Linking.conflicts`."""
    wanted = query(kind=kind, limit=limit, after=after)
    size = wanted["limit"]
    counts = count(gateway)
    rows = gateway.call("list_conflicts", p_filter={**wanted, "limit": size + 1}) if counts else []
    shown = rows[:size]
    following = _cursor(shown[-1]) if len(rows) > size else None
    total = sum(counts.values()) if wanted.get("kind") is None else counts.get(wanted["kind"], 0)
    found = [Conflict.from_row(row) for row in shown]
    return ConflictPage(_detailed(gateway, settings, found), following, total, counts)


def query(*, kind: object = None, limit: object = 50, after: object = None) -> dict[str, Any]:
    """The filter as the SQL function takes it, checked; looks nothing up.

    :raises BadInput: naming the field that cannot be meant.
    """
    wanted: dict[str, Any] = {"limit": fields.whole("limit", limit, 1, LARGEST_PAGE)}
    if kind is not None:
        wanted["kind"] = fields.choice("kind", kind, CONFLICT_KINDS)
    if after is not None:
        wanted["after"] = _place(after)
    return wanted


def count(gateway: Gateway) -> dict[str, int]:
    """How many conflicts there are of each kind; kinds without any are left out."""
    counts: dict[str, int] = gateway.call("conflict_counts")
    return {kind: counts[kind] for kind in CONFLICT_KINDS if counts.get(kind)}


def preview_merge(gateway: Gateway, call_sid: str, keep: str | None, *, actor: str) -> MergePreview:
    """What merging would leave; see :class:`MergePreview`.

    :param keep: id of the row whose numbers and direction hold; needed where the rows contradict each other.
    """
    row = gateway.call(
        "merge_event_rows", p_call_sid=call_sid, p_options={"preview": True, **_keep(keep), "actor": actor}
    )
    event = LinkEvent.from_row(row) if row else None
    story = gateway.call("call_story", p_call_sid=call_sid)
    call = Call.from_row(story["call"])
    rows = {str(each["id"]): each for each in all_in_utc(story["events"])}
    wanted = _rows(event, "after", "call_events")
    gone = tuple(rows[number] for number, image in wanted.items() if image is None and number in rows)
    stays = next((number for number in rows if wanted.get(number, {}) is not None), None)
    image = (wanted.get(stays) or {}) if stays is not None else {}
    kept = in_utc({**rows[stays], **image}) if stays is not None else None
    seen = Options(
        expect={"rows": dict(event.before["rows"])} if event else None,
        promise={"rows": dict(event.after["rows"])} if event else None,
    )
    live = not story["call"].get("ended") and (call.status or "").lower() not in FINAL
    return MergePreview(call_sid, kept, tuple(image), gone, event, live, seen)


FINAL = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Twilio's final call states."""


def merge(gateway: Gateway, call_sid: str, keep: str | None, options: Options, *, actor: str) -> LinkEvent | None:
    """Merge a call's event rows; see :meth:`core.linking.Linking.merge_rows`."""
    told = {**commands.sql_options(options, actor=actor), **_keep(keep)}
    row = gateway.call("merge_event_rows", p_call_sid=call_sid, p_options=told)
    return LinkEvent.from_row(row) if row else None


def preview_normalise(gateway: Gateway, call_sid: str) -> NormalisePreview:
    """What normalising a SID would do; see :class:`NormalisePreview`.

    :raises NotFound: when nothing carries the SID.
    :raises NotAllowed: when it is written as it should be.
    """
    into = conflicts.standard_sid(call_sid)
    if into == call_sid:
        raise NotAllowed("This SID is written as it should be.", hint="Normalise the variant instead.")
    variant, standard = _sides(gateway, [call_sid, into])
    if variant.call is None:
        raise NotFound(f"There is no call {call_sid!r}.", hint="It may have been normalised meanwhile.")
    theirs = standard.call.lead_id if standard.call else None
    moved = {
        "call_events": variant.call.event_count,
        "conversation_transcripts": variant.call.transcript_count,
        "call_recordings": variant.recordings,
    }
    ours = variant.call.lead_id
    clash = ours is not None and theirs is not None and ours != theirs
    is_test = standard.call is not None and standard.call.test
    return NormalisePreview(
        variant=variant,
        standard=standard,
        moved={table: number for table, number in moved.items() if number},
        lead_id=theirs if ours is None else ours,
        slots=() if is_test else tuple(claim.lead_id for claim in variant.claims if claim.in_slot),
        obstacle=f"The two are linked to different leads ({ours} and {theirs}): unlink the wrong one."
        if clash
        else None,
        options=Options(expect={"call_lead": ours}),
    )


def normalise(gateway: Gateway, call_sid: str, options: Options, *, actor: str) -> tuple[LinkEvent, ...]:
    """Give a SID variant's rows the standard SID; see :meth:`core.linking.Linking.normalise`."""
    told = commands.sql_options(options, actor=actor)
    rows = gateway.call("normalise_call_sid", p_call_sid=call_sid, p_options=told)
    return tuple(LinkEvent.from_row(row) for row in rows or ())


def choice(call: Call, lead_id: int | None) -> Command:
    """The command by which a person chooses the lead of a call that several claim; None: none of them.

    A link that is as chosen already is confirmed, unless other slots have to give the call up (relink does both).
    """
    if lead_id is None:
        return Command("unlink", call.call_sid)
    action: Action = "link" if call.lead_id is None else "relink"
    return Command(action, call.call_sid, lead_id)


def constraint(gateway: Gateway, settings: Settings) -> Constraint:
    """Whether the constraint exists, and which SIDs stand in its way."""
    exists = bool(gateway.call("has_call_sid_constraint"))
    if exists:
        return Constraint(True, (), 0)
    total = gateway.count("duplicate_slots")
    found = page(gateway, settings, kind="two_leads_claim", limit=MOST_OFFENDERS).items if total else ()
    in_slots = (item for item in found if sum(claim.in_slot for side in item.sides for claim in side.claims) > 1)
    return Constraint(False, tuple(in_slots), total)


def add_constraint(gateway: Gateway, settings: Settings) -> Constraint:
    """Make ``leads.call_sid`` UNIQUE.

    :raises NotAllowed: when SIDs stand in several leads; ``detail`` lists them.
    """
    before = constraint(gateway, settings)
    if before.exists:
        return before
    if before.total:
        sids = [item.conflict.call_sid for item in before.offenders]
        stand = "1 SID stands" if before.total == 1 else f"{before.total} SIDs stand"
        raise NotAllowed(f"{stand} in several leads.", hint="Settle each of them first: choose its lead.", detail=sids)
    gateway.call("add_call_sid_constraint")
    return constraint(gateway, settings)


def _detailed(gateway: Gateway, settings: Settings, found: Sequence[Conflict]) -> tuple[ConflictDetail, ...]:
    sids = list(dict.fromkeys(sid for conflict in found for sid in conflict.call_sids))
    sides = {side.call_sid: side for side in _sides(gateway, sids)}
    readings = _readings(gateway, settings, [sides[c.call_sids[0]] for c in found if c.kind == CONTRADICTING])
    details = []
    for conflict in found:
        involved = tuple(sides[sid] for sid in conflict.call_sids)
        rows = [row for side in involved for row in side.events]
        rowwise = conflict.kind in ("duplicate_event_rows", CONTRADICTING)
        differing = conflicts.changed_columns(rows) if rowwise else ()
        said = readings.get(conflict.call_sid or "", ())
        details.append(ConflictDetail(conflict, conflicts.sentence(conflict), involved, differing, said))
    return tuple(details)


def _readings(gateway: Gateway, settings: Settings, sides: Sequence[Side]) -> dict[str, tuple[Reading, ...]]:
    """What each side of contradicting rows says and what speaks for it, by SID; one read for the leads of all."""
    if not sides:
        return {}
    own, region = own_numbers.known(gateway, settings), settings.default_region
    groups = {side.call_sid: claims.groups(side.events) for side in sides}
    numbers = (claims.numbers(reading, own, region) for said in groups.values() for reading in said)
    keys = sorted({key for number in numbers if number is not None and (key := phone.key(number)) is not None})
    rows = gateway.select("leads_with_keys", args={"p_keys": keys}) if keys else []
    leads = tuple(Lead.from_row(row) for row in rows)
    found = {}
    for side in sides:
        known = claims.Known(side.call, side.jobs, leads, own, region)
        found[side.call_sid] = tuple(claims.weighed(each, len(side.events), known) for each in groups[side.call_sid])
    return found


def _sides(gateway: Gateway, sids: Sequence[str]) -> tuple[Side, ...]:
    if not sids:
        return ()
    told = gateway.call("conflict_rows", p_sids=list(sids), p_rows=MOST_ROWS)
    return tuple(_side(sid, told[sid]) for sid in sids)


def _side(call_sid: str, told: Mapping[str, Any]) -> Side:
    call = Call.from_row(told["call"]) if told["call"] else None
    jobs = tuple(told.get("jobs") or ())
    found = tuple(claims.claim(row, call, jobs, told.get("linked_by")) for row in told["claims"])
    events = all_in_utc(told["events"])
    return Side(call_sid, conflicts.standard_sid(call_sid), call, events, told["recordings"], found, jobs)


def _keep(keep: str | None) -> dict[str, str]:
    return {} if keep is None else {"keep": fields.line("row id", str(keep), 50)}


def _rows(event: LinkEvent | None, side: str, table: str) -> Mapping[str, Any]:
    facts = {} if event is None else event.before if side == "before" else event.after
    found: Mapping[str, Any] = (facts.get("rows") or {}).get(table) or {}
    return found


def _cursor(row: Row) -> str:
    at = row["started_at"] or (
        "-infinity" if row["call_sids"] else "infinity"
    )  # the missing constraint stands before all
    place = json.dumps([at, row["place"]], separators=(",", ":"))
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place(cursor: object) -> list[str]:
    wrong = BadInput(
        f"cursor is {fields.shown(cursor)}: expected the value of `next` from the page before.",
        hint="Leave the cursor out to start with the newest conflict.",
    )
    if not isinstance(cursor, str) or len(cursor) > 1000 or not cursor.isascii():
        raise wrong
    try:
        started_at, place = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        at = started_at if started_at in ("-infinity", "infinity") else fields.moment("cursor", started_at).isoformat()
        return [at, fields.prose("cursor", place, 200)]
    except (binascii.Error, ValueError, TypeError, RecursionError, BadInput):
        raise wrong from None
