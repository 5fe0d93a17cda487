"""A bulk link on the screen: what it would do, how far it is, what it did."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from core.linking import BatchStatus, BulkOutcome, BulkPlan, Pair, Skip
from core.linking.bulk import LinkedPair
from core.linking.bulk_plan import SKIPPED
from dashboard import bulk_undo, candidates, formatting, grid, links

MOST_ROWS = 10_000
"""Rows that the table of a plan shows; more would only slow the browser down."""
MOST_LISTED = 100
VISIBLE_ROWS = 14

SKIP_WORDS: Mapping[str, str] = {
    "already_linked": "linked already",
    "set_aside": "set aside",
    "unlinked_by_hand": "pinned: by hand",
    "pending": "pending",
    "test_call": "test calls",
    "number_rule": "a rule about the number",
    "several_leads": "several leads",
    "lead_gone": "lead gone",
    "below_confidence": "not sure enough",
    "no_candidate": "no candidate",
    "no_call": "no such call",
    "changed": "changed meanwhile",
    "busy": "held by somebody else",
}
"""Why a call is left alone, as it is written on every screen."""

BECOMES = {"current": "✓ current", "history": "↺ history"}
PINNED = (
    '<span class="pb-chip pb-act" title="Somebody decided this link: reconcile and bulk links leave it alone">'
    "◈ pinned: by hand</span>"
)
"""Beside a call whose link a person decided."""

COLUMNS = {
    "when": st.column_config.TextColumn("When", width=84),
    "way": st.column_config.TextColumn("⇄", width=56, help="← to us, → from us"),
    "party": st.column_config.TextColumn("Other party", width=140),
    "lead": st.column_config.LinkColumn("Lead", width=190, display_text="#(.+)$", help="Opens the lead"),
    "sure": st.column_config.TextColumn("Confidence", width=96),
    "becomes": st.column_config.TextColumn(
        "Becomes", width=84, help="The lead's current call, or part of its history: automation fills empty slots only"
    ),
    "why": st.column_config.TextColumn("Strongest evidence", width=430),
    "call": st.column_config.LinkColumn("Call", width=96, display_text="#(.+)$", help="Opens Call lookup"),
}


def show_plan(plan: BulkPlan) -> None:
    """Every pair of a plan, what it does to automatic dialling, and what is left alone."""
    st.html(f'<p class="pb-line">{summary(plan)}</p>')
    _dialling(plan)
    if plan.pairs:
        shown = plan.pairs[:MOST_ROWS]
        alt = "Calls with the leads that they would be linked to, newest first"
        grid.table(rows(shown, datetime.now(UTC)), COLUMNS, key="bulk.pairs", alt=alt, most=VISIBLE_ROWS)
        if len(plan.pairs) > len(shown):
            st.html(f'<p class="pb-line pb-muted">The newest {len(shown):,} of {len(plan.pairs):,} are shown.</p>')
    show_skipped("Left alone", plan.skipped, plan.listed)


def summary(plan: BulkPlan) -> str:
    """What a plan comes to, as one line of HTML."""
    if not plan.pairs:
        return f"<b>Nothing to link</b> among {formatting.count(plan.considered, 'call')}."
    sure = {level: sum(pair.confidence == level for pair in plan.pairs) for level in ("certain", "high")}
    current = sum(pair.becomes == "current" for pair in plan.pairs)
    parts = [f"{marked(level)} {number:,}" for level, number in sure.items() if number]
    return (
        f"<b>{formatting.count(len(plan.pairs), 'call')} of {plan.considered:,} would be linked</b> "
        f'<span class="pb-muted">·</span> {" ".join(parts)} <span class="pb-muted">·</span> '
        f"{current:,} as current, {len(plan.pairs) - current:,} as history"
    )


def marked(confidence: str) -> str:
    """A confidence as a chip with its sign."""
    look, mark = candidates.LOOKS[confidence]
    return f'<span class="pb-chip {look}">{mark} {escape(confidence)}</span>'


def rows(pairs: Sequence[Pair], now: datetime) -> pd.DataFrame:
    """Pairs as a table, one row each."""
    return pd.DataFrame([_row(pair, now) for pair in pairs], columns=list(COLUMNS))


def _row(pair: Pair, now: datetime) -> dict[str, str]:
    return {
        "when": formatting.relative(pair.started_at, now=now),
        "way": formatting.direction(pair.direction),
        "party": formatting.phone(pair.counterpart),
        "lead": f"{links.lead(pair.lead_id).url}#{formatting.lead_label(pair.lead_id, pair.lead_name)}",
        "sure": f"{candidates.LOOKS[pair.confidence][1]} {pair.confidence}",
        "becomes": BECOMES[pair.becomes],
        "why": pair.evidence[0].detail if pair.evidence else "",
        "call": f"{links.call(pair.call_sid).url}#{formatting.short_sid(pair.call_sid)}",
    }


def _dialling(plan: BulkPlan) -> None:
    if not plan.dialling:
        return
    one = len(plan.dialling) == 1
    who = "1 lead is new and has" if one else f"{len(plan.dialling):,} of the leads are new and have"
    it = "it" if one else "them"
    st.warning(
        f"{who} no call yet. Linked, the backend’s automation will not dial {it} any more.",
        icon=":material/phone_forwarded:",
    )
    with st.expander(f"Which {formatting.count(len(plan.dialling), 'lead')}"):
        st.html(_lines((change.sentence for change in plan.dialling[:MOST_LISTED]), len(plan.dialling)))


def show_skipped(title: str, counts: Mapping[Any, int], listed: Mapping[Any, Sequence[Skip]]) -> None:
    """Calls that are left alone, by reason; each reason unfolds."""
    if not counts:
        return
    total = sum(counts.values())
    st.header(f"{title}: {formatting.count(total, 'call')}", anchor=False)
    for reason in SKIPPED:
        if counts.get(reason):
            with st.expander(f"{formatting.sentence(SKIP_WORDS[reason])} · {counts[reason]:,}"):
                some = listed.get(reason, ())[:MOST_LISTED]
                st.html(_lines((_call_line(skip) for skip in some), counts[reason], escaped=True))


def _call_line(skip: Skip) -> str:
    sid, address = escape(formatting.short_sid(skip.call_sid)), escape(links.call(skip.call_sid).url)
    link = f'<a href="{address}" target="_self" style="color:var(--pb-act)">{sid}</a>'
    return f"{link} {escape(skip.sentence)}"


def _lines(sentences: Iterable[str], total: int, *, escaped: bool = False) -> str:
    items = [sentence if escaped else escape(sentence) for sentence in sentences]
    left = total - len(items)
    items += [f"and {left:,} more"] if left > 0 else []
    return f'<ul class="pb-reasons pb-list">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


# While it runs, and afterwards ----------------------------------------------------------------------------------------


def show_progress(status: BatchStatus, now: datetime) -> None:
    """How far a running batch is, as a bar with counts."""
    share = status.done / status.total if status.total else 1.0
    st.progress(min(share, 1.0), text=progress_words(status, now))


def progress_words(status: BatchStatus, now: datetime) -> str:
    """``312 of 1,204 calls · 410 a second · 2 left alone``."""
    words = [f"{status.done:,} of {formatting.count(status.total, 'call')}"]
    seconds = (now - status.begun_at).total_seconds() if status.begun_at else 0
    if not status.abandoned and seconds > 1 and status.done > 20:
        words.append(f"{status.done / seconds:,.0f} a second")
    if status.skipped:
        words.append(f"{sum(status.skipped.values()):,} left alone")
    return " · ".join(words)


def show_outcome(outcome: BulkOutcome) -> None:
    """What a batch did, what moved on meanwhile, what the plan had left out, and the way back."""
    status = outcome.status
    st.html(f'<p class="pb-line">{outcome_words(outcome)}</p>')
    with st.container(key="bulk_actions", horizontal=True, vertical_alignment="center", gap="small"):
        left = status.linked - status.undone
        if left > 0:
            bulk_undo.button(status.batch_id, left, key="bulk.undo")
        links.show("Its changes in Activity", links.activity(batch=status.batch_id), icon=":material/history:")
    by_reason: dict[str, list[Skip]] = {}
    for skip in outcome.moved_on:
        by_reason.setdefault(skip.reason, []).append(skip)
    show_skipped("Moved on meanwhile, left alone", status.skipped, by_reason)
    if status.left_out:
        parts = [f"{SKIP_WORDS[reason]} {count:,}" for reason, count in status.left_out.items()]
        st.html(f'<p class="pb-line pb-muted">The plan had left out: {escape(", ".join(parts))}.</p>')
    if outcome.linked:
        _show_linked(outcome.linked[:MOST_ROWS])


def _show_linked(linked: Sequence[LinkedPair]) -> None:
    rows_of = [
        {
            "call": f"{links.call(pair.call_sid).url}#{formatting.short_sid(pair.call_sid)}",
            "lead": f"{links.lead(pair.lead_id).url}#Lead {pair.lead_id}",
            "sure": f"{candidates.LOOKS[pair.confidence][1]} {pair.confidence}",
            "becomes": BECOMES[pair.becomes],
        }
        for pair in linked
    ]
    with st.container(width=620):
        alt = "Calls that were linked, newest first"
        grid.table(pd.DataFrame(rows_of), COLUMNS, key="bulk.linked", alt=alt, most=VISIBLE_ROWS)


def outcome_words(outcome: BulkOutcome) -> str:
    """What a batch did, as one line of HTML."""
    status = outcome.status
    current = sum(pair.becomes == "current" for pair in outcome.linked)
    look, mark = ("pb-ok", "✓ done") if status.state == "done" else ("pb-wait", "■ stopped")
    words = [
        f'<span class="pb-chip {look}">{mark}</span> <b>{formatting.count(len(outcome.linked), "call")} linked</b>',
        f"{current:,} as current, {len(outcome.linked) - current:,} as history",
        f"by {escape(status.actor)}, {escape(formatting.relative(status.ended_at))}",
    ]
    if status.cancelled_by:
        words.append(f"stopped by {escape(status.cancelled_by)} after {status.done:,} of {status.total:,}")
    if status.undone:
        words.append(f'<span class="pb-wait">↺ {status.undone:,} undone</span>')
    return ' <span class="pb-muted">·</span> '.join(words)
