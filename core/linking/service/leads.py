"""Leads: finding them, their calls, their phone number, and new ones made from a call."""

from core.access.identity import need_writer
from core.linking import corrections, fields, lead_book, new_lead
from core.linking.commands import Options
from core.linking.corrections import Correction
from core.linking.lead_book import LeadPage, LeadStory, PhonePreview
from core.linking.new_lead import Draft, NewLeadPreview, RequiredColumn
from core.linking.results import WorklistPage
from core.linking.service.calls import Calls
from core.linking.service.judging import Judging
from core.model.records import LinkEvent


class Leads(Calls, Judging):
    """The lead's side of the links."""

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
