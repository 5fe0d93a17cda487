"""``worker``: takes jobs from the queue and dials, until it is told to end."""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from core.app import App
from core.cli.answers import Answer, Answering, Handler
from core.outbound.service import Calls
from core.settings import Settings

ENDING = (signal.SIGTERM, signal.SIGINT)


def _worker(_settings: Settings, _words: argparse.Namespace) -> Answering:
    def work(app: App) -> Answer:
        calls = app.calls()
        played = "; calls are simulated, no Twilio account is set" if app.telephony.simulated else ""
        print(f"working on {app.queue.connection.where}{played}; Ctrl-C ends it", file=sys.stderr, flush=True)
        with _until_told(calls):
            calls.run()
        return Answer({"stopped": True}, "Stopped; what was under way is finished.")

    return work


@contextmanager
def _until_told(calls: Calls) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the worker after the jobs that are under way."""

    def end(_number: int, _frame: FrameType | None) -> None:
        calls.stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[Any, Any] = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


HANDLERS: Mapping[str, Handler] = {"worker": _worker}
