"""A number's page: its calls and leads, ruling about it, ending the rule."""

from datetime import UTC, datetime, timedelta

import pytest

from core.access import Identity
from core.app import App
from tests.ui.conftest import CURRENT, DAN, EVE, NOBODY, OLDER, SEVERAL, Console, keys_of, press, text_of

SHARED, ANAS, OURS = "+14155550104", "+14155550101", "+14155550000"


def calls_of(visit) -> list[str]:
    return [words.split("q=")[1].split("#")[0] for words in visit.dataframe[0].value["sid"]]


@pytest.mark.parametrize("written", [SHARED, "(415) 555-0104", " 415.555.0104 "])
def test_the_page_of_a_number_in_any_writing(console: Console, written: str) -> None:
    visit = console("leads", number=written)
    assert not visit.exception and not visit.error
    told = text_of(visit)
    assert "several leads have it" in told and "Calls with this number · 1" in told
    assert f"Lead {DAN} · Dan Roe" in told and f"Lead {EVE} · Eve Roe" in told
    assert calls_of(visit) == [SEVERAL]
    assert "Nobody has ruled about this number." in told


def test_linked_and_unlinked_calls_are_listed(console: Console) -> None:
    visit = console("leads", number=ANAS)
    assert calls_of(visit) == [CURRENT, OLDER]
    assert list(visit.dataframe[0].value["state"]) == ["✓ current", "○ unlinked"]
    ours = console("leads", number=OURS)
    assert "one of our own numbers" in text_of(ours) and len(calls_of(ours)) == 5


@pytest.mark.parametrize("asked", ["nonsense", "12", "☎️", "'; drop table leads; --"])
def test_what_is_no_number_is_said(console: Console, asked: str) -> None:
    visit = console("leads", number=asked)
    assert not visit.exception and not visit.error
    assert "expected a phone number" in "".join(str(each.value) for each in visit.warning).replace("\\", "")


def test_a_number_that_nobody_has(console: Console) -> None:
    visit = console("leads", number="+4930123456")
    assert not visit.exception
    assert "No call has this number" in text_of(visit) and "No lead has it" in text_of(visit)


def test_ruling_about_a_number_and_ending_the_rule(world: App, console: Console) -> None:
    visit = console("leads", number=SHARED)
    visit = visit.selectbox(key=f"number.verdict.{SHARED}.0").set_value("switchboard").run()
    assert visit.checkbox(key=f"number.never.{SHARED}.switchboard").value is True
    visit = press(visit, "number.rule")
    assert "switchboard, never linked automatically" in text_of(visit)
    visit.text_input(key="repair.reason").set_value("The front desk")
    visit = press(visit, "repair.confirm")
    rule = world.linking.number(SHARED).rule
    assert rule is not None
    assert (rule.verdict, rule.author, rule.reason, rule.never_link) == ("switchboard", "ana", "The front desk", True)
    told = text_of(visit)
    assert "Switchboard, never linked automatically" in told and "The front desk" in told
    visit = press(press(visit, "number.end"), "repair.confirm")
    assert world.linking.number(SHARED).rule is None
    assert "Earlier rules · 1" in text_of(visit) and "ended by ana" in text_of(visit)


def test_a_rule_that_changed_meanwhile_is_not_overwritten(world: App, console: Console) -> None:
    visit = console("leads", number=SHARED)
    visit = visit.selectbox(key=f"number.verdict.{SHARED}.0").set_value("person").run()
    visit = press(visit, "number.rule")
    theirs = world.linking.set_number_rule(SHARED, "test", actor="bo")
    visit = press(visit, "repair.confirm")
    assert "changed since you looked" in "".join(str(each.value) for each in visit.get("warning") + visit.get("error"))
    assert world.linking.number(SHARED).rule == theirs


def test_an_expired_rule_stands_among_the_earlier_ones(world: App, console: Console, connection) -> None:
    world.linking.set_number_rule(SHARED, "test", until=datetime.now(UTC) + timedelta(days=1))
    connection.execute("update number_rules set expires_at = now() - interval '1 minute'")
    world.linking.judge()
    told = text_of(console("leads", number=SHARED))
    assert "Earlier rules · 1" in told and "expired" in told


def test_a_viewer_cannot_rule(world: App, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    world.linking.set_number_rule(SHARED, "person")
    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: Identity("vic", "viewer"))
    visit = console("leads", number=SHARED)
    assert not visit.exception
    assert visit.button(key="number.rule").disabled and visit.button(key="number.end").disabled


def test_actions_of_a_call(world: App, console: Console) -> None:
    visit = console("leads", number="+14155550199")
    assert calls_of(visit) == [NOBODY] and "number.set_aside" in keys_of(visit)
    press(press(visit, "number.set_aside"), "repair.confirm")
    assert world.linking.call(NOBODY).state == "set_aside"
