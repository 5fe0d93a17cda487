"""What dialling brought, on disk, until the database has it: one small file for each call, synced before it counts.

The files lie in a folder of their own for each database, so that a result is never written into another one. Only
their owner can read them.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import NotFound, PatchbayError, Unavailable
from core.outbound.attempts import Attempts, State

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What dialling for an attempt brought: a Call SID, or a state without one.

    :ivar at: when it was dialled, ISO 8601.
    """

    attempt_id: str
    at: str
    call_sid: str | None = None
    state: State | None = None
    problem: str | None = None
    claim: str | None = None

    def write(self, attempts: Attempts) -> None:
        """Bring it into the database; again it changes nothing."""
        if self.call_sid is not None:
            attempts.place(self.attempt_id, self.call_sid, datetime.fromisoformat(self.at))
        elif self.state is not None:
            attempts.settle(self.attempt_id, self.state, self.problem or "", self.claim)


class Journal:
    """The outcomes that the database does not have yet. Safe to share between threads and processes.

    :param folder: the data folder; ``outbound/<database>`` is made in it.
    :param database: names the database, without its password.
    :raises core.errors.Unavailable: when the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self._folder = folder / "outbound" / hashlib.sha256(database.encode()).hexdigest()[:16]
        self._unwritten: dict[str, Outcome] = {}
        self._told: set[str] = set()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self._folder / f".probe-{os.getpid()}"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise Unavailable(
                f"What the worker dials cannot be kept in {self._folder} ({error.strerror}).",
                hint="Set PATCHBAY_DATA_DIR to a folder that this user can write to.",
            ) from error

    def keep(self, outcome: Outcome) -> None:
        """Keep an outcome until :meth:`done`. A disk that is full does not lose it: it stays in memory."""
        self._unwritten[outcome.attempt_id] = outcome
        try:
            self._write(outcome)
        except OSError as error:
            log.error("the outbound journal cannot be written: %s", error.strerror)

    def done(self, outcome: Outcome) -> None:
        """The database has it."""
        with suppress(FileNotFoundError):
            self._path(outcome.attempt_id).unlink()
        self._unwritten.pop(outcome.attempt_id, None)

    def write(self, outcome: Outcome, attempts: Attempts) -> bool:
        """Keep an outcome and bring it into the database; False when the database has to wait for it."""
        self.keep(outcome)
        return self._brought(outcome, attempts)

    def replay(self, attempts: Attempts) -> int:
        """Bring everything that is kept into the database; what does not go stays. Returns how many went."""
        return sum(self._brought(outcome, attempts) for outcome in list(self.kept()))

    def kept(self) -> Iterator[Outcome]:
        """Everything that is kept, on disk and in memory."""
        seen = set()
        for path in sorted(self._folder.glob("*.json")):
            outcome = self._read(path)
            if outcome is not None:
                seen.add(outcome.attempt_id)
                yield outcome
        yield from (outcome for key, outcome in list(self._unwritten.items()) if key not in seen)

    def _brought(self, outcome: Outcome, attempts: Attempts) -> bool:
        try:
            outcome.write(attempts)
        except NotFound:
            if outcome.attempt_id not in self._told:
                self._told.add(outcome.attempt_id)
                log.error("attempt %s is not in this database; its outcome stays in the journal", outcome.attempt_id)
            return False
        except PatchbayError as error:
            if outcome.attempt_id not in self._told:
                self._told.add(outcome.attempt_id)
                log.warning("the outcome of attempt %s waits: %s", outcome.attempt_id, error.code)
            return False
        self.done(outcome)
        return True

    def _write(self, outcome: Outcome) -> None:
        path = self._path(outcome.attempt_id)
        fresh = path.with_suffix(f".{os.getpid()}.new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(outcome), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _path(self, attempt_id: str) -> Path:
        return self._folder / f"{attempt_id}.json"

    def _read(self, path: Path) -> Outcome | None:
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return Outcome(**found)
        except FileNotFoundError:
            return None  # another worker was faster
        except (OSError, ValueError, TypeError):
            if path.name not in self._told:
                self._told.add(path.name)
                log.error("%s in the outbound journal cannot be read", path.name)
            return None
