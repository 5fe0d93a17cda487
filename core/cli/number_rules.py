"""``number`` and ``number-rule``: everything about a telephone number, and what people rule about it."""

import argparse
from collections.abc import Mapping
from typing import Literal

from core.app import App
from core.cli import text
from core.cli.answers import Answer, Answering, Handler
from core.errors import BadInput
from core.linking import fields, number_rules, worklist
from core.linking.number_rules import NumberStory
from core.model.number_rules import NumberRule, sentence
from core.settings import Settings
from core.wording import count

VERBS = ("set", "end")
SAME_RULE = "Nothing changed: just this rule holds already."
NO_RULE = "Nothing changed: no rule holds for this number."


def _number(settings: Settings, words: argparse.Namespace) -> Answering:
    asked = " ".join(words.number)
    number_rules.e164(asked, settings.default_region)
    limit = 50 if words.limit is None else fields.whole("--limit", words.limit, 1, number_rules.LARGEST_PAGE)
    worklist.check_page(limit, words.after)

    def answer(app: App) -> Answer:
        app.linking.judge()
        told = app.linking.number(asked, limit=limit, after=words.after)
        return Answer(told.to_json(), _story_text(told))

    return answer


def _number_rule(settings: Settings, words: argparse.Namespace) -> Answering:
    verb = fields.choice("number-rule", words.verb, VERBS)
    asked = " ".join(words.number)
    number_rules.e164(asked, settings.default_region)
    expect = _expected(words.expect_rule)
    if verb == "end":
        for name in ("verdict", "never_link", "until"):
            if getattr(words, name):
                raise BadInput(f"--{name.replace('_', '-')} goes with number-rule set only.")
        return lambda app: _said(
            app.linking.end_number_rule(asked, reason=words.reason, actor=words.actor, expect=expect), NO_RULE
        )
    until = None if words.until is None else fields.moment("--until", words.until)
    if words.verdict is None:
        raise BadInput("--verdict is missing: expected person, switchboard, own, withheld or test.")
    number_rules.checked(asked, words.verdict, settings, reason=words.reason, until=until)
    return lambda app: _said(
        app.linking.set_number_rule(
            asked, words.verdict, never_link=words.never_link, reason=words.reason, until=until, actor=words.actor,
            expect=expect, request_id=words.request_id,
        ),
        SAME_RULE,
    )  # fmt: skip


def _expected(given: str | None) -> int | Literal["any"] | None:
    if given is None:
        return "any"
    return None if given == "none" else fields.identifier("--expect-rule", given)


def _said(rule: NumberRule | None, unchanged: str) -> Answer:
    return Answer(None, unchanged) if rule is None else Answer(rule.to_json(), _rule_text(rule))


def _rule_text(rule: NumberRule) -> str:
    said = f"{rule.number}: {sentence(rule)}"
    if rule.ended_at is not None:
        return f"{said} Ended {rule.ended_at:%Y-%m-%d %H:%M} UTC{f' by {rule.ended_by}' if rule.ended_by else ''}."
    return f"{said} Until {rule.expires_at:%Y-%m-%d %H:%M} UTC." if rule.expires_at else said


def _story_text(told: NumberStory) -> str:
    states = ", ".join(f"{number} {state.replace('_', ' ')}" for state, number in sorted(told.figures.states.items()))
    lines = [told.number + (f"  one of our own numbers (by {told.ours_by})" if told.ours else "")]
    lines.append(_rule_text(told.rule) if told.rule else "Nobody has ruled about it.")
    lines += [f"  earlier: {_rule_text(rule)}" for rule in told.past]
    lines += ["", f"{count(len(told.leads), 'lead has', 'leads have')} it, {len(told.alike)} a number like it."]
    having = [(each.lead.id, each.lead.name or "-", each.lead.phone or "-", each.likeness) for each in told.leads]
    having += [(each.lead.id, each.lead.name or "-", each.lead.phone or "-", each.likeness) for each in told.alike]
    lines += [text.table(("lead", "name", "phone", "as"), having)] if having else []
    lines += ["", f"{count(told.figures.calls, 'call')}{f': {states}' if states else ''}."]
    rows = [(call.call_sid, f"{call.started_at:%Y-%m-%d %H:%M:%S}", call.state, call.lead_id or "-", call.cause or "-")
            for call in told.page.items]  # fmt: skip
    lines += [text.table(("call", "started (UTC)", "state", "lead", "cause"), rows)] if rows else []
    return "\n".join([*lines, f"Next page: --after {told.page.next}"] if told.page.next else lines)


HANDLERS: Mapping[str, Handler] = {
    "number": _number,
    "number-rule": _number_rule,
}
