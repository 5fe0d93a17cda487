"""``worker``: takes jobs from the queue and dials, until it is told to end."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeAlias

from core.app import App
from core.cli.answers import Answer
from core.outbound.processor import Processor
from core.outbound.upkeep import Upkeep
from core.outbound.worker import CallWorker, Pace
from core.settings import Settings

Answering: TypeAlias = Callable[[App], Answer]
ENDING = (signal.SIGTERM, signal.SIGINT)


def _worker(settings: Settings, _words: argparse.Namespace) -> Answering:
    def work(app: App) -> Answer:
        carrier, journal = app.carrier(), app.journal()
        upkeep = Upkeep(app.queue, app.gateway, journal=journal, carrier=carrier)
        processor = Processor(app.attempts, carrier, journal, region=settings.default_region)
        pace = Pace(settings.worker_concurrency, settings.worker_limit, settings.worker_limit_seconds)
        worker = CallWorker(app.queue.connection, processor, pace, finished=upkeep.nudge)
        print(f"working on {app.queue.connection.where}; Ctrl-C ends it", file=sys.stderr)
        upkeep.start()
        try:
            with _until_told(worker):
                worker.run()
        finally:
            upkeep.stop()
        upkeep.once()  # what finished last is kept before this ends
        return Answer({"stopped": True}, "Stopped; what was under way is finished.")

    return work


@contextmanager
def _until_told(worker: CallWorker) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the worker after the jobs that are under way."""

    def end(_number: int, _frame: FrameType | None) -> None:
        worker.stop()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[Any, Any] = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


HANDLERS: Mapping[str, Callable[[Settings, argparse.Namespace], Answering]] = {"worker": _worker}
