"""The linking use cases in one place: what the console, the command line and scripts call."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from core.access.identity import Identity, need_writer
from core.errors import Busy, PatchbayError, TimedOut
from core.linking import activity, commands, doctor, fields, figures, judge, lookup, matching, sentences, worklist
from core.linking.commands import Command, Options
from core.linking.results import BatchUndo, Check, Matches, Rebuilt, Story, WorklistPage
from core.linking.worklist import Query, WorklistFilter
from core.model import dialling
from core.model.dialling import DiallingChange
from core.model.records import Call, Candidate, Lead, LinkEvent
from core.settings import Settings
from core.store.gateway import Gateway, Row

JUDGED_AFTER_A_COMMAND = 200
"""A command makes few calls doubtful; whatever else waits is left to the background."""
JUDGED_BEFORE_COUNTING = 1000
"""Judged in well under a second."""


def _now() -> datetime:
    return datetime.now(UTC)


class Linking:
    """Calls and their leads: worklists, lookup, repairs, the ledger.

    Safe to share between threads. Every method raises the errors of :mod:`core.errors` only.

    :param gateway: the way into the database.
    :param settings: grace period, region, own numbers and the actor that events carry when nobody is named.
    :param now: the clock, for ``pending``.
    :param identity: the signed-in person who acts; None: this machine's own user. See :meth:`acting_as`.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        *,
        now: Callable[[], datetime] = _now,
        identity: Identity | None = None,
    ) -> None:
        self._gateway = gateway
        self._settings = settings
        self._now = now
        self._identity = identity

    def acting_as(self, identity: Identity) -> "Linking":
        """The same links for one signed-in person.

        Every link event carries their name, whatever the options say; a viewer's commands are refused with
        :class:`core.errors.NotAllowed`, previews are not.
        """
        return Linking(self._gateway, self._settings, now=self._now, identity=identity)

    # Reading -------------------------------------------------------------------------------------------------------

    def overview(self) -> dict[str, Any]:
        """The figures of the Overview page (contract). Those that have no rule yet are None.

        What became doubtful a moment ago is judged first, within bounds.
        """
        with contextlib.suppress(Busy, TimedOut):  # a database that is down is said at once, not after a second try
            self.judge(JUDGED_BEFORE_COUNTING)
        return figures.overview(self._gateway, self._settings.link_grace_seconds)

    def per_day(self, days: int, zone: str) -> list[Row]:
        """Calls per calendar day, oldest first: ``day``, ``current``, ``history``, ``unlinked``, ``set_aside``.

        :param days: how many days back, today included, 1 to 3660.
        :param zone: IANA name such as ``Europe/Berlin``.
        """
        return figures.per_day(self._gateway, days, zone, self._now())

    def worklist(self, wanted: WorklistFilter, *, limit: int = 50, after: str | None = None) -> WorklistPage:
        """A page of unlinked (or set aside) calls, newest first, each with its cause and its best candidate's reason.

        :param limit: 1 to 10000 calls.
        :param after: the ``next`` of the page before.
        :raises BadInput: when a filter, the limit or the cursor cannot be meant.
        """
        now = self._now()
        calls, following = worklist.read(self._gateway, self._query(wanted, now), limit=limit, after=after)
        current = tuple(self._as_of(call, now) for call in calls)
        told = sentences.about(self._gateway, current, self._settings)
        return WorklistPage(current, following, told.details, told.reasons)

    def count(self, wanted: WorklistFilter) -> int:
        """Exactly how many calls a filter finds."""
        return worklist.count(self._gateway, self._query(wanted, self._now()))

    def lookup(self, text: str) -> Story | Matches:
        """The call that a text means: a SID in any writing, a log line, a console URL, a part of a SID, a phone number.

        :return: the call's story; or the matches, when the text may mean several calls.
        :raises BadInput: when the text is empty or too long to mean a call.
        :raises NotFound: when no call matches.
        """
        calls, more = lookup.find(self._gateway, text, self._settings.default_region)
        if len(calls) == 1:
            return self.story(calls[0].call_sid)
        now = self._now()
        current = tuple(self._as_of(call, now) for call in calls)
        return Matches(text.strip(), current, more, sentences.about(self._gateway, current, self._settings).details)

    def story(self, call_sid: str) -> Story:
        """Everything about one call, by its exact SID.

        :raises NotFound: when there is no such call.
        """
        return lookup.story(self._gateway, fields.call_sid(call_sid), self._settings, self._now())

    def call(self, call_sid: str) -> Call:
        """One call by its exact SID, with the cause that holds now.

        :raises NotFound: when there is no such call.
        """
        return self._as_of(lookup.one(self._gateway, fields.call_sid(call_sid)), self._now())

    def candidates(self, call_sid: str) -> list[Candidate]:
        """The leads that may belong to a call, best first, each with what speaks for and against it.

        :raises NotFound: when there is no such call.
        """
        call = self.call(call_sid)
        return list(self.candidates_of([call])[call.call_sid])

    def candidates_of(self, calls: Sequence[Call]) -> Mapping[str, tuple[Candidate, ...]]:
        """The candidates of several calls at once, by SID."""
        return matching.candidates(self._gateway, calls, self._settings)

    def activity(
        self,
        *,
        lead: int | None = None,
        call: str | None = None,
        actor: str | None = None,
        batch: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[LinkEvent]:
        """Link events, newest first; see :func:`core.linking.activity.read`."""
        return activity.read(self._gateway, lead=lead, call=call, actor=actor, batch=batch, before=before, limit=limit)

    def doctor(self) -> list[Check]:
        """The System page's checks of the database, each with a fix to copy where one is needed."""
        return doctor.checks(self._gateway)

    # Repairs -------------------------------------------------------------------------------------------------------

    def preview(self, command: Command) -> LinkEvent | None:
        """The event that a command would write now (``id`` None), or None when it would change nothing."""
        return commands.run(self._gateway, self._signed(command), actor=self._settings.actor, preview=True)

    def dialling(self, event: LinkEvent) -> tuple[DiallingChange, ...]:
        """What an event (or its preview) changes for the backend's automatic dialling, as sentences."""
        touched = dialling.touched(event)
        rows = self._gateway.select("leads_by_ids", args={"p_ids": list(touched)}) if touched else []
        return dialling.changes(event, [Lead.from_row(row) for row in rows])

    def run(self, command: Command) -> LinkEvent | None:
        """Carry a command out.

        :return: the link event, or None when nothing changed (then no event was written).
        """
        need_writer(self._identity)
        event = commands.run(self._gateway, self._signed(command), actor=self._settings.actor)
        if event is not None:
            self._judge_soon()
        return event

    def link(self, call_sid: str, lead_id: int, options: Options = Options()) -> LinkEvent | None:  # noqa: B008 - frozen
        """This call belongs to this lead. See :class:`core.linking.Options` for ``current`` and the rest."""
        return self.run(Command("link", call_sid, lead_id, options=options))

    def unlink(self, call_sid: str, options: Options = Options()) -> LinkEvent | None:  # noqa: B008 - frozen
        """This call belongs to no lead; automation leaves it alone from now on."""
        return self.run(Command("unlink", call_sid, options=options))

    def relink(self, call_sid: str, lead_id: int, options: Options = Options()) -> LinkEvent | None:  # noqa: B008 - frozen
        """This linked call belongs to another lead: one transaction."""
        return self.run(Command("relink", call_sid, lead_id, options=options))

    def set_aside(self, call_sid: str, options: Options = Options()) -> LinkEvent | None:  # noqa: B008 - frozen
        """Take an unlinked call off the worklist."""
        return self.run(Command("set_aside", call_sid, options=options))

    def restore(self, call_sid: str, options: Options = Options()) -> LinkEvent | None:  # noqa: B008 - frozen
        """Put a call that was set aside back on the worklist."""
        return self.run(Command("restore", call_sid, options=options))

    def undo(self, event_id: int, options: Options = Options()) -> LinkEvent | None:  # noqa: B008 - frozen
        """Take one link event back, if nothing that it left has changed since."""
        return self.run(Command("undo", event_id=event_id, options=options))

    def undo_batch(self, batch_id: str, options: Options = Options()) -> BatchUndo:  # noqa: B008 - frozen
        """Take a batch back, newest first; what moved on is skipped and listed with its reason."""
        need_writer(self._identity)
        signed = self._signed(Command("undo", options=options)).options
        outcome = commands.undo_batch(self._gateway, batch_id, signed, actor=self._settings.actor)
        if outcome.undone:
            self._judge_soon()
        return outcome

    # Upkeep --------------------------------------------------------------------------------------------------------

    def judge(self, limit: int | None = None) -> int:
        """Judge calls whose cause is doubtful, with ``limit`` at most about so many; returns how many."""
        return judge.run(self._gateway, self._settings, limit)

    def rebuild(self) -> Rebuilt:
        """Recompute the roll-up, the links and the causes from the customer's rows and the ledger."""
        return doctor.rebuild(self._gateway, self.judge)

    def _signed(self, command: Command) -> Command:
        """The command in the name of whoever is signed in; they cannot act in another's."""
        if self._identity is None:
            return command
        return replace(command, options=replace(command.options, actor=self._identity.name))

    def _judge_soon(self) -> None:
        # The command is done and must not look failed because the causes are late: the background catches up.
        with contextlib.suppress(PatchbayError):
            self.judge(JUDGED_AFTER_A_COMMAND)

    def _query(self, wanted: WorklistFilter, now: datetime) -> Query:
        grace = self._settings.link_grace_seconds
        return worklist.query(wanted, now=now, grace_seconds=grace, region=self._settings.default_region)

    def _as_of(self, call: Call, now: datetime) -> Call:
        return sentences.as_of(call, now, self._settings.link_grace_seconds)
