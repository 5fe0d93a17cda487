"""Ruling about a number: what the dialog shows before and after, and carrying it out."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

import streamlit as st

from core.linking import Linking, Options
from core.model.number_rules import NEVER_LINKED, WORDS, NumberRule
from dashboard import formatting, sides, state, viewer

EFFECTS = {
    "person": "It says that the number is one person's. By itself it changes nothing.",
    "switchboard": "A lead found by this number alone is a suggestion at most; nothing is linked by it automatically.",
    "own": "Calls with it are matched by their other side; it is nobody's counterpart.",
    "withheld": "Calls with it are matched with nobody, like those of callers who hide their number.",
    "test": "No lead is suggested by this number, and nothing is linked by it automatically.",
}
"""What each verdict does."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person wants to rule, as it travels through the dialog.

    :ivar seen: the rule that was in force when the page was shown, or None.
    """

    number: str
    verdict: str | None
    never_link: bool = False
    until: datetime | None = None
    seen: int | None = None

    def choice(self) -> str:
        """As the dialog's choice."""
        until = self.until.isoformat() if self.until else None
        return json.dumps([self.number, self.verdict, self.never_link, until, self.seen])

    @classmethod
    def of(cls, choice: str | None) -> "Wanted":
        """From the dialog's choice."""
        number, verdict, never_link, until, seen = json.loads(choice or "[]")
        return cls(number, verdict, never_link, datetime.fromisoformat(until) if until else None, seen)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would change: the rule now, and how many calls are judged again."""

    wanted: Wanted
    rule: NumberRule | None
    calls: int


def ask_to_set(wanted: Wanted) -> None:
    """Open the dialog. Serves as ``on_click``."""
    state.open_dialog("set_number_rule", "", choice=wanted.choice())


def ask_to_end(rule: NumberRule) -> None:
    """Open the dialog that ends a rule. Serves as ``on_click``."""
    state.open_dialog("end_number_rule", "", choice=Wanted(rule.number, None, seen=rule.id).choice())


def preview(linking: Linking, intent: state.Intent) -> Preview | None:
    """What would be; None where just this holds, or nothing holds that could be ended."""
    wanted = Wanted.of(intent.choice)
    told = linking.number(wanted.number, limit=1)
    if intent.action == "end_number_rule" and told.rule is None:
        return None
    return Preview(wanted, told.rule, told.figures.calls)


def show(intent: state.Intent, seen: Preview) -> bool:
    """The rule before and after, and what it does."""
    wanted = seen.wanted
    after = "no rule" if wanted.verdict is None else _words(wanted.verdict, wanted.never_link, wanted.until)
    before = "no rule" if seen.rule is None else words(seen.rule)
    st.html(sides.as_table([(formatting.phone(wanted.number), before, after)]))
    again = (
        f"{formatting.count(seen.calls, 'call')} with this number {'is' if seen.calls == 1 else 'are'} judged again."
    )
    effect = EFFECTS.get(wanted.verdict or "", "Leads are found by this number as by any other.")
    st.html(f'<p class="pb-line">{escape(effect)}</p><p class="pb-line pb-muted">{escape(again)}</p>')
    return True


def words(rule: NumberRule) -> str:
    """A rule in few words: verdict, automatic linking, expiry."""
    return _words(rule.verdict, rule.never_link, rule.expires_at)


def _words(verdict: str, never_link: bool, until: datetime | None) -> str:
    known: dict[str, str] = {**WORDS}
    never = ", never linked automatically" if never_link or verdict in NEVER_LINKED else ""
    end = f", until {formatting.exact(until, viewer.zone())}" if until else ""
    return f"{known.get(verdict, verdict)}{never}{end}"


def set_rule(linking: Linking, intent: state.Intent, seen: Preview, options: Options) -> str | None:
    """Rule, and say what holds now; None when it holds already."""
    wanted = seen.wanted
    rule = linking.set_number_rule(
        wanted.number, wanted.verdict or "", never_link=wanted.never_link, until=wanted.until, reason=options.reason,
        expect=wanted.seen, request_id=options.request_id,
    )  # fmt: skip
    return None if rule is None else f"{formatting.phone(rule.number)}: {words(rule)}."


def end_rule(linking: Linking, _: state.Intent, seen: Preview, options: Options) -> str | None:
    """End the rule, and say so; None when none holds."""
    ended = linking.end_number_rule(seen.wanted.number, reason=options.reason, expect=seen.wanted.seen)
    return None if ended is None else f"No rule holds for {formatting.phone(ended.number)} now."


def end_of_day(day: Any) -> datetime | None:
    """The end of a calendar day of the viewer, in UTC; None for no day."""
    if day is None:
        return None
    return datetime.combine(day, datetime.max.time().replace(microsecond=0), viewer.zone()).astimezone(UTC)
