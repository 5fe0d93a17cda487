"""The plan of a bulk link: which calls, which leads, as what, and why the others are left alone."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from core.app import App
from core.errors import BadInput
from core.linking import BulkPlan, Options, WorklistFilter
from core.linking.bulk_plan import Skip, verdict
from core.model.records import Call, Candidate, Evidence
from tests.database import bulk_town as town

Connection = psycopg.Connection[Any]
ALL = WorklistFilter()


def pairs(plan: BulkPlan) -> dict[str, tuple[int, str]]:
    return {pair.call_sid: (pair.lead_id, pair.becomes) for pair in plan.pairs}


def test_the_newest_call_of_an_empty_slot_becomes_current_and_the_others_history(
    app: App, connection: Connection
) -> None:
    ana = town.lead(connection, 1)
    old, new, middle = (town.call(connection, n, 1, days=days) for n, days in ((1, 9), (2, 2), (3, 5)))

    plan = app.linking.plan(ALL)

    assert [pair.call_sid for pair in plan.pairs] == [new, middle, old], "newest first"
    assert pairs(plan) == {new: (ana, "current"), middle: (ana, "history"), old: (ana, "history")}
    assert {pair.slot for pair in plan.pairs} == {new}


def test_a_filled_slot_is_never_touched_even_by_a_newer_call(app: App, connection: Connection) -> None:
    ana = town.lead(connection, 1)
    held, newer = town.call(connection, 1, 1, days=9), town.call(connection, 2, 1, days=1)
    connection.execute("update leads set call_sid = %s where id = %s", (held, ana))

    plan = app.linking.plan(ALL)

    assert pairs(plan) == {newer: (ana, "history")}
    assert plan.pairs[0].slot == held


def test_an_empty_slot_goes_to_the_newest_linked_call_if_that_is_newer_than_the_plans(
    app: App, connection: Connection
) -> None:
    ana = town.lead(connection, 1)
    newest, old = town.call(connection, 1, 1, days=1), town.call(connection, 2, 1, days=9)
    app.linking.link(newest, ana)
    connection.execute("set patchbay.writer = 'ours'")  # a slot that lost its call without anybody having emptied it
    connection.execute("update leads set call_sid = null where id = %s", (ana,))
    connection.execute("reset patchbay.writer")

    plan = app.linking.plan(ALL)

    assert pairs(plan) == {old: (ana, "history")}
    assert plan.pairs[0].slot == newest
    app.linking.apply(plan)
    assert connection.execute("select call_sid from leads").fetchone() == (newest,)


def test_exactly_the_filtered_set_or_the_selected_calls(app: App, connection: Connection) -> None:
    for party in (1, 2, 3):
        town.lead(connection, party)
        town.call(connection, party, party, days=party)

    assert len(app.linking.plan(ALL).pairs) == 3
    assert set(pairs(app.linking.plan(WorklistFilter(number=town.phone(2))))) == {town.sid(2)}
    chosen = app.linking.plan([town.sid(3), town.sid(1), town.sid(3)])
    assert [pair.call_sid for pair in chosen.pairs] == [town.sid(1), town.sid(3)]
    assert chosen.considered == 2
    assert app.linking.plan([]).considered == 0


def test_at_most_so_many_links_the_newest_first(app: App, connection: Connection) -> None:
    ana = town.lead(connection, 1)
    for number in range(1, 6):
        town.call(connection, number, 1, days=number)

    plan = app.linking.plan(ALL, limit=2)

    assert pairs(plan) == {town.sid(1): (ana, "current"), town.sid(2): (ana, "history")}
    assert plan.limited


def test_why_calls_are_left_alone(app: App, connection: Connection) -> None:
    ana, ben = town.lead(connection, 1), town.lead(connection, 2)
    town.lead(connection, 2)
    gone = town.lead(connection, 4)
    reasons = {
        town.call(connection, 1, 1, days=1): "already_linked",
        town.call(connection, 2, 1, days=2): "set_aside",
        town.call(connection, 3, 1, days=3): "unlinked_by_hand",
        town.call(connection, 4, 1, days=0): "pending",
        town.call(connection, 5, 2, days=5): "several_leads",
        town.call(connection, 6, 99, days=6): "no_candidate",
        town.call(connection, 7, 4, days=7): "lead_gone",
        town.call(connection, 8, 1, days=8): "test_call",
        "CA" + "f" * 32: "no_call",
    }
    app.linking.link(town.sid(1), ana)
    app.linking.set_aside(town.sid(2))
    app.linking.link(town.sid(3), ben)
    app.linking.unlink(town.sid(3))
    app.linking.link(town.sid(7), gone)
    connection.execute("delete from leads where id = %s", (gone,))
    connection.execute("update calls set test = true where call_sid = %s", (town.sid(8),))
    app.linking.judge()

    plan = app.linking.plan(list(reasons))

    found = {skip.call_sid: skip.reason for some in plan.listed.values() for skip in some}
    assert found == reasons
    assert plan.pairs == ()
    assert sum(plan.skipped.values()) == plan.considered == len(reasons)
    assert all(skip.sentence.endswith(".") for some in plan.listed.values() for skip in some)


def test_a_rule_for_a_number_forbids_it() -> None:
    call = Call("CA1", "unlinked", datetime(2026, 3, 1, tzinfo=UTC))
    rule = Evidence("number_rule", "Switchboard (ana, 1 Mar 2026).", "number_rules/1")
    lead = Candidate(1, "Ana", None, "medium", (Evidence("number_exact", "It has it.", "leads/1"),), (rule,))
    assert verdict(call, [lead], "high") == Skip("CA1", "number_rule", rule.detail, 1)


@pytest.mark.parametrize(
    ("levels", "least", "expected"),
    [
        (["certain"], "certain", "link"),
        (["high"], "high", "link"),
        (["high"], "certain", "below_confidence"),
        (["medium"], "high", "below_confidence"),
        (["low"], "high", "below_confidence"),
        (["high", "high"], "high", "several_leads"),
        (["certain", "high"], "certain", "link"),
        (["high", "medium"], "high", "link"),
        ([], "high", "no_candidate"),
    ],
)
def test_only_certain_and_high_and_never_a_choice_between_two(levels: Any, least: Any, expected: str) -> None:
    call = Call("CA1", "unlinked", datetime(2026, 3, 1, tzinfo=UTC))
    fit = (Evidence("number_exact", "It has it.", "leads/1"),)
    found = verdict(call, [Candidate(n, None, None, level, fit) for n, level in enumerate(levels, 1)], least)
    assert (found.reason if isinstance(found, Skip) else "link") == expected


def test_certain_only(app: App, connection: Connection) -> None:
    ana = town.lead(connection, 1)
    proven, matched = town.call(connection, 1, 1, days=1), town.call(connection, 2, 1, days=2)
    connection.execute("update leads set notes = %s where id = %s", (f"Outbound call {proven} initiated", ana))

    plan = app.linking.plan(ALL, min_confidence="certain")

    assert pairs(plan) == {proven: (ana, "current")}
    assert plan.skipped == {"below_confidence": 1}
    assert plan.listed["below_confidence"][0].call_sid == matched


def test_which_leads_leave_the_dialling_list(app: App, connection: Connection) -> None:
    new, other = town.lead(connection, 1, status="new"), town.lead(connection, 2)
    town.call(connection, 1, 1, days=1)
    town.call(connection, 2, 2, days=2)
    assert other

    plan = app.linking.plan(ALL)

    assert [(change.lead_id, change.diallable) for change in plan.dialling] == [(new, False)]
    assert "will not be dialled" in plan.dialling[0].sentence


def test_planning_writes_nothing_and_says_the_same_again(app: App, connection: Connection) -> None:
    town.fill(connection, leads=40, calls=300, shared=3)
    app.linking.judge()
    before = connection.execute("select count(*), max(id) from link_events").fetchone()
    first = app.linking.plan(ALL)
    assert first == app.linking.plan(ALL)
    assert connection.execute("select count(*), max(id) from link_events").fetchone() == before
    assert len(first.pairs) > 200 and first.skipped["several_leads"] > 0
    assert len(first.pairs) + sum(first.skipped.values()) == 300


@pytest.mark.parametrize("word", ["medium", "low", "", None, "HIGH"])
def test_nothing_less_than_high_can_be_asked_for(app: App, word: Any) -> None:
    with pytest.raises(BadInput, match="expected certain or high"):
        app.linking.plan(ALL, min_confidence=word)


@pytest.mark.parametrize("limit", [0, -1, "many"])
def test_a_limit_that_cannot_be_meant(app: App, limit: Any) -> None:
    with pytest.raises(BadInput, match="limit"):
        app.linking.plan(ALL, limit=limit)


def test_selected_calls_that_cannot_be_meant(app: App) -> None:
    with pytest.raises(BadInput, match="list of Call SIDs"):
        app.linking.plan("CA" + "1" * 32)
    with pytest.raises(BadInput, match="at most"):
        app.linking.plan([town.sid(n) for n in range(10_001)])


def test_what_a_batch_is_called_names_no_number(app: App, connection: Connection) -> None:
    plan = app.linking.plan(WorklistFilter(number="+14152000001", cause="missed_match"))
    assert plan.chosen == "unlinked calls: missed match, by number"
    assert app.linking.plan([town.sid(1)]).chosen == "1 selected call"
    assert Options().reason is None
