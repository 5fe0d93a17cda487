"""What was dialled is never lost: the database may be away afterwards, the worker may end, the disk may be full."""

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.errors import Unavailable
from core.outbound.attempts import Claim
from core.outbound.jobs import QUEUE, ScheduleRequest
from core.outbound.journal import Journal, Outcome
from tests.outbound.carrier_peer import Request
from tests.outbound.conftest import Line, until

NUMBER = "+14155550101"


def away(line: Line) -> None:
    """The database's part in it is gone, as far as a worker can tell."""
    line.connection.execute("alter function place_call_attempt(uuid, text, timestamptz, jsonb) rename to place_away")


def back(line: Line) -> None:
    line.connection.execute("alter function place_away(uuid, text, timestamptz, jsonb) rename to place_call_attempt")


def test_a_database_that_is_away_after_dialling_gets_the_link_later(line: Line) -> None:
    lead = line.lead(lead_status="new", notes="Old.")

    def way(request: Request) -> None:
        away(line)
        request.placed()

    line.peer.behave(NUMBER, way)
    job = line.queue.schedule(ScheduleRequest(to=NUMBER, lead_id=lead))
    with line.working():
        done = line.until_finished(job.job_id)
    (dial,) = line.peer.dials
    assert (done.state, done.call_sid, done.returnvalue["lead_id"]) == ("completed", dial["sid"], lead)
    assert line.row("select call_sid from leads") == (None,)
    (kept,) = line.journal.kept()
    assert kept.call_sid == dial["sid"]
    back(line)
    assert line.journal.replay(line.app.attempts) == 1  # a new journal, as after a restart
    assert line.row("select call_sid, lead_status, notes from leads") == (
        dial["sid"],
        "contacted",
        f"Outbound call {dial['sid']} initiated\nOld.",
    )
    assert line.journal.replay(line.app.attempts) == 0


def test_a_worker_writes_it_by_itself_once_the_database_is_back(line: Line) -> None:
    def way(request: Request) -> None:
        away(line)
        request.placed()

    line.peer.behave(NUMBER, way)
    job = line.queue.schedule(ScheduleRequest(to=NUMBER, lead_id=line.lead()))
    with line.worker_process() as process:
        line.until_finished(job.job_id)
        back(line)
        until(lambda: line.row("select call_sid from leads")[0], "the link is there")
        process.terminate()
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Stopped" in out
    assert not list(line.journal.kept())


def test_a_worker_that_is_told_to_end_finishes_the_call_that_it_dials(line: Line) -> None:
    import threading

    dialled, answered = threading.Event(), threading.Event()

    def way(request: Request) -> None:
        dialled.set()
        answered.wait(30)
        request.placed()

    line.peer.behave(NUMBER, way)
    job = line.queue.schedule(ScheduleRequest(to=NUMBER, lead_id=line.lead()))
    with line.worker_process() as process:
        assert dialled.wait(30)
        process.terminate()
        with pytest.raises(Exception, match="timed out"):
            process.wait(1)
        answered.set()
        assert process.wait(20) == 0
    assert line.queue.job(job.job_id).state == "completed"
    assert line.row("select call_sid from leads") == (line.peer.dials[0]["sid"],)


def test_only_its_owner_can_read_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "db:5432/x")
    journal.keep(Outcome("a", datetime.now(UTC).isoformat(), call_sid="CA1"))
    (path,) = tmp_path.rglob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert not list(tmp_path.rglob("*.new"))


def test_each_database_has_a_journal_of_its_own(tmp_path: Path) -> None:
    Journal(tmp_path, "one").keep(Outcome("a", datetime.now(UTC).isoformat(), call_sid="CA1"))
    assert not list(Journal(tmp_path, "two").kept())
    assert [outcome.call_sid for outcome in Journal(tmp_path, "one").kept()] == ["CA1"]


def test_a_full_disk_loses_nothing_while_the_worker_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, "one")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    journal.keep(Outcome("a", datetime.now(UTC).isoformat(), call_sid="CA1"))
    assert [outcome.call_sid for outcome in journal.kept()] == ["CA1"]


def test_a_file_that_is_no_outcome_stops_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "one")
    journal.keep(Outcome("a", datetime.now(UTC).isoformat(), call_sid="CA1"))
    (path,) = tmp_path.rglob("*.json")
    path.with_name("b.json").write_text("{")
    path.with_name("c.json").write_text('{"x": 1}')
    assert [outcome.attempt_id for outcome in journal.kept()] == ["a"]


