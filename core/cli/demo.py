"""``demo``: a local database filled with a demo business."""

import argparse
from collections.abc import Mapping

from core.app import App
from core.cli import text
from core.cli.answers import Answer, Answering, Handler
from core.errors import BadInput
from core.linking import fields
from core.settings import Settings


def _demo(settings: Settings, words: argparse.Namespace) -> Answering:
    from core import demo  # a world of words that no other command needs

    calls = demo.DEFAULT_CALLS if words.calls is None else fields.whole("--calls", words.calls, 1, 100_000)
    seed = demo.DEFAULT_SEED if words.seed is None else fields.whole("--seed", words.seed, 0, 2**31 - 1)
    if words.if_empty and words.force:
        raise BadInput("--if-empty and --force exclude each other.")
    if not words.if_empty:
        demo.require_local(settings)

    def answer(app: App) -> Answer:
        if words.if_empty:
            report = demo.fill_first_time(app, calls=calls, seed=seed)
        else:
            report = demo.fill(app, calls=calls, seed=seed, force=words.force)
        return Answer(None, "") if report is None else Answer(report.to_json(), text.demo(report))

    return answer


HANDLERS: Mapping[str, Handler] = {"demo": _demo}
