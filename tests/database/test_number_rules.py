"""Rules about numbers: set, ended, expired; what they change for the calls; the number's story."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.access.identity import Identity
from core.app import App, build
from core.errors import BadInput, NotAllowed, RequestIdReused, Stale
from core.linking import Linking, WorklistFilter, ruled_numbers
from core.settings import Settings
from tests.database.outside import OURS, Connection, add_call, add_lead, sid

NUMBER = "+14155550199"
REASON = "The front desk of a hotel"
EARLY = "2026-02-01T00:00:00Z"


@pytest.fixture
def linking(app: App) -> Linking:
    return app.linking


@pytest.fixture
def both(database_url: str) -> Iterator[tuple[Linking, Connection]]:
    """The use cases and an outside writer, on PostgreSQL 15 and 18."""
    app = build(Settings.load({"DATABASE_URL": database_url, "PATCHBAY_ACTOR": "tester"}))
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield app.linking, connection
    app.close()


def best(linking: Linking, call: str) -> tuple[str, list[str]]:
    """The best candidate's confidence, and the kinds of what speaks against it."""
    (first, *_) = linking.candidates(call)
    return first.confidence, [doubt.kind for doubt in first.against]


def test_a_rule_holds_until_it_is_ended_and_stays_in_the_history(both: tuple[Linking, Connection]) -> None:
    linking, _ = both
    rule = linking.set_number_rule("(415) 555-0199", "switchboard", reason=REASON, actor="ana")
    assert rule is not None
    assert (rule.number, rule.verdict, rule.never_link, rule.author) == (NUMBER, "switchboard", True, "ana")
    assert linking.set_number_rule(NUMBER, "switchboard", reason=REASON, actor="bo") is None, "just this holds already"
    second = linking.set_number_rule(NUMBER, "person", actor="bo")
    assert second is not None and not second.never_link
    told = linking.number(NUMBER)
    assert told.rule == second
    assert [(past.id, past.ended_by) for past in told.past] == [(rule.id, "bo")]
    ended = linking.end_number_rule(NUMBER, reason="She moved", actor="cleo")
    assert ended is not None and (ended.id, ended.ended_by, ended.end_reason) == (second.id, "cleo", "She moved")
    assert linking.end_number_rule(NUMBER) is None
    told = linking.number(NUMBER)
    assert told.rule is None and [past.id for past in told.past] == [second.id, rule.id]


def test_the_same_request_rules_once(linking: Linking) -> None:
    first = linking.set_number_rule(NUMBER, "person", request_id="r1")
    again = linking.set_number_rule(NUMBER, "person", request_id="r1")
    assert first is not None and first == again
    with pytest.raises(RequestIdReused):
        linking.set_number_rule(NUMBER, "test", request_id="r1")


def test_what_changed_meanwhile_is_not_overwritten(linking: Linking) -> None:
    seen = linking.number(NUMBER).rule
    assert seen is None
    theirs = linking.set_number_rule(NUMBER, "person", actor="bo")
    assert theirs is not None
    with pytest.raises(Stale):
        linking.set_number_rule(NUMBER, "test", expect=None)
    with pytest.raises(Stale):
        linking.end_number_rule(NUMBER, expect=theirs.id + 1)
    assert linking.number(NUMBER).rule == theirs
    assert linking.end_number_rule(NUMBER, expect=theirs.id) is not None


def test_a_viewer_rules_nothing_but_reads(linking: Linking) -> None:
    viewer = linking.acting_as(Identity("vic", "viewer"))
    for attempt in (lambda: viewer.set_number_rule(NUMBER, "test"), lambda: viewer.end_number_rule(NUMBER)):
        with pytest.raises(NotAllowed):
            attempt()
    assert viewer.number(NUMBER).rule is None
    ruled = linking.acting_as(Identity("olga", "operator")).set_number_rule(NUMBER, "test", actor="somebody else")
    assert ruled is not None and ruled.author == "olga"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nonsense", "test"), "number is 'nonsense'"),
        ((NUMBER, "villain"), "verdict is 'villain'"),
        ((NUMBER, "test", {"reason": " "}), "reason is empty"),
        ((NUMBER, "test", {"until": datetime(2020, 1, 1, tzinfo=UTC)}), "expected a time to come"),
    ],
)
def test_what_cannot_be_meant_is_named(linking: Linking, arguments: tuple[Any, ...], words: str) -> None:
    number, verdict, *more = arguments
    with pytest.raises(BadInput, match=words):
        linking.set_number_rule(number, verdict, **(more[0] if more else {}))


