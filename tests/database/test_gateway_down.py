"""A database that is down, refusing, wrongly named or frozen costs a clear message within three seconds, no hang."""

import contextlib
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from core.errors import BadInput, Busy, DatabaseDown
from core.store.connections import readable
from core.store.postgres import PostgresGateway
from core.store.server_files import reachable_binaries
from tests.database.conftest import Cluster

LIMIT = 3.0


@pytest.fixture
def own_cluster(cluster_folder: Path, cluster_user: Any) -> Iterator[Cluster]:
    """A server that this test alone may freeze and kill."""
    folder = cluster_folder / "own"
    cluster = Cluster("pg18", reachable_binaries(cluster_folder, cluster_user), folder, cluster_user)
    yield cluster
    for process in _processes(cluster):
        with contextlib.suppress(psutil.NoSuchProcess):  # one that was just ending
            process.resume()
    cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)


def _processes(cluster: Cluster) -> list[psutil.Process]:
    try:
        postmaster = psutil.Process(cluster.pid)
    except (FileNotFoundError, psutil.NoSuchProcess):
        return []
    return [postmaster, *postmaster.children()]


def down_within_limit(gateway: PostgresGateway) -> DatabaseDown:
    began = time.monotonic()
    with pytest.raises(DatabaseDown) as raised:
        gateway.ping()
    assert time.monotonic() - began < LIMIT
    return raised.value


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://postgres:s3cret-word@127.0.0.1:1/x", "refuses connections"),
        ("postgresql://postgres:s3cret-word@localhost:1/x", "refuses connections"),
        ("postgresql://postgres:s3cret-word@no-such-host.invalid/x", "host"),
        ("postgresql:///x?host=/nowhere&user=postgres&password=s3cret-word", "is not running"),
    ],
)
def test_nobody_there(url: str, says: str) -> None:
    gateway = PostgresGateway(url)
    error = down_within_limit(gateway)
    gateway.close()
    assert says in error.message
    assert "s3cret-word" not in f"{error.message} {error.hint} {error.detail}"


def test_wrong_names(pg18: Cluster) -> None:
    for change, says in (("dbname=nothing", "no database"), ("user=nobody_known", "does not know this user")):
        gateway = PostgresGateway(psycopg.conninfo.make_conninfo(pg18.url(), **dict([change.split("=")])))
        assert says in down_within_limit(gateway).message
        gateway.close()


def test_wrong_password(own_cluster: Cluster) -> None:
    with psycopg.connect(own_cluster.url(), autocommit=True) as connection:
        connection.execute("alter user postgres password 'right'")
        (own_cluster.folder / "data" / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        connection.execute("select pg_reload_conf()")
    time.sleep(0.3)
    for password, expected in (("wr0ng-word", "refused the user name or password"), ("right", None)):
        gateway = PostgresGateway(f"postgresql://postgres:{password}@127.0.0.1:{own_cluster.port}/postgres")
        if expected is None:
            gateway.ping()
        else:
            error = down_within_limit(gateway)
            assert expected in error.message
            assert password not in f"{error.message} {error.hint}"
        gateway.close()


def test_a_server_that_accepts_and_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        gateway = PostgresGateway(f"postgresql://postgres@localhost:{listening.getsockname()[1]}/x")
        assert "does not answer" in down_within_limit(gateway).message
        gateway.close()


def test_frozen_and_back(own_cluster: Cluster) -> None:
    gateway = PostgresGateway(f"postgresql://postgres@localhost:{own_cluster.port}/postgres", statement_timeout=1.0)
    _use_several(gateway)
    processes = _processes(own_cluster)
    for process in processes:
        process.suspend()
    for _ in range(4):
        assert "does not answer" in down_within_limit(gateway).message
    for process in processes:
        process.resume()
    gateway.ping()
    gateway.close()


def test_frozen_in_the_middle_of_a_statement(own_cluster: Cluster) -> None:
    gateway = PostgresGateway(own_cluster.url(), statement_timeout=1.0)
    with psycopg.connect(own_cluster.url(), autocommit=True) as connection:
        connection.execute("create function sleeps() returns void language sql as 'select pg_sleep(60)'")
    freezing = threading.Timer(0.3, lambda: [process.suspend() for process in _processes(own_cluster)])
    freezing.start()
    began = time.monotonic()
    with pytest.raises(DatabaseDown):
        gateway.call("sleeps")
    assert time.monotonic() - began < 1.0 + 2.0 + LIMIT
    for process in _processes(own_cluster):
        process.resume()
    gateway.ping()
    gateway.close()


def test_all_connections_in_use_is_said_to_be_so(pg18: Cluster) -> None:
    gateway = PostgresGateway(pg18.url(), size=1)
    with psycopg.connect(pg18.url(), autocommit=True) as connection:
        connection.execute("create or replace function dozes() returns void language sql as 'select pg_sleep(4)'")
    dozing = threading.Thread(target=gateway.call, args=("dozes",))
    gateway.ping()
    dozing.start()
    time.sleep(0.3)
    began = time.monotonic()
    with pytest.raises(Busy, match="in use"):
        gateway.ping()
    assert time.monotonic() - began < LIMIT
    dozing.join()
    gateway.close()


def test_connections_that_the_server_ended_are_not_noticed(pg18: Cluster) -> None:
    """Idle ones, as an administrator, a pooler or a restart ends them: each says so before it is asked anything."""
    gateway = PostgresGateway(pg18.url())
    _use_several(gateway)
    with psycopg.connect(pg18.url(), autocommit=True) as connection:
        connection.execute("create or replace function answers() returns int language sql as 'select 1'")
        ended = connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'patchbay'"
        ).fetchall()
    assert len(ended) > 1
    for _ in range(2 * len(ended)):
        assert gateway.call("answers") == 1
    gateway.close()


