"""Conflicts and their remedies on the command line: JSON, people's text, exit codes."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from core.cli import main
from tests.database.outside import Connection, add_call, add_lead, sid

NUMBER, OTHER = "+14155550199", "+14155550188"


@dataclass(frozen=True)
class Said:
    """What one command left: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def run(db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in ("SUPABASE_URL", "SUPABASE_KEY", "SUPABASE_SERVICE_ROLE_KEY", "OWN_NUMBERS", "TWILIO_PHONE_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", db)

    def call(*words: str) -> Said:
        code = main(list(words))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return call


def test_conflicts_with_kind_rows_and_remedy(run: Run, connection: Connection) -> None:
    assert run("conflicts").out == "No conflicts.\n"
    call = add_call(connection, 1)
    add_call(connection, 1, counterpart=OTHER)
    add_call(connection, 2, call_sid=sid(3).lower())
    add_call(connection, 3)
    told = run("conflicts", "--json").json
    assert told["counts"] == {"contradicting_event_rows": 1, "sid_variant": 1}
    (item,) = run("conflicts", "--kind", "contradicting_event_rows", "--json").json["items"]
    assert {"kind", "call_sid", "remedy", "rows", "detail", "lead_ids"} <= set(item)
    assert (item["call_sid"], item["remedy"], item["differing"]) == (call, "choose_row", ["to_number"])
    assert [row["to_number"] for row in item["rows"]["call_events"]] == [NUMBER, OTHER]
    text = run("conflicts").out
    assert (
        f"merge {call} --keep ROW_ID" in text and f"normalise '{sid(3).lower()}'" in text and "2 of 2 conflicts" in text
    )
    assert run("conflicts", "--kind", "nonsense").code == 2
    assert run("conflicts", "--limit", "0").code == 2


def test_merge_with_a_preview_and_its_undo(run: Run, connection: Connection) -> None:
    call = add_call(connection, 1)
    add_call(connection, 1, counterpart=OTHER)
    refused = run("merge", call)
    assert (refused.code, "contradict" in refused.err) == (4, True)
    keep = str(connection.execute("select max(id) from call_events").fetchone()[0])  # type: ignore[index]
    assert "Nothing was written" in run("merge", call, "--keep", keep, "--preview").out
    event = run("merge", call, "--keep", keep, "--reason", "the second is right", "--json").json
    assert (event["action"], event["reason"]) == ("merge_rows", "the second is right")
    assert "one event row" in run("merge", call).out
    assert run("undo", str(event["id"])).code == 0
    assert connection.execute("select count(*) from call_events").fetchone() == (2,)
    assert run("merge", sid(77)).code == 3


def test_normalise_is_undone_as_a_batch(run: Run, connection: Connection) -> None:
    variant = sid(0xABC).lower()
    add_call(connection, 1, call_sid=variant)
    assert run("normalise", variant, "--preview", "--json").json["becomes"] == sid(0xABC)
    events = run("normalise", variant, "--json").json
    assert run("undo", "--batch", events[0]["batch_id"]).code == 0
    assert run("normalise", sid(0xABC)).code == 4
    assert "undo --batch" in run("normalise", variant).out


def test_set_phone_confirm_and_the_constraint(run: Run, connection: Connection) -> None:
    lead = add_lead(connection, "Bob", OTHER, call_sid=add_call(connection, 1))
    assert run("unlinked", "--view", "suspect", "--json").json["items"][0]["suspect"] == "unknown_number"
    assert run("overview", "--json").json["suspect"] == 1
    assert run("confirm", sid(1), "--json").json["action"] == "confirm"
    assert "already" in run("confirm", sid(1)).out
    add_call(connection, 2)
    assert run("set-phone", str(lead), NUMBER, "--preview").out == "Store this number and 1 unlinked call matches.\n"
    assert run("set-phone", str(lead), NUMBER, "--json").json["action"] == "set_phone"
    assert "Nothing changed" in run("set-phone", str(lead), NUMBER).out
    assert run("set-phone", "4711", NUMBER).code == 3
    assert run("set-phone", str(lead), " ").code == 2
    assert run("add-constraint").out == "leads.call_sid is UNIQUE.\n"


def test_worklists_by_view_and_by_number(run: Run, connection: Connection) -> None:
    add_call(connection, 1, call_status="ringing")
    add_call(connection, 2)
    for view in ("suspect", "stuck", "dangling", "set_aside"):
        assert run("unlinked", "--view", view, "--json").json["total"] == (1 if view == "stuck" else 0)
    grouped = run("unlinked", "--by-number", "--json").json
    assert (grouped["total"], grouped["items"][0]["calls"]) == (1, 2)
    assert NUMBER in run("unlinked", "--by-number").out
    assert run("unlinked", "--by-number", "--view", "stuck").code == 2