def test_a_number_s_story_has_leads_in_any_writing_and_all_its_calls(linking: Linking, connection: Connection) -> None:
    ada = add_lead(connection, phone="(415) 555-0199")
    other = add_lead(connection, "Bo", phone="415.555.0199")
    add_lead(connection, "Cy", phone="+4930123456")
    for number in range(1, 4):
        add_call(connection, number, counterpart=NUMBER, inbound=number == 2)
    add_call(connection, 9, counterpart="+14155550177")
    linking.judge()
    linking.link(sid(1), ada)
    linking.set_aside(sid(2))
    told = linking.number("415-555-0199", limit=2)
    assert [each.lead.id for each in told.leads] == [ada, other] and told.standing == "several_leads"
    assert (told.figures.calls, told.figures.inbound) == (3, 1)
    assert told.figures.states == {"current": 1, "set_aside": 1, "unlinked": 1}
    assert told.figures.months == ({"month": "2026-03", "linked": 1, "unlinked": 1, "set_aside": 1},)
    assert [call.call_sid for call in told.page.items] == [sid(3), sid(2)]
    rest = linking.number(NUMBER, limit=2, after=told.page.next)
    assert [(call.call_sid, call.state) for call in rest.page.items] == [(sid(1), "current")]
    assert told.to_json()["items"][0]["call_sid"] == sid(3)


def test_our_own_number_shows_the_calls_on_either_side(linking: Linking, connection: Connection) -> None:
    for number in range(1, 4):
        add_call(connection, number, counterpart=f"+1415555018{number}", inbound=number == 2)
    linking.judge()
    told = linking.number(OURS)
    assert told.ours and told.ours_by == "data" and told.figures.calls == 3


def test_an_own_number_by_rule_is_nobodys_counterpart(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1, counterpart=NUMBER)
    add_lead(connection, phone=NUMBER)
    linking.judge()
    assert linking.call(call).cause == "missed_match"
    linking.set_number_rule(NUMBER, "own")
    assert linking.call(call).cause == "own_numbers_only"
    assert linking.candidates(call) == []
    told = linking.number(NUMBER)
    assert told.ours_by == "rule" and [c.call_sid for c in told.page.items] == [call]
    linking.end_number_rule(NUMBER)
    assert linking.call(call).cause == "missed_match"


def test_the_rules_in_force_are_read_page_by_page(linking: Linking, app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruled_numbers, "RULES_AT_ONCE", 2)
    for number in range(5):
        linking.set_number_rule(f"+1415555019{number}", "person" if number == 3 else "test")
    assert set(ruled_numbers.in_force(app.gateway)) == {f"+1415555019{number}" for number in range(5)}
    assert set(ruled_numbers.never_linked(app.gateway)) == {f"+1415555019{number}" for number in (0, 1, 2, 4)}


def test_an_expired_rule_counts_no_more(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1, counterpart=NUMBER)
    add_lead(connection, phone=NUMBER)
    linking.set_number_rule(NUMBER, "own", until=datetime.now(UTC) + timedelta(days=1))
    assert linking.call(call).cause == "own_numbers_only"
    connection.execute("update number_rules set expires_at = now() - interval '1 second'")
    assert linking.number(NUMBER).rule is None, "at once, whoever ends it"
    linking.judge()
    assert linking.call(call).cause == "missed_match"
    (past,) = linking.number(NUMBER).past
    assert past.ended_at == past.expires_at and past.ended_by is None


