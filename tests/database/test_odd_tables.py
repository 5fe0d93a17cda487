"""The customer's tables as they may be: other types, texts of megabytes, partitions, row level security, other owners.

Whatever they are, a statement of the customer's neither fails nor waits.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.app import build
from core.errors import PatchbayError
from core.linking import WorklistFilter
from core.settings import Settings
from core.store import uninstall
from core.store.migrate import migrate, script

Connection = psycopg.Connection[Any]

TYPES = {
    "numbers": {
        "name": "jsonb",
        "email": "varchar(80)",
        "phone": "bigint",
        "notes": "varchar(200)",
        "number": "numeric",
    },
    "json": {"name": "json", "email": "json", "phone": "json", "notes": "json", "number": "text"},
    "lists": {"name": "text[]", "email": "text[]", "phone": "text[]", "notes": "jsonb", "number": "bigint"},
}
VALUES = {
    "json": '\'"{}"\'', "jsonb": '\'"{}"\'', "text[]": "array['{}']", "bigint": "{}", "numeric": "{}", "text": "'+{}'",
    "varchar(80)": "'{}'", "varchar(200)": "'{}'",
}  # fmt: skip
TABLES = """
create table leads (id int primary key generated always as identity, name {name}, email {email},
  phone {phone}, notes {notes},
  lead_status text default 'new', created_at timestamp default now(), last_contacted_at timestamp,
  label text generated always as ('lead') stored);
create table call_events (id uuid primary key default gen_random_uuid(), call_sid varchar(64), from_number {number},
  to_number {number}, call_status text, duration text, direction text, created_at timestamp default now());
create table conversation_transcripts (id bigserial primary key, call_sid text, speaker text, message json,
  created_at timestamptz default now());
"""
LONG = "(select string_agg(md5(i::text), '') from generate_series(1, 300000) as i)"
"""Ten megabytes that no compression makes small."""


@pytest.mark.parametrize("types", TYPES)
def test_columns_of_other_types_are_read_as_text(cluster: Any, types: str) -> None:
    kinds = TYPES[types]

    def written(column: str, text: str) -> str:
        return VALUES[kinds[column]].format(text)

    lead = (
        "insert into leads (name, email, phone, notes) values ("
        f"{written('name', 'Ann Lee')}, {written('email', 'ann@example.com')}, {written('phone', '14155550101')}, "
        f"{written('notes', 'Outbound call CA0000000001 initiated')})"
    )
    number = written("number", "14155550101")
    with cluster.database(cluster.new_database()) as url, psycopg.connect(url, autocommit=True) as theirs:
        theirs.execute(TABLES.format(**kinds).encode())
        theirs.execute(lead.encode())
        migrate(url)
        for statement in (
            lead,
            "update leads set lead_status = 'contacted'",
            "update leads set call_sid = 'CA0000000001' where id = 1",
            f"insert into call_events (call_sid, to_number, direction) values ('CA02', {number}, 'outbound-api')",
            "insert into conversation_transcripts (call_sid, speaker, message) values ('CA02', 'user', '\"Hi\"')",
            "update leads set phone = null, notes = null where id = 2",
        ):
            theirs.execute(statement.encode())
        assert theirs.execute("select message from link_errors").fetchall() == []
        assert theirs.execute("select lead_id, call_sid from lead_mentions").fetchall() == [(1, "CA0000000001")]
        app = build(Settings.load(env={"DATABASE_URL": url}))
        app.linking.judge()
        assert app.linking.find_leads("Ann").items
        assert app.linking.lead_story(1).lead.id == 1
        assert app.linking.lookup("CA02") is not None
        app.linking.candidates("CA02")
        app.linking.worklist(WorklistFilter(text="Ann"))
        theirs.execute("select link_dialled_call('CA03', 1, now())")
        theirs.execute("update leads set call_sid = 'CA0000000001' where id = 1")
        theirs.execute("select unlink_call('CA03')")
        app.close()
        rows = theirs.execute("select call_sid, lead_id, best_lead_id from calls order by 1 limit 2").fetchall()
        assert rows == [("CA0000000001", 1, None), ("CA02", None, 1)]


@pytest.mark.parametrize("column", ["name", "email", "phone", "notes"])
def test_a_lead_with_a_text_of_megabytes_is_not_waited_for(opened: Connection, column: str) -> None:
    with opened.transaction(force_rollback=True):
        opened.execute("insert into leads (id, name) overriding system value values (900001, 'Ann Lee')")
        began = time.monotonic()
        opened.execute(f"update leads set {column} = {LONG} where id = 900001".encode())
        assert time.monotonic() - began < 5, "most of it is making and storing the text"
        assert opened.execute("select error from link_errors").fetchall() == []


@pytest.mark.parametrize("column", ["call_status", "from_number", "to_number", "direction", "recording_url"])
def test_a_row_with_a_text_of_megabytes_is_followed(opened: Connection, column: str) -> None:
    with opened.transaction(force_rollback=True):
        began = time.monotonic()
        opened.execute(f"insert into call_events (call_sid, {column}) values ('CAlong', {LONG})".encode())
        assert time.monotonic() - began < 5
        assert opened.execute("select error from link_errors").fetchall() == []
        found = opened.execute("select event_count, length(to_jsonb(c)::text) < 2000 from calls c").fetchall()
        assert found == [(1, True)]
        assert opened.execute("select count(*) from link_drift").fetchone() == (0,)


PARTITIONED = """
create table leads (id bigint generated by default as identity primary key, name text, phone text, notes text,
  lead_status text default 'new', last_contacted_at timestamptz);
