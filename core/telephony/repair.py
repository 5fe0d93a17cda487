"""Repair from Twilio: what the backend never stored of a call, Twilio still knows.

Filled are numbers, direction, a final status and the duration, where they are missing; a call without any row gets one.
A value that differs is shown and left alone unless somebody says that Twilio's is to be taken. Each repair is one link
event with the rows before and after, and can be undone.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, TypeAlias, get_args

from core.access.identity import Identity, need_writer
from core.errors import NotFound, PatchbayError, Unavailable
from core.linking import fields
from core.linking.commands import Options, sql_options
from core.model.records import LinkEvent
from core.settings import Settings
from core.store.gateway import AnyOf, Gateway, Order, Row, Where
from core.telephony.errors import TwilioBusy, TwilioCredentials, TwilioDown
from core.telephony.known_call import FINAL, KnownCall

Field: TypeAlias = Literal["from_number", "to_number", "direction", "call_status", "call_duration"]
Which: TypeAlias = Literal["no_numbers", "stuck"]

FIELDS: tuple[Field, ...] = get_args(Field)
WHICH: tuple[Which, ...] = get_args(Which)
NUMBERS: tuple[Field, ...] = ("from_number", "to_number")
PAGE = 500
LONGEST_SILENCE = 1.0
"""Seconds after which whoever watches a wait is told that it goes on."""
LONGEST_WAIT = 60.0
MOST_WAITS = 8
"""So often in a row Twilio may ask to wait, or not answer, before a bulk repair stops."""


class Asked(Protocol):
    """Who knows a call (:class:`core.telephony.client.TwilioCarrier`)."""

    def fetch(self, call_sid: str) -> KnownCall | None:
        """The call, or None when it is not known."""
        ...


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which Twilio's answer and what is stored are not the same.

    :ivar field: the column of ``call_events``; ``call_duration`` is in seconds.
    :ivar fills: applying would write Twilio's value; else it is only shown.
    """

    field: Field
    ours: str | int | None
    theirs: str | int | None
    fills: bool

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {"field": self.field, "ours": self.ours, "twilio": self.theirs, "fills": self.fills}


@dataclass(frozen=True, slots=True)
class RepairPreview:
    """What Twilio says of a call, beside what is stored.

    :ivar known: the call has a row of events already.
    :ivar differences: everything that is not the same; empty: nothing to do.
    :ivar event: the link event that applying would write (its ``id`` is None), or None when it would change nothing.
    :ivar options: pass these (or a copy with actor, reason …) to :meth:`Repair.apply`, so that it is refused as stale
        when the row changed since.
    """

    call_sid: str
    known: bool
    differences: tuple[Difference, ...]
    event: LinkEvent | None
    options: Options = field(default_factory=Options)

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {
            "call_sid": self.call_sid,
            "known": self.known,
            "differences": [each.to_json() for each in self.differences],
            "would_change": self.event is not None,
        }


@dataclass(frozen=True, slots=True)
class BulkRepair:
    """What a bulk repair did. ``batch_id`` undoes it: ``undo --batch``.

    :ivar total: how many calls it was asked for.
    :ivar repaired: the SIDs that were filled; ``unchanged``: Twilio knows no more of them than is stored.
    :ivar unknown: SIDs that Twilio does not know (another account's, or deleted).
    :ivar failed: by SID, why it could not be repaired.
    :ivar stopped: why it ended early, or None; run it again to go on.
    """

    batch_id: str
    total: int
    repaired: tuple[str, ...]
    unchanged: tuple[str, ...]
    unknown: tuple[str, ...]
    failed: Mapping[str, str]
    stopped: str | None

    def to_json(self) -> dict[str, Any]:
        """As the CLI shows it."""
        return {
            "batch_id": self.batch_id if self.repaired else None,
            "total": self.total,
            "repaired": list(self.repaired),
            "unchanged": list(self.unchanged),
            "unknown_to_twilio": list(self.unknown),
            "failed": dict(self.failed),
            "stopped": self.stopped,
        }


