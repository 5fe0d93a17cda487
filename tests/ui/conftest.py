"""The console without a browser: Streamlit's AppTest over a real, small database.

``console`` opens pages: ``console("lookup", q=FORMAT)`` returns the AppTest after its first run. The database holds
five leads and five calls, named below, written as a backend writes them.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

import core.app
from core.access import Identity
from core.app import App
from tests.database.conftest import app, cluster_folder, cluster_user, connection, db, pg18

__all__ = ["app", "cluster_folder", "cluster_user", "connection", "db", "pg18"]

ROOT = Path(__file__).resolve().parents[2]

ANA, BEN, CLEO, DAN, EVE = 1, 2, 3, 4, 5
FORMAT = "CA" + "1" * 32
"""Unlinked, inbound from Ben's number, which is stored as (415) 555-0102; three days old, with a transcript."""
CURRENT = "CA" + "2" * 32
"""Ana's current call, two days old."""
SEVERAL = "CA" + "3" * 32
"""Unlinked, to the number that Dan and Eve share; one day old."""
NOBODY = "CA" + "4" * 32
"""Unlinked, no lead has its number; five days old."""
OLDER = "CA" + "5" * 32
"""Unlinked, to Ana's number, ten days old: older than her current call."""

WORLD = f"""
insert into leads (id, name, phone, lead_status, call_sid) values
    ({ANA}, 'Ana Ortiz', '+14155550101', 'contacted', null),
    ({BEN}, 'Ben Hall', '(415) 555-0102', 'new', null),
    ({CLEO}, 'Cleo *Marsh*', '+14155550103', 'contacted', null),
    ({DAN}, 'Dan Roe', '+14155550104', 'contacted', null),
    ({EVE}, 'Eve Roe', '+14155550104', 'contacted', null);
insert into call_events (call_sid, direction, from_number, to_number, call_status, call_duration, created_at) values
    ('{FORMAT}', 'inbound', '+14155550102', '+14155550000', 'completed', 192, now() - interval '3 days'),
    ('{CURRENT}', 'outbound-api', '+14155550000', '+14155550101', 'completed', 61, now() - interval '2 days'),
    ('{SEVERAL}', 'outbound-api', '+14155550000', '+14155550104', 'completed', 20, now() - interval '1 day'),
    ('{NOBODY}', 'inbound', '+14155550199', '+14155550000', 'no-answer', null, now() - interval '5 days'),
    ('{OLDER}', 'outbound-api', '+14155550000', '+14155550101', 'busy', null, now() - interval '10 days');
insert into conversation_transcripts (call_sid, role, content, "timestamp") values
    ('{FORMAT}', 'assistant', 'Larkspur Services, hello.', now() - interval '3 days'),
    ('{FORMAT}', 'user', 'Ben Hall here, <b>about</b> the garden.', now() - interval '3 days' + interval '5 seconds');
update leads set call_sid = '{CURRENT}' where id = {ANA};
"""


@pytest.fixture
def world(app: App, connection: psycopg.Connection[Any]) -> App:
    """The app over the small world, judged."""
    connection.execute(WORLD.encode())
    app.linking.judge()
    return app


@pytest.fixture(autouse=True)
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Identity:
    """Pages run without a server here, so without the door: this is who is signed in."""
    who = Identity("ana", "admin")
    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: who)
    return who


Console = Callable[..., AppTest]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Any], Console]]:
    """Open the console over any app: ``serve(app)("overview")``."""

    def over(shared: Any) -> Console:
        monkeypatch.setattr(core.app, "shared", lambda: shared)
        return open_page

    st.cache_data.clear()
    yield over
    st.cache_data.clear()


@pytest.fixture
def console(world: App, serve: Callable[[Any], Console]) -> Console:
    """Open a page over the small world."""
    return serve(world)


def open_page(name: str, **params: str | list[str]) -> AppTest:
    """The page after its first run, as a visit by its address."""
    visit = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=20)
    visit._page_hash = calc_hash(name)
    for key, value in params.items():
        visit.query_params[key] = value
    return visit.run()


def text_of(visit: AppTest) -> str:
    """Everything that is written on the page."""
    kinds = ("title", "header", "html", "markdown", "caption", "warning", "error", "info", "success", "code", "toast")
    found = [str(element.value) for kind in kinds for element in visit.get(kind)]
    return "\n".join([*found, *(str(link.value) for link in visit.get("page_link"))])


def keys_of(visit: AppTest) -> list[str]:
    """The keys of the page's buttons."""
    return [button.key for button in visit.button if button.key]


def press(visit: AppTest, key: str) -> AppTest:
    """Press a button and let the page run."""
    assert not visit.exception, visit.exception
    after = visit.button(key=key).click().run()
    assert not after.exception, after.exception
    return after
