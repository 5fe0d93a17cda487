"""The repairs of one call's link, and the ledger that they leave."""

from dataclasses import replace

from core.access.identity import need_writer
from core.linking import activity, commands
from core.linking.commands import Command, Options
from core.linking.service.judging import Judging
from core.model import dialling
from core.model.dialling import DiallingChange
from core.model.records import Lead, LinkEvent


class Repairs(Judging):
    """Link commands: preview, run, take back."""

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

    def confirm(self, call_sid: str, options: Options = Options()) -> LinkEvent | None:  # noqa: B008 - frozen
        """A person says that a call's link is right as it is: it is not suspect, and no claim contests it, any more."""
        return self.run(Command("confirm", call_sid, options=options))

    def undo(self, event_id: int, options: Options = Options()) -> LinkEvent | None:  # noqa: B008 - frozen
        """Take one link event back, if nothing that it left has changed since."""
        return self.run(Command("undo", event_id=event_id, options=options))

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

    def _signed(self, command: Command) -> Command:
        return replace(command, options=self._named(command.options))