class Repair:
    """Fills what is missing with what Twilio answers. Safe to share between threads.

    :param carrier: gives who is asked; called for every repair, so that nothing connects before.
    :param judge: brings causes up to date afterwards.
    :param identity: the signed-in person who acts; None: this machine's own user.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        carrier: Callable[[], Asked],
        *,
        judge: Callable[[], object] = lambda: None,
        identity: Identity | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._gateway, self._settings, self._carrier = gateway, settings, carrier
        self._judge, self._identity, self._sleep = judge, identity, sleep

    def acting_as(self, identity: Identity) -> "Repair":
        """The same for one signed-in person: events carry their name, a viewer's repairs are refused."""
        return Repair(
            self._gateway, self._settings, self._carrier, judge=self._judge, identity=identity, sleep=self._sleep
        )

    def preview(self, call_sid: str, overwrite: Sequence[Field] = ()) -> RepairPreview:
        """What Twilio says of a call, and what applying it would change. Writes nothing.

        :param overwrite: fields in which Twilio's value is to replace another one.
        :raises NotFound: when Twilio does not know the call.
        :raises Unavailable: when Twilio cannot be asked.
        """
        sid = fields.call_sid(call_sid)
        told = self._told(sid)
        event = self._run(sid, told, Options(), overwrite, preview=True)
        stored = self._stored(sid)
        seen = {
            table: {key: row for key, row in rows.items() if row is not None} for table, rows in _rows(event).items()
        }
        expect = {"rows": seen} if any(seen.values()) else None
        known = stored is not None and stored["event_count"] > 0
        return RepairPreview(sid, known, differences(stored, told, event), event, Options(expect=expect))

    def apply(
        self,
        call_sid: str,
        options: Options = Options(),  # noqa: B008 - frozen
        overwrite: Sequence[Field] = (),
    ) -> LinkEvent | None:
        """Fill what is missing of a call.

        :param overwrite: fields in which Twilio's value is to replace another one.
        :return: the link event, or None when nothing is missing.
        :raises NotFound: when Twilio does not know the call.
        :raises Unavailable: when Twilio cannot be asked.
        """
        need_writer(self._identity)
        sid = fields.call_sid(call_sid)
        event = self._run(sid, self._told(sid), options, overwrite)
        if event is not None:
            self._judge()
        return event

    def waiting(self, which: Which, limit: int | None = None) -> list[str]:
        """The calls that a bulk repair would ask Twilio about, newest first.

        :param which: ``no_numbers``: a number is missing, whatever the cause; ``stuck``: as the worklist's view.
        """
        fields.choice("which", which, WHICH)
        found = sorted(self._matching(which), key=lambda row: (row["started_at"], row["call_sid"]), reverse=True)
        return [row["call_sid"] for row in found[:limit]]

    def repair_all(
        self,
        which: Which,
        *,
        limit: int | None = None,
        batch_id: str | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> BulkRepair:
        """Repair every call of a kind, at the rate that the settings allow, each in a transaction of its own.

        What is done stays done when it is interrupted: run it again, and only the rest is asked for. Where Twilio asks
        to wait, it waits.

        :param limit: at most so many calls, the newest first.
        :param batch_id: UUID that the events carry; None: a new one.
        :param progress: told how many are done, of how many.
        """
        need_writer(self._identity)
        batch = str(uuid.uuid4()) if batch_id is None else fields.batch_id(batch_id)
        sids = self.waiting(which, None if limit is None else fields.whole("limit", limit, 1, 1_000_000))
        run = _Run(
            self,
            replace(options, batch_id=batch),
            self._settings.repair_rate,
            self._sleep,
            told=lambda: progress(run.done, len(sids)),
        )
        for sid in sids:
            progress(run.done, len(sids))
            if not run.repair(sid):
                break
        progress(run.done, len(sids))
        self._judge()
        return BulkRepair(
            batch, len(sids), tuple(run.repaired), tuple(run.unchanged), tuple(run.unknown), run.failed, run.stopped
        )

    def fill(self, call_sid: str, options: Options) -> LinkEvent | None:
        """As :meth:`apply`, leaving the causes to be judged later."""
        return self._run(call_sid, self._told(call_sid), options, ())

    def _told(self, call_sid: str) -> KnownCall:
        told = self._carrier().fetch(call_sid)
        if told is None and not self._settings.names_twilio:
            raise TwilioCredentials(
                "No Twilio account is set, so nobody can be asked about calls.",
                hint="Set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN.",
            )
        if told is None:
            raise NotFound(
                f"Twilio knows no call {call_sid}.", hint="It belongs to another Twilio account, or Twilio deleted it."
            )
        return told

    def _run(
        self, call_sid: str, told: KnownCall, options: Options, overwrite: Sequence[Field], preview: bool = False
    ) -> LinkEvent | None:
        named = options if self._identity is None else replace(options, actor=self._identity.name)
        given = {
            **sql_options(named, actor=self._settings.actor),
            "overwrite": [fields.choice("overwrite", name, FIELDS) for name in overwrite],
            "preview": preview,
        }
        row = self._gateway.call("repair_call", p_call_sid=call_sid, p_columns=columns(told), p_options=given)
        return LinkEvent.from_row(row) if row else None

    def _stored(self, call_sid: str) -> Row | None:
        rows = self._gateway.select("calls", where=(Where("call_sid", "eq", call_sid),))
        return rows[0] if rows else None

    def _matching(self, which: Which) -> Iterator[Row]:
        relation = "calls" if which == "no_numbers" else "stuck_calls"
        empty = AnyOf(((Where("from_number", "is_null"),), (Where("to_number", "is_null"),)))
        after = ""
        while True:
            where = (Where("call_sid", "gt", after), *((empty,) if which == "no_numbers" else ()))
            order = (Order("call_sid"),)
            page = self._gateway.select(
                relation, columns=("call_sid", "started_at"), where=where, order=order, limit=PAGE
            )
            yield from page
            if len(page) < PAGE:
                return
            after = page[-1]["call_sid"]


class _Run:
    """One bulk repair while it lasts."""

    def __init__(
        self, repair: Repair, options: Options, rate: int, sleep: Callable[[float], None], told: Callable[[], None]
    ) -> None:
        self._repair, self._options, self._sleep, self._tell = repair, options, sleep, told
        self._between, self._next = 1 / rate, 0.0
        self.repaired: list[str] = []
        self.unchanged: list[str] = []
        self.unknown: list[str] = []
        self.failed: dict[str, str] = {}
        self.stopped: str | None = None

    @property
    def done(self) -> int:
        return len(self.repaired) + len(self.unchanged) + len(self.unknown) + len(self.failed)

    def repair(self, call_sid: str) -> bool:
        """Repair one call; False: there is no point in going on."""
        waits = 0
        while True:
            self._keep_rate()
            try:
                event = self._repair.fill(call_sid, self._options)
                (self.unchanged if event is None else self.repaired).append(call_sid)
                return True
            except (TwilioBusy, TwilioDown) as error:
                waits += 1
                if waits > MOST_WAITS:
                    self.stopped = error.message
                    return False
                asked = error.retry_after if isinstance(error, TwilioBusy) else None
                self._wait(min(asked if asked is not None else 2.0 ** (waits - 1), LONGEST_WAIT))
            except NotFound:
                self.unknown.append(call_sid)
                return True
            except (TwilioCredentials, Unavailable) as error:
                self.stopped = error.message
                return False
            except PatchbayError as error:
                self.failed[call_sid] = error.message
                return True

    def _wait(self, seconds: float) -> None:
        """Wait until Twilio may be asked again; whoever watches is told meanwhile, and may stop it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._tell()
            self._sleep(min(left, LONGEST_SILENCE))

    def _keep_rate(self) -> None:
        now = time.monotonic()
        if now < self._next:
            self._sleep(self._next - now)
        self._next = max(now, self._next) + self._between


def columns(told: KnownCall) -> dict[str, Any]:
    """Twilio's answer as columns of ``call_events``. Pure."""
    created = told.created_at or told.started_at
    named = {
        "from_number": told.from_number or None,
        "to_number": told.to or None,
        "direction": told.direction or None,
        "call_status": told.status or None,
        "call_duration": told.duration if told.status in FINAL else None,
        "created_at": created.isoformat() if created else None,
    }
    return {name: value for name, value in named.items() if value is not None}


def differences(stored: Row | None, told: KnownCall, event: LinkEvent | None) -> tuple[Difference, ...]:
    """What is not the same, field by field. Pure.

    :param stored: the call's row of the roll-up, or None.
    :param event: what applying would write.
    """
    rows = _rows(event, "after").values()
    written = {name for table in rows for row in table.values() for name in row or {}}
    names = {"call_status": "status", "call_duration": "duration"}
    found = []
    theirs = columns(told)
    for name in FIELDS:
        ours = None if stored is None else stored[names.get(name, name)]
        if name in theirs and (theirs[name] != ours or name in written):
            found.append(Difference(name, ours, theirs[name], name in written))
    return tuple(found)


def _rows(event: LinkEvent | None, side: str = "before") -> Mapping[str, Mapping[str, Any]]:
    facts = {} if event is None else event.before if side == "before" else event.after
    found: Mapping[str, Mapping[str, Any]] = facts.get("rows") or {}
    return found
