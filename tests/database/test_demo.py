"""The demo for real: through the customer's tables, the triggers, the link commands and the judge."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from core.app import App, build
from core.demo import STATE_KEY, DemoReport, fill, fill_first_time, make_world
from core.demo.people import OPERATORS
from core.errors import BadInput, DatabaseDown, MigrationNeeded, NotAllowed
from core.settings import Settings
from core.store.migrate import migrate

CALLS = 300


class Filled:
    """A filled database, what was meant to be in it, and a connection to look."""

    def __init__(self, app: App, connection: psycopg.Connection[Any], report: DemoReport) -> None:
        self.app, self.connection, self.report = app, connection, report
        self.world = make_world(CALLS, report.seed, report.now)

    def rows(self, statement: str, params: Any = None) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement, params).fetchall()


@pytest.fixture(scope="module")
def filled(pg18: Any) -> Iterator[Filled]:
    url = pg18.migrated_database()
    app = build(Settings(database_url=url))
    with psycopg.connect(url, autocommit=True) as connection:
        yield Filled(app, connection, fill(app, calls=CALLS, seed=11))
    app.close()


def test_every_call_got_the_cause_it_was_written_for(filled: Filled) -> None:
    states = dict(
        filled.rows("""
        select call_sid, case when set_aside then 'set_aside' when lead_id is not null then 'linked' else cause end
        from calls""")
    )
    expected = {sid: state for sid, state in filled.world.expected.items() if state != "pending"}
    assert {sid: states[sid] for sid in expected} == expected
    assert len(states) == CALLS


def test_the_figures_are_those_of_the_report(filled: Filled) -> None:
    figures, report = filled.app.linking.overview(), filled.report
    assert (figures["calls"], figures["linked"], figures["set_aside"]) == (CALLS, report.linked, report.set_aside)
    pending = figures["pending"]
    assert figures["unlinked"] + pending == sum(report.causes.values())
    named = {cause: count for cause, count in report.causes.items() if cause != "pending"}
    if pending == report.causes["pending"]:
        assert figures["unlinked_by_cause"] == named
    assert figures["current"] and figures["history"]


def test_the_rollup_is_what_a_rebuild_finds_and_no_trigger_failed(filled: Filled) -> None:
    assert filled.rows("select kind, key from link_drift") == []
    assert filled.rows("select relation, error, message from link_errors") == []
    assert filled.rows("select count(*) from judge_queue") == [(0,)]


def test_conflicts_are_in_the_database(filled: Filled) -> None:
    conflicts = filled.world.conflicts
    assert filled.rows("select has_call_sid_constraint()") == [(True,)]
    (duplicates,) = filled.rows("select array_agg(call_sid order by call_sid) from calls where event_count > 1")[0]
    expected = {*conflicts["duplicate_event_rows"], *conflicts["contradicting_event_rows"]}
    assert sorted(duplicates) == sorted(expected)
    (variants,) = filled.rows("""
        select count(*) from (select lower(btrim(call_sid)) from calls group by 1 having count(*) > 1) as v""")[0]
    assert variants == len(conflicts["sid_variant"]) // 2
    claimed = filled.rows("select call_sid from lead_mentions group by 1 having count(*) > 1")
    assert {sid for (sid,) in claimed} == set(conflicts["two_leads_claim"])


def test_every_kind_of_conflict_is_listed_as_it_was_meant(filled: Filled) -> None:
    page, conflicts = filled.app.linking.conflicts(limit=200), filled.world.conflicts
    for kind in ("two_leads_claim", "rejected_link", "contradicting_event_rows"):
        found = {item.conflict.call_sid for item in page.items if item.conflict.kind == kind}
        assert found == set(conflicts[kind]), kind


def test_leads_have_a_current_call_and_a_history(filled: Filled) -> None:
    states = dict(filled.rows("select state, count(*) from call_links group by 1"))
    assert states["current"] > states["history"] / 4 > 5
    assert (
        filled.rows("select count(*) from (select lead_id from calls group by 1 having count(lead_id) >= 4) as l")[0][0]
        >= 3
    )


def test_the_ledger_names_who_did_what_and_why(filled: Filled) -> None:
    sources = Counter(dict(filled.rows("select source, count(*) from link_events group by 1")))
    assert set(sources) == {"outside", "person"}
    by_people = filled.rows("select distinct actor from link_events where source = 'person'")
    assert {actor for (actor,) in by_people} <= set(OPERATORS)
    actions = {action for (action,) in filled.rows("select distinct action from link_events where source = 'person'")}
    assert actions == {"link", "unlink", "relink", "set_aside", "restore", "undo"}
    assert filled.rows("select count(*) from link_events where batch_id is not null")[0][0] >= 2


def test_some_leads_may_be_dialled_by_the_backend(filled: Filled) -> None:
    (count,) = filled.rows(r"""
        select count(*) from leads where lead_status = 'new' and call_sid is null and phone ~ '^\+1\d{10}$'""")[0]
    assert count >= 5


def test_a_story_is_there_to_read(filled: Filled) -> None:
    (sid,) = filled.rows("""
        select call_sid from calls where cause = 'format_mismatch' and transcript_count > 4 limit 1""")[0]
    story = filled.app.linking.story(sid)
    assert story.candidates and story.candidates[0].confidence == "high"
    assert {row["role"] for row in story.transcripts} == {"user", "assistant"}


def test_a_database_with_rows_is_refused_and_left_alone(filled: Filled) -> None:
    before = filled.rows("select count(*) from calls")
    with pytest.raises(
        NotAllowed, match=r"already holds [\d,]+ leads, [\d,]+ call events, .* and \d+ recordings"
    ) as refusal:
        fill(filled.app, calls=CALLS)
    assert "--force" in (refusal.value.hint or "")
    assert filled.rows("select count(*) from calls") == before


def test_one_row_is_enough_to_refuse(app: App, connection: psycopg.Connection[Any]) -> None:
    connection.execute("insert into leads (name) values ('Somebody')")
    with pytest.raises(NotAllowed, match="already holds 1 lead; demo data"):
        fill(app, calls=CALLS)


def test_force_adds_another_world_and_keeps_what_is_there(app: App, connection: psycopg.Connection[Any]) -> None:
    connection.execute("insert into leads (name, phone) values ('Somebody', '+14155550199')")
    first = fill(app, calls=120, seed=3, force=True)
    second = fill(app, calls=120, seed=3, force=True, now=first.now)
    assert first.seed == 3 and second.seed != 3
    assert connection.execute("select count(*) from calls").fetchone() == (240,)
    assert connection.execute("select name from leads where id = 1").fetchone() == ("Somebody",)
    assert connection.execute("select count(*) from link_drift").fetchone() == (0,)
    connection.execute("insert into leads (name) values ('After')")


def test_nothing_half_written_when_it_breaks_off(app: App, connection: psycopg.Connection[Any]) -> None:
    connection.execute("alter table conversation_transcripts add constraint no_lines check (false)")
    with pytest.raises(Exception, match="no_lines"):
        fill(app, calls=120)
    for table in ("leads", "call_events", "calls", "link_events"):
        assert connection.execute(f"select count(*) from {table}").fetchone() == (0,)


def test_the_same_seed_and_moment_write_the_same_rows(pg18: Any) -> None:
    now, written = datetime.now(UTC) - timedelta(days=2), []
    for _ in range(2):
        url = pg18.migrated_database()
        app = build(Settings(database_url=url))
        fill(app, calls=120, seed=5, now=now)
        app.close()
        with psycopg.connect(url) as connection:
            written.append(
                [
                    connection.execute(f"select md5(string_agg(t::text, '|' order by id)) from {table} t").fetchone()
                    for table in ("leads", "call_events", "conversation_transcripts", "call_recordings")
                ]
            )
    assert written[0] == written[1]


def test_it_is_remembered_that_the_data_is_a_demo(app: App, connection: psycopg.Connection[Any]) -> None:
    report = fill(app, calls=120)
    facts = connection.execute("select value from patchbay_state where key = %s", [STATE_KEY]).fetchone()
    assert facts == ({"at": report.now.isoformat(), "calls": 120, "seed": report.seed},)


def test_the_first_time_only(pg18: Any) -> None:
    url = pg18.migrated_database()
    own = build(Settings(database_url=url))
    embedded = SimpleNamespace(settings=Settings(), linking=own.linking, database_url=url)
    assert fill_first_time(own, calls=120) is None, "a database of somebody's own is left empty"
    report = fill_first_time(embedded, calls=120)
    assert report is not None and report.calls == 120
    assert fill_first_time(embedded, calls=120) is None
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("truncate leads, call_events, conversation_transcripts, call_recordings")
    assert fill_first_time(embedded, calls=120) is None, "emptied on purpose: not filled again"
    own.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:secret@db.example.com/app",
        "postgresql://user:secret@203.0.113.9:5432/app",
        "postgresql://user:secret@[2001:db8::1]/app",
        "postgresql://localhost,db.example.com/app",
        "postgresql://localhost/app?hostaddr=203.0.113.9",
        "host=db.example.com dbname=app",
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_another_machine_is_refused_without_a_connection(url: str, force: bool) -> None:
    app = SimpleNamespace(settings=Settings(database_url=url), linking=None, database_url=url)
    with pytest.raises(NotAllowed, match="never goes into a database on another machine") as refusal:
        fill(app, force=force)  # type: ignore[arg-type]
    assert "secret" not in f"{refusal.value}{refusal.value.hint}"


@pytest.mark.parametrize("force", [False, True])
def test_supabase_is_refused(force: bool, pg18: Any) -> None:
    settings = Settings(supabase_url="https://abc.supabase.example", supabase_key="k", database_url=pg18.url())
    app = SimpleNamespace(settings=settings, linking=None, database_url=pg18.url())
    with pytest.raises(NotAllowed, match="never goes into a Supabase project"):
        fill(app, force=force)  # type: ignore[arg-type]


def test_where_the_connection_went_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service file or PGHOST can lead elsewhere although the URL names no host."""
    from core.demo import filling

    def elsewhere(*_: Any, **__: Any) -> Any:
        return FakeConnection()

    monkeypatch.setattr(filling.psycopg, "connect", elsewhere)
    app = SimpleNamespace(
        settings=Settings(database_url="postgresql:///app"), linking=None, database_url="postgresql:///app"
    )
    with pytest.raises(NotAllowed, match="another machine"):
        fill(app)  # type: ignore[arg-type]


