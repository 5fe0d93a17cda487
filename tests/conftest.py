"""Shared by all tests: captured data, and a closing summary that names whatever could not be run.

Markers: ``kill`` (ends processes with SIGKILL), ``load``, ``bench``: own make targets, left out of ``make test``.

``captured_data`` (fixture) is the folder of rows captured from a real backend, named by PATCHBAY_CAPTURED_DATA or
lying beside the repository. Where it is absent, tests that ask for it are not run, and the summary says so by name.
"""

import os
import socket
from pathlib import Path

import hypothesis
import pytest

from core.log_records import leave_texts_out

hypothesis.settings.register_profile("patchbay", deadline=None)  # shared machines are slow now and then
hypothesis.settings.load_profile("patchbay")

ROOT = Path(__file__).resolve().parents[1]
CAPTURED_DATA = Path(os.environ.get("PATCHBAY_CAPTURED_DATA") or ROOT.parent / "shared" / "data" / "backend-a")

_not_run = pytest.StashKey[list[str]]()


def pytest_configure(config: pytest.Config) -> None:
    leave_texts_out()  # as every entry point does
    config.stash[_not_run] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if CAPTURED_DATA.is_dir():
        return
    absent = [item for item in items if "captured_data" in getattr(item, "fixturenames", ())]
    config.stash[_not_run] += [f"{item.nodeid}: needs captured data" for item in absent]
    items[:] = [item for item in items if item not in absent]
    config.hook.pytest_deselected(items=absent)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    missed = config.stash[_not_run]
    if missed:
        terminalreporter.section("not run")
        terminalreporter.write_line(
            f"captured data is absent (expected in {CAPTURED_DATA.name}/; PATCHBAY_CAPTURED_DATA)"
        )
        for line in missed:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def captured_data() -> Path:
    """Folder with rows captured from a real backend; a test that asks for it is not run where there is none."""
    return CAPTURED_DATA


@pytest.fixture
def free_port() -> int:
    """A TCP port on the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
