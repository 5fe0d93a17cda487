"""The command ``test-call``: place one, and with ``--wait`` watch every stage."""

import argparse
import contextlib
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping

from core.app import App
from core.cli import text
from core.cli.answers import Answer, Answering, Handler
from core.errors import BadInput, PatchbayError
from core.linking import fields
from core.settings import Settings
from core.telephony import TestCall, Watched
from core.telephony.test_calls import VIAS

LOOK_SECONDS = 0.3
SIMULATED = "Simulated: no Twilio account is set, nothing left this machine."


def _test_call(settings: Settings, words: argparse.Namespace) -> Answering:
    if words.to is None:
        raise BadInput("--to is missing: expected the number to call, such as +14155550123.")
    to = fields.line("--to", words.to, 100)
    lead = None if words.lead is None else fields.identifier("--lead", words.lead)
    via = "direct" if words.via is None else fields.choice("--via", words.via, VIAS)
    key = str(uuid.uuid4()) if words.key is None else fields.line("--key", words.key, fields.REQUEST_ID_LENGTH)
    message = None if words.message is None else fields.prose("--message", words.message, 1500)

    def answer(app: App) -> Answer:
        way = "queue" if via == "queue" else "direct"
        call = app.test_calls.place(to, lead, way, key, keep=words.keep, message=message)  # type: ignore[arg-type]
        if words.wait:
            found = _watched(app, call)
        else:
            # A simulated call lives in this process: it is seen to its end before that is over.
            app.telephony.finish_simulation(settings.simulated_seconds + 10)
            found = app.test_calls.watch(call.id)
        return Answer(found.to_json(), _told(found))

    return answer


def _watched(app: App, call: TestCall) -> Watched:
    """The call when nothing is waited for any more; a simulated one from the queue is worked on here."""
    working = _working(app) if call.via == "queue" and call.simulated else contextlib.nullcontext()
    told: dict[str, str] = {}
    with working:
        while True:
            found = app.test_calls.watch(call.id)
            for stage in found.stages:
                if told.get(stage.stage) != stage.state and stage.state in ("green", "red"):
                    print(f"{stage.title}: {stage.state}", file=sys.stderr, flush=True)
                told[stage.stage] = stage.state
            if found.over:
                return found
            time.sleep(LOOK_SECONDS)


@contextlib.contextmanager
def _working(app: App) -> Iterator[None]:
    """A worker of our own as long as the block lasts: there may be no other."""
    calls = app.calls()

    def work() -> None:
        try:
            calls.run()
        except PatchbayError as error:  # the stages say what came of it; a thread's stack is for nobody
            print(f"the worker ended: {error.message}", file=sys.stderr, flush=True)

    thread = threading.Thread(target=work, name="test-call-worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        calls.stop()
        thread.join(30)


def _told(found: Watched) -> str:
    call = found.call
    rows = [
        (
            stage.title,
            stage.state,
            f"{stage.at:%H:%M:%S}" if stage.at else "",
            " ".join(part for part in (stage.cause, stage.remedy) if part),
        )
        for stage in found.stages
    ]
    head = f"Test call {call.id}: {call.call_sid or 'no Call SID'}{f', job {call.job_id}' if call.job_id else ''}."
    return "\n".join([head, *([SIMULATED] if call.simulated else []), text.table(("stage", "", "at (UTC)", ""), rows)])


HANDLERS: Mapping[str, Handler] = {"test-call": _test_call}
