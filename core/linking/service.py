"""The linking use cases in one place: what the console, the command line and scripts call."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from core.access.identity import Identity, need_writer
from core.errors import Busy, PatchbayError, TimedOut
from core.linking import (
    activity,
    backlog,
    batch_preview,
    bulk,
    bulk_plan,
    commands,
    conflicts,
    corrections,
    differences,
    doctor,
    export,
    fields,
    figures,
    jobs,
    judge,
    lead_book,
    live,
    lookup,
    matching,
    new_lead,
    number_rules,
    search,
    sentences,
    summary,
    system,
    triage,
    views,
    worklist,
)
from core.linking.batch_preview import BatchPreview
from core.linking.bulk import BatchStatus, BulkOutcome, NotLinked
from core.linking.bulk_plan import BulkPlan
from core.linking.commands import Command, Options
from core.linking.conflicts import ConflictPage, Constraint, MergePreview, NormalisePreview
from core.linking.corrections import Correction
from core.linking.differences import Differences
from core.linking.jobs import JobResult, Loaded
from core.linking.lead_book import LeadPage, LeadStory, PhonePreview
from core.linking.live import LiveCall, LiveCalls
from core.linking.new_lead import Draft, NewLeadPreview, RequiredColumn
from core.linking.number_rules import NumberStory
from core.linking.results import BatchUndo, Check, Matches, Rebuilt, Story, WorklistPage
from core.linking.search import Hits
from core.linking.system import OwnNumber, System
from core.linking.triage import Turn, Work
from core.linking.views import NumberPage
from core.linking.worklist import Query, WorklistFilter
from core.model import dialling
from core.model.dialling import DiallingChange
from core.model.number_rules import NumberRule
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

    def acting_as(self, identity: Identity, way: Gateway | None = None) -> "Linking":
        """The same links for one signed-in person.

        Every link event carries their name, whatever the options say; a viewer's commands are refused with
        :class:`core.errors.NotAllowed`, previews are not.

        :param way: their own way into the database (:meth:`core.access.Access.way_of`); None: the common one.
        """
        return Linking(way or self._gateway, self._settings, now=self._now, identity=identity)

    # Reading -------------------------------------------------------------------------------------------------------

    def overview(self) -> dict[str, Any]:
        """The figures of the Overview page (contract), with ``conflicts_by_kind`` added.

        What became doubtful a moment ago is judged first, within bounds.
        """
        with contextlib.suppress(Busy, TimedOut):  # a database that is down is said at once, not after a second try
            self._catch_up(JUDGED_BEFORE_COUNTING)
        return figures.overview(self._gateway, self._settings.link_grace_seconds)

    def per_day(self, days: int, zone: str) -> list[Row]:
        """Calls per calendar day, oldest first: ``day``, ``current``, ``history``, ``unlinked``, ``set_aside``.

        :param days: how many days back, today included, 1 to 3660.
        :param zone: IANA name such as ``Europe/Berlin``.
        """
        return figures.per_day(self._gateway, days, zone, self._now())

    def worklist(
        self, wanted: WorklistFilter, *, limit: int = 50, after: str | None = None, seconds: float | None = None
    ) -> WorklistPage:
        """A page of a worklist, newest first (suspect links: the worst kind first), each call with the sentence of its
        cause, or of what is suspect, and its best candidate's reason.

        :param wanted: which worklist (``view``) and its filters.
        :param limit: 1 to 10000 calls.
        :param after: the ``next`` of the page before.
        :param seconds: about how long to look for a text, which no index finds; ``searched_to`` of the page says where
            it stopped. None: until the page is full or every call was looked at.
        :raises BadInput: when a filter, the limit or the cursor cannot be meant.
        """
        now = self._now()
        query = self._query(wanted, now)
        found = worklist.page(self._gateway, query, limit=limit, after=after, seconds=seconds)
        current = tuple(self._as_of(call, now) for call in found.calls)
        told = sentences.about(self._gateway, current, self._settings)
        details = {**told.details, **sentences.of_view(wanted.view, current, now)}
        return WorklistPage(current, found.next, details, told.reasons, found.searched_to)

    def count(self, wanted: WorklistFilter) -> int:
        """Exactly how many calls a filter finds."""
        return worklist.count(self._gateway, self._query(wanted, self._now()))

    def live(self, limit: int = 6) -> LiveCalls:
        """The newest calls in progress with their last lines; cheap enough to be asked every two seconds.

        :param limit: 1 to 100 calls.
        """
        return live.read(self._gateway, limit)

    def live_call(self, call_sid: str) -> LiveCall | None:
        """This call, while it is in progress; None when it is over, gone quiet, or unknown."""
        found = live.read(self._gateway, 1, fields.call_sid(call_sid)).calls
        return found[0] if found else None

    def by_number(self, wanted: WorklistFilter, *, limit: int = 50, after: str | None = None) -> NumberPage:
        """Unlinked calls grouped by counterpart number, the busiest number first, with the worklist's filters.

        :param limit: 1 to 500 groups.
        :param after: the ``next`` of the page before.
        """
        settings, now = self._settings, self._now()
        grace, region = settings.link_grace_seconds, settings.default_region
        return views.by_number(
            self._gateway, wanted, now=now, grace_seconds=grace, region=region, limit=limit, after=after
        )

    def triage(self, wanted: WorklistFilter, *, confidence: str | None = None, after: Call | None = None) -> Turn:
        """The call that comes after another one in a pass through a worklist, newest first.

        :param confidence: only calls whose best candidate is so sure; ``none``: only calls without any.
        :param after: the call before, which need not be on the list any more; None: start with the newest.
        """
        return triage.after(self._gateway, triage.narrowed(self._query(wanted, self._now()), confidence), after)

    def triage_at(self, wanted: WorklistFilter, call: Call, *, confidence: str | None = None) -> Turn:
        """The same for the place of this very call."""
        return triage.at(self._gateway, triage.narrowed(self._query(wanted, self._now()), confidence), call)

    def work_since(self, since: datetime) -> Work:
        """What the person who acts did to calls since a moment and did not undo."""
        return triage.work(self._gateway, self._actor(), fields.moment("since", since))

    def export(self, wanted: WorklistFilter) -> Iterator[str]:
        """A worklist as CSV, line by line, in its order, at most 100,000 calls; see :mod:`core.linking.export`.

        :raises BadInput: when a filter cannot be meant; before the first line.
        """
        total = self.count(wanted)
        return export.rows(self._pages(wanted), total)

    def _pages(self, wanted: WorklistFilter) -> Iterator[WorklistPage]:
        after: str | None = None
        while True:
            page = self.worklist(wanted, limit=export.ROWS_AT_ONCE, after=after)
            yield page
            if page.next is None:
                return
            after = page.next

    def search(self, text: str, *, limit: int = 8) -> Hits:
        """Calls (by SID, part, number) and leads (by id, name, number, e-mail, company) that a text may mean.

        :param limit: at most so many of each, 1 to 50.
        :raises BadInput: when the text is empty.
        """
        return search.find(self._gateway, text, self._settings.default_region, limit=limit)

    def ticket(self, call_sid: str, *, link: str | None = None, full_numbers: bool = False) -> str:
        """A call as a few lines of plain text for a ticket, its numbers masked unless ``full_numbers``.

        :param link: address of the call's page.
        :raises NotFound: when there is no such call.
        """
        return summary.ticket(self.story(call_sid), link=link, full_numbers=full_numbers)

    def conflicts(self, kind: str | None = None, *, limit: int = 50, after: str | None = None) -> ConflictPage:
        """A page of conflicts with the rows involved and the remedy's name, newest first.

        :param kind: one of :data:`core.model.conflicts.CONFLICT_KINDS`; None: all.
        :param limit: 1 to 200 conflicts.
        :param after: the ``next`` of the page before.
        """
        with contextlib.suppress(Busy, TimedOut):  # claims are noted by the judge
            self._catch_up(JUDGED_BEFORE_COUNTING)
        return conflicts.page(self._gateway, self._settings, kind=kind, limit=limit, after=after)

    def constraint(self) -> Constraint:
        """Whether ``leads.call_sid`` is UNIQUE, and which SIDs stand in the way."""
        return conflicts.constraint(self._gateway, self._settings)

    def find_leads(self, text: str = "", *, limit: int = 50, offset: int = 0) -> LeadPage:
        """Leads that a text finds: an id, digits of a number, part of name, e-mail or company; empty: every lead.

        :param limit: 1 to 200 leads.
        :param offset: the ``next`` of the page before, at most 10000.
        """
        return lead_book.find(self._gateway, text, limit=limit, offset=offset)

    def lead_story(self, lead_id: int) -> LeadStory:
        """Everything about one lead: its calls, who shares its number, calls of its number, its ledger.

        :raises NotFound: when there is no such lead.
        """
        lead = fields.identifier("lead id", lead_id)
        return lead_book.story(self._gateway, lead, self._settings, self._now())

    def calls_of_lead(self, lead_id: int, *, limit: int = 50, after: str | None = None) -> WorklistPage:
        """A page of a lead's calls, newest first, the current one with ``state == "current"``."""
        return lead_book.calls(self._gateway, lead_id, self._settings, self._now(), limit=limit, after=after)

    def number(self, text: str, *, limit: int = 50, after: str | None = None) -> NumberStory:
        """Everything about a telephone number: the rule about it, the leads that have it, all its calls.

        :param text: the number in any writing.
        :param limit: 1 to 500 calls.
        :param after: the ``next`` of the page before.
        :raises BadInput: when the text is no number that can be read.
        """
        return number_rules.story(self._gateway, text, self._settings, self._now(), limit=limit, after=after)

    def system(self) -> System:
        """Everything that the System page shows: checks, configuration, versions, own numbers, dialable leads."""
        return system.read(self._gateway, self._settings)

    def lookup(self, text: str) -> Story | Matches:
        """The call that a text means: a SID in any writing, a log line, a console URL, a part of a SID, a phone number.

        :return: the call's story; or the matches, when the text may mean several calls.
        :raises BadInput: when the text is empty or too long to mean a call.
        :raises NotFound: when no call matches.
        """
        _, named = lookup.understood(text)
        if len(named) == 1 and (story := lookup.whole(self._gateway, named[0], self._settings, self._now())):
            return story
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

    def differences(self) -> Differences:
        """The rows that the checks of consistency and of missed changes count, the first of each."""
        return differences.read(self._gateway)

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
        if event is not None and event.action != "link":  # a linked call has no cause to wait for
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

    def preview_undo_batch(self, batch_id: str) -> BatchPreview:
        """What :meth:`undo_batch` would do now: what would be taken back, and what would be skipped and why."""
        return batch_preview.read(self._gateway, batch_id, actor=self._actor())

    def confirm(self, call_sid: str, options: Options = Options()) -> LinkEvent | None:  # noqa: B008 - frozen
        """A person says that a call's link is right as it is: it is not suspect, and no claim contests it, any more."""
        return self.run(Command("confirm", call_sid, options=options))

    def choose_lead(
        self,
        call_sid: str,
        lead_id: int | None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> LinkEvent | None:
        """Settle which lead a contested call belongs to; None: none of those that claim it.

        For a dialog's two sides: ``preview(choice(call_sid, lead_id))``.
        """
        event = self.run(replace(self.choice(call_sid, lead_id), options=options))
        if event is None and lead_id is not None:
            return self.confirm(call_sid, options)
        return event

    def choice(self, call_sid: str, lead_id: int | None) -> Command:
        """The command that :meth:`choose_lead` carries out: link, relink or unlink."""
        return conflicts.choice(self.call(call_sid), lead_id)

    def preview_merge(self, call_sid: str, keep: str | None = None) -> MergePreview:
        """What merging a call's event rows would leave: the merged row and what goes.

        :param keep: id of the row whose numbers and direction hold; needed where the rows contradict each other.
        :raises NotAllowed: when the rows contradict each other and no row is chosen.
        """
        sid = fields.call_sid(call_sid)
        return conflicts.preview_merge(self._gateway, sid, keep, actor=self._actor())

    def merge_rows(
        self,
        call_sid: str,
        keep: str | None = None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> LinkEvent | None:
        """Merge a call's event rows into one that keeps the union of what they say, in one transaction. Undoable.

        :param keep: as in :meth:`preview_merge`.
        :return: the link event, or None when there is one row already.
        """
        need_writer(self._identity)
        sid = fields.call_sid(call_sid)
        event = conflicts.merge(self._gateway, sid, keep, self._named(options), actor=self._settings.actor)
        if event is not None:
            self._judge_soon()
        return event

    def preview_normalise(self, call_sid: str) -> NormalisePreview:
        """What giving the rows of a SID variant the standard SID would do, with both calls as they are."""
        return conflicts.preview_normalise(self._gateway, fields.call_sid(call_sid))

    def normalise(
        self,
        call_sid: str,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> tuple[LinkEvent, ...]:
        """Give every row of a SID variant, and the slot that carries it, the standard SID.

        :return: the events, all of one ``batch_id``: :meth:`undo_batch` takes them back.
        """
        need_writer(self._identity)
        sid = fields.call_sid(call_sid)
        events = conflicts.normalise(self._gateway, sid, self._named(options), actor=self._settings.actor)
        if events:
            self._judge_soon()
        return events

    def add_constraint(self) -> Constraint:
        """Make ``leads.call_sid`` UNIQUE.

        :raises NotAllowed: when SIDs stand in several leads; ``detail`` lists them.
        """
        need_writer(self._identity)
        return conflicts.add_constraint(self._gateway, self._settings)

    def preview_phone(self, lead_id: int, phone: str | None) -> PhonePreview:
        """What storing a phone number for a lead would change: which unlinked calls match then."""
        lead = fields.identifier("lead id", lead_id)
        return lead_book.preview_phone(self._gateway, lead, phone, self._settings, self._now(), actor=self._actor())

    def corrections(self, call_sid: str) -> tuple[Correction, ...]:
        """Leads whose phone could be mended so that this unlinked call finds them, the likeliest first, at most three.

        Suggestions for :meth:`preview_phone` and :meth:`set_phone`; nothing is linked by them.
        """
        return corrections.of_call(self._gateway, self.call(call_sid), self._settings)

    def set_phone(
        self,
        lead_id: int,
        phone: str | None,
        options: Options = Options(),  # noqa: B008 - frozen
    ) -> LinkEvent | None:
        """Store a phone number for a lead (None empties the field). Undoable; what matches then is judged at once.

        :return: the link event, or None when this is what is stored.
        """
        need_writer(self._identity)
        lead = fields.identifier("lead id", lead_id)
        event = lead_book.set_phone(self._gateway, lead, phone, self._named(options), actor=self._settings.actor)
        if event is not None:
            self._judge_soon()
        return event

    def set_number_rule(
        self,
        number: str,
        verdict: str,
        *,
        never_link: bool = False,
        reason: str | None = None,
        until: datetime | None = None,
        actor: str | None = None,
        expect: int | Literal["any"] | None = "any",
        request_id: str | None = None,
    ) -> NumberRule | None:
        """Rule whose a number is and whether calls with it may be linked automatically; the rule until now ends.

        :param verdict: one of :data:`core.model.number_rules.VERDICTS`; switchboard, withheld and test imply
            ``never_link``.
        :param until: when the rule stops to count; naive times are UTC; None: when somebody ends it.
        :param expect: id of the rule that was seen in force (None: no rule), else :class:`core.errors.Stale`.
        :return: the rule, or None when just this holds already.
        """
        need_writer(self._identity)
        said = number_rules.rule(
            self._gateway, number, verdict, self._settings, never_link=never_link, reason=reason, until=until,
            actor=self._named(Options(actor=actor)).actor or self._settings.actor, expect=expect, request_id=request_id,
        )  # fmt: skip
        if said is not None:
            self._judge_soon()
        return said

    def end_number_rule(
        self,
        number: str,
        *,
        reason: str | None = None,
        actor: str | None = None,
        expect: int | Literal["any"] | None = "any",
    ) -> NumberRule | None:
        """End the rule about a number; it stays among the number's earlier rules.

        :return: the ended rule, or None when none holds.
        """
        need_writer(self._identity)
        named = self._named(Options(actor=actor)).actor or self._settings.actor
        ended = number_rules.end(self._gateway, number, self._settings, reason=reason, actor=named, expect=expect)
        if ended is not None:
            self._judge_soon()
        return ended

    def preview_new_lead(self, call_sid: str, draft: Draft | None = None) -> NewLeadPreview:
        """What making a lead from an unlinked call would do.

        :param draft: the lead; None: the call's number, and the name that the other party gave.
        """
        told = self.story(call_sid)
        wanted = new_lead.suggested(told) if draft is None else draft
        return new_lead.preview(self._gateway, told.call, wanted, self._settings, self._now(), actor=self._actor())

    def required_columns(self) -> tuple[RequiredColumn, ...]:
        """The columns of ``leads`` that a new lead must be given because the customer's table requires them."""
        return new_lead.required(self._gateway)

    def create_lead(self, call_sid: str, draft: Draft, options: Options = Options()) -> LinkEvent:  # noqa: B008 - frozen
        """Make a lead from an unlinked call and link the call to it, in one transaction.

        Undo deletes the lead again while nothing about it changed.
        """
        need_writer(self._identity)
        sid, region = fields.call_sid(call_sid), self._settings.default_region
        actor = self._settings.actor
        event = new_lead.create(self._gateway, sid, draft, self._named(options), region, actor=actor)
        self._judge_soon()
        return event

    def own_numbers(self) -> tuple[OwnNumber, ...]:
        """Our own numbers, those that a person should confirm first."""
        return system.listed(self._gateway)

    def confirm_own_number(self, number: str, is_ours: bool | None) -> OwnNumber:
        """A person says that a number which the data shows as ours is, or is not (None: takes that back).

        :raises NotFound: when the data does not show the number.
        :raises NotAllowed: when the settings say that it is ours.
        """
        need_writer(self._identity)
        said = system.confirm_own_number(self._gateway, number, is_ours, self._settings.default_region)
        self._judge_soon()
        return said

    # Bulk links ----------------------------------------------------------------------------------------------------

    def plan(
        self,
        wanted: bulk_plan.Pick,
        *,
        min_confidence: str = "high",
        limit: int | None = None,
        progress: bulk_plan.Progress = lambda considered: None,
    ) -> BulkPlan:
        """What linking these calls in bulk would do: every pair with its evidence, and why the others are left out.

        :param wanted: exactly these calls: those that a worklist's filter finds, or Call SIDs.
        :param min_confidence: ``certain``, or ``high`` for both; nothing less is linked in bulk.
        :param limit: at most so many links, the newest calls first.
        :param progress: told how many calls were looked at.
        """
        now, settings = self._now(), self._settings
        return bulk_plan.make(
            self._gateway, wanted, settings, now, least=min_confidence, limit=limit, progress=progress
        )

    def begin_batch(self, plan: BulkPlan, options: Options = Options()) -> str:  # noqa: B008 - frozen
        """Store a plan, to be carried out by :meth:`carry_out`; returns its batch id, which all its events carry.

        :param options: actor, reason and batch_id count; a batch that is there already keeps the plan that it has.
        """
        need_writer(self._identity)
        return bulk.begin(self._gateway, plan, self._named(options), actor=self._settings.actor)

    def carry_out(
        self,
        batch_id: str,
        options: Options = Options(),  # noqa: B008 - frozen
        *,
        progress: bulk.Told = lambda progress: None,
    ) -> BulkOutcome:
        """Link what is open of a batch, one transaction a call, each as planned or not at all.

        After an interruption the same again ends with exactly the plan; what moved on meanwhile is skipped and listed.

        :param options: the actor counts: whoever does it now.
        :param progress: told after every call.
        """
        need_writer(self._identity)
        actor = self._named(options).actor or self._settings.actor
        return bulk.carry_out(self._gateway, batch_id, self._settings, self._now, actor=actor, progress=progress)

    def apply(
        self,
        plan: BulkPlan,
        options: Options = Options(),  # noqa: B008 - frozen
        *,
        progress: bulk.Told = lambda progress: None,
    ) -> BulkOutcome:
        """Carry a plan out: :meth:`begin_batch` and :meth:`carry_out`. ``undo_batch`` takes it back."""
        return self.carry_out(self.begin_batch(plan, options), options, progress=progress)

    def cancel_batch(self, batch_id: str) -> BatchStatus:
        """Stop a batch between two calls; what is linked stays linked."""
        need_writer(self._identity)
        return bulk.cancel(self._gateway, batch_id, actor=self._actor())

    def batch(self, batch_id: str) -> BatchStatus:
        """Where a bulk link stands, whoever works on it."""
        return bulk.read(self._gateway, batch_id)

    def open_batches(self) -> list[BatchStatus]:
        """The bulk links that are under way or were interrupted, the newest first, at most five."""
        return bulk.open_batches(self._gateway)

    def batch_outcome(self, batch_id: str) -> BulkOutcome:
        """What a bulk link has done so far, call by call."""
        return bulk.outcome(self._gateway, batch_id)

    def link_automatically(
        self,
        call_sid: str,
        reason: str | None = None,
        *,
        request_id: str | None = None,
    ) -> LinkEvent | NotLinked:
        """Link one call as a bulk link would: only certain or high, never overwriting anything.

        Its age does not matter: the caller knows that nobody else is about to link it.

        :return: the link event, or why it was not linked.
        :raises NotFound: when there is no such call.
        """
        need_writer(self._identity)
        options = Options(reason=reason, request_id=request_id)
        return bulk.link_one(self._gateway, self.call(call_sid), self._settings, options, actor=self._actor())

    # Upkeep --------------------------------------------------------------------------------------------------------

    def judge(self, limit: int | None = None) -> int:
        """Judge calls whose cause is doubtful, with ``limit`` at most about so many; returns how many."""
        return judge.run(self._gateway, self._settings, limit)

    def note_jobs(self, results: Iterable[JobResult]) -> int:
        """Keep what jobs of the queue say of calls; returns how many rows are new or changed."""
        return jobs.note(self._gateway, results)

    def load_jobs(self, path: Path) -> Loaded:
        """Keep the jobs of an export, see :func:`core.linking.jobs.load_export`."""
        return jobs.load_export(self._gateway, path)

    def rebuild(self) -> Rebuilt:
        """Recompute the roll-up, the links and the causes from the customer's rows and the ledger."""
        return doctor.rebuild(self._gateway, self.judge)

    def _signed(self, command: Command) -> Command:
        """The command in the name of whoever is signed in; they cannot act in another's."""
        if self._identity is None:
            return command
        return replace(command, options=replace(command.options, actor=self._identity.name))

    def _actor(self) -> str:
        return self._identity.name if self._identity is not None else self._settings.actor

    def _named(self, options: Options) -> Options:
        """The options in the name of whoever is signed in."""
        return options if self._identity is None else replace(options, actor=self._identity.name)

    def _judge_soon(self) -> None:
        # The command is done and must not look failed because the causes are late: the background catches up.
        with contextlib.suppress(PatchbayError):
            self._catch_up(JUDGED_AFTER_A_COMMAND)

    def _catch_up(self, most: int) -> None:
        if backlog.is_short(self._gateway, self._settings, most):
            self.judge(most)

    def _query(self, wanted: WorklistFilter, now: datetime) -> Query:
        grace = self._settings.link_grace_seconds
        return worklist.query(wanted, now=now, grace_seconds=grace, region=self._settings.default_region)

    def _as_of(self, call: Call, now: datetime) -> Call:
        return sentences.as_of(call, now, self._settings.link_grace_seconds)
