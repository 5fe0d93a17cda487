"""The System page, and keeping the roll-up right."""

from collections.abc import Iterable
from pathlib import Path

from core.linking import differences, doctor, jobs, system
from core.linking.differences import Differences
from core.linking.jobs import JobResult, Loaded
from core.linking.results import Check, Rebuilt
from core.linking.service.judging import Judging
from core.linking.system import System


class Upkeep(Judging):
    """Checks, what is configured, the queue's jobs, the rebuild."""

    def system(self) -> System:
        """Everything that the System page shows: checks, configuration, versions, own numbers, dialable leads."""
        return system.read(self._gateway, self._settings)

    def doctor(self) -> list[Check]:
        """The System page's checks of the database, each with a fix to copy where one is needed."""
        return doctor.checks(self._gateway)

    def differences(self) -> Differences:
        """The rows that the checks of consistency and of missed changes count, the first of each."""
        return differences.read(self._gateway)

    def note_jobs(self, results: Iterable[JobResult]) -> int:
        """Keep what jobs of the queue say of calls; returns how many rows are new or changed."""
        return jobs.note(self._gateway, results)

    def load_jobs(self, path: Path) -> Loaded:
        """Keep the jobs of an export, see :func:`core.linking.jobs.load_export`."""
        return jobs.load_export(self._gateway, path)

    def rebuild(self) -> Rebuilt:
        """Recompute the roll-up, the links and the causes from the customer's rows and the ledger."""
        return doctor.rebuild(self._gateway, self.judge)
