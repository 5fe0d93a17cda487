"""Conflicts: data that contradicts itself about one SID, and the remedy of each kind."""

from collections.abc import Iterator
from dataclasses import replace

from core.access.identity import need_writer
from core.linking import conflicts, export, fields
from core.linking.commands import Command, Options
from core.linking.conflicts import ConflictDetail, ConflictPage, Constraint, MergePreview, NormalisePreview
from core.linking.service.calls import Calls
from core.linking.service.repairs import Repairs
from core.model.records import LinkEvent


class Conflicts(Calls, Repairs):
    """The Conflicts page: the list, and each kind's remedy."""

    def conflicts(self, kind: str | None = None, *, limit: int = 50, after: str | None = None) -> ConflictPage:
        """A page of conflicts with the rows involved and the remedy's name, newest first.

        :param kind: one of :data:`core.model.conflicts.CONFLICT_KINDS`; None: all.
        :param limit: 1 to 200 conflicts.
        :param after: the ``next`` of the page before.
        """
        self._judge_first()  # claims are noted by the judge
        return conflicts.page(self._gateway, self._settings, kind=kind, limit=limit, after=after)

    def export_conflicts(self, kind: str | None = None) -> Iterator[str]:
        """Conflicts as CSV, line by line, newest first; see :mod:`core.linking.export`.

        :raises BadInput: when there is no such kind; before the first line.
        """
        first = self.conflicts(kind, limit=conflicts.LARGEST_PAGE)
        return export.conflict_rows(self._every(kind, first), first.total)

    def _every(self, kind: str | None, page: ConflictPage) -> Iterator[ConflictDetail]:
        yield from page.items
        while page.next is not None:
            page = self.conflicts(kind, limit=conflicts.LARGEST_PAGE, after=page.next)
            yield from page.items

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

    def constraint(self) -> Constraint:
        """Whether ``leads.call_sid`` is UNIQUE, and which SIDs stand in the way."""
        return conflicts.constraint(self._gateway, self._settings)

    def add_constraint(self) -> Constraint:
        """Make ``leads.call_sid`` UNIQUE.

        :raises NotAllowed: when SIDs stand in several leads; ``detail`` lists them.
        """
        need_writer(self._identity)
        return conflicts.add_constraint(self._gateway, self._settings)
