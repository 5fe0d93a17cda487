"""What came in while the database was away, on disk, until it is written: nothing that was said or done is lost.

One folder for each database, so that nothing is written into another one; only its owner can read the files. A line of
JSON is synced before its arrival is acknowledged. Everything here is written idempotently, so that a line that was
written and not yet struck off may be written again.
"""

import fcntl
import hashlib
import json
import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeAlias

from core.errors import PatchbayError, Unavailable
from core.settings import Settings
from core.store.database_name import database_name
from core.store.embedded import default_folder

Write: TypeAlias = Callable[[str, Mapping[str, Any]], None]
"""Writes one item of a kind; raises :class:`core.errors.Unavailable` where it has to wait."""
OPEN, REFUSED = ".open", ".refused"
LONGEST_FILE = 5_000
"""Lines; then another file is begun, so that a long outage is not read into memory at once."""

log = logging.getLogger(__name__)


class Backlog:
    """Items that wait for the database. Safe to share between threads; each process has a file of its own.

    :param folder: the data folder; ``inbound/<database>`` is made in it.
    :param database: names the database.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self._folder = folder / "inbound" / hashlib.sha256(database.encode()).hexdigest()[:16]
        self._lock = threading.Lock()
        self._replaying = threading.Lock()
        self._file: IO[str] | None = None
        self._lines = 0

    def keep(self, kind: str, item: Mapping[str, Any]) -> None:
        """Keep an item; it is on disk when this returns.

        :raises core.errors.Unavailable: when it cannot be kept.
        """
        line = json.dumps([kind, item]) + "\n"
        try:
            with self._lock:
                file = self._open()
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
                self._lines += 1
        except OSError as error:
            raise Unavailable(
                f"What came in cannot be kept in {self._folder} ({error.strerror}).",
                hint="Set PATCHBAY_DATA_DIR to a folder that this user can write to.",
            ) from error

    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not any(size for _, size, _ in self._found())

    def count(self) -> int:
        """How many items wait."""
        waiting = 0
        for path in self._files():
            with suppress(FileNotFoundError), path.open("rb") as file:
                waiting += sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
        return waiting

    def replay(self, write: Write) -> int:
        """Write everything that waits, oldest first, until something has to wait on; returns how many were written."""
        if not self._replaying.acquire(blocking=False):
            return 0
        try:
            self.close()
            return sum(self._replay_file(path, write) for path in self._files())
        except Unavailable:
            return 0
        finally:
            self._replaying.release()

    def close(self) -> None:
        """Close the file; what waits stays on disk."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None

    def _files(self) -> list[Path]:
        return [path for _, _, path in sorted(self._found())]

    def _found(self) -> Iterator[tuple[int, int, Path]]:
        """When each file was changed, its size, and where it is; another process may take one away meanwhile."""
        for path in self._folder.glob(f"*{OPEN}"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                yield facts.st_mtime_ns, facts.st_size, path

    def _open(self) -> IO[str]:
        if self._file is not None and self._lines >= LONGEST_FILE:
            self._file.close()
            self._file = None
        if self._file is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # A name that nobody had before: process ids come again, in containers at every start. It gets its ending
            # when it is locked: nobody replays, and takes away, a file that is being written.
            path = self._folder / f"{os.getpid()}-{secrets.token_hex(6)}"
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
            fcntl.flock(handle, fcntl.LOCK_SH)
            path.rename(path.with_suffix(OPEN))
            self._file, self._lines = os.fdopen(handle, "a", encoding="utf-8"), 0
        return self._file

    def _replay_file(self, path: Path, write: Write) -> int:
        """Write a file's items and take it away; what is left when something has to wait stays."""
        with suppress(FileNotFoundError), path.open("r+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            if not os.fstat(file.fileno()).st_nlink:
                return 0  # another process wrote it, and took it away before it could be locked here
            written, done, lines = 0, 0, file.readlines()
            try:
                for line in lines:
                    written += self._replay_line(line, write)
                    done += 1
            finally:
                if done < len(lines):
                    self._shorten(path, lines[done:])
                else:
                    path.unlink(missing_ok=True)
            return written
        return 0

    def _replay_line(self, line: str, write: Write) -> int:
        try:
            kind, item = json.loads(line)
            write(kind, item)
        except Unavailable:
            raise
        except (PatchbayError, ValueError, TypeError, KeyError) as error:
            log.error("an item of the inbound backlog cannot be written (%s); it is kept aside", type(error).__name__)
            with (self._folder / f"items{REFUSED}").open("a", encoding="utf-8") as aside:
                aside.write(line)
            return 0
        return 1

    def _shorten(self, path: Path, rest: list[str]) -> None:
        fresh = path.with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(rest)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def backlog_of(settings: Settings) -> Backlog:
    """What waits for the database of these settings, whatever its password is by now."""
    url = settings.supabase_url if settings.data_source == "supabase" else settings.database_url
    return Backlog(settings.data_dir or default_folder(), database_name(url) if url else "embedded")
