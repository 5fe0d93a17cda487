"""What comes in while the database is away waits on disk, and is written once it is back."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadInput, DatabaseDown, Unavailable
from core.inbound import StatusCallback
from core.inbound.backlog import Backlog
from core.inbound.inbox import Inbox, Line, Replaying
from core.store.gateway import Order
from tests.inbound.conftest import SID, Flaky

AT = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def written(backlog: Backlog) -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = []
    backlog.replay(lambda kind, item: found.append((kind, item)))
    return found


def test_items_come_back_in_order_and_once(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path, "db")
    for n in range(5):
        backlog.keep("line", {"n": n})
    assert not backlog.is_empty()
    assert [item["n"] for _, item in written(backlog)] == [0, 1, 2, 3, 4]
    assert backlog.is_empty()
    assert written(backlog) == []


def test_what_waits_is_counted_and_spread_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.inbound.backlog.LONGEST_FILE", 10)
    backlog = Backlog(tmp_path, "db")
    for n in range(25):
        backlog.keep("line", {"n": n})
    assert (backlog.count(), len(list(tmp_path.rglob("*.open")))) == (25, 3)
    assert [item["n"] for _, item in written(backlog)] == list(range(25))
    assert backlog.count() == 0


def test_two_servers_share_a_folder(tmp_path: Path) -> None:
    ours, theirs = Backlog(tmp_path, "db"), Backlog(tmp_path, "db")
    seen: list[str] = []
    ours.keep("line", {"n": "ours, open"})
    theirs.replay(lambda kind, item: seen.append(item["n"]))
    assert seen == [], "what another server is writing is left alone"
    ours.close()
    theirs.replay(lambda kind, item: seen.append(item["n"]))
    assert seen == ["ours, open"]
    ours.keep("line", {"n": "later"})
    theirs.keep("line", {"n": "theirs"})
    assert sorted(item["n"] for backlog in (ours, theirs) for _, item in written(backlog)) == ["later", "theirs"]


def test_a_half_written_line_is_kept_aside_and_the_rest_is_written(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path, "db")
    backlog.keep("line", {"n": 1})
    backlog.close()
    for path in tmp_path.rglob("*.open"):
        path.write_text(path.read_text() + '["line", {"n"')
    assert [item["n"] for _, item in written(Backlog(tmp_path, "db"))] == [1]


def test_whatever_goes_wrong_with_saving_it_is_kept(tmp_path: Path) -> None:
    def broken() -> Any:
        raise RuntimeError("a bug")

    inbox = Inbox(broken, Backlog(tmp_path, "db"))
    assert inbox.take_callback(StatusCallback(SID, "ringing")) is False
    assert [kind for kind, _ in written(Backlog(tmp_path, "db"))] == []
    inbox.close()
    assert [kind for kind, _ in written(Backlog(tmp_path, "db"))] == ["callback"]


def test_while_the_database_is_away_one_caller_asks_and_the_others_do_not_wait(tmp_path: Path) -> None:
    asked = []

    def slow() -> Any:
        asked.append(1)
        time.sleep(0.3)
        raise DatabaseDown("The database does not answer.")

    inbox = Inbox(slow, Backlog(tmp_path, "db"))
    inbox.take_callback(StatusCallback(SID, "ringing"))
    inbox._spared_until = 0.0
    callers = [threading.Thread(target=inbox.take_callback, args=(StatusCallback(SID, "ringing"),)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(asked) == 2


def test_broken_characters_do_not_lose_the_words(flaky: Flaky, tmp_path: Path) -> None:
    inbox = Inbox(flaky, Backlog(tmp_path, "db"))
    flaky.is_away = True
    inbox.take_line(Line(SID, "user", "half \ud83d a smile\0", AT, "m1"))
    flaky.is_away = False
    assert inbox.replay() == 1
    inbox.take_line(Line(SID, "user", "and \udc00 another", AT, "m2"))
    found = flaky.gateway.select("conversation_transcripts", order=[Order("id")])
    assert [row["content"] for row in found] == ["half ? a smile", "and ? another"]


def test_what_has_to_wait_on_stays(tmp_path: Path) -> None:
    backlog, taken = Backlog(tmp_path, "db"), []

    def write(kind: str, item: Mapping[str, Any]) -> None:
        if item["n"] == 2:
            raise DatabaseDown("The database does not answer.")
        taken.append(item["n"])

    for n in range(4):
        backlog.keep("line", {"n": n})
    backlog.replay(write)
    assert taken == [0, 1]
    assert [item["n"] for _, item in written(backlog)] == [2, 3]


def test_what_can_never_be_written_is_kept_aside(tmp_path: Path) -> None:
    backlog = Backlog(tmp_path, "db")
    backlog.keep("line", {"n": 1})
    backlog.keep("line", {"n": 2})
    seen = []

    def write(kind: str, item: Mapping[str, Any]) -> None:
        if item["n"] == 1:
            raise BadInput("no")
        seen.append(item["n"])

    assert backlog.replay(write) == 1
    assert seen == [2]
    assert backlog.is_empty()
    assert [path.read_text() for path in tmp_path.rglob("*.refused")] == ['["line", {"n": 1}]\n']


def test_only_the_owner_can_read_it_and_databases_are_kept_apart(tmp_path: Path) -> None:
    Backlog(tmp_path, "one").keep("line", {"n": 1})
    assert Backlog(tmp_path, "two").is_empty()
    for path in tmp_path.rglob("*.open"):
        assert path.stat().st_mode & 0o077 == 0
        assert path.parent.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "inbound").write_text("a file in the way")
    with pytest.raises(Unavailable, match="cannot be kept"):
        Backlog(tmp_path, "db").keep("line", {})


def test_what_a_killed_process_kept_is_written_by_the_next(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal\nfrom pathlib import Path\nfrom core.inbound.backlog import Backlog\n"
        "b = Backlog(Path(sys.argv[1]), 'db')\n"
        "[b.keep('line', {'n': n}) for n in range(3)]\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    gone = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, env={**os.environ, "PYTHONPATH": "."}
    )
    assert gone.returncode == -signal.SIGKILL
    assert [item["n"] for _, item in written(Backlog(tmp_path, "db"))] == [0, 1, 2]


def test_nothing_is_lost_while_it_is_written_and_filled_at_once(tmp_path: Path) -> None:
    backlog, seen = Backlog(tmp_path, "db"), set()
    ending = threading.Event()

    def read() -> None:
        while not ending.is_set():
            backlog.replay(lambda kind, item: seen.add(item["n"]))

    reader = threading.Thread(target=read)
    reader.start()
    writers = [
        threading.Thread(target=lambda w=w: [backlog.keep("line", {"n": f"{w}-{n}"}) for n in range(50)])
        for w in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    ending.set()
    reader.join()
    backlog.replay(lambda kind, item: seen.add(item["n"]))
    assert len(seen) == 200


def test_lines_and_callbacks_reach_a_database_that_comes_back(flaky: Flaky, tmp_path: Path) -> None:
    saved: list[str] = []
    inbox = Inbox(flaky, Backlog(tmp_path, "db"), saved=lambda kind, item: saved.append(item["call_sid"]))
    flaky.is_away = True
    assert inbox.take_callback(StatusCallback(SID, status="completed", from_number="+14155550101", at=AT)) is False
    assert inbox.take_line(Line(SID, "user", "Hello", AT, "m1")) is False
    assert flaky.asked == 1, "a database that is away is not asked for every item"
    assert saved == []
    flaky.is_away = False
    inbox.replay()
    inbox.replay()
    rows = flaky.gateway.select("conversation_transcripts", order=(Order("id"),))
    assert [(row["call_sid"], row["role"], row["content"]) for row in rows] == [(SID, "user", "Hello")]
    assert [row["call_status"] for row in flaky.gateway.select("call_events")] == ["completed"]
    assert saved == [SID, SID]


def test_the_thread_writes_as_soon_as_it_can(flaky: Flaky, tmp_path: Path) -> None:
    inbox = Inbox(flaky, Backlog(tmp_path, "db"))
    flaky.is_away = True
    inbox.take_line(Line(SID, "user", "Hello", AT, "m1"))
    replaying = Replaying(inbox, pause=0.02)
    replaying.start()
    flaky.is_away = False
    for _ in range(200):
        if flaky.gateway.count("conversation_transcripts"):
            break
        threading.Event().wait(0.02)
    replaying.stop()
    assert flaky.gateway.count("conversation_transcripts") == 1