class FakeConnection:
    """A connection that went to another machine."""

    info = SimpleNamespace(host="db.example.com", hostaddr="203.0.113.9")

    def __enter__(self) -> "FakeConnection":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_tcp_on_this_machine_is_local(pg18: Any) -> None:
    name = psycopg.conninfo.conninfo_to_dict(pg18.migrated_database())["dbname"]
    app = build(Settings(database_url=f"postgresql://postgres@127.0.0.1:{pg18.port}/{name}"))
    assert fill(app, calls=120).calls == 120
    app.close()


def test_a_server_that_is_not_there_and_a_database_without_our_schema_say_so(pg18: Any) -> None:
    down = "postgresql://postgres@127.0.0.1:1/app"
    with pytest.raises(DatabaseDown):
        fill(SimpleNamespace(settings=Settings(database_url=down), linking=None, database_url=down))  # type: ignore[arg-type]
    bare = pg18.new_database()
    with pytest.raises(MigrationNeeded):
        fill(SimpleNamespace(settings=Settings(database_url=bare), linking=None, database_url=bare))  # type: ignore[arg-type]


def test_nonsense_is_refused_before_anything_is_written(app: App) -> None:
    for calls in (0, -1, 10**9):
        with pytest.raises(BadInput, match="number of calls"):
            fill(app, calls=calls)


