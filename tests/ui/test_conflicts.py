"""Conflicts: each kind, what its panel shows, and each remedy with its undo."""

import csv
import io
import json
from typing import Any

import psycopg
import pytest

from core.app import App
from core.linking import Options
from dashboard import reads
from tests.ui.conftest import ANA, BEN, CLEO, CURRENT, FORMAT, NOBODY, SEVERAL, Console, keys_of, press, text_of

VARIANT = "ca" + "4" * 32
DUPLICATES = f"""
insert into call_events (call_sid, direction, call_status, created_at) values
    ('{FORMAT}', 'inbound', 'in-progress', now() - interval '3 days'),
    ('{FORMAT}', 'inbound', 'ringing', now() - interval '3 days');
"""
CONTRADICTION = f"""
insert into call_events (call_sid, direction, from_number, to_number, call_status, created_at) values
    ('{SEVERAL}', 'inbound', '+14155550104', '+14155550000', 'completed', now() - interval '1 day');
"""
VARIANTS = f"""
insert into call_events (call_sid, direction, from_number, to_number, call_status, created_at) values
    ('{VARIANT}', 'inbound', '+14155550199', '+14155550000', 'completed', now() - interval '5 days');
"""
NOTES = f"update leads set notes = 'Outbound call {CURRENT} initiated' where id in ({ANA}, {CLEO});"
LONG_AGO = "2026-03-01T09:00:30Z"
KINDS = ("duplicate_event_rows", "contradicting_event_rows", "sid_variant", "two_leads_claim")


@pytest.fixture
def torn(world: App, connection: psycopg.Connection[Any]) -> App:
    """The small world with one conflict of each kind that rows can have."""
    for trouble in (DUPLICATES, CONTRADICTION, VARIANTS, NOTES):
        connection.execute(trouble.encode())
    world.linking.judge()
    return world


def kinds(app: App) -> dict[str, int]:
    return dict(app.linking.conflicts().counts)


def rows_of(connection: Any, call_sid: str) -> list[tuple]:
    return connection.execute(
        "select id, call_status, direction, from_number from call_events where call_sid = %s order by id", [call_sid]
    ).fetchall()


def test_without_conflicts_the_page_is_happy(console: Console) -> None:
    visit = console("conflicts")
    assert "No conflicts" in text_of(visit)
    assert not visit.error


def test_every_kind_is_listed_with_its_count(torn: App, console: Console) -> None:
    visit = console("conflicts")
    assert len(visit.dataframe[0].value) == 4
    options = visit.segmented_control(key="conflicts.kind").options
    assert {words.split(" · ")[1] for words in options} == {"4", "1"}
    visit = visit.segmented_control(key="conflicts.kind").set_value("sid_variant").run()
    assert visit.query_params["kind"] == "sid_variant"
    assert len(visit.dataframe[0].value) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_opens_by_its_address(torn: App, console: Console, kind: str) -> None:
    visit = console("conflicts", kind=kind)
    assert not visit.exception
    assert not visit.error
    assert len(visit.dataframe[0].value) == 1


@pytest.mark.parametrize("params", [{"kind": "no such"}, {"kind": "missing_constraint"}, {"conflict": "x"}])
def test_an_address_that_names_nothing_breaks_nothing(torn: App, console: Console, params: dict[str, str]) -> None:
    visit = console("conflicts", **params)
    assert not visit.exception
    assert not visit.error


def test_conflicts_are_exported(torn: App, console: Console) -> None:
    assert console("conflicts").get("download_button")
    rows = list(csv.DictReader(io.StringIO(reads.export_conflicts(None).decode("utf-8-sig"))))
    assert sorted(row["kind"] for row in rows) == sorted(KINDS)
    variant = next(row for row in rows if row["kind"] == "sid_variant")
    assert VARIANT in variant["call_sids"] and variant["remedy"] == "normalise_sid"
    assert len(reads.export_conflicts("two_leads_claim").splitlines()) == 2
    assert not console("conflicts", kind="rejected_link").get("download_button")


def test_a_kind_without_conflicts_leads_back_to_all(torn: App, console: Console) -> None:
    visit = press(console("conflicts", kind="missing_constraint"), "conflicts.all")
    assert len(visit.dataframe[0].value) == 4


def test_merge_duplicate_rows_and_undo(torn: App, console: Console, connection) -> None:
    before = rows_of(connection, FORMAT)
    visit = press(console("conflicts", kind="duplicate_event_rows"), "conflicts.merge")
    words = text_of(visit)
    assert "3 event rows" in words
    assert "pb-merged" in words
    assert rows_of(connection, FORMAT) == before, "asking writes nothing"
    visit = visit.text_input(key="repair.reason").set_value("one call").run()
    visit = press(visit, "repair.confirm")
    assert [row[1:] for row in rows_of(connection, FORMAT)] == [("completed", "inbound", "+14155550102")]
    assert "merged into one" in visit.toast[0].value
    assert torn.linking.activity(call=FORMAT)[0].reason == "one call"
    press(visit, "undo.do")
    assert rows_of(connection, FORMAT) == before


def test_a_contradiction_needs_the_row_that_holds(torn: App, console: Console, connection) -> None:
    before = rows_of(connection, SEVERAL)
    visit = console("conflicts", kind="contradicting_event_rows")
    assert visit.button(key="conflicts.choose_row").disabled
    holds = str(before[0][0])
    visit = visit.radio(key=f"conflicts.row.{SEVERAL}").set_value(holds).run()
    visit = press(press(visit, "conflicts.choose_row"), "repair.confirm")
    assert rows_of(connection, SEVERAL) == [before[0]]
    assert "contradicting_event_rows" not in kinds(torn)
    press(visit, "undo.do")
    assert rows_of(connection, SEVERAL) == before


