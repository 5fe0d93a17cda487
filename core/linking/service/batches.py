"""Links in bulk, and what belongs to a batch: plan it, carry it out, follow it, stop it, take it back."""

from collections.abc import Callable

from core.access.identity import need_writer
from core.linking import batch_preview, bulk, bulk_plan, bulk_undo, bulk_work, commands
from core.linking.batch_preview import BatchPreview
from core.linking.bulk import BatchStatus, BulkOutcome
from core.linking.bulk_plan import BulkPlan
from core.linking.bulk_undo import BulkUndo
from core.linking.bulk_work import NotLinked
from core.linking.commands import Options
from core.linking.results import BatchUndo
from core.linking.service.calls import Calls
from core.linking.service.judging import Judging
from core.model.records import LinkEvent


class Batches(Calls, Judging):
    """Bulk links and batches."""

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
        progress: bulk_work.Told = lambda progress: None,
    ) -> BulkOutcome:
        """Link what is open of a batch, one transaction a call, each as planned or not at all.

        After an interruption the same again ends with exactly the plan; what moved on meanwhile is skipped and listed.

        :param options: the actor counts: whoever does it now.
        :param progress: told after every call.
        """
        need_writer(self._identity)
        actor = self._actor(options.actor)
        return bulk_work.carry_out(self._gateway, batch_id, self._settings, self._now, actor=actor, progress=progress)

    def apply(
        self,
        plan: BulkPlan,
        options: Options = Options(),  # noqa: B008 - frozen
        *,
        progress: bulk_work.Told = lambda progress: None,
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

    def preview_undo_batch(
        self, batch_id: str, *, progress: Callable[[int, int], None] = lambda seen, total: None
    ) -> BatchPreview:
        """What :meth:`undo_batch` would do now: what would be taken back, and what would be skipped and why.

        :param progress: told how many events of how many were looked at.
        """
        return batch_preview.read(self._gateway, batch_id, actor=self._actor(), progress=progress)

    def undo_batch(self, batch_id: str, options: Options = Options()) -> BatchUndo:  # noqa: B008 - frozen
        """Take a batch back, newest first; what moved on is skipped and listed with its reason."""
        need_writer(self._identity)
        outcome = commands.undo_batch(self._gateway, batch_id, self._named(options), actor=self._settings.actor)
        if outcome.undone:
            self._judge_soon()
        return outcome

    def undo_in_bulk(
        self,
        batch_id: str,
        options: Options = Options(),  # noqa: B008 - frozen
        *,
        progress: bulk_undo.Told = lambda progress: None,
        going_on: Callable[[], bool] = lambda: True,
    ) -> BulkUndo:
        """As :meth:`undo_batch`, side by side and stoppable: what is done stays, and the same again does the rest.

        :param options: with the batch_id of an earlier outcome it carries on under that.
        :param progress: told after every change.
        :param going_on: asked before every change.
        """
        need_writer(self._identity)
        signed, actor = self._named(options), self._settings.actor
        try:
            return bulk_undo.carry_out(
                self._gateway, batch_id, signed, actor=actor, progress=progress, going_on=going_on
            )
        finally:
            self._judge_soon()

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
        return bulk_work.link_one(self._gateway, self.call(call_sid), self._settings, options, actor=self._actor())
