"""The embedded server: starts by itself, is shared, survives being killed, and touches nothing that is not its own."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import psycopg.conninfo
import pytest

from core.app import build
from core.errors import DatabaseDown, Unavailable
from core.settings import Settings
from core.store import server_files
from core.store.embedded import EmbeddedServer
from tests.conftest import ROOT
from tests.database.conftest import roomy_folder

HOLDER = """
import sys
from pathlib import Path
from core.store.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]))
print(server.server_pid, flush=True)
sys.stdin.readline()
server.close()
print("closed", flush=True)
"""
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="changes users, which only root may")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody can enter, below which the server may make its own."""
    folder = Path(tempfile.mkdtemp(prefix="patchbay-embedded-", dir=roomy_folder()))
    folder.chmod(0o755)
    yield folder
    for process in psutil.process_iter(["cmdline"]):
        if any(part.startswith(str(folder)) for part in process.info["cmdline"] or ()):
            process.kill()
    shutil.rmtree(folder, ignore_errors=True)


def holder(folder: Path, **options: Any) -> "subprocess.Popen[str]":
    """Another process that uses the server until a line is sent to it."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **({"cwd": ROOT} | options),
    )  # fmt: skip


def said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def runs(pid: int | None) -> bool:
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_starts_and_stops_and_keeps_its_data(place: Path) -> None:
    began = time.monotonic()
    server = EmbeddedServer(place / "data")
    assert time.monotonic() - began < 10  # under two seconds on a quiet machine
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create table kept as select 'É' as letter")
        assert connection.execute("select lower(letter), 'é' ilike letter from kept").fetchone() == ("é", True)
        shown = connection.execute("select current_setting('listen_addresses'), current_setting('fsync')").fetchone()
        assert shown == ("", "on")
    pid = server.server_pid
    assert runs(pid)
    server.close()
    server.close()
    assert not runs(pid)
    again = EmbeddedServer(place / "data")
    with psycopg.connect(again.url) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (1,)
    again.close()


def test_a_long_path_still_has_a_socket(place: Path) -> None:
    server = EmbeddedServer(place / ("long-" * 20) / "data with a space")
    psycopg.connect(server.url).close()
    sockets = Path(psycopg.conninfo.conninfo_to_dict(server.url)["host"] or "")
    assert not str(sockets).startswith(str(place))
    server.close()
    assert not sockets.exists()


def test_two_processes_share_it_and_the_last_one_stops_it(place: Path) -> None:
    first, second = holder(place / "data"), holder(place / "data")
    pid = int(said(first))
    assert int(said(second)) == pid
    first.communicate("go\n", timeout=30)
    assert runs(pid)
    second.communicate("go\n", timeout=30)
    assert not runs(pid)


def test_many_start_at_once(place: Path) -> None:
    started = [holder(place / "data") for _ in range(4)]
    assert len({said(process) for process in started}) == 1
    for process in started:
        process.communicate("go\n", timeout=60)


def test_a_half_made_cluster_is_made_anew(place: Path) -> None:
    (place / "data" / "pg18.new").mkdir(parents=True)
    (place / "data" / "pg18.new" / "PG_VERSION").write_text("18\n")
    server = EmbeddedServer(place / "data")
    psycopg.connect(server.url).close()
    server.close()


def test_folders_of_others_keep_owner_and_permissions(place: Path) -> None:
    mine = place / "given"
    mine.mkdir()
    mine.chmod(0o751)
    (mine / "letter.txt").write_text("not ours")
    before = [(path, path.stat().st_mode, path.stat().st_uid) for path in (Path("/tmp"), place, mine, *mine.iterdir())]  # noqa: S108
    server = EmbeddedServer(mine)
    server.close()
    assert [(path, path.stat().st_mode, path.stat().st_uid) for path, _, _ in before] == before
    assert (mine / "pg18").stat().st_mode & 0o777 == 0o700


def test_a_reused_pid_in_the_pid_file_does_not_matter(place: Path) -> None:
    server = EmbeddedServer(place / "data")
    server.close()
    (place / "data" / "pg18" / "postmaster.pid").write_text(f"{os.getpid()}\n{place}\n1\n5432\n\n\n\n")
    again = EmbeddedServer(place / "data")
    psycopg.connect(again.url).close()
    again.close()


def test_a_folder_that_was_removed_meanwhile_is_no_trouble_at_the_end(place: Path) -> None:
    process = holder(place / "data")
    pid = int(said(process))
    shutil.rmtree(place / "data")
    _, errors = process.communicate("go\n", timeout=30)
    assert "Traceback" not in errors
    assert not runs(pid)


def test_a_file_in_the_place_of_the_folder_is_said(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(Unavailable, match="not a folder"):
        EmbeddedServer(place / "file")


def test_a_broken_cluster_is_a_message_with_a_reason(place: Path) -> None:
    EmbeddedServer(place / "data").close()
    (place / "data" / "pg18" / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(Unavailable) as raised:
        EmbeddedServer(place / "data")
    assert "server.log" in (raised.value.hint or "")


@AS_ROOT
def test_root_cannot_use_a_folder_that_nobody_can_reach(place: Path) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unavailable, match="cannot be reached") as raised:
        EmbeddedServer(closed / "data")
    assert "PATCHBAY_DATA_DIR" in (raised.value.hint or "")
    assert list(closed.iterdir()) == []


def _copied_package(target: Path) -> Path:
    package = server_files.installed_package()
    shutil.copytree(package / "pginstall", target / package.name / "pginstall", symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return target / package.name


@AS_ROOT
def test_binaries_that_nobody_can_reach_are_copied_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _copied_package(place / "closed")
    (place / "closed").chmod(0o700)
    monkeypatch.setattr(server_files, "installed_package", lambda: package)
    server = EmbeddedServer(place / "data")
    assert server.server_pid
    command = psutil.Process(server.server_pid).cmdline()[0]
    server.close()
    assert command.startswith(str(place / "data" / "postgresql-"))
    assert (place / "closed").stat().st_mode & 0o777 == 0o700
    made = next((place / "data").glob("postgresql-*")).stat().st_ino
    EmbeddedServer(place / "data").close()
    assert next((place / "data").glob("postgresql-*")).stat().st_ino == made


def _as_user(user: pwd.struct_passwd, folder: Path) -> str:
    """Start and stop the server as another user in a forked process; its error, or the user the server ran as."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            server = EmbeddedServer(folder)
            outcome = pwd.getpwuid(psutil.Process(server.server_pid).uids().real).pw_name
            server.close()
        except BaseException as error:
            outcome = f"{type(error).__name__}: {error}"
        os.write(writing, outcome.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        return answer.read()


@AS_ROOT
def test_a_normal_user_runs_it_as_himself(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = _copied_package(place / "installed")
    monkeypatch.setattr(server_files, "installed_package", lambda: package)
    user = pwd.getpwnam("daemon")
    os.chown(place, user.pw_uid, user.pw_gid)
    assert _as_user(user, place / "data") == "daemon"
    server = EmbeddedServer(place / "data")  # root uses the same data as its owner
    assert psutil.Process(server.server_pid).uids().real == user.pw_uid
    server.close()
    assert _as_user(user, place / "data") == "daemon"


@AS_ROOT
def test_data_of_another_user_is_a_message(place: Path) -> None:
    EmbeddedServer(place / "data").close()
    place.chmod(0o777)
    (place / "data").chmod(0o777)
    said = _as_user(pwd.getpwnam("daemon"), place / "data")
    assert said.startswith("Unavailable")
    assert "belongs to another user" in said


@pytest.mark.kill
def test_python_killed_leaves_a_server_that_the_next_one_uses_and_stops(place: Path) -> None:
    process = holder(place / "data")
    pid = int(said(process))
    process.kill()
    process.wait()
    assert runs(pid)
    server = EmbeddedServer(place / "data")
    assert server.server_pid == pid
    server.close()
    assert not runs(pid)


@pytest.mark.kill
@pytest.mark.parametrize("with_children", [False, True])
def test_server_killed_is_started_again_by_the_running_app(place: Path, with_children: bool) -> None:
    app = build(Settings.load(env={"PATCHBAY_DATA_DIR": str(place / "data")}))
    try:
        for _ in range(2):
            pid = _postmaster(place)
            postmaster = psutil.Process(pid)
            victims = [postmaster, *(postmaster.children() if with_children else [])]
            for victim in victims:
                victim.send_signal(signal.SIGKILL)
            assert _calls_after_a_kill(app) == 0
            assert _postmaster(place) != pid
    finally:
        app.close()


@pytest.mark.kill
def test_server_killed_between_two_commands(place: Path) -> None:
    server = EmbeddedServer(place / "data")
    pid = server.server_pid
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("create table kept as select 1 as one")
    assert pid
    psutil.Process(pid).kill()
    server.close()
    again = EmbeddedServer(place / "data")
    with psycopg.connect(again.url) as connection:
        assert connection.execute("select one from kept").fetchone() == (1,)
    again.close()


def test_a_frozen_server_is_a_message_not_a_hang(place: Path) -> None:
    server = EmbeddedServer(place / "data")
    assert server.server_pid
    postmaster = psutil.Process(server.server_pid)
    family = [postmaster, *postmaster.children()]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    began = time.monotonic()
    with pytest.raises(DatabaseDown, match="does not answer"):
        EmbeddedServer(place / "data")
    assert time.monotonic() - began < 5
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()
    server.close()
    assert not runs(postmaster.pid)


def _postmaster(place: Path) -> int:
    return int((place / "data" / "pg18" / "postmaster.pid").read_text().split()[0])


def _calls_after_a_kill(app: Any) -> int:
    """The backends of a killed server may take a moment to go; the app then brings it back by itself."""
    end = time.monotonic() + 15
    while True:
        try:
            return int(app.linking.overview()["calls"])
        except Unavailable:
            if time.monotonic() > end:
                raise
        time.sleep(0.2)
