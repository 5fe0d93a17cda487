"""The table that decides who may dial: on PostgreSQL 15 and 18, by psycopg and through PostgREST."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from core.errors import NotFound
from core.outbound.attempts import Attempt, Attempts, Claim
from core.outbound.connection import SCHEMA
from core.store import uninstall
from core.store.failures import MIGRATE_HINT
from core.store.gateway import Gateway
from core.store.migrate import migrate
from core.store.postgres import PostgresGateway
from core.store.queue_schema import make_queue_schema
from core.store.supabase import SupabaseGateway
from tests.contract.rest import SECRET_KEY, prepare, serving

AT = datetime(2026, 11, 22, 8, 0, 0, 123_000, tzinfo=UTC)


@pytest.fixture(params=["pg15", "pg18", "rest"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    cluster = request.getfixturevalue("pg18" if request.param == "rest" else request.param)
    fresh = cluster.new_database() if request.param == "rest" else cluster.migrated_database()
    with cluster.database(fresh) as opened:
        yield opened


@pytest.fixture
def attempts(request: pytest.FixtureRequest, url: str) -> Iterator[Attempts]:
    with ExitStack() as stack:
        gateway: Gateway = PostgresGateway(url)
        if "rest" in request.node.callspec.id:
            prepare(url)
            migrate(url)
            gateway = SupabaseGateway(stack.enter_context(serving(url)).url, SECRET_KEY, migrate_hint=MIGRATE_HINT)
        stack.callback(gateway.close)
        yield Attempts(gateway)


def claim(attempts: Attempts, lead: int | None = None, job: str = "j1", token: str | None = None) -> Attempt:
    return attempts.claim(Claim("outbound-calls", job, AT, token or str(uuid.uuid4()), "+14155550101", lead))


def lead(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("insert into leads (name, notes) values ('Ana', 'Old.') returning id").fetchone()
    assert row
    return int(row[0])


def test_the_life_of_an_attempt(attempts: Attempts, url: str) -> None:
    ana = lead(url)
    first = claim(attempts, ana)
    assert (first.go, first.state, first.tries, first.job_at, first.lead_id) == (True, "dialling", 1, AT, ana)
    assert not claim(attempts, ana).go  # and now it is unknown
    assert attempts.settle(first.attempt_id, "not_dialled", "asked").state == "not_dialled"
    again = claim(attempts, ana)
    assert (again.go, again.tries, again.attempt_id) == (True, 2, first.attempt_id)
    assert attempts.settle(first.attempt_id, "retryable", "an old one's", first.claim).state == "dialling"
    placed = attempts.place(first.attempt_id, "CA1", datetime.now(UTC))
    assert (placed.state, placed.call_sid, placed.link_problem) == ("placed", "CA1", None)
    assert placed.event_id is not None
    assert not claim(attempts, ana).go
    assert attempts.of_job("outbound-calls", "j1", AT) == attempts.find(first.attempt_id)
    assert attempts.of_job("outbound-calls", "j1", AT + timedelta(seconds=1)) is None
    for wanted in ({"call_sid": "CA1"}, {"lead_id": ana}, {"number": "+14155550101"}):
        assert [found.attempt_id for found in attempts.matching(**wanted)] == [first.attempt_id]  # type: ignore[arg-type]
    with psycopg.connect(url) as connection:
        row = connection.execute("select call_sid, lead_status, notes from leads").fetchone()
    assert row == ("CA1", "contacted", "Outbound call CA1 initiated\nOld.")


def test_an_attempt_that_is_not_there(attempts: Attempts) -> None:
    for use in (
        lambda: attempts.find(str(uuid.uuid4())),
        lambda: attempts.place(str(uuid.uuid4()), "CA1", AT),
        lambda: attempts.settle(str(uuid.uuid4()), "rejected", "no"),
    ):
        with pytest.raises(NotFound):
            use()


def test_who_claims_to_be_dialling_for_too_long_counts_as_unknown(attempts: Attempts, url: str) -> None:
    first = claim(attempts)
    assert attempts.open() == []
    with psycopg.connect(url) as connection:
        connection.execute("update call_attempts set claimed_at = claimed_at - interval '3 minutes'")
    assert [(found.attempt_id, found.state) for found in attempts.open()] == [(first.attempt_id, "unknown")]


@pytest.mark.parametrize("url", ["pg15"], indirect=True)
def test_uninstalling_takes_the_queues_tables_that_we_made(attempts: Attempts, url: str, tmp_path: Path) -> None:
    make_queue_schema(url, SCHEMA)
    make_queue_schema(url, SCHEMA)
    uninstall.uninstall(url, tmp_path / "ledger")
    with psycopg.connect(url) as connection:
        assert connection.execute("select to_regnamespace('bullmq'), to_regclass('call_attempts')").fetchone() == (
            None,
            None,
        )


@pytest.mark.parametrize("url", ["pg15"], indirect=True)
def test_uninstalling_leaves_a_backends_queues_alone(attempts: Attempts, url: str, tmp_path: Path) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create schema bullmq")
        make_queue_schema(url, SCHEMA)
        uninstall.uninstall(url, tmp_path / "ledger")
        assert connection.execute("select to_regnamespace('bullmq') is not null").fetchone() == (True,)
