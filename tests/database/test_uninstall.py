"""Taking Patchbay out leaves the customer's schema as it was, plus leads.call_sid, and the ledger in a file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.errors import BadInput, Refused
from core.store.gateway import Order
from core.store.migrate import migrate, newest_version
from core.store.postgres import PostgresGateway
from core.store.uninstall import script, uninstall
from tests.conftest import ROOT

MORE_OF_THEIRS = """
create table invoices (id bigint primary key, lead_id bigint references leads (id), amount numeric);
create view busy_leads as
  select l.name, count(*) as calls from leads l join call_events e on e.to_number = l.phone group by 1;
create function update_lead(p_lead int) returns int language sql as 'select p_lead';
create function touch() returns trigger language plpgsql as 'begin new.notes := new.notes; return new; end';
create trigger keeps_notes before update on leads for each row execute function touch();
create index leads_by_phone on leads (phone);
alter table leads enable row level security;
create policy everybody on leads using (true);
comment on table leads is 'People who called';
create schema supabase_migrations;
create table supabase_migrations.schema_migrations (version text primary key, statements text[], name text);
insert into supabase_migrations.schema_migrations values ('20250101000000', '{}', 'theirs');
"""
SCHEMA = """
select 'table', c.relname::text, c.relkind::text, c.relrowsecurity::text, obj_description(c.oid), c.relacl::text
from pg_class c where c.relnamespace = 'public'::regnamespace
union all select 'column', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
  col_description(c.oid, a.attnum), (select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d
                                     where d.adrelid = c.oid and d.adnum = a.attnum)
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
union all select 'function', p.oid::regprocedure::text, pg_get_functiondef(p.oid), null, obj_description(p.oid),
  p.proacl::text
from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prokind = 'f'
union all select 'trigger', t.tgrelid::regclass::text, t.tgname, t.tgenabled::text, null, null
from pg_trigger t where not t.tgisinternal
union all select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid), null, null
from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'
union all select 'policy', polrelid::regclass::text, polname, null, null, null from pg_policy
union all select 'schema', nspname, null, null, null, null from pg_namespace where nspname !~ '^pg_(temp|toast)'
union all select 'migration', 'supabase_migrations.' || a.attname, null, null, null, null from pg_attribute a
where a.attrelid = to_regclass('supabase_migrations.schema_migrations') and a.attnum > 0 and not a.attisdropped
order by 1, 2, 3
"""
FROM_THE_GUIDE = {
    ("column", "leads.call_sid"),
    ("table", "idx_leads_call_sid"),
    ("table", "leads_call_sid_key"),
    ("constraint", "leads"),
}


def schema(url: str) -> set[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return set(connection.execute(SCHEMA.encode()).fetchall())


def query(url: str, text: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text.encode())
        return cursor.fetchall() if cursor.description else []


def dump(url: str) -> dict[str, list[Any]]:
    tables = ("leads", "call_events", "conversation_transcripts")
    found = {}
    for table in tables:
        rows = query(url, f"select to_jsonb(t) - 'call_sid' from {table} t order by id")
        found[table] = [{name: value for name, value in row[0].items() if value is not None} for row in rows]
    return found


@pytest.fixture
def theirs(guide_tables: str) -> str:
    """The guide's tables in a database that had more of its own."""
    query(guide_tables, MORE_OF_THEIRS)
    return guide_tables


@pytest.mark.parametrize("pasted", [False, True], ids=["run", "pasted"])
def test_the_schema_is_as_it_was_plus_call_sid(theirs: str, tmp_path: Path, pasted: bool) -> None:
    before, rows = schema(theirs), dump(theirs)
    migrate(theirs)
    query(theirs, "update leads set call_sid = 'CA00000000000000000000000000000001' where id = 1")
    with psycopg.connect(theirs, autocommit=True) as connection:
        connection.execute('select link_call(\'CA00000000000000000000000000000002\', 2, \'{"reason": "é, \\"x\\""}\')')
    gateway = PostgresGateway(theirs)
    events = gateway.select("link_events", order=[Order("id")])
    gateway.close()
    if pasted:
        query(theirs, script())
        query(theirs, script())
    else:
        ledger = tmp_path / "ledger.jsonl"
        done = uninstall(theirs, ledger)
        assert (done.ledger, done.events, done.kept) == (ledger, len(events), ())
        lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
        assert [line["id"] for line in lines] == [event["id"] for event in events]
        assert lines[-1]["reason"] == 'é, "x"' and lines[-1]["after"]["call_lead"] == 2
        assert ledger.stat().st_mode & 0o077 == 0
        assert list(tmp_path.iterdir()) == [ledger]
        again = uninstall(theirs, tmp_path / "again.jsonl")
        assert (again.ledger, again.events) == (None, 0)
    after = schema(theirs)
    assert before - after == set()
    assert {(kind, name) for kind, name, *_ in after - before} == FROM_THE_GUIDE
    assert dump(theirs) == rows
    assert query(theirs, "select call_sid from leads where call_sid is not null order by id") == [
        ("CA00000000000000000000000000000001",), ("CA00000000000000000000000000000002",),
    ]  # fmt: skip
    assert query(theirs, "select version from supabase_migrations.schema_migrations") == [("20250101000000",)]