def test_the_guides_own_small_tables_can_be_filled(pg18: Any) -> None:
    url = pg18.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("""
            create table leads (id serial primary key, name text, phone text, lead_status text,
              last_contacted_at timestamp, notes text);
            create table call_events (id serial primary key, call_sid varchar(50), to_number text, from_number text,
              call_status text, duration int, created_at timestamp default now());
            create table conversation_transcripts (id serial primary key, call_sid varchar(50), speaker text,
              message text, timestamp timestamp default now())""")
        migrate(url)
        app = build(Settings(database_url=url))
        report = fill(app, calls=120)
        spoken = connection.execute("select count(*) from conversation_transcripts where message is null").fetchone()
        assert spoken == (0,)
        causes = connection.execute("select count(distinct cause) from calls where lead_id is null").fetchone()
        assert causes is not None and causes[0] >= 10 and report.calls == 120
        app.close()


@pytest.mark.parametrize(
    "environment",
    [
        {"DATABASE_URL": "postgresql://user:secret@db.example.com/app"},
        {"SUPABASE_URL": "https://abc.supabase.example", "SUPABASE_KEY": "k"},
    ],
)
def test_the_command_refuses_before_anything_connects(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.cli import main

    for name in ("DATABASE_URL", "SUPABASE_URL", "SUPABASE_KEY", "SUPABASE_SERVICE_ROLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["demo", "--force"]) == 4
    said = capsys.readouterr()
    assert said.err.startswith("error: Demo data never goes into") and "secret" not in said.err
