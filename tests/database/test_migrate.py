"""The migration runner: once each, in order, whoever else runs, writes or has pasted, and clear about what is wrong."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.errors import BadInput, Busy, DatabaseDown, Unavailable
from core.store import migrate as runner
from core.store.migrate import migrate, newest_version, script, status
from core.store.postgres import PostgresGateway
from core.store.scripts import load, split
from tests.conftest import ROOT

RECORD = "select version from supabase_migrations.schema_migrations order by version"


def query(url: str, text: str, params: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text.encode(), params)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "20260101000000_first.sql").write_text("create table if not exists first (id int);\n")
    (tmp_path / "20260102000000_second.sql").write_text("create table if not exists second (id int);\n")
    return tmp_path


def test_our_files_from_zero_to_head_and_again(empty_database: str) -> None:
    everything = [f"{each.version}_{each.name}" for each in load()]
    assert migrate(empty_database) == everything
    assert migrate(empty_database) == []
    assert [row[0] for row in query(empty_database, RECORD)] == [each.version for each in load()]
    assert all(each.applied and not each.changed for each in status(empty_database))
    gateway = PostgresGateway(empty_database)
    assert gateway.call("patchbay_schema_version") == newest_version()
    gateway.close()


def test_our_files_on_the_guides_tables(guide_tables: str) -> None:
    migrate(guide_tables)
    assert query(guide_tables, "select call_sid from calls order by call_sid") == [
        (f"CA{number:032}",) for number in (1, 2, 3)
    ]
    assert query(guide_tables, "select to_regclass('idx_leads_call_sid') is not null") == [(True,)]


def test_pasting_and_migrating_go_together(guide_tables: str) -> None:
    for _ in range(2):
        query(guide_tables, script())
    before = query(guide_tables, "select * from calls order by call_sid")
    assert len(before) == 3
    migrate(guide_tables)
    assert query(guide_tables, "select * from calls order by call_sid") == before


def test_status_changes_nothing(empty_database: str) -> None:
    assert not any(each.applied for each in status(empty_database))
    assert query(empty_database, "select to_regnamespace('supabase_migrations')") == [(None,)]


def test_every_one_of_our_files_is_split_as_postgres_would(empty_database: str) -> None:
    """Every statement parses by itself, and nothing is lost between them."""
    for each in load():
        statements = each.statements
        assert statements, each.file_name
        for statement in statements:
            first = each.text.splitlines()[statement.line - 1]
            assert statement.text.startswith(first.strip()[:20]), (each.file_name, statement.line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select 1; select 2", [("select 1", 1), ("select 2", 1)]),
        ("-- a; b\nselect 1;\n\n/* c; */ select ';';", [("select 1", 2), ("select ';'", 4)]),
        ("do $x$ begin; end $x$; select 1", [("do $x$ begin; end $x$", 1), ("select 1", 1)]),
        ("select $$a;$b$;$$;", [("select $$a;$b$;$$", 1)]),
        ("select E'a\\';', \"x;y\", 'it''s;';", [("select E'a\\';', \"x;y\", 'it''s;'", 1)]),
        ("-- only a comment\n", []),
    ],
)
def test_splitting(text: str, expected: list[tuple[str, int]]) -> None:
    assert [(each.text, each.line) for each in split(text)] == expected


def test_a_failing_line_is_named_and_its_file_leaves_nothing(empty_database: str, folder: Path) -> None:
    (folder / "20260103000000_third.sql").write_text(
        "-- three lines in\ncreate table third (id int);\n\nselect 1,\n  nothing\nfrom third;\n"
    )
    with pytest.raises(Unavailable) as raised:
        migrate(empty_database, folder=folder)
    assert "20260103000000_third.sql, line 5" in raised.value.message
    assert 'column "nothing" does not exist' in raised.value.message
    assert query(empty_database, "select to_regclass('first') is not null, to_regclass('third') is null") == [
        (True, True)
    ]
    (folder / "20260103000000_third.sql").write_text("create table third (id int);\n\nselect 1 / 0;\n")
    with pytest.raises(Unavailable, match="line 3: division by zero"):
        migrate(empty_database, folder=folder)
    (folder / "20260103000000_third.sql").write_text("create table third (id int);\n")
    assert migrate(empty_database, folder=folder) == ["20260103000000_third"]


def test_our_own_refusals_pass_through(empty_database: str, folder: Path) -> None:
    (folder / "20260103000000_third.sql").write_text(
        "do $$ begin raise exception 'Lead ids are text.' using errcode = 'PB007', hint = 'Use integers.'; end $$;"
    )
    with pytest.raises(BadInput, match=r"Lead ids are text\.") as raised:
        migrate(empty_database, folder=folder)
    assert raised.value.hint == "Use integers."


def test_lead_ids_that_are_no_integers_are_refused_before_anything_is_changed(empty_database: str) -> None:
    query(empty_database, "create table leads (id uuid primary key, name text)")
    with pytest.raises(BadInput, match="uuid"):
        migrate(empty_database)
    assert query(empty_database, "select to_regclass('calls')") == [(None,)]


def test_a_changed_file_and_a_newer_database_are_refused(empty_database: str, folder: Path) -> None:
    migrate(empty_database, folder=folder)
    second = folder / "20260102000000_second.sql"
    second.write_bytes(second.read_bytes().replace(b"\n", b"\r\n"))
    assert migrate(empty_database, folder=folder) == []
    second.write_text("create table if not exists second (id bigint);\n")
    assert [each.changed for each in status(empty_database, folder=folder)] == [False, True]
    with pytest.raises(Unavailable, match=r"second\.sql has changed"):
        migrate(empty_database, folder=folder)
    second.unlink()
    with pytest.raises(Unavailable, match="newer than this Patchbay"):
        migrate(empty_database, folder=folder)


def test_others_migrations_in_the_same_record_are_left_alone(empty_database: str, folder: Path) -> None:
    query(empty_database, "create schema supabase_migrations")
    query(
        empty_database,
        "create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text)",
    )
    query(empty_database, "insert into supabase_migrations.schema_migrations values ('20990101000000', null, 'theirs')")
    query(empty_database, "insert into supabase_migrations.schema_migrations values ('20260101000000', null, 'first')")
    assert migrate(empty_database, folder=folder) == ["20260102000000_second"]


@pytest.mark.parametrize("name", ["1_short.sql", "20260101000000-dash.sql", "20260101000000_Upper.sql"])
def test_file_names_are_checked(empty_database: str, folder: Path, name: str) -> None:
    (folder / name).write_text("select 1;")
    with pytest.raises(Unavailable, match=name):
        migrate(empty_database, folder=folder)


def test_four_runners_at_once(guide_tables: str) -> None:
    command = [
        sys.executable,
        "-c",
        "import sys; from core.store.migrate import migrate; print(len(migrate(sys.argv[1])))",
    ]
    running = [
        subprocess.Popen([*command, guide_tables], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(4)
    ]
    answers = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 4, answers
    assert sorted(int(out) for out, _ in answers) == [0, 0, 0, len(load())]


def test_writers_go_on_while_it_runs(guide_tables: str) -> None:
    """A writer that inserts and upserts as the backend does sees no error and no wait over three seconds."""
    query(
        guide_tables, "insert into call_events (call_sid) select 'CA' || md5(n::text) from generate_series(1, 3000) n"
    )
    ending, waits, errors = threading.Event(), [], []

    def write(worker: int) -> None:
        with psycopg.connect(guide_tables, autocommit=True) as connection:
            number = 0
            while not ending.is_set():
                number += 1
                began = time.monotonic()
                try:
                    _as_the_backend(connection, f"CA{worker:02}{number % 40:030}")
                except psycopg.Error as error:
                    errors.append(error)
                waits.append(time.monotonic() - began)

    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    for writer in writers:
        writer.start()
    try:
        time.sleep(0.3)
        migrate(guide_tables)
        time.sleep(0.3)
    finally:
        ending.set()
        for writer in writers:
            writer.join()
    assert errors == []
    assert max(waits) < 3.0
    assert query(guide_tables, "select count(*) from calls") == query(
        guide_tables, "select count(distinct call_sid) from (select call_sid from call_events union all"
        " select call_sid from conversation_transcripts) as everything",
    )  # fmt: skip


def _as_the_backend(connection: psycopg.Connection[Any], sid: str) -> None:
    """Select, then update or insert; a transcript line; a lead's columns: as its code does."""
    found = connection.execute("select id from call_events where call_sid = %s limit 1", [sid]).fetchone()
    if found:
        connection.execute("update call_events set call_status = 'completed' where id = %s", [found[0]])
    else:
        connection.execute("insert into call_events (call_sid, call_status) values (%s, 'ringing')", [sid])
    connection.execute(
        "insert into conversation_transcripts (call_sid, role, content) values (%s, 'user', 'Hi')", [sid]
    )
    connection.execute("update leads set notes = %s where id = 3", [f"Outbound call {sid} initiated"])