def test_a_row_that_changed_meanwhile_is_not_merged(torn: App, console: Console, connection) -> None:
    visit = press(console("conflicts", kind="duplicate_event_rows"), "conflicts.merge")
    connection.execute(
        "update call_events set call_status = 'busy' where call_sid = %s and direction is not null", [FORMAT]
    )
    visit = press(visit, "repair.confirm")
    assert visit.error
    assert len(rows_of(connection, FORMAT)) == 3
    assert "repair.again" in keys_of(visit)


def test_normalise_a_variant_and_undo_its_batch(torn: App, console: Console, connection) -> None:
    visit = console("conflicts", kind="sid_variant")
    key = next(key for key in keys_of(visit) if key.startswith("conflicts.normalise."))
    visit = press(visit, key)
    assert "1 event row" in text_of(visit)
    visit = press(visit, "repair.confirm")
    assert len(rows_of(connection, NOBODY)) == 2
    assert rows_of(connection, VARIANT) == []
    assert "sid_variant" not in kinds(torn)
    press(visit, "undo.do")
    assert len(rows_of(connection, VARIANT)) == 1
    assert kinds(torn)["sid_variant"] == 1


def test_two_leads_claim_relink_and_undo(torn: App, console: Console) -> None:
    visit = console("conflicts", kind="two_leads_claim")
    told = text_of(visit)
    assert "✓ linked now" in told and "The call is linked to it since" in told
    visit = press(visit, f"conflicts.choose.{CLEO}")
    assert "Lead 3 · Cleo *Marsh*: current call" in text_of(visit)
    visit = press(visit, "repair.confirm")
    assert torn.linking.story(CURRENT).call.lead_id == CLEO
    assert "two_leads_claim" not in kinds(torn)
    press(visit, "undo.do")
    assert torn.linking.story(CURRENT).call.lead_id == ANA
    assert kinds(torn)["two_leads_claim"] == 1


def test_a_rejected_link_goes_to_the_lead_that_it_was_for_and_back(world: App, console: Console, connection) -> None:
    result = {"job_id": "71", "job_at": LONG_AGO, "finished_at": LONG_AGO, "state": "completed"}
    connection.execute("select note_job_results(%s)", [json.dumps([{**result, "call_sid": CURRENT, "lead_id": BEN}])])
    world.linking.judge()
    visit = console("conflicts", kind="rejected_link")
    assert f"A job result names lead {BEN} for this call, but lead {ANA} has it" in text_of(visit)
    visit = press(press(visit, f"conflicts.choose.{BEN}"), "repair.confirm")
    assert "rejected_link" not in kinds(world)
    assert world.leads.find_by_id(BEN).call_sid == CURRENT and world.leads.find_by_id(ANA).call_sid is None
    press(visit, "undo.do")
    assert kinds(world) == {"two_leads_claim": 1}, "open again; a lead that once had the call was not rejected"
    assert world.leads.find_by_id(ANA).call_sid == CURRENT


def test_two_leads_claim_kept_where_it_is(torn: App, console: Console) -> None:
    visit = press(console("conflicts", kind="two_leads_claim"), f"conflicts.choose.{ANA}")
    visit = press(visit, "repair.confirm")
    assert torn.linking.story(CURRENT).call.lead_id == ANA
    assert "two_leads_claim" not in kinds(torn)
    press(visit, "undo.do")
    assert kinds(torn)["two_leads_claim"] == 1


def test_two_leads_claim_and_it_is_neither(torn: App, console: Console) -> None:
    visit = press(console("conflicts", kind="two_leads_claim"), "conflicts.choose.none")
    press(visit, "repair.confirm")
    assert torn.linking.story(CURRENT).call.lead_id is None
    assert "two_leads_claim" not in kinds(torn)


def test_who_changed_it_meanwhile_is_said(torn: App, console: Console) -> None:
    visit = press(console("conflicts", kind="two_leads_claim"), f"conflicts.choose.{CLEO}")
    torn.linking.relink(CURRENT, BEN, Options(actor="dana"))
    visit = press(visit, "repair.confirm")
    assert "dana" in visit.error[0].value
    assert torn.linking.story(CURRENT).call.lead_id == BEN


def test_the_missing_constraint_is_added(world: App, console: Console, connection) -> None:
    name = connection.execute(
        "select conname from pg_constraint where conrelid = 'leads'::regclass and contype = 'u'"
    ).fetchone()[0]
    connection.execute(f"alter table leads drop constraint {name}")
    visit = console("conflicts")
    assert visit.dataframe[0].value["kind"][0] == "missing constraint"
    visit = press(press(visit, "conflicts.constraint"), "repair.confirm")
    assert world.linking.constraint().exists
    assert "UNIQUE now" in visit.toast[0].value
    assert "undo.do" not in keys_of(visit), "what cannot be undone offers no Undo"
    assert "No conflicts" in text_of(visit)


def test_offenders_stand_in_the_constraints_way(world: App, console: Console, connection) -> None:
    name = connection.execute(
        "select conname from pg_constraint where conrelid = 'leads'::regclass and contype = 'u'"
    ).fetchone()[0]
    connection.execute(f"alter table leads drop constraint {name}")
    connection.execute(f"update leads set call_sid = '{CURRENT}' where id = {CLEO}")
    visit = console("conflicts", kind="missing_constraint")
    assert "conflicts.constraint" not in keys_of(visit)
    assert f"in leads {ANA}, {CLEO}" in text_of(visit)
    visit = press(console("conflicts", kind="two_leads_claim"), f"conflicts.choose.{CLEO}")
    press(visit, "repair.confirm")
    assert world.leads.find_by_id(ANA).call_sid is None
    assert world.linking.constraint().total == 0
