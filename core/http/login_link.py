"""What is printed at start for whoever may come in first: the one-time link, or the first account's code."""

import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import psutil

from core.access import Access
from core.access.one_time import SECONDS
from core.errors import PatchbayError
from core.settings import Settings

LISTENING_SECONDS = 15.0
"""How long a server may take to listen after it said that it started."""
DATABASE_PAUSE = 3.0
USUAL_PORT = 8501

log = logging.getLogger(__name__)


class Doorman(threading.Thread):
    """Prints the link (or code) once the server listens and the database answers, and a new one when it is asked for.

    :param access: gives the ways in; may raise errors of :mod:`core.errors` while the database is away.
    :param say: where a line for the person at the terminal goes.
    """

    def __init__(
        self, access: Callable[[], Access], settings: Settings, *, say: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(name="doorman", daemon=True)
        self._access, self._settings, self._say = access, settings, say or _print
        self._token: str | None = None
        self._issuing = threading.Lock()
        self._ending = threading.Event()
        self._port = USUAL_PORT

    def run(self) -> None:
        """The thread's body."""
        self._port = self._listening_port() or USUAL_PORT
        said = ""
        while not self._ending.is_set():
            try:
                address = self.announce()
            except PatchbayError as error:
                if error.code != said:
                    log.warning("the way to sign in is printed as soon as the database is ready: %s", error.code)
                said = error.code
                self._ending.wait(DATABASE_PAUSE)
                continue
            if address and self._settings.opens_browser:
                open_in_browser(address)
            return

    def stop(self) -> None:
        """Ask it to end."""
        self._ending.set()

    def announce(self) -> str | None:
        """Print a link (or code) unless the last one printed can still be used.

        :return: the link, if one was printed.
        :raises core.errors.Unavailable: when the database cannot be asked.
        """
        with self._issuing:
            access = self._access()
            if self._token is not None and access.one_time.is_live(self._token):
                return None
            if not self._settings.sign_in_required:
                return self._print_link(access)
            if access.supabase is None and not access.accounts.are_there_any():
                self._print_code(access)
            return None

    def _print_link(self, access: Access) -> str:
        self._token = access.one_time.issue("link")
        address = f"http://localhost:{self._port}/login?token={self._token}"
        self._say(f"\n  Sign in (works once, {_until(SECONDS['link'])}): {address}\n")
        return address

    def _print_code(self, access: Access) -> None:
        self._token = access.one_time.issue("first_admin")
        where = self._settings.public_url or f"http://localhost:{self._port}"
        self._say(
            f"\n  There is no account yet. Create the first one at {where}/login\n"
            f"  with this code (works once, {_until(SECONDS['first_admin'])}): {self._token}\n"
        )

    def _listening_port(self) -> int | None:
        """The port that this process's server took; it is known to nobody before it listens."""
        end = time.monotonic() + LISTENING_SECONDS
        while time.monotonic() < end and not self._ending.wait(0.1):
            ports = sorted(_listening(os.getpid()))
            if ports:
                return ports[0]
        return None


def _listening(pid: int) -> set[int]:
    try:
        sockets = psutil.Process(pid).net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return set()
    return {socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN}


def _until(seconds: int) -> str:
    return f"until {datetime.now() + timedelta(seconds=seconds):%H:%M}"


def _print(text: str) -> None:
    print(text, flush=True)


def open_in_browser(address: str) -> None:
    """Open an address where the person sits; not being able to is no failure, the address is printed too."""
    opener = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if opener is None:
        return
    try:
        subprocess.Popen(
            [opener, address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        log.info("no browser could be opened")
