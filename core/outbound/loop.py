"""A background event loop: BullMQ is asynchronous, and those who use the queue are not."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from core.errors import Unavailable

_Result = TypeVar("_Result")


class BackgroundLoop:
    """One event loop in one daemon thread, started at first use. Safe to share between threads."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, work: Coroutine[Any, Any, _Result], seconds: float) -> _Result:
        """Run a coroutine there and wait for what it gives.

        :raises Unavailable: when it takes longer than ``seconds``; it is cancelled then.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._running())
        try:
            return future.result(seconds)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise Unavailable("The queue did not answer in time.") from None

    @property
    def started(self) -> bool:
        """Whether anything was ever run."""
        return self._loop is not None

    def close(self, seconds: float = 5.0) -> None:
        """End the loop; used again it starts anew."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join(seconds)
        if not thread.is_alive():
            loop.close()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._serve, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            left = asyncio.all_tasks(loop)
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
