"""``conflicts`` and their remedies: ``merge``, ``normalise``, ``add-constraint``."""

import argparse
from collections.abc import Mapping

from core.app import App
from core.cli import repair_words, text
from core.cli.answers import Answer, Answering, Handler, did, would
from core.linking import conflicts, fields
from core.settings import Settings

UNMERGED = "Nothing changed: the call has one event row."


def _conflicts(_settings: Settings, words: argparse.Namespace) -> Answering:
    limit = 50 if words.limit is None else words.limit
    conflicts.query(kind=words.kind, limit=limit, after=words.after)

    def answer(app: App) -> Answer:
        page = app.linking.conflicts(words.kind, limit=fields.whole("limit", limit, 1, 10_000), after=words.after)
        return Answer(page.to_json(), text.conflicts_text(page))

    return answer


def _merge(settings: Settings, words: argparse.Namespace) -> Answering:
    call_sid = fields.call_sid(words.call_sid)
    keep = None if words.keep is None else fields.line("--keep", words.keep, 50)
    options = repair_words.signed(settings, words)

    def answer(app: App) -> Answer:
        if words.preview:
            return would(app.linking.preview_merge(call_sid, keep).event, UNMERGED)
        return did(app.linking.merge_rows(call_sid, keep, options), UNMERGED)

    return answer


def _normalise(settings: Settings, words: argparse.Namespace) -> Answering:
    call_sid, options = fields.call_sid(words.call_sid), repair_words.signed(settings, words)

    def answer(app: App) -> Answer:
        if words.preview:
            seen = app.linking.preview_normalise(call_sid)
            return Answer(seen.to_json(), text.normalised(seen))
        events = app.linking.normalise(call_sid, options)
        return Answer([event.to_json() for event in events], text.batch_of(events))

    return answer


def _add_constraint(_settings: Settings, _words: argparse.Namespace) -> Answering:
    def answer(app: App) -> Answer:
        app.linking.add_constraint()
        return Answer({"exists": True}, "leads.call_sid is UNIQUE.")

    return answer


HANDLERS: Mapping[str, Handler] = {
    "conflicts": _conflicts,
    "merge": _merge,
    "normalise": _normalise,
    "add-constraint": _add_constraint,
}
