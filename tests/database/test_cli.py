"""The command line over a real database: what it prints, its JSON, its exit codes. In this process, to be quick."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from core.cli import main
from tests.database.outside import Connection, add_call, add_lead, say, sid, slot

FACTS = {"call_lead", "set_aside", "by_hand", "leads"}
EVENT = {
    "id", "at", "actor", "source", "action", "call_sid", "lead_id", "before", "after", "reason", "evidence",
    "batch_id", "request_id",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture
def run(db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("DATABASE_URL", db)
    for name in ("SUPABASE_URL", "SUPABASE_KEY", "SUPABASE_SERVICE_ROLE_KEY", "PATCHBAY_DEBUG", "OWN_NUMBERS"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: object) -> Outcome:
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return Outcome(code, printed.out, printed.err)

    return call


@dataclass(frozen=True)
class World:
    ada: int
    bo: int
    older: str
    newer: str


@pytest.fixture
def world(connection: Connection) -> World:
    """Two leads without a call; two calls to Ada's number."""
    ada = add_lead(connection, "Ada", "+14155550199", created_at="2026-01-01")
    bo = add_lead(connection, "Bo", "+14155550142", lead_status="contacted", created_at="2026-01-01")
    older = add_call(connection, 1, at="2026-03-01T09:00:00Z")
    newer = add_call(connection, 2, at="2026-03-02T09:00:00Z")
    return World(ada, bo, older, newer)


def test_overview_has_the_contracts_figures(run: Run, world: World) -> None:
    figures = run("overview", "--json").json
    assert set(figures) >= {
        "calls", "linked", "current", "history", "unlinked", "set_aside", "pending", "unlinked_by_cause", "conflicts",
        "suspect", "stuck", "dangling", "oldest_unlinked_at",
    }  # fmt: skip
    assert (figures["calls"], figures["linked"], figures["unlinked"]) == (2, 0, 2)
    assert figures["unlinked_by_cause"] == {"missed_match": 2}
    assert [figures[name] for name in ("conflicts", "suspect", "stuck", "dangling")] == [0] * 4
    assert figures["oldest_unlinked_at"].startswith("2026-03-01T09:00:00")
    told = run("overview")
    assert "missed_match" in told.out
    assert "conflicts               0" in told.out


def test_the_worklist_is_newest_first_with_cause_and_candidates(run: Run, world: World) -> None:
    listed = run("unlinked", "--json", "--candidates").json
    assert listed["total"] == 2
    assert listed["next"] is None
    newest = listed["items"][0]
    assert set(newest) == {
        "call_sid", "started_at", "direction", "counterpart", "status", "duration", "transcript_count", "cause",
        "detail", "candidates",
    }  # fmt: skip
    assert (newest["call_sid"], newest["counterpart"], newest["duration"]) == (world.newer, "+14155550199", 61)
    assert newest["cause"] == "missed_match"
    assert f"Lead {world.ada} (Ada)" in newest["detail"]
    (candidate,) = newest["candidates"]
    assert set(candidate) == {"lead_id", "name", "phone", "confidence", "evidence", "against"}
    assert (candidate["lead_id"], candidate["confidence"]) == (world.ada, "high")
    assert set(candidate["evidence"][0]) == {"kind", "detail", "source"}
    assert "candidates" not in run("unlinked", "--json").json["items"][0]


def test_the_worklist_goes_on_after_a_cursor(run: Run, world: World) -> None:
    first = run("unlinked", "--json", "--limit", 1).json
    second = run("--json", "unlinked", "--limit", 1, "--after", first["next"]).json
    assert [page["items"][0]["call_sid"] for page in (first, second)] == [world.newer, world.older]
    assert second["next"] is None
    assert second["total"] == 2


def test_the_worklist_for_people_names_the_next_page(run: Run, world: World) -> None:
    told = run("unlinked", "--limit", 1)
    assert world.newer in told.out
    assert "1 of 2 calls." in told.out
    assert "--after " in told.out
    assert "No calls." in run("unlinked", "--cause", "no_numbers").out


