"""The embedded database in one file, and back from it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.errors import BadInput, NotAllowed, Unavailable
from core.store import dumps
from tests.database.conftest import Cluster

SID = "CA" + "a1" * 16


@pytest.fixture
def url(pg18: Cluster) -> Iterator[str]:
    with pg18.database(pg18.migrated_database()) as made:
        with psycopg.connect(made) as connection:
            connection.execute("insert into leads (name, phone) values ('Ann', '+14155550101')")
            connection.execute("insert into call_events (call_sid, to_number) values (%s, '+14155550101')", (SID,))
            connection.execute("select link_call(%s, 1)", (SID,))
        yield made


def facts(url: str) -> list[Any]:
    with psycopg.connect(url) as connection:
        return [
            connection.execute(f"select to_jsonb(t) from {table} t order by 1").fetchall()
            for table in ("leads", "call_events", "calls", "link_events")
        ]


def test_a_backup_brings_everything_back(url: str, pg18: Cluster, tmp_path: Path) -> None:
    file, before = tmp_path / "b.dump", facts(url)
    assert dumps.backup(url, file) == file.stat().st_size > 10_000
    assert file.stat().st_mode & 0o077 == 0
    with psycopg.connect(url) as connection:
        connection.execute("select unlink_call(%s)", (SID,))
        connection.execute("insert into leads (name) values ('Bob')")
    dumps.restore(url, file, force=True)
    assert facts(url) == before
    with psycopg.connect(url) as connection:  # triggers, sequences and the append-only ledger are back as well
        connection.execute("insert into leads (name, call_sid) values ('Cy', %s)", (SID.replace("a1", "b2"),))
        assert connection.execute("select count(*) from calls").fetchone() == (2,)
        with pytest.raises(psycopg.Error):
            connection.execute("delete from link_events")


def test_what_is_there_is_replaced_only_when_asked(url: str, tmp_path: Path) -> None:
    file = tmp_path / "b.dump"
    dumps.backup(url, file)
    before = facts(url)
    with pytest.raises(NotAllowed, match="replaces everything"):
        dumps.restore(url, file)
    assert facts(url) == before


def test_an_empty_database_takes_it(url: str, pg18: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "b.dump"
    dumps.backup(url, file)
    with pg18.database(pg18.migrated_database()) as fresh:
        dumps.restore(fresh, file)
        assert facts(fresh) == facts(url)


def test_no_file_is_overwritten_and_no_other_file_restored(url: str, tmp_path: Path) -> None:
    file = tmp_path / "b.dump"
    file.write_text("mine")
    with pytest.raises(BadInput, match="exists already"):
        dumps.backup(url, file)
    assert file.read_text() == "mine"
    with pytest.raises(BadInput, match="no backup"):
        dumps.restore(url, file)
    with pytest.raises(BadInput, match="cannot be read"):
        dumps.restore(url, tmp_path / "none")
    with pytest.raises(BadInput, match="cannot be written"):
        dumps.backup(url, tmp_path / "no" / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["b.dump"]


def test_a_backup_cut_short_changes_nothing(url: str, tmp_path: Path) -> None:
    file, before = tmp_path / "b.dump", facts(url)
    dumps.backup(url, file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    with pytest.raises(Unavailable, match="pg_restore failed"):
        dumps.restore(url, file, force=True)
    assert facts(url) == before


def test_another_database_is_not_ours_to_back_up(url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "core", "db", "backup", str(tmp_path / "b"), "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"DATABASE_URL": url, "PATH": "/usr/bin"}, check=False
    )
    assert done.returncode == 4
    assert json.loads(done.stdout)["error"]["code"] == "not_allowed"
