"""Everything that the migrations put into schema public: nobody's but a service's, pinned, and known to the removal."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core.store import uninstall
from core.store.migrate import migrate

GUIDE = "leads|call_events|conversation_transcripts|call_recordings"
ROLES = "anon", "authenticated", "service_role"

Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module", params=["pg15", "pg18"])
def hosted(request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A hosted project: three roles, and defaults that grant them everything."""
    cluster = request.getfixturevalue(request.param)
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        there = {name for (name,) in server.execute("select rolname from pg_roles").fetchall()}
        for role in set(ROLES) - there:
            server.execute(f"create role {role} nologin noinherit".encode())
    with cluster.database(cluster.new_database()) as url, psycopg.connect(url, autocommit=True) as connection:
        for kind in ("tables", "functions", "sequences"):
            connection.execute(
                f"alter default privileges in schema public grant all on {kind} to {', '.join(ROLES)}".encode()
            )
        migrate(url)
        yield connection
    with psycopg.connect(cluster.url(), autocommit=True) as server:
        for role in set(ROLES) - there:
            server.execute(f"drop role {role}".encode())


FUNCTIONS = """
select p.oid::regprocedure::text as name, l.lanname as language, p.prosecdef as definer,
  coalesce(p.proconfig::text, '') as settings,
  has_function_privilege('anon', p.oid, 'execute')
    or has_function_privilege('authenticated', p.oid, 'execute') as open,
  has_function_privilege('service_role', p.oid, 'execute') as served
from pg_proc p join pg_language l on l.oid = p.prolang
where p.pronamespace = 'public'::regnamespace order by 1"""

RELATIONS = """
select c.relname as name, c.relkind::text as kind, c.relrowsecurity as guarded,
  coalesce(c.reloptions::text, '') as options,
  coalesce(obj_description(c.oid, 'pg_class'), '') as comment, coalesce((
    select string_agg(r || ' may ' || p, ', ')
    from unnest(array['anon', 'authenticated']) as r,
      unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as p
    where has_table_privilege(r, c.oid, p)), '') as open
from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'm', 'p') order by 1"""


def _rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        return cursor.execute(query.encode()).fetchall()


def test_every_function_is_pinned_and_closed(hosted: Connection) -> None:
    functions = _rows(hosted, FUNCTIONS)
    assert len(functions) > 150
    loose = {
        f["name"] for f in functions if "search_path=" not in f["settings"] and (f["definer"] or f["language"] != "sql")
    }
    assert not loose, "whoever calls it chooses what its names mean"
    assert not {f["name"] for f in functions if f["open"]}, "hosted defaults let anybody call it"
    assert not {f["name"] for f in functions if not f["served"]}, "a service's key cannot call it"


def test_pure_functions_without_a_path_read_no_table(hosted: Connection) -> None:
    """They have no SET clause, so that the planner inlines them; then they run with the caller's rights and path."""
    bodies = hosted.execute(
        "select p.proname, p.prosrc, p.provolatile::text from pg_proc p"
        " where p.pronamespace = 'public'::regnamespace and p.proconfig is null"
    ).fetchall()
    for name, body, volatility in bodies:
        assert volatility == "i", f"{name} is not immutable"
        assert not re.search(r"(?<!public\.)\bpatchbay_", body), f"{name} names something of ours without its schema"


def test_every_table_and_view_is_guarded_and_closed(hosted: Connection) -> None:
    ours = [row for row in _rows(hosted, RELATIONS) if not re.fullmatch(GUIDE, row["name"])]
    assert len(ours) > 25
    assert not {row["name"] for row in ours if row["kind"] == "r" and not row["guarded"]}, "no row level security"
    assert not {row["name"] for row in ours if row["kind"] == "v" and "security_invoker" not in row["options"]}
    assert not {f"{row['name']}: {row['open']}" for row in ours if row["open"]}
    tables = {row["name"] for row in ours if row["kind"] == "r" and not row["name"].startswith("patchbay_")}
    assert not {row["name"] for row in ours if row["name"] in tables and not row["comment"].startswith("Patchbay:")}, (
        "the removal knows a table of ours by its comment"
    )


def test_the_removal_knows_every_object(hosted: Connection) -> None:
    script = uninstall.script()
    for row in _rows(hosted, RELATIONS):
        if not re.fullmatch(GUIDE, row["name"]):
            kind = {"r": "table", "v": "view"}[row["kind"]]
            assert f"'{kind} public.{row['name']}'" in script
    for function in _rows(hosted, FUNCTIONS):
        assert f"'function public.{function['name'].split('(')[0]}(" in script, function["name"]


def test_nothing_raises_the_state_that_postgrest_repeats_for_ever(hosted: Connection) -> None:
    bodies = hosted.execute(
        "select proname, prosrc from pg_proc where pronamespace = 'public'::regnamespace"
    ).fetchall()
    raising = re.compile(r"raise[^;]*(40001|serialization_failure)", re.IGNORECASE)
    assert not [name for name, body in bodies if raising.search(body)]
