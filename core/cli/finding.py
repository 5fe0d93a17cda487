"""``lookup``, ``search``, ``candidates`` and ``ticket``: find what a text may mean, and say what a call is about."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper

from core.app import App
from core.cli import text
from core.cli.answers import Answer, Answering, Handler
from core.linking import Matches, fields, lookup
from core.linking.search import MOST_HITS, Hits
from core.settings import Settings

LONGEST_PASTE = 10_000_000
"""Characters of a log that are read from stdin."""


def _lookup(_settings: Settings, words: argparse.Namespace) -> Answering:
    pasted = _from_stdin() if words.text == ["-"] else " ".join(words.text)
    lookup.understood(pasted)

    def answer(app: App) -> Answer:
        app.linking.judge()
        found = app.linking.lookup(pasted)
        told = text.matches(found) if isinstance(found, Matches) else text.story(found)
        return Answer(found.to_json(), told)

    return answer


def _from_stdin() -> str:
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # a log file may hold anything
    return sys.stdin.read(LONGEST_PASTE)


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


def _candidates(_settings: Settings, words: argparse.Namespace) -> Answering:
    call_sid = fields.call_sid(words.call_sid)

    def answer(app: App) -> Answer:
        app.linking.judge()
        found = app.linking.candidates(call_sid)
        return Answer([candidate.to_json() for candidate in found], text.candidates_text(found))

    return answer


def _ticket(settings: Settings, words: argparse.Namespace) -> Answering:
    call_sid = fields.call_sid(words.call_sid)
    link = f"{settings.public_url}/lookup?q={call_sid}" if settings.public_url and call_sid.isalnum() else None

    def answer(app: App) -> Answer:
        app.linking.judge()
        told = app.linking.ticket(call_sid, link=link, full_numbers=words.full_numbers)
        return Answer({"call_sid": call_sid, "text": told}, told)

    return answer


HANDLERS: Mapping[str, Handler] = {
    "lookup": _lookup,
    "search": _search,
    "candidates": _candidates,
    "ticket": _ticket,
}
