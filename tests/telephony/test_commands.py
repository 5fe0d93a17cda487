"""``repair`` and ``test-call`` on the command line, and test calls through the queue."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.cli import main
from tests.telephony.twilio_server import ACCOUNT, OURS, TOKEN, LocalTwilio

THEIRS = "+14155550123"
SID = "CA" + "8" * 32
AT_TWILIO = {
    "sid": SID, "direction": "outbound-api", "from": OURS, "to": THEIRS, "status": "completed",
    "date_created": "2026-03-01T09:00:00+00:00", "duration": "60",
}  # fmt: skip

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Any) -> Run:
    """Run a command with ``--json``: exit code and document."""
    monkeypatch.chdir(tmp_path)
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "SUPABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", db)
    monkeypatch.setenv("PATCHBAY_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PATCHBAY_SIMULATED_SECONDS", "1")
    monkeypatch.setenv("TEST_CALL_ALLOWLIST", THEIRS)

    def once(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = main(["--json", *words])
        said = capsys.readouterr().out
        return code, json.loads(said) if said else None

    return once


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, run: Run, twilio: LocalTwilio) -> Iterator[LocalTwilio]:
    monkeypatch.setenv("TWILIO_ACCOUNT_SID", ACCOUNT)
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", TOKEN)
    monkeypatch.setenv("TWILIO_API_BASE_URL", twilio.url)
    yield twilio


def states(document: Any) -> dict[str, str]:
    return {stage["stage"]: stage["state"] for stage in document["stages"]}


@pytest.mark.parametrize("wait", [(), ("--wait",)])
def test_a_direct_test_call(run: Run, connection: psycopg.Connection[Any], wait: tuple[str, ...]) -> None:
    connection.execute("insert into leads (id, phone) values (1, '+1 (415) 555-0123')")
    code, document = run("test-call", "--to", THEIRS, "--lead", "1", *wait)
    assert code == 0 and document["ok"] and document["over"] and document["simulated"]
    assert document["call_sid"] and document["job_id"] is None
    assert states(document)["queued"] == "skipped" and states(document)["linked"] == "green"
    assert connection.execute("select call_sid, lead_status from leads").fetchone() == (None, "new")


def test_a_test_call_through_the_queue_is_worked_on_while_it_is_waited_for(
    run: Run, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("insert into leads (id, phone, notes) values (1, '+1 (415) 555-0123', 'before')")
    code, document = run("test-call", "--to", THEIRS, "--lead", "1", "--via", "queue", "--wait", "--key", "click-1")
    assert code == 0 and document["ok"], document
    assert document["job_id"] and set(states(document).values()) == {"green"}
    again = run("test-call", "--to", THEIRS, "--lead", "1", "--via", "queue", "--wait", "--key", "click-1")[1]
    assert again["call_sid"] == document["call_sid"]
    assert connection.execute("select count(*) from call_events").fetchone() == (1,)
    found = connection.execute("select test, lead_id from calls").fetchall()
    assert found == [(True, 1)]
    assert connection.execute("select call_sid, lead_status, notes from leads").fetchone() == (None, "new", "before")


def test_what_is_refused(run: Run, connection: psycopg.Connection[Any]) -> None:
    connection.execute("insert into leads (id, phone) values (1, '+14155550188')")
    assert run("test-call", "--to", "+14155550188")[0] == 4
    assert run("test-call", "--to", THEIRS, "--lead", "1")[0] == 4
    assert run("test-call", "--to", THEIRS, "--lead", "2")[0] == 3
    assert run("test-call")[0] == 2
    assert run("test-call", "--to", THEIRS, "--via", "pigeon")[0] == 2
    assert run("test-call", "--to", THEIRS, "--lead", "x")[0] == 2


def test_repair_of_one_call(run: Run, account: LocalTwilio, connection: psycopg.Connection[Any]) -> None:
    account.knows([AT_TWILIO])
    connection.execute(
        "insert into call_events (call_sid, call_status, to_number) values (%s, 'ringing', '+1')", (SID,)
    )
    code, seen = run("repair", SID, "--preview")
    assert (
        code == 0
        and seen["would_change"]
        and {"to_number": False}.items() <= {each["field"]: each["fills"] for each in seen["differences"]}.items()
    )
    code, event = run("repair", SID, "--overwrite", "to_number", "--reason", "It was cut off.")
    assert (code, event["action"], event["reason"]) == (0, "repair", "It was cut off.")
    assert connection.execute("select from_number, to_number, call_status from call_events").fetchone() == (
        OURS, THEIRS, "completed",
    )  # fmt: skip
    assert run("repair", SID)[1]["changed"] is False
    assert run("undo", str(event["id"]))[0] == 0


def test_repair_of_all(run: Run, account: LocalTwilio, connection: psycopg.Connection[Any]) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=1)
    sids = [f"CA{number:032x}" for number in range(4)]
    account.knows({**AT_TWILIO, "sid": sid} for sid in sids)
    for sid in sids:
        connection.execute(
            "insert into call_events (call_sid, call_status, created_at) values (%s, 'in-progress', %s)",
            (sid, long_ago),
        )
    assert run("repair", "--cause", "no_numbers", "--preview")[1]["total"] == 4
    code, done = run("repair", "--cause", "no_numbers", "--limit", "3")
    assert code == 0 and len(done["repaired"]) == 3 and done["stopped"] is None
    assert len(run("repair", "--view", "stuck")[1]["repaired"]) == 1
    assert run("overview")[1]["stuck"] == 0
    assert run("undo", "--batch", done["batch_id"])[0] == 0


def test_words_that_repair_does_not_know(run: Run, account: LocalTwilio) -> None:
    for words in ([], [SID, "--view", "stuck"], ["--cause", "several_leads"], ["--view", "all"], [SID, "--limit", "3"],
                  ["--cause", "no_numbers", "--limit", "0"], [SID, "--overwrite", "id"]):  # fmt: skip
        assert run("repair", *words)[0] == 2, words
    assert account.state.requests == []


def test_twilio_s_troubles_on_the_command_line(run: Run, account: LocalTwilio, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("repair", SID)[0] == 3
    account.fault("500")
    code, document = run("repair", SID)
    assert code == 5 and document["error"]["code"] == "twilio_down"
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "0" * 32)
    code, document = run("repair", SID)
    assert code == 5 and document["error"]["code"] == "twilio_credentials"
    monkeypatch.delenv("TWILIO_AUTH_TOKEN")
    monkeypatch.delenv("TWILIO_ACCOUNT_SID")
    began = time.monotonic()
    code, document = run("repair", SID)
    assert code == 5 and "No Twilio account" in document["error"]["message"] and time.monotonic() - began < 5