def test_link_prints_its_event_and_moves_the_slot(run: Run, world: World, connection: Connection) -> None:
    event = run("link", world.older, world.ada, "--json", "--actor", "maria", "--reason", "she said so").json
    assert set(event) >= EVENT
    assert set(event["before"]) == set(event["after"]) == FACTS
    assert (event["action"], event["actor"], event["reason"]) == ("link", "maria", "she said so")
    assert event["before"] == {"call_lead": None, "set_aside": False, "by_hand": False, "leads": {str(world.ada): None}}
    assert event["after"]["leads"] == {str(world.ada): world.older}
    assert slot(connection, world.ada) == world.older


def test_a_command_tells_people_what_it_did_and_how_to_take_it_back(run: Run, world: World) -> None:
    told = run("link", world.older, world.ada, "--actor", "maria")
    assert told.code == 0
    assert f"maria linked call {world.older} to lead {world.ada} as its current call" in told.out
    assert "python -m core undo " in told.out


def test_options_stand_anywhere(run: Run, world: World) -> None:
    assert run("link", "--reason", "x", world.older, "--current", world.ada, "--json").code == 0
    assert run("--json", "unlink", "--actor", "bo", world.older).json["actor"] == "bo"


def test_the_whole_way_there_and_back(run: Run, world: World, connection: Connection) -> None:
    assert run("link", world.older, world.ada).code == 0
    assert run("relink", world.older, world.bo).code == 0
    assert slot(connection, world.bo) == world.older
    assert run("unlink", world.older).code == 0
    assert run("set-aside", world.older, "--reason", "spam").code == 0
    assert run("restore", world.older).code == 0
    events = run("activity", "--json", "--call", world.older).json
    assert [event["action"] for event in events] == ["restore", "set_aside", "unlink", "relink", "link"]
    for event in events:
        assert run("undo", event["id"]).code == 0, event["action"]
    assert run("lookup", world.older, "--json").json["state"] == "unlinked"
    assert slot(connection, world.ada) is slot(connection, world.bo) is None


def test_a_command_that_changes_nothing_says_so(run: Run, world: World) -> None:
    run("link", world.older, world.ada)
    again = run("link", world.older, world.ada, "--json")
    assert again.code == 0
    assert again.json["changed"] is False
    assert "Nothing changed" in run("link", world.older, world.ada).out
    assert len(run("activity", "--json").json) == 1


def test_the_same_request_is_done_once(run: Run, world: World) -> None:
    first = run("link", world.older, world.ada, "--request-id", "r1", "--json").json
    again = run("link", world.older, world.ada, "--request-id", "r1", "--json").json
    assert first["id"] == again["id"]
    other = run("link", world.newer, world.ada, "--request-id", "r1", "--json")
    assert other.code == 4
    assert other.json["error"]["code"] == "request_id_reused"


def test_what_was_seen_must_still_hold(run: Run, world: World) -> None:
    run("link", world.older, world.ada, "--actor", "maria")
    late = run("link", world.older, world.bo, "--expect-lead", "none", "--json")
    assert late.code == 4
    assert late.json["error"]["code"] == "stale"
    assert f"the call belongs to lead {world.ada} now" in late.json["error"]["message"]
    assert "maria linked call" in late.json["error"]["message"]
    assert run("relink", world.older, world.bo, "--expect-lead", world.ada, "--expect-call", "none").code == 0


def test_the_leads_current_call_can_be_expected(run: Run, world: World) -> None:
    run("link", world.older, world.ada)
    assert run("link", world.newer, world.ada, "--expect-call", "none").code == 4
    assert run("link", world.newer, world.ada, "--expect-call", world.older).code == 0
    assert run("unlink", world.newer, "--expect-call", world.older).code == 4
    assert run("unlink", world.newer, "--expect-call", world.newer).code == 0