create table call_events (id bigint generated by default as identity, call_sid varchar(50), to_number text,
  from_number text,
  call_status text, duration int, created_at timestamptz not null default now(), primary key (id, created_at))
  partition by range (created_at);
create table call_events_old partition of call_events for values from (minvalue) to ('2026-01-01');
create table call_events_new partition of call_events default;
create table conversation_transcripts (id bigint generated by default as identity primary key, call_sid varchar(50),
  role text, content text, "timestamp" timestamptz default now());
"""


def test_partitioned_event_rows_are_followed(cluster: Any) -> None:
    with cluster.database(cluster.new_database()) as url, psycopg.connect(url, autocommit=True) as theirs:
        theirs.execute(PARTITIONED.encode())
        theirs.execute(
            "insert into call_events (call_sid, created_at) values ('CA1', '2025-05-05'), ('CA2', '2026-05-05')"
        )
        migrate(url)
        theirs.execute("insert into call_events (call_sid, created_at) values ('CA3', '2025-05-05')")
        theirs.execute("update call_events set created_at = '2026-05-05' where call_sid = 'CA3'")
        theirs.execute("delete from call_events where call_sid = 'CA2'")
        assert theirs.execute("select call_sid from calls order by 1").fetchall() == [("CA1",), ("CA3",)]
        assert theirs.execute("select error from link_errors").fetchall() == []


@pytest.fixture
def guarded(cluster: Any) -> Iterator[tuple[str, str]]:
    """A migrated database whose owner is no superuser, whose tables force row level security on everybody."""
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        there = {name for (name,) in server.execute("select rolname from pg_roles").fetchall()}
        for role, rights in (("customer", "bypassrls"), ("backend", "")):
            if role not in there:
                server.execute(f"create role {role} login {rights}".encode())
    with cluster.database(cluster.new_database()) as url, psycopg.connect(url, autocommit=True) as server:
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        server.execute(f"alter database {name} owner to customer".encode())
        owner, backend = url.replace("user=postgres", "user=customer"), url.replace("user=postgres", "user=backend")
        with psycopg.connect(owner, autocommit=True) as theirs:
            theirs.execute(PARTITIONED.encode())
            for table in ("leads", "call_events", "conversation_transcripts"):
                theirs.execute(f"alter table {table} enable row level security".encode())
                theirs.execute(f"alter table {table} force row level security".encode())
                theirs.execute(f"create policy mine on {table} to backend using (true) with check (true)".encode())
                theirs.execute(f"grant all on {table} to backend".encode())
            migrate(owner)
        yield owner, backend


def test_row_level_security_that_is_forced_stays_and_hides_nothing_from_us(guarded: tuple[str, str]) -> None:
    owner, backend = guarded
    with psycopg.connect(backend, autocommit=True) as theirs:
        theirs.execute("insert into leads (id, name, phone) values (1, 'Ann Lee', '+14155550101')")
        theirs.execute("insert into call_events (call_sid, to_number) values ('CA1', '+14155550101')")
        theirs.execute("update leads set call_sid = 'CA1' where id = 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            theirs.execute("select from calls")
    with psycopg.connect(owner, autocommit=True) as theirs:
        assert theirs.execute("select call_sid, lead_id from calls").fetchall() == [("CA1", 1)]
        assert theirs.execute("select error from link_errors").fetchall() == []
        forced = theirs.execute(
            "select bool_and(relforcerowsecurity) from pg_class where relname in ('leads', 'call_events')"
        )
        assert forced.fetchone() == (True,)


def test_the_owner_of_a_hosted_database_pastes_works_and_removes(guarded: tuple[str, str], tmp_path: Path) -> None:
    owner, backend = guarded
    with psycopg.connect(owner, autocommit=True) as theirs, psycopg.connect(backend, autocommit=True) as writer:
        theirs.execute(script().encode())
        writer.execute("insert into leads (id, name) values (1, 'Ann Lee'), (2, 'Bo Hall')")
        writer.execute("insert into call_events (call_sid) values ('CA1'), ('CA2')")
        theirs.execute("select link_call('CA1', 1)")
        moved = theirs.execute("select relink_call('CA1', 2, '{\"mark_contacted\": true}') ->> 'id'").fetchone()
        theirs.execute("select undo_link_event(%s)", moved)
        made = theirs.execute("select create_lead_from_call('CA2', '{\"name\": \"Cleo\"}') ->> 'lead_id'").fetchone()
        assert made is not None
        sources = theirs.execute("select action, source from link_events order by id").fetchall()
        told = ("link", "person"), ("relink", "person"), ("undo", "person"), ("create_lead", "person")
        assert sources == list(told), "our own writes are told from others'"
        writer.execute("update leads set call_sid = null where id = 1")
        assert theirs.execute("select action, source from link_events order by id desc limit 1").fetchone() == (
            "unlink",
            "outside",
        )
        assert theirs.execute("select * from link_drift").fetchall() == []
    assert uninstall.uninstall(owner, tmp_path / "ledger").events == 5
    with psycopg.connect(owner) as theirs:
        assert theirs.execute("select to_regclass('calls')").fetchone() == (None,)


def test_tables_of_another_owner_are_refused_with_the_reason_and_left_alone(cluster: Any) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        if server.execute("select count(*) from pg_roles where rolname = 'visitor'").fetchone() == (0,):
            server.execute("create role visitor login")
    with cluster.database(cluster.new_database()) as url, psycopg.connect(url, autocommit=True) as theirs:
        theirs.execute(PARTITIONED.encode())
        theirs.execute("grant all on all tables in schema public to visitor")
        theirs.execute("grant create on schema public to visitor")
        theirs.execute(f"grant create on database {theirs.info.dbname} to visitor".encode())
        with pytest.raises(PatchbayError, match="owner"):
            migrate(url.replace("user=postgres", "user=visitor"))
        theirs.execute("insert into leads (name) values ('Ann Lee')")
        theirs.execute("insert into call_events (call_sid) values ('CA1')")
        assert theirs.execute("select count(*) from pg_trigger where tgname like 'patchbay%'").fetchone() == (0,)
