"""The command line as a process of its own: migrations first, embedded by default, the exit codes that scripts see."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.database.outside import add_call, add_lead

ROOT = Path(__file__).resolve().parents[2]


def python_m_core(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """``python -m core WORDS`` with nothing of this machine's configuration."""
    plain = {
        name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
    }
    return subprocess.run(
        [sys.executable, "-m", "core", *words],
        cwd=ROOT,
        env={**plain, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_database_without_our_schema_wants_migrate_first(guide_tables: str) -> None:
    before = python_m_core("overview", "--json", DATABASE_URL=guide_tables)
    assert before.returncode == 5
    error = json.loads(before.stdout)["error"]
    assert error["code"] == "migration_needed"
    assert "python -m core migrate" in error["hint"]
    assert len(before.stderr.splitlines()) == 1

    listed = json.loads(python_m_core("migrate", "--status", "--json", DATABASE_URL=guide_tables).stdout)["migrations"]
    assert not any(each["applied"] for each in listed)
    done = python_m_core("migrate", "--json", DATABASE_URL=guide_tables)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["applied"]) == len(listed)
    again = python_m_core("migrate", DATABASE_URL=guide_tables)
    assert (again.returncode, again.stdout) == (0, "Up to date.\n")

    figures = json.loads(python_m_core("overview", "--json", DATABASE_URL=guide_tables).stdout)
    assert figures["calls"] == 3


def test_an_older_schema_is_not_worked_with(db: str, connection: Any) -> None:
    connection.execute(
        "create or replace function patchbay_schema_version() returns text language sql immutable as $$ select '1' $$"
    )
    told = python_m_core("overview", DATABASE_URL=db)
    assert told.returncode == 5
    assert "migrate" in told.stderr


def test_each_exit_code(db: str, connection: Any) -> None:
    lead, other, call = add_lead(connection), add_lead(connection), add_call(connection, 1)
    codes = [
        (0, ("link", call, str(lead))),
        (2, ("link", call, "abc")),
        (3, ("link", call, "4711")),
        (4, ("link", call, str(other))),
    ]
    for code, words in codes:
        told = python_m_core(*words, DATABASE_URL=db)
        assert told.returncode == code, (words, told)
        assert ("error: " in told.stderr) == (code != 0)
    assert python_m_core("overview", DATABASE_URL="postgresql://nobody@127.0.0.1:1/x").returncode == 5


def test_the_actor_is_the_machines_user_unless_one_is_named(db: str, connection: Any) -> None:
    lead, call = add_lead(connection), add_call(connection, 1)
    import getpass

    told = python_m_core("link", call, str(lead), "--json", DATABASE_URL=db)
    assert json.loads(told.stdout)["actor"] == getpass.getuser()


@pytest.mark.timeout(120)
def test_without_configuration_an_embedded_database_is_made_migrated_and_filled(cluster_folder: Path) -> None:
    folder = str(cluster_folder / "by-default")
    filled = python_m_core("demo", "--if-empty", "--calls", "120", PATCHBAY_DATA_DIR=folder)
    assert filled.returncode == 0, filled.stderr
    assert "120 calls" in filled.stdout
    again = python_m_core("demo", "--if-empty", PATCHBAY_DATA_DIR=folder)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert python_m_core("demo", PATCHBAY_DATA_DIR=folder).returncode == 4
    figures = json.loads(python_m_core("--json", "overview", PATCHBAY_DATA_DIR=folder).stdout)
    assert figures["calls"] == 120


def test_if_empty_never_fills_somebody_elses_database(db: str) -> None:
    told = python_m_core("demo", "--if-empty", DATABASE_URL=db)
    assert (told.returncode, told.stdout) == (0, "")
    figures = json.loads(python_m_core("overview", "--json", DATABASE_URL=db).stdout)
    assert figures["calls"] == 0
