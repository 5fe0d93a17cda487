"""``overview`` and ``unlinked``: the figures, and the worklists behind them."""

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime

from core.app import App
from core.cli import text, worklist_words
from core.cli.answers import Answer, Answering, Handler
from core.linking import WorklistFilter, fields, views, worklist
from core.settings import Settings


def _overview(_settings: Settings, _words: argparse.Namespace) -> Answering:
    def answer(app: App) -> Answer:
        app.linking.judge()
        figures = app.linking.overview()
        return Answer(figures, text.overview(figures))

    return answer


def _unlinked(settings: Settings, words: argparse.Namespace) -> Answering:
    wanted = worklist_words.wanted(settings, words)
    if words.by_number:
        return _by_number(settings, words, wanted)
    limit = 50 if words.limit is None else fields.whole("--limit", words.limit, 1, worklist.LARGEST_PAGE)
    worklist.check_page(limit, words.after)

    def answer(app: App) -> Answer:
        app.linking.judge()
        page = app.linking.worklist(wanted, limit=limit, after=words.after)
        total = app.linking.count(wanted)
        candidates = app.linking.candidates_of(page.items) if words.candidates else None
        return Answer(page.to_json(total, candidates), text.worklist(page, total, candidates))

    return answer


def _by_number(settings: Settings, words: argparse.Namespace, wanted: WorklistFilter) -> Answering:
    limit = 50 if words.limit is None else fields.whole("--limit", words.limit, 1, views.LARGEST_PAGE)
    region = settings.default_region
    views.query(wanted, now=datetime.now(UTC), grace_seconds=0, region=region, limit=limit, after=words.after)

    def answer(app: App) -> Answer:
        app.linking.judge()
        page = app.linking.by_number(wanted, limit=limit, after=words.after)
        return Answer(page.to_json(), text.numbers(page))

    return answer


HANDLERS: Mapping[str, Handler] = {"overview": _overview, "unlinked": _unlinked}