def test_installed_again_it_works(theirs: str, tmp_path: Path) -> None:
    migrate(theirs)
    query(theirs, "select link_call('CA00000000000000000000000000000002', 2, '{}')")
    uninstall(theirs, tmp_path / "ledger.jsonl")
    query(theirs, "update leads set call_sid = 'CA00000000000000000000000000000003' where id = 3")
    assert len(migrate(theirs)) > 10
    gateway = PostgresGateway(theirs)
    assert gateway.call("patchbay_schema_version") == newest_version()
    linked = gateway.select("calls", columns=("call_sid", "lead_id"), order=[Order("call_sid")])
    assert [row["lead_id"] for row in linked] == [None, 2, 3]
    assert gateway.call("link_call", p_call_sid=linked[0]["call_sid"], p_lead_id=1)["action"] == "link"
    assert gateway.select("link_drift") == []
    gateway.close()
    assert uninstall(theirs, tmp_path / "second.jsonl").events == 3


def test_an_empty_database_keeps_the_guides_tables(empty_database: str, tmp_path: Path) -> None:
    migrate(empty_database)
    uninstall(empty_database, tmp_path / "ledger.jsonl")
    left = query(empty_database, "select relname from pg_class where relnamespace = 'public'::regnamespace"
                 " and relkind in ('r', 'v') order by 1")  # fmt: skip
    assert [row[0] for row in left] == ["call_events", "call_recordings", "conversation_transcripts", "leads"]
    assert query(empty_database, "select proname from pg_proc where pronamespace = 'public'::regnamespace") == []
    assert query(empty_database, "select nspname from pg_namespace where nspname = 'supabase_migrations'") == []
    query(empty_database, "insert into leads (name, call_sid) values ('Ada', 'CA1')")


def test_an_added_column_that_is_in_use_stays(guide_tables: str, tmp_path: Path) -> None:
    migrate(guide_tables)
    query(guide_tables, "update leads set email = 'ada@example.com' where id = 1")
    done = uninstall(guide_tables, tmp_path / "ledger.jsonl")
    assert done.kept == ("leads.email",)
    assert query(guide_tables, "select email from leads where id = 1") == [("ada@example.com",)]


def test_what_others_built_upon_it_stops_it(theirs: str, tmp_path: Path) -> None:
    migrate(theirs)
    query(theirs, "create view their_report as select call_sid, state from call_links")
    before = schema(theirs)
    with pytest.raises(Refused) as raised:
        uninstall(theirs, tmp_path / "ledger.jsonl")
    assert "call_links" in raised.value.message and "their_report" in (raised.value.hint or "")
    assert schema(theirs) == before and list(tmp_path.iterdir()) == []
    query(theirs, "drop view their_report")
    uninstall(theirs, tmp_path / "ledger.jsonl")


def test_nothing_is_overwritten(db: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text("mine")
    before = schema(db)
    for path in (ledger, tmp_path / "no such folder" / "ledger.jsonl", tmp_path):
        with pytest.raises(BadInput):
            uninstall(db, path)
    assert ledger.read_text() == "mine" and schema(db) == before
    assert list(tmp_path.iterdir()) == [ledger]


def test_beside_a_writer(db: str, tmp_path: Path) -> None:
    """A transaction that holds leads for a moment makes it wait, not fail; a long one leaves everything as it was."""
    import threading
    import time

    with psycopg.connect(db) as writer:
        writer.execute("insert into leads (name) values ('Ada')")
        threading.Timer(1.0, writer.commit).start()
        began = time.monotonic()
        uninstall(db, tmp_path / "ledger.jsonl")
        assert 0.5 < time.monotonic() - began < 20


def test_on_the_command_line(guide_tables: str, tmp_path: Path) -> None:
    def core(*words: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DATABASE_URL": guide_tables, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-m", "core", *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    assert core("migrate").returncode == 0
    printed = core("migrate", "--uninstall", "--print")
    assert printed.stdout.strip() == script().strip()
    done = core("migrate", "--uninstall", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert Path(told["ledger"]).is_file() and told["events"] == 0 and told["kept"] == []
    assert core("overview").returncode == 5
    again = core("migrate", "--uninstall")
    assert again.returncode == 0 and "Nothing" in again.stdout
    assert core("migrate", "--uninstall", "--status").returncode == 2
    named = core("migrate", "--uninstall", "--ledger", told["ledger"])
    assert named.returncode == 2 and "exists" in named.stderr
