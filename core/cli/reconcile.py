"""``reconcile``: links in bulk what can be linked without anybody looking at it, or says what it would link."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from core.app import App
from core.cli import repair_words, text, worklist_words
from core.cli.answers import Answer, Answering, Handler
from core.cli.progress import Following, say
from core.errors import BadInput
from core.linking import BulkOutcome, BulkPlan, WorklistFilter, bulk_plan, fields
from core.linking.commands import Options
from core.settings import Settings
from core.wording import count

SHOWN = 50
"""So many pairs and skipped calls people are shown; --json has them all."""
WORDS: Mapping[str, str] = {
    "already_linked": "linked already",
    "set_aside": "set aside",
    "unlinked_by_hand": "pinned: unlinked by hand",
    "pending": "younger than the grace period",
    "test_call": "test calls",
    "number_rule": "a rule about the number forbids it",
    "several_leads": "several leads fit",
    "lead_gone": "the lead is gone",
    "below_confidence": "below the confidence",
    "no_candidate": "no candidate",
    "no_call": "no such call",
    "changed": "changed meanwhile",
    "busy": "held by somebody else",
}


def _reconcile(settings: Settings, words: argparse.Namespace) -> Answering:
    least = bulk_plan.min_confidence("high" if words.min_confidence is None else words.min_confidence)
    limit = None if words.limit is None else fields.whole("--limit", words.limit, 1, fields.LARGEST_ID)
    options = repair_words.signed(settings, words)
    if words.batch is not None:
        return _carry_on(words, options)
    wanted = _wanted(words)
    bulk_plan.check(wanted, least=least, limit=limit, region=settings.default_region, now=datetime.now(UTC))

    def answer(app: App) -> Answer:
        app.linking.judge()
        plan = app.linking.plan(wanted, min_confidence=least, limit=limit, progress=_considered)
        if isinstance(wanted, WorklistFilter) and wanted.cause is None and not plan.limited:
            plan = _with_those_off_the_list(app, plan, wanted)
        if not words.apply:
            return Answer(plan.to_json(), planned(plan))
        if not plan.pairs:
            return Answer({**plan.to_json(), "applied": True}, f"Nothing to link.\n{_left_out(plan.skipped)}".rstrip())
        batch = app.linking.begin_batch(plan, options)
        say(f"Batch {batch}: {count(len(plan.pairs), 'call')}. If it is interrupted: reconcile --apply --batch {batch}")
        outcome = app.linking.carry_out(batch, options, progress=Following())
        return Answer(outcome.to_json(), done(outcome))

    return answer


def _carry_on(words: argparse.Namespace, options: Options) -> Answering:
    batch = fields.batch_id(words.batch)
    given = ("call", "cause", "direction", "status", "number", "text", "since", "until", "limit", "min_confidence")
    if not words.apply or any(getattr(words, name) is not None for name in given):
        raise BadInput(
            "--batch carries an interrupted batch on as it was planned: it goes with --apply and without filters."
        )

    def answer(app: App) -> Answer:
        outcome = app.linking.carry_out(batch, options, progress=Following())
        return Answer(outcome.to_json(), done(outcome))

    return answer


def _wanted(words: argparse.Namespace) -> WorklistFilter | Sequence[str]:
    wanted = worklist_words.chosen(words)
    if words.call is None:
        return wanted
    if wanted != WorklistFilter():
        raise BadInput("--call names one call: leave the filters out.")
    return (fields.call_sid(words.call),)


def _with_those_off_the_list(app: App, plan: BulkPlan, wanted: WorklistFilter) -> BulkPlan:
    """Count what the list of unlinked calls leaves out by itself: nobody shall wonder where those calls are."""
    off: dict[Any, int] = {
        "pending": app.linking.count(replace(wanted, cause="pending")),
        "set_aside": app.linking.count(replace(wanted, view="set_aside")),
    }
    both = {reason: plan.skipped.get(reason, 0) + off.get(reason, 0) for reason in bulk_plan.SKIPPED}
    return replace(plan, skipped={reason: count for reason, count in both.items() if count})


def planned(plan: BulkPlan) -> str:
    """What would be linked, for people."""
    if not plan.pairs:
        return f"Nothing to link.\n{_left_out(plan.skipped)}".rstrip()
    head = ("call", "lead", "confidence", "as", "why")
    rows = [
        (pair.call_sid, pair.lead_id, pair.confidence, pair.becomes, pair.evidence[0].detail if pair.evidence else "-")
        for pair in plan.pairs[:SHOWN]
    ]
    lines = [text.table(head, rows, right=(1,))]
    if len(plan.pairs) > SHOWN:
        lines.append(f"… and {len(plan.pairs) - SHOWN} more (--json lists all)")
    current = sum(pair.becomes == "current" for pair in plan.pairs)
    lines.append(
        f"\n{count(len(plan.pairs), 'call')} would be linked: "
        f"{current} as current, {len(plan.pairs) - current} as history."
    )
    if plan.dialling:
        lines.append(f"{count(len(plan.dialling), 'new lead')} of theirs would not be dialled automatically any more.")
    return "\n".join([*lines, _left_out(plan.skipped), "Nothing was written. To link them: reconcile --apply"])


def done(outcome: BulkOutcome) -> str:
    """What was linked, for people."""
    status, current = outcome.status, sum(pair.becomes == "current" for pair in outcome.linked)
    history = len(outcome.linked) - current
    lines = [f"{count(len(outcome.linked), 'call')} linked: {current} as current, {history} as history."]
    if status.state == "cancelled":
        lines.append(f"Stopped by {status.cancelled_by} after {status.done} of {status.total}.")
    lines += [
        f"  left alone: {skip.call_sid} ({WORDS[skip.reason]}) {skip.sentence}" for skip in outcome.moved_on[:SHOWN]
    ]
    return "\n".join([*lines, _left_out(outcome.skipped), f"To take it back: undo --batch {status.batch_id}"])


def _left_out(skipped: Mapping[Any, int]) -> str:
    return "\n".join(f"  {WORDS[reason]:<32}{count:>7}" for reason, count in skipped.items())


def _considered(seen: int) -> None:
    if seen >= bulk_plan.CALLS_AT_ONCE * 4 and seen % (bulk_plan.CALLS_AT_ONCE * 4) == 0:
        say(f"{count(seen, 'call')} looked at")


HANDLERS: Mapping[str, Handler] = {"reconcile": _reconcile}