@pytest.mark.kill
def test_killed_backends_are_not_noticed(own_cluster: Cluster) -> None:
    gateway = PostgresGateway(own_cluster.url())
    _use_several(gateway)
    ours = "from pg_stat_activity where application_name = 'patchbay'"
    with psycopg.connect(own_cluster.url(), autocommit=True) as connection:
        connection.execute(f"select pg_terminate_backend(pid, 5000) {ours}".encode())
        gateway.ping()
        backends = connection.execute(f"select pid {ours}".encode()).fetchall()
    assert backends
    for (pid,) in backends:
        os.kill(pid, signal.SIGKILL)
    gateway.ping()
    gateway.close()


@pytest.mark.kill
def test_a_killed_server_is_down_until_it_is_back(own_cluster: Cluster) -> None:
    gateway = PostgresGateway(own_cluster.url())
    _use_several(gateway)
    url, port = own_cluster.url(), own_cluster.port
    psutil.Process(own_cluster.pid).kill()
    _wait_until_down(gateway)
    down_within_limit(gateway)
    own_cluster.start(port)
    assert own_cluster.url() == url
    gateway.ping()
    gateway.close()


def _wait_until_down(gateway: PostgresGateway) -> None:
    """Backends outlive a killed postmaster by a moment, in which they may still answer."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            gateway.ping()
        except DatabaseDown:
            return
    raise AssertionError("the backends of a killed server never went away")


@pytest.mark.parametrize(
    ("url", "pooled"),
    [
        ("postgresql://u:p@h:5432/d", False),
        ("postgres://u:p@h:6543/d", True),
        ("postgresql://u:p@h/d?pgbouncer=true&connection_limit=1", True),
        ("postgresql+psycopg://u:p@h/d?sslmode=require", False),
        ("host=h port=6543 dbname=d", True),
        ("postgresql:///d?host=%2Fvar%2Frun", False),
    ],
)
def test_urls_that_people_paste(url: str, pooled: bool) -> None:
    conninfo, found = readable(url)
    assert found is pooled
    assert psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"] == "d"


@pytest.mark.parametrize("url", ["postgresql://u:p%zzsecret@h/d", "nonsense secret", "postgresql://u:secret@h:port/d"])
def test_urls_that_cannot_be_read_are_not_repeated(url: str) -> None:
    with pytest.raises(BadInput) as raised:
        PostgresGateway(url)
    assert "DATABASE_URL" in raised.value.message
    assert "secret" not in raised.value.message


def _use_several(gateway: PostgresGateway) -> None:
    """Leave several open connections in the pool."""
    gate = threading.Barrier(4)

    def use() -> None:
        gate.wait()
        for _ in range(20):
            gateway.ping()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