# What a rule changes for the calls ------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["switchboard", "person"])
def test_a_lead_found_by_a_ruled_number_is_a_suggestion_at_most(both: tuple[Linking, Connection], verdict: str) -> None:
    linking, connection = both
    call = add_call(connection, 1, counterpart=NUMBER)
    add_lead(connection, phone="(415) 555-0199", created_at=EARLY)
    linking.judge()
    assert best(linking, call) == ("high", [])
    rule = linking.set_number_rule(NUMBER, verdict, never_link=True, reason=REASON, actor="ana")
    assert rule is not None
    assert best(linking, call) == ("medium", ["number_rule"])
    (doubt,) = linking.candidates(call)[0].against
    assert doubt.source == f"number_rules/{rule.id}"
    assert doubt.detail.startswith("A person ruled that this number is never linked automatically: ")
    assert doubt.detail.endswith(f"(ana, {rule.created_at.day} {rule.created_at:%b %Y}: {REASON}).")
    assert linking.call(call).best_confidence == "medium", "judged again at once"
    linking.end_number_rule(NUMBER)
    assert (best(linking, call), linking.call(call).best_confidence) == (("high", []), "high")


def test_a_verdict_alone_changes_nothing(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1, counterpart=NUMBER)
    add_lead(connection, phone=NUMBER, created_at=EARLY)
    linking.set_number_rule(NUMBER, "person")
    assert best(linking, call) == ("high", [])


def test_proof_stays_proof(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1, counterpart=NUMBER)
    add_lead(connection, phone=NUMBER, notes=f"Outbound call {call} initiated", created_at=EARLY)
    linking.set_number_rule(NUMBER, "switchboard")
    assert best(linking, call) == ("certain", ["number_rule"])


def test_bulk_linking_leaves_a_ruled_number_alone(linking: Linking, connection: Connection) -> None:
    ruled, free = add_call(connection, 1, counterpart=NUMBER), add_call(connection, 2, counterpart="+14155550177")
    add_lead(connection, phone=NUMBER, created_at=EARLY)
    add_lead(connection, phone="+14155550177", created_at=EARLY)
    proven = add_call(connection, 3, counterpart=NUMBER)
    add_lead(connection, phone=None, notes=f"Outbound call {proven} initiated", created_at=EARLY)
    linking.set_number_rule(NUMBER, "switchboard", reason=REASON)
    plan = linking.plan([ruled, free, proven])
    assert [pair.call_sid for pair in plan.pairs] == [free]
    assert dict(plan.skipped) == {"number_rule": 2}
    assert all(REASON in skip.sentence for skip in plan.listed["number_rule"])


def test_a_withheld_number_by_rule_is_matched_with_nobody(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1, counterpart="(415) 555-0199", inbound=True)
    add_lead(connection, phone=NUMBER, created_at=EARLY)
    linking.judge()
    linking.set_number_rule(NUMBER, "withheld")
    page = linking.worklist(WorklistFilter())
    assert linking.call(call).cause == "withheld_caller" and linking.candidates(call) == []
    assert page.details[call] == "A person ruled that this number counts as withheld."
    linking.end_number_rule(NUMBER)
    assert linking.call(call).cause == "format_mismatch" or linking.call(call).cause == "missed_match"


def test_a_test_line_suggests_nobody(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1, counterpart=NUMBER)
    add_lead(connection, phone=NUMBER, created_at=EARLY)
    linking.set_number_rule(NUMBER, "test")
    assert linking.candidates(call) == [] and linking.call(call).best_lead_id is None


def test_a_link_is_not_suspect_by_a_number_that_tells_nobody(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1, counterpart=NUMBER)
    add_lead(connection, "Ada", phone=NUMBER, created_at=EARLY)
    add_lead(connection, "Bo", phone="+14155550188", call_sid=call)
    linking.judge()
    assert linking.call(call).suspect == "other_lead"
    linking.set_number_rule(NUMBER, "switchboard")
    assert linking.call(call).suspect is None
