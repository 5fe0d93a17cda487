"""The worklists and their figures: what is not linked, how much of it, and what comes next."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from core.linking import export, fields, figures, sentences, triage, views, worklist
from core.linking.results import WorklistPage
from core.linking.service.judging import Judging
from core.linking.triage import Turn, Work
from core.linking.views import NumberGroup, NumberPage
from core.linking.worklist import Query, WorklistFilter
from core.model.records import Call
from core.store.gateway import Row


class Worklists(Judging):
    """Reading about many calls."""

    def overview(self) -> dict[str, Any]:
        """The figures of the Overview page (contract), with ``conflicts_by_kind`` added.

        What became doubtful a moment ago is judged first, within bounds.
        """
        self._judge_first()
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

    def export(self, wanted: WorklistFilter) -> Iterator[str]:
        """A worklist as CSV, line by line, in its order, at most 100,000 calls; see :mod:`core.linking.export`.

        :raises BadInput: when a filter cannot be meant; before the first line.
        """
        total = self.count(wanted)
        return export.rows(self._pages(wanted), total)

    def export_numbers(self, wanted: WorklistFilter) -> Iterator[str]:
        """The numbers with unlinked calls as CSV, line by line, the busiest first; see :mod:`core.linking.export`.

        :raises BadInput: when a filter cannot be meant; before the first line.
        """
        first = self.by_number(wanted, limit=views.LARGEST_PAGE)
        return export.number_rows(self._groups(wanted, first), first.total)

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

    def _query(self, wanted: WorklistFilter, now: datetime) -> Query:
        grace = self._settings.link_grace_seconds
        return worklist.query(wanted, now=now, grace_seconds=grace, region=self._settings.default_region)

    def _groups(self, wanted: WorklistFilter, page: NumberPage) -> Iterator[NumberGroup]:
        yield from page.items
        while page.next is not None:
            page = self.by_number(wanted, limit=views.LARGEST_PAGE, after=page.next)
            yield from page.items

    def _pages(self, wanted: WorklistFilter) -> Iterator[WorklistPage]:
        after: str | None = None
        while True:
            page = self.worklist(wanted, limit=export.ROWS_AT_ONCE, after=after)
            yield page
            if page.next is None:
                return
            after = page.next
