"""Telephone numbers: whose they are, the rules about them, and which are our own."""

from datetime import datetime
from typing import Literal

from core.access.identity import need_writer
from core.linking import number_rules, system
from core.linking.number_rules import NumberStory
from core.linking.service.judging import Judging
from core.linking.system import OwnNumber
from core.model.number_rules import NumberRule


class Numbers(Judging):
    """Numbers, their rules, and our own."""

    def number(self, text: str, *, limit: int = 50, after: str | None = None) -> NumberStory:
        """Everything about a telephone number: the rule about it, the leads that have it, all its calls.

        :param text: the number in any writing.
        :param limit: 1 to 500 calls.
        :param after: the ``next`` of the page before.
        :raises BadInput: when the text is no number that can be read.
        """
        return number_rules.story(self._gateway, text, self._settings, self._now(), limit=limit, after=after)

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
            actor=self._actor(actor), expect=expect, request_id=request_id,
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
        named = self._actor(actor)
        ended = number_rules.end(self._gateway, number, self._settings, reason=reason, actor=named, expect=expect)
        if ended is not None:
            self._judge_soon()
        return ended

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