def test_a_call_of_another_lead_is_refused_with_the_way_out(run: Run, world: World) -> None:
    run("link", world.older, world.ada)
    refused = run("link", world.older, world.bo, "--json")
    assert refused.code == 4
    assert refused.json["error"]["code"] == "belongs_to_another_lead"
    assert "elink" in refused.json["error"]["hint"]


def test_emptying_the_slot_of_a_new_lead_warns(run: Run, world: World) -> None:
    run("link", world.older, world.ada)
    assert "automation may dial it" in run("unlink", world.older).out
    run("link", world.older, world.ada)
    contacted = run("unlink", world.older, "--mark-contacted")
    assert "may dial it" not in contacted.out
    assert "lead_status is contacted now" in contacted.out


def test_a_batch_is_undone_newest_first_and_skips_what_moved_on(run: Run, world: World, app: Any) -> None:
    from core.linking import Options

    batch = "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77"
    app.linking.link(world.older, world.ada, Options(batch_id=batch))
    app.linking.link(world.newer, world.ada, Options(batch_id=batch))
    app.linking.relink(world.newer, world.bo)
    outcome = run("undo", "--batch", batch, "--json")
    assert outcome.code == 0
    (skipped,) = outcome.json["skipped"]
    assert (skipped["call_sid"], skipped["code"]) == (world.newer, "stale")
    assert f"the call belongs to lead {world.bo} now" in skipped["reason"]
    assert [event["call_sid"] for event in outcome.json["undone"]] == [world.older]


def test_a_batch_that_nobody_touched_is_undone_whole_and_can_be_redone(run: Run, world: World, app: Any) -> None:
    from core.linking import Options

    batch = "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77"
    app.linking.link(world.older, world.ada, Options(batch_id=batch))
    app.linking.link(world.newer, world.ada, Options(batch_id=batch))
    outcome = run("undo", "--batch", batch, "--json").json
    assert [event["call_sid"] for event in outcome["undone"]] == [world.newer, world.older]
    assert outcome["skipped"] == []
    again = run("undo", "--batch", outcome["batch_id"], "--json").json
    assert len(again["undone"]) == 2
    assert app.linking.call(world.newer).lead_id == world.ada


def test_activity_filters_and_pages(run: Run, world: World) -> None:
    run("link", world.older, world.ada, "--actor", "maria")
    run("link", world.newer, world.bo, "--actor", "joe")
    assert [event["actor"] for event in run("activity", "--json").json] == ["joe", "maria"]
    assert [event["actor"] for event in run("activity", "--json", "--lead", world.ada).json] == ["maria"]
    assert [event["actor"] for event in run("activity", "--json", "--actor", "joe").json] == ["joe"]
    newest = run("activity", "--json", "--limit", 1).json[0]
    assert [event["actor"] for event in run("activity", "--json", "--before", newest["id"]).json] == ["maria"]
    assert "maria linked call" in run("activity").out
    assert "No link events." in run("activity", "--actor", "nobody").out


def test_candidates_come_with_their_evidence(run: Run, world: World) -> None:
    (candidate,) = run("candidates", world.newer, "--json").json
    assert candidate["lead_id"] == world.ada
    assert "has exactly this number" in run("candidates", world.newer).out


def test_lookup_tells_the_whole_story(run: Run, world: World, connection: Connection) -> None:
    say(connection, world.newer, "user", "Hello, this is Ada.")
    story = run("lookup", world.newer, "--json").json
    assert set(story) >= {
        "call_sid", "state", "cause", "call", "events", "transcripts", "lead", "recordings", "job", "stages",
        "candidates", "history",
    }  # fmt: skip
    assert [stage["stage"] for stage in story["stages"]] == ["job", "twilio", "events", "transcript", "lead"]
    assert all(set(stage) == {"stage", "state", "detail"} for stage in story["stages"])
    assert (story["lead"], story["job"]) == (None, None)
    assert story["transcripts"][0]["content"] == "Hello, this is Ada."
    told = run("lookup", world.newer)
    assert "Hello, this is Ada." in told.out
    assert "MISSING" in told.out