def test_a_table_that_stays_in_use_is_busy_and_writers_still_pass(
    guide_tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "ATTEMPTS", 2)
    with psycopg.connect(guide_tables) as reader:
        reader.execute("select count(*) from leads")  # a transaction that stays open
        outcome: list[Exception] = []
        failed = threading.Thread(target=_note_failure, args=(outcome, guide_tables))
        failed.start()
        slowest = 0.0
        while failed.is_alive():
            began = time.monotonic()
            query(guide_tables, "update leads set name = name where id = 1")
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        failed.join()
    assert [type(error) for error in outcome] == [Busy]
    assert slowest < 3.0
    migrate(guide_tables)


def _note_failure(outcome: list[Exception], url: str) -> None:
    try:
        migrate(url)
    except Exception as error:
        outcome.append(error)


def test_indexes_on_the_customers_tables_are_built_beside_writers(guide_tables: str, folder: Path) -> None:
    (folder / "20260103000000_third.sql").write_text(
        "create index if not exists third_by_sid on public.call_events (call_sid) where call_sid is not null;\n"
        "create index if not exists third_missing on public.leads (lower(name));\n"
    )
    query(guide_tables, "create index third_missing on leads (name)")
    query(guide_tables, "update pg_index set indisvalid = false where indexrelid = 'third_missing'::regclass")
    with psycopg.connect(guide_tables) as writer:
        writer.execute(
            "insert into call_events (call_sid) values ('CAopen')"
        )  # holds what a plain build would wait for
        running = threading.Thread(target=migrate, args=(guide_tables,), kwargs={"folder": folder})
        running.start()
        time.sleep(0.5)
        began = time.monotonic()
        query(guide_tables, "insert into call_events (call_sid) values ('CAnext')")
        assert time.monotonic() - began < 1.0
        writer.commit()
    running.join()
    assert query(
        guide_tables,
        "select indexrelid::regclass::text, indisvalid, pg_get_indexdef(indexrelid) like '%%lower(name)%%'"
        " from pg_index where indexrelid::regclass::text like 'third%%' order by 1", [],
    ) == [("third_by_sid", True, False), ("third_missing", True, True)]  # fmt: skip


def test_a_database_that_is_down_is_said_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(DatabaseDown):
        migrate("postgresql://postgres@127.0.0.1:1/x")
    assert time.monotonic() - began < 3.0
