"""The door in front of a database that has no schema of ours, or another version's."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from core import app as application
from core.errors import MigrationNeeded
from core.store.migrate import migrate, newest_version
from core.store.postgres import PostgresGateway
from tests.access.conftest import PUBLIC, Front, Starting
from tests.database.conftest import GUIDE_TABLES, Cluster

COMMAND = "<code>python -m core migrate</code>"
PASTED = "<code>python -m core migrate --print</code>"
Door = Callable[..., Front]


@pytest.fixture
def bare(pg18: Cluster) -> Iterator[str]:
    """A database with the guide's tables and nothing of ours."""
    with pg18.database(pg18.new_database()) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(GUIDE_TABLES.encode())
        yield url


@pytest.fixture
def door(bare: str, front: Starting, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """The server's own way to its ways in, over that database."""
    for name in ("SUPABASE_URL", "SUPABASE_KEY", "SUPABASE_SERVICE_ROLE_KEY", "PUBLIC_URL", "PATCHBAY_AUTH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", bare)
    application.close_shared()

    def start(**environment: str) -> Front:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return front(application.shared_access, **environment)

    yield start
    application.close_shared()


def test_the_machines_user_comes_in_and_is_told_what_is_missing(door: Door, bare: str) -> None:
    here = door()
    assert "works once" in here.get("/login").body
    cookie = here.by_link()
    assert here.get("/system", cookie=cookie).status == 200
    with pytest.raises(MigrationNeeded, match="no Patchbay schema yet"):
        application.shared()
    assert application.missing_migrations()[-1] == migrate_names()[-1]
    migrate(bare)
    assert application.shared().is_migrated() and application.missing_migrations() == []
    assert here.get("/system", cookie=cookie).status == 200, "whoever was in stays in"


def migrate_names() -> list[str]:
    from core.store.scripts import load

    return [each.name for each in load()]


def test_strangers_of_the_machine_see_nothing_of_it(door: Door) -> None:
    here = door()
    assert here.get("/system").status == 303
    assert "migrate" not in here.get("/login").body


@pytest.mark.parametrize("required", [{"PUBLIC_URL": PUBLIC}, {"PATCHBAY_AUTH": "required"}])
def test_where_people_have_accounts_the_page_names_the_commands_and_no_more(
    door: Door, bare: str, required: dict[str, str]
) -> None:
    here = door(**required)
    signed_in_once = {"cookie": f"__Host-patchbay_session={'a' * 43}; patchbay_session_{here.port}={'a' * 43}"}
    for answer in (here.get("/login"), here.get("/lookup", **signed_in_once)):
        assert answer.status == 503, answer.body
        assert COMMAND in answer.body and PASTED in answer.body and "not set up" in answer.body
        assert "default-src 'none'" in answer.header("content-security-policy")
        for secret in (bare, "create table", "patchbay_schema_version", "leads", "/tmp"):  # noqa: S108 - a socket's folder
            assert secret not in answer.body
    told = here.get("/api/me", **signed_in_once)
    assert told.status == 503 and told.json["success"] is False and "not set up" in told.json["error"]
    assert here.ask("POST", "/login", "name=ana&password=x").status == 503
    assert not here.printed


@pytest.mark.parametrize(("version", "age"), [("20200101000000", "an older"), ("29990101000000", "a newer")])
def test_another_versions_schema_is_named(door: Door, bare: str, version: str, age: str) -> None:
    migrate(bare)
    with psycopg.connect(bare, autocommit=True) as connection:
        connection.execute(
            "create or replace function public.patchbay_schema_version() returns text language sql "
            f"as $$ select '{version}' $$".encode()
        )
    here = door(PATCHBAY_AUTH="required")
    assert here.get("/login").status == 503
    with pytest.raises(MigrationNeeded) as raised:
        application.shared()
    assert age in raised.value.message and version in raised.value.message and newest_version() in raised.value.message


def test_a_published_console_does_not_name_its_database(front: Starting, gateway: PostgresGateway) -> None:
    here = front(PUBLIC_URL=PUBLIC)
    gateway.close()
    answer = here.get("/login")
    assert answer.status == 503 and "The database does not answer" in answer.body
    assert "127.0.0.1" not in answer.body and "socket" not in answer.body