def test_a_folder_that_cannot_be_written_to_is_told_before_anything_is_dialled(tmp_path: Path) -> None:
    (tmp_path / "outbound").write_text("a file")
    with pytest.raises(Unavailable, match="cannot be kept"):
        Journal(tmp_path, "one")


def placed(line: Line, lead: int | None, sid: str = "CA" + "1" * 32, at: datetime | None = None) -> Any:
    claim = Claim(QUEUE, f"j-{sid}", datetime.now(UTC), "6f1c0a52-3f0e-4a5e-8a63-0d9a41f3c001", NUMBER, lead)
    attempt = line.app.attempts.claim(claim)
    return line.app.attempts.place(attempt.attempt_id, sid, at or datetime.now(UTC))


def test_a_late_write_does_not_displace_a_newer_call_nor_a_newer_status(line: Line) -> None:
    lead = line.lead(lead_status="converted", notes="Bought.")
    newer, now = "CA" + "2" * 32, datetime.now(UTC)
    placed(line, lead, newer, now)
    line.connection.execute("update leads set lead_status = 'converted'")
    late = placed(line, lead, "CA" + "1" * 32, now - timedelta(hours=1))
    assert late.link_problem is None
    sid, status, notes, contacted = line.row("select call_sid, lead_status, notes, last_contacted_at from leads")
    assert (sid, status) == (newer, "converted")
    assert notes.splitlines()[0] == f"Outbound call CA{'1' * 32} initiated"
    assert contacted == now
    assert line.row("select count(*) from calls where lead_id = %s", lead) == (2,)


def test_what_cannot_be_linked_costs_the_link_and_never_the_call(line: Line) -> None:
    lead = line.lead()
    claim = Claim(QUEUE, "j", datetime.now(UTC), "6f1c0a52-3f0e-4a5e-8a63-0d9a41f3c001", NUMBER, lead)
    attempt = line.app.attempts.claim(claim)
    line.connection.execute("delete from leads")
    done = line.app.attempts.place(attempt.attempt_id, "CA1", datetime.now(UTC))
    assert (done.state, done.call_sid) == ("placed", "CA1")
    assert "no lead" in (done.link_problem or "")
    assert line.row("select call_sid, lead_id from job_results") == ("CA1", lead)


def test_a_customers_trigger_that_fails_costs_the_link_and_never_the_call(line: Line) -> None:
    lead = line.lead()
    line.connection.execute(
        "create function nope() returns trigger language plpgsql as $$ begin raise 'not today'; end $$;"
        "create trigger nope before update on leads for each row execute function nope()"
    )
    done = placed(line, lead)
    assert (done.state, done.link_problem) == ("placed", "not today")


def test_notes_that_have_no_room_are_left_as_they_are(line: Line) -> None:
    line.connection.execute("alter table leads alter notes type varchar(20)")
    lead = line.lead(notes="Prefers mornings.")
    done = placed(line, lead)
    assert done.link_problem is None
    assert line.row("select notes, lead_status from leads") == ("Prefers mornings.", "contacted")


def test_the_same_outcome_again_changes_nothing(line: Line) -> None:
    lead = line.lead()
    first = placed(line, lead)
    before = line.row("select to_jsonb(l) from leads l")
    again = line.app.attempts.place(first.attempt_id, first.call_sid or "", datetime.now(UTC))
    assert again.event_id == first.event_id
    assert line.row("select to_jsonb(l) from leads l") == before
    assert line.row("select count(*) from link_events where source = 'worker'") == (1,)
    other = line.app.attempts.place(first.attempt_id, "CA9", datetime.now(UTC))
    assert other.call_sid == first.call_sid and "second call" in (other.problem or "")


def test_settling_never_unsettles_a_call(line: Line) -> None:
    first = placed(line, None)
    assert line.app.attempts.settle(first.attempt_id, "not_dialled", "no").state == "placed"


def test_nobody_but_us_sees_attempts(db: str) -> None:
    with psycopg.connect(db) as connection:
        found = connection.execute("select relrowsecurity from pg_class where relname = 'call_attempts'").fetchone()
    assert found == (True,)
