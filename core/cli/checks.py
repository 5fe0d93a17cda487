"""``doctor`` and ``rebuild``: whether everything is as it should be, and putting right what is not."""

import argparse
import contextlib
from collections.abc import Mapping

from core.app import App
from core.cli import text
from core.cli.answers import Answer, Answering, Handler
from core.errors import Unavailable
from core.inbound import readiness
from core.settings import Settings


def _doctor(_settings: Settings, _words: argparse.Namespace) -> Answering:
    def answer(app: App) -> Answer:
        with contextlib.suppress(Unavailable):
            app.telephony.refresh_numbers()  # what came of it is the check's line
        found = [*app.linking.doctor(), app.telephony.check(), readiness.check(app.settings)]
        document = {"ok": all(check.ok for check in found), "checks": [check.to_json() for check in found]}
        return Answer(document, text.checks(found))

    return answer


def _rebuild(_settings: Settings, _words: argparse.Namespace) -> Answering:
    def answer(app: App) -> Answer:
        done = app.linking.rebuild()
        return Answer(done.to_json(), text.rebuilt(done))

    return answer


HANDLERS: Mapping[str, Handler] = {"doctor": _doctor, "rebuild": _rebuild}
