"""What a person sees when something fails: a sentence, what to do next, Retry; never a traceback."""

import time
from typing import Any

import pytest

from core.app import App, build
from core.errors import DatabaseDown, MigrationNeeded
from core.linking import LiveCalls
from core.settings import Settings
from tests.ui.conftest import FORMAT, Console, keys_of, press, text_of

PAGES = ("overview", "unlinked", "conflicts", "lookup", "leads", "test-calls", "queue", "activity", "system")


class FailingLinking:
    """A facade whose first read fails, until it is mended."""

    def __init__(self, failure: Exception) -> None:
        self.failure: Exception | None = failure
        self.reads = 0

    def overview(self) -> dict[str, Any]:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        empty = dict.fromkeys(("calls", "linked", "current", "history", "unlinked", "set_aside", "pending"), 0)
        return {**empty, "unlinked_by_cause": {}, "oldest_unlinked_at": None}

    def live(self, limit: int) -> LiveCalls:
        return LiveCalls((), 0)


class FailingApp:
    """An app of which only the facade is asked."""

    def __init__(self, failure: Exception) -> None:
        self.linking = FailingLinking(failure)
        self.settings = Settings(database_url="postgresql://somebody:secret@db.example/patchbay", actor="ana")
        self.gateway = self

    def select(self, *_: Any, **__: Any) -> list[Any]:
        return []


@pytest.mark.parametrize("page", PAGES)
def test_a_database_that_is_down_is_said_once_with_what_to_do(serve: Any, page: str) -> None:
    failing = FailingApp(DatabaseDown("The database does not answer.", hint="Start it, then press Retry."))
    visit = serve(failing)(page)
    assert not visit.exception
    assert [error.value for error in visit.error] == [
        "**The database does not answer.**  \nStart it, then press Retry."
    ]
    assert failing.linking.reads == 1, "a database that is down is waited for once, not once per part of the page"


def test_retry_works_once_the_database_is_back(serve: Any) -> None:
    failing = FailingApp(MigrationNeeded("The database has no Patchbay schema.", hint="Run: python -m core migrate"))
    visit = serve(failing)("overview")
    failing.linking.failure = None
    retry = next(key for key in keys_of(visit) if key.startswith("guard.retry"))
    visit = press(visit, retry)
    assert not visit.error
    assert "No calls yet" in text_of(visit)


def test_an_unexpected_error_gives_a_reference_and_no_traceback(serve: Any, caplog: pytest.LogCaptureFixture) -> None:
    visit = serve(FailingApp(RuntimeError("secret detail")))("overview")
    assert not visit.exception
    shown = visit.error[0].value
    assert "secret detail" not in shown
    reference = shown.split("`")[1]
    assert reference in caplog.text
    assert "RuntimeError" in caplog.text, "the log says where it was"
    assert "in overview" in caplog.text
    assert "secret detail" not in caplog.text, "what an exception quotes may be a row"


def test_a_real_database_that_is_down_costs_three_seconds_at_most(serve: Any) -> None:
    down = build(Settings.load(env={"DATABASE_URL": "postgresql://postgres@127.0.0.1:1/nowhere"}))
    console = serve(down)
    began = time.monotonic()
    visit = console("unlinked")
    took = time.monotonic() - began
    down.close()
    assert visit.error
    assert not visit.exception
    assert took < 4, f"{took:.1f} s, of which Streamlit's own start is a part"


def test_an_empty_database_says_how_to_start(app: App, serve: Any) -> None:
    console = serve(app)
    assert "python -m core demo" in text_of(console("overview"))
    assert "Every call is tied to a lead" in text_of(console("unlinked"))
    assert "Nothing is set aside" in text_of(console("unlinked", view="set_aside"))


def test_the_status_line_names_the_database_without_its_password(serve: Any) -> None:
    failing = FailingApp(RuntimeError())
    failing.linking.failure = None
    words = text_of(serve(failing)("overview"))
    assert "PostgreSQL · db.example" in words
    assert "secret" not in words
    assert "ana" in words


def test_a_call_that_vanished_is_said(console: Console, connection: Any) -> None:
    connection.execute(f"delete from conversation_transcripts where call_sid = '{FORMAT}'")
    connection.execute(f"delete from call_events where call_sid = '{FORMAT}'")
    visit = console("unlinked", call=FORMAT)
    assert not visit.exception
    assert "no call" in visit.warning[0].value.lower(), visit.warning
