"""A line to a database that can be cut, and can freeze: everything goes through it byte by byte."""

import contextlib
import socket
import threading
import time
from typing import Literal

Line = Literal["there", "cut", "frozen"]


class Proxy:
    """Listens on ``port`` and passes everything on to another port of this machine, unless told otherwise."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._state: Line = "there"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def be(self, state: Line) -> None:
        """``cut``: every connection breaks and none comes about; ``frozen``: nothing is passed on any more."""
        self._state = state
        if state != "frozen":
            self._break()

    def close(self) -> None:
        """End it."""
        self._state = "cut"
        self._listener.close()
        self._break()

    def _break(self) -> None:
        pairs, self._pairs = self._pairs, []
        for line in (line for pair in pairs for line in pair):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
            line.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                theirs, _ = self._listener.accept()
                if self._state == "cut":
                    theirs.close()
                    continue
                ours = socket.create_connection(("127.0.0.1", self._target))
                self._pairs.append((theirs, ours))
                for source, sink in ((theirs, ours), (ours, theirs)):
                    threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self._state == "frozen":
                    time.sleep(0.02)
                sink.sendall(data)
        for line in (source, sink):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
