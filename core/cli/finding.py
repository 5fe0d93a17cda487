"""``search`` and ``ticket``: find what a text may mean, and say what a call is about in a few lines."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from core.app import App
from core.cli import text
from core.cli.answers import Answer
from core.linking import fields
from core.linking.search import MOST_HITS, Hits
from core.settings import Settings

Answering: TypeAlias = Callable[[App], Answer]


def _search(_settings: Settings, words: argparse.Namespace) -> Answering:
    wanted = fields.lookup_text(" ".join(words.text))
    limit = 8 if words.limit is None else fields.whole("--limit", words.limit, 1, MOST_HITS)

    def answer(app: App) -> Answer:
        app.linking.judge()
        hits = app.linking.search(wanted, limit=limit)
        return Answer(hits.to_json(), _hits(hits))

    return answer


def _hits(hits: Hits) -> str:
    if not hits.calls and not hits.leads:
        return "Nothing fits: neither a call nor a lead."
    parts = []
    if hits.calls:
        rows = [
            (c.call_sid, f"{c.started_at:%Y-%m-%d %H:%M}", c.counterpart or "-", c.state, c.lead_id or "-")
            for c in hits.calls
        ]
        parts.append(_part(("call", "started (UTC)", "counterpart", "state", "lead"), rows, hits.more_calls))
    if hits.leads:
        found = [
            (lead.id, lead.name or "-", lead.phone or "-", lead.lead_status or "-", lead.calls) for lead in hits.leads
        ]
        parts.append(_part(("lead", "name", "phone", "status", "calls"), found, hits.more_leads))
    return "\n\n".join(parts)


def _part(head: tuple[str, ...], rows: Sequence[tuple[object, ...]], more: bool) -> str:
    listed = text.table(head, rows)
    return f"{listed}\nThere are more: --limit lists up to {MOST_HITS}." if more else listed


def _ticket(settings: Settings, words: argparse.Namespace) -> Answering:
    call_sid = fields.call_sid(words.call_sid)
    link = f"{settings.public_url}/lookup?q={call_sid}" if settings.public_url and call_sid.isalnum() else None

    def answer(app: App) -> Answer:
        app.linking.judge()
        told = app.linking.ticket(call_sid, link=link, full_numbers=words.full_numbers)
        return Answer({"call_sid": call_sid, "text": told}, told)

    return answer


HANDLERS: Mapping[str, Callable[[Settings, argparse.Namespace], Answering]] = {"search": _search, "ticket": _ticket}
