"""One call, told: facts, stages, timeline, conversation. HTML pieces in which every free text is escaped."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from core.linking import Stage, Story
from core.model.records import Call, parse_time
from core.store.gateway import Row
from dashboard import formatting, viewer

STAGE_WORDS = {"job": "Queue job", "twilio": "Twilio", "events": "Events", "transcript": "Transcript", "lead": "Lead"}
STAGE_LOOKS = {
    "ok": ("pb-ok", "✓"),
    "missing": ("pb-wait", "–"),
    "failed": ("pb-bad", "✗"),
    "unknown": ("pb-muted", "?"),
    "not_applicable": ("pb-muted", "·"),
}
STATE_LOOKS = {"current": "pb-ok", "history": "pb-muted", "unlinked": "pb-wait", "set_aside": "pb-muted"}
STATE_MARKS = {"current": "✓", "history": "↺", "unlinked": "○", "set_aside": "⊘"}


def chip(call: Call, cause: str | None = None) -> str:
    """The call's link state as a word with a mark and a colour, with its cause when it has one."""
    words = formatting.sentence(formatting.words(call.state, formatting.STATE_WORDS))
    if call.lead_id is not None:
        words = f"Linked to lead {call.lead_id} · {'current call' if call.state == 'current' else 'history'}"
    elif cause:
        words = f"{words} · {formatting.words(cause)}"
    return f'<span class="pb-chip {STATE_LOOKS[call.state]}">{STATE_MARKS[call.state]} {escape(words)}</span>'


def facts(call: Call, zone: ZoneInfo) -> str:
    """What is known about a call, as a list of label and value."""
    rows = [
        ("Started", f"{formatting.relative(call.started_at)} · {formatting.exact(call.started_at, zone)}"),
        ("Direction", f"{formatting.direction(call.direction)} · {call.direction or 'unknown'}"),
        ("Other party", formatting.phone(call.counterpart)),
        ("From → to", f"{call.from_number or formatting.NONE} → {call.to_number or formatting.NONE}"),
        ("Length", formatting.duration(call.duration)),
        ("Status", formatting.words(call.status, {})),
    ]
    return facts_html(rows)


def facts_html(rows: Iterable[tuple[str, str]]) -> str:
    """Label and value pairs as HTML."""
    body = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f'<dl class="pb-facts">{body}</dl>'


def stages(steps: Sequence[Stage]) -> str:
    """The call's way from the queue to its lead, with the broken step marked by sign, word and colour."""
    return f'<ol class="pb-stages" aria-label="Stages of the call">{"".join(map(_stage, steps))}</ol>'


def _stage(step: Stage) -> str:
    look, mark = STAGE_LOOKS.get(step.state, STAGE_LOOKS["unknown"])
    name = STAGE_WORDS.get(step.stage, step.stage)
    head = f'<b>{escape(name)} <span class="{look}">{mark} {escape(formatting.words(step.state, {}))}</span></b>'
    return f'<li class="{look}">{head}{escape(formatting.sentence(step.detail))}</li>'


def conversation(turns: Sequence[Row], zone: ZoneInfo, *, limit: int | None = None) -> str:
    """What was said, as a conversation; ours on the right. With ``limit`` only its first turns.

    A whole one scrolls in its frame, so the keyboard can get into it.
    """
    shown = turns[:limit] if limit else turns
    left = len(turns) - len(shown)
    more = f'<li class="pb-who">… and {formatting.count(left, "more turn")}</li>' if left > 0 else ""
    reach = "" if limit else ' tabindex="0"'
    said = "".join(_turn(turn, zone) for turn in shown)
    return f'<ol class="pb-talk" aria-label="Transcript"{reach}>{said}{more}</ol>'


def _turn(turn: Row, zone: ZoneInfo) -> str:
    ours = str(turn.get("role") or "").lower() in ("assistant", "agent", "ai", "bot")
    moment = parse_time(turn.get("timestamp") or turn.get("created_at"))
    when = f" · {moment.astimezone(zone):%H:%M:%S}" if moment else ""
    who = f"{'Assistant' if ours else 'Other party'}{when}"
    said = escape(str(turn.get("content") or "").strip())
    return (
        f'<li class="{"pb-us" if ours else "pb-them"}"><span class="pb-who">{escape(who)}</span>'
        f'<span class="pb-said">{said}</span></li>'
    )


def timeline(told: Story, zone: ZoneInfo) -> str:
    """Everything that has a time, in order: event rows, first and last words, recordings, link events."""
    moments = sorted(_moments(told), key=lambda moment: moment[0])
    rows = "".join(
        f'<li><time datetime="{at.isoformat()}" title="{escape(formatting.exact(at, zone))}">'
        f"{escape(formatting.moment(at, zone))}</time><span>{escape(words)}</span></li>"
        for at, words in moments
    )
    return f'<ol class="pb-timeline" aria-label="Timeline">{rows}</ol>'


def _moments(told: Story) -> Iterable[tuple[datetime, str]]:
    for row in told.events:
        at = parse_time(row.get("created_at") or row.get("timestamp"))
        if at:
            yield at, _event_row(row)
    times = [
        at for at in (parse_time(turn.get("timestamp") or turn.get("created_at")) for turn in told.transcripts) if at
    ]
    if times:
        yield min(times), "First words of the transcript"
        yield max(times), f"Last words, after {formatting.count(len(told.transcripts), 'turn')}"
    for row in told.recordings:
        at = parse_time(row.get("created_at"))
        if at:
            yield at, f"Recording, {formatting.duration(row.get('duration'))}"
    for event in told.history:
        if event.at:
            yield event.at, f"{formatting.sentence(formatting.event_words(event))}, by {formatting.actor_words(event)}"


def _event_row(row: Row) -> str:
    numbers = " → ".join(filter(None, (row.get("from_number"), row.get("to_number")))) or "without numbers"
    length = row.get("call_duration") or row.get("duration")
    lasted = f", {formatting.duration(length)}" if length else ""
    return f"Event row {row.get('id', '')}: {row.get('call_status') or 'no status'}{lasted}, {numbers}"


def show_call_facts(call: Call) -> None:
    """The facts on the page, in the viewer's time zone."""
    st.html(facts(call, viewer.zone()))


def raw_table(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Raw rows for a table: every value as text, cut where it is very long."""
    return [{name: formatting.cell(value) for name, value in row.items()} for row in rows]


def text(words: str) -> str:
    """Free text for HTML."""
    return escape(words)
