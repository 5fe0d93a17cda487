"""Debian's redis-server for tests, in a process group of its own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 20.0


class RedisServer:
    """One redis-server on a free port; ends with its whole process group.

    :param dump: a file to load, or None for an empty one.
    """

    def __init__(self, folder: Path, dump: Path | None = None) -> None:
        folder.mkdir(parents=True)
        if dump is not None:
            shutil.copy(dump, folder / "dump.rdb")
        self.port, self._folder = _free_port(), folder
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it; also again after :meth:`stop`."""
        words = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder),
                 "--save", "", "--appendonly", "no", "--dbfilename", "dump.rdb", "--loglevel", "warning"]  # fmt: skip
        self.process = subprocess.Popen(words, stdout=subprocess.DEVNULL, start_new_session=True)
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.03)

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def hold(self, held: bool) -> None:
        """Let what wants to write wait, or go on; who is gone by then has written nothing."""
        self.say(b"CLIENT PAUSE 60000 WRITE\r\n" if held else b"CLIENT UNPAUSE\r\n")

    def say(self, command: bytes) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 2) as line:
            line.sendall(command)
            assert line.recv(16).startswith(b"+OK")

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as probe:
                probe.sendall(b"PING\r\n")
                return probe.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def empty(self) -> None:
        self.say(b"FLUSHALL\r\n")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