def test_lookup_of_several_calls_lists_them(run: Run, world: World) -> None:
    found = run("lookup", "+1 415 555 0199", "--json").json
    assert [match["call_sid"] for match in found["matches"]] == [world.newer, world.older]
    assert "2 calls match" in run("lookup", "(415) 555-0199").out


def test_lookup_reads_a_paste_from_stdin(run: Run, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    pasted = b"\xff\x00" + b"x" * 9_000 + f" sid={world.newer} done".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(pasted)))
    assert run("lookup", "-", "--json").json["call_sid"] == world.newer


def test_rebuild_prints_what_differed(run: Run, world: World, connection: Connection) -> None:
    run("overview")
    assert "Nothing differed." in run("rebuild").out
    connection.execute("update calls set duration = 5 where call_sid = %s", [world.older])
    done = run("rebuild", "--json").json
    assert [(row["kind"], row["key"]) for row in done["differed"]] == [("roll-up", world.older)]
    assert done["roll_ups"] == 1
    connection.execute("update calls set duration = 5 where call_sid = %s", [world.older])
    told = run("rebuild").out
    assert "duration 61" in told
    assert "duration 5" in told
    assert "Nothing differed." in run("rebuild").out


def test_doctor_is_green_and_gives_a_fix_where_it_is_not(run: Run, world: World, connection: Connection) -> None:
    run("overview")
    found = run("doctor", "--json").json
    assert found["ok"], found
    assert all(set(check) == {"name", "ok", "detail", "fix"} for check in found["checks"])
    connection.execute("drop index idx_leads_call_sid")
    connection.execute("alter table leads disable trigger patchbay_updated")
    red = {check["name"]: check for check in run("doctor", "--json").json["checks"] if not check["ok"]}
    assert set(red) == {"index", "triggers"}
    assert "create index" in red["index"]["fix"]
    assert "FAIL  index" in run("doctor").out


MISSING = [
    ("link", sid(9), "1"),
    ("unlink", sid(9)),
    ("relink", sid(9), "1"),
    ("set-aside", sid(9)),
    ("restore", sid(9)),
    ("undo", "4711"),
    ("undo", "--batch", "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77"),
    ("lookup", sid(9)),
    ("lookup", "'; drop table leads; --"),
    ("lookup", "+1 415 555 0177"),
    ("candidates", sid(9)),
]


@pytest.mark.parametrize("words", MISSING, ids=lambda words: " ".join(words)[:40])
def test_what_does_not_exist_is_not_found(run: Run, words: tuple[str, ...]) -> None:
    told = run(*words, "--json")
    assert told.code == 3, told
    assert told.json["error"]["code"] == "not_found"
    assert told.err.startswith("error: ")


@pytest.mark.parametrize("text", ["🙂", "CA", "C", "é"])
def test_a_part_that_tells_no_calls_apart_is_bad_input(run: Run, world: World, text: str) -> None:
    told = run("lookup", text)
    assert told.code == 2
    assert "too short to tell calls apart. Expected a Call SID" in told.err


def test_a_lead_that_was_deleted_meanwhile_is_not_found(run: Run, world: World, connection: Connection) -> None:
    connection.execute("delete from leads where id = %s", [world.ada])
    told = run("link", world.older, world.ada)
    assert told.code == 3
    assert f"There is no lead {world.ada}." in told.err


def test_a_name_from_the_database_cannot_steer_the_terminal(run: Run, connection: Connection) -> None:
    add_lead(connection, "Ada\x1b[2J", "+14155550199")
    add_call(connection, 1)
    assert "\x1b" not in run("lookup", sid(1)).out
