"""Who may do what through the project's public door: anon and authenticated get nothing of ours."""

from collections.abc import Iterator

import psycopg
import pytest

from core.errors import PatchbayError, Unavailable
from core.store.supabase import SupabaseGateway
from tests.contract.rest import SECRET_KEY, Rest, key
from tests.database.outside import Connection

OURS = """
select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v')
and c.relname not in ('leads', 'call_events', 'conversation_transcripts', 'call_recordings', 'things', 'many')
"""
FUNCTIONS = """
select p.proname, array(select a.name from unnest(p.proargnames) with ordinality as a (name, n)
    where n <= p.pronargs - p.pronargdefaults) from pg_proc p
where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
and p.proname not in ('by_name', 'some_of_many', 'echo', 'fails', 'sleeps', 'doubles', 'null_result', 'number_result',
                      'list_result', 'wins_at', 'dawdles', 'long_work', 'long_page')
"""


@pytest.fixture(params=["anon", "authenticated"])
def stranger(request: pytest.FixtureRequest, rest: Rest) -> Iterator[SupabaseGateway]:
    """The public key, and somebody who signed in with it."""
    if request.param == "anon":
        opened = SupabaseGateway(rest.url, key("anon"))
    else:
        opened = SupabaseGateway(rest.url, key("anon")).for_token(
            key("authenticated", sub="1", email="eve@example.com")
        )
    yield opened
    opened.close()


def test_no_table_or_view_of_ours(stranger: SupabaseGateway, connection: Connection) -> None:
    names = [row[0] for row in connection.execute(OURS)]
    assert len(names) > 10
    for name in names:
        with pytest.raises(Unavailable) as raised:
            stranger.select(name, limit=1)
        assert "lacks a right" in raised.value.message, name
        assert "SUPABASE_SERVICE_ROLE_KEY" in (raised.value.hint or "")


def test_no_function_of_ours(stranger: SupabaseGateway, connection: Connection) -> None:
    wrong = []
    for name, needed in connection.execute(FUNCTIONS).fetchall():
        try:
            stranger.call(name, **dict.fromkeys(needed))
            wrong.append(name)
        except PatchbayError as error:
            if "lacks a right" not in error.message:
                wrong.append(f"{name}: {error.message}")
    assert wrong == []


def test_nothing_is_granted_in_the_catalogue_either(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    tables = [row[0] for row in connection.execute(OURS)]
    for role in ("anon", "authenticated", "public"):
        for name in tables:
            row = connection.execute(
                "select count(*) from information_schema.role_table_grants where grantee = %s and table_name = %s",
                [role if role != "public" else "PUBLIC", name],
            ).fetchone()
            assert row == (0,), (role, name)


def test_the_secret_key_reads_what_the_console_shows(rest: Rest) -> None:
    gateway = SupabaseGateway(rest.url, SECRET_KEY)
    for name in ("calls", "call_links", "link_events", "own_numbers", "patchbay_state", "link_drift"):
        gateway.select(name, limit=1)
    gateway.close()
