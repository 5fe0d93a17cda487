"""Where PostgREST's binary is absent, the tests that need it are named as not run; on a build server they fail."""

import os
from collections.abc import Iterable

import pytest

from tests.contract.rest import BINARY


def leave_out(config: pytest.Config, items: list[pytest.Item], needing: Iterable[pytest.Item], where: str) -> None:
    """Take the tests that need PostgREST out of ``items`` where it is absent, and say so in the summary.

    :param where: what the summary calls them, such as ``tests/contract``.
    """
    if BINARY.is_file() or os.environ.get("CI"):
        return
    absent = list(needing)
    items[:] = [item for item in items if item not in absent]
    config.hook.pytest_deselected(items=absent)
    if absent:
        config.pluginmanager.register(_Absent(len(absent), where), f"postgrest-absent:{where}")


class _Absent:
    def __init__(self, count: int, where: str) -> None:
        self._count, self._where = count, where

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("not run")
        terminalreporter.write_line(f"{self._count} tests of {self._where}: PostgREST is absent (make tools gets it)")
