"""The console in a real browser: headless Chromium against a real server over a database of its own.

``server`` is ``streamlit run streamlit_app.py`` on a free port over the small world, ended by its process group; a
traceback in its log fails the test. It is signed in to once, with the link that it prints; pages share the session.
``open_page`` opens pages that fail the test on a console error, an exception on the page, or a request to an outside
host.
"""

import functools
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from core.app import App
from tests.contract.absence import leave_out
from tests.contract.conftest import hosted
from tests.database.conftest import app, cluster_folder, cluster_user, connection, db, pg18
from tests.sign_in import Cookie, sign_in
from tests.ui.conftest import WORLD

__all__ = ["app", "cluster_folder", "cluster_user", "connection", "db", "hosted", "pg18"]

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PROBES = ("/_stcore/health", "/_stcore/host-config", "/login")
"""Streamlit's own 404 probes when a page is opened by its address; the form that a wrong password gets, with 401."""
IDLE = """() => {
    const app = document.querySelector('[data-testid="stApp"]');
    return app?.dataset.testScriptState === 'notRunning' && app?.dataset.testConnectionState === 'CONNECTED'
        && !document.querySelector('[data-testid="stSkeleton"]');
}"""

expect.set_options(timeout=15_000)  # shared machines are slow now and then


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.browser)
    by_key = [item for item in ours if "hosted" in getattr(item, "fixturenames", ())]
    leave_out(config, items, by_key, "tests/browser, by key")


class Server:
    """One console process, ended by its process group.

    :param database: what DATABASE_URL is; empty for none.
    :param environment: further variables; ``{url}`` in a value is the console's address.
    """

    def __init__(self, database: str, log: Path, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        self.url, self.log = f"http://127.0.0.1:{port}", log
        command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
        with log.open("w") as output:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": database, **self._own(environment)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait()

    @functools.cached_property
    def cookie(self) -> Cookie:
        """The session of whoever follows the printed link, which works once."""
        return sign_in(self.url, self.log.read_text)

    def _own(self, environment: dict[str, str]) -> dict[str, str]:
        return {name: value.replace("{url}", self.url) for name, value in environment.items()}

    def _wait(self) -> None:
        end = time.monotonic() + 40
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310 - our own server
                    if answer.status == 200:
                        return
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        self.stop()
        pytest.fail(f"The console did not start:\n{self.log.read_text()}")

    def stop(self) -> None:
        """End it and whatever it started."""
        try:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(self._process.pid, signal.SIGKILL)


@pytest.fixture
def world(app: App, connection: psycopg.Connection[Any]) -> App:
    """The app over the small world of tests/ui, judged."""
    connection.execute(WORLD.encode())
    app.linking.judge()
    return app


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a console over a database, with further environment variables."""
    started: list[Server] = []

    def start(database: str, **environment: str) -> Server:
        started.append(Server(database, tmp_path / f"console{len(started)}.log", **environment))
        return started[-1]

    yield start
    for server in started:
        server.stop()
        assert "Traceback" not in server.log.read_text(), server.log.read_text()


@pytest.fixture
def server(world: App, db: str, serve: Callable[..., Server]) -> Server:
    """A cold console over the small world."""
    return serve(db)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield started
        started.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """A page in a context of its own: ``open_page(server, "/unlinked")``, also for a second person."""
    contexts, complaints = [], []

    def start(server: Server, path: str, *, signed_in: bool = True, **options: Any) -> Page:
        settings = {"viewport": {"width": 1440, "height": 900}, "timezone_id": "Europe/Berlin", **options}
        context = browser.new_context(base_url=server.url, **settings)
        contexts.append(context)
        if signed_in:
            context.add_cookies([{"name": server.cookie.name, "value": server.cookie.value, "url": server.url}])
        page = context.new_page()
        _watch(page, server.url, complaints)
        page.goto(path)
        if signed_in:
            idle(page)
        return page

    yield start
    for context in contexts:
        for page in context.pages:
            complaints += [found.inner_text() for found in page.get_by_test_id("stException").all()]
        context.close()
    assert not complaints, complaints


def _watch(page: Page, url: str, complaints: list[str]) -> None:
    own = (url, url.replace("http", "ws"), "data:", "blob:")
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith(own) else complaints.append(f"outside: {sent.url}"))

    def on_console(message: Any) -> None:
        where = message.location.get("url", "")
        if message.type == "error" and not where.endswith(PROBES):
            complaints.append(f"{message.text} {where}")

    page.on("console", on_console)


def idle(page: Page) -> None:
    """Wait until the page has run and shows everything."""
    page.wait_for_timeout(60)
    page.wait_for_function(IDLE, timeout=20_000)


def shown(page: Page, words: str | re.Pattern[str]) -> Locator:
    """The first place that people see with these words: a table's canvas has its cells in the page too, unseen."""
    return page.get_by_text(words).filter(visible=True).first


def press(page: Page, name: str, *, within: str | None = None) -> None:
    """Press the first button whose words begin so; ``within="dialog"`` only in the dialog."""
    scope = page.get_by_role("dialog") if within else page
    scope.get_by_role("button", name=re.compile(f"^{re.escape(name)}")).first.click(timeout=8000)
    idle(page)


def pick_row(page: Page, row: int) -> None:
    """Select a row of the worklist by clicking its marker on the canvas."""
    box = page.get_by_test_id("data-grid-canvas").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 16, box["y"] + 35 * (row + 1) + 17)
    idle(page)
