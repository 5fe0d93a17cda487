"""``jobs``: what the queue's jobs say of calls. Two steps like every command: check the words, then answer."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from core.app import App
from core.cli.answers import Answer, Answering, Handler
from core.errors import BadInput
from core.settings import Settings
from core.wording import count


def _jobs(_settings: Settings, words: argparse.Namespace) -> Answering:
    if words.verb != "load":
        raise BadInput(f"jobs: {words.verb!r} is no verb of it.", hint="Expected: jobs load FILE")
    path = Path(words.file)
    if not path.is_file():
        raise BadInput(f"FILE: there is no file {words.file}.", hint="Expected a JSON list of BullMQ jobs.")

    def answer(app: App) -> Answer:
        loaded = app.linking.load_jobs(path)
        judged = app.linking.judge()
        odd = f" {loaded.malformed} could not be read and were left out." if loaded.malformed else ""
        read = f"{count(loaded.read, 'job')} read, {loaded.changed} new or changed"
        shown = f"{read}; {count(judged, 'call')} judged again.{odd}"
        return Answer({**loaded.to_json(), "judged": judged}, shown)

    return answer


HANDLERS: Mapping[str, Handler] = {"jobs": _jobs}
