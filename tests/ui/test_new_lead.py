"""A lead made from a call, and numbers that are nearly right: from Call lookup, the worklist's panel and triage."""

import pytest

from core.app import App
from dashboard import triage_pass
from tests.ui.conftest import CLEO, FORMAT, NOBODY, Console, keys_of, press, text_of


@pytest.mark.parametrize(("page", "params"), [("lookup", {"q": NOBODY}), ("unlinked", {"call": NOBODY})])
def test_a_lead_from_a_call_with_its_undo(console: Console, world: App, page: str, params: dict[str, str]) -> None:
    before = len(world.linking.find_leads("").items)
    visit = press(console(page, **params), f"{page}.new_lead")
    assert "The new row of leads" in text_of(visit)
    assert "does not dial it" in text_of(visit)
    assert len(world.linking.find_leads("").items) == before, "looking writes nothing"
    name = next(box for box in visit.text_input if box.label == "Name")
    visit = name.set_value("Nora Ellen").run()
    assert "Nora Ellen" in text_of(visit)
    visit = press(visit, "repair.confirm")
    told = world.linking.story(NOBODY)
    assert (told.call.state, told.lead.name, told.lead.phone) == ("current", "Nora Ellen", "+14155550199")
    assert "which was made from it" in text_of(visit)
    visit = press(visit, "undo.do")
    assert world.linking.story(NOBODY).call.lead_id is None
    assert len(world.linking.find_leads("").items) == before


def test_a_lead_from_a_test_call_has_no_current_call(console: Console, world: App, connection) -> None:
    connection.execute("update calls set test = true where call_sid = %s", (NOBODY,))
    visit = press(console("lookup", q=NOBODY), "lookup.new_lead")
    assert "as history: a test call is never the current one" in text_of(visit)
    status = next(box for box in visit.selectbox if box.label == "Status")
    visit = status.set_value("new").run()
    assert "it may be dialled at once" in visit.warning[0].value
    press(visit, "repair.confirm")
    told = world.linking.story(NOBODY)
    assert (told.call.state, told.lead.call_sid) == ("history", None)


def test_the_words_typed_last_count(console: Console, world: App) -> None:
    visit = press(console("lookup", q=NOBODY), "lookup.new_lead")
    next(box for box in visit.text_input if box.label == "Name").set_value("Typed And Pressed")
    press(visit, "repair.confirm")
    assert world.linking.story(NOBODY).lead.name == "Typed And Pressed"


def test_what_the_table_refuses_stands_in_the_form(console: Console, world: App, connection) -> None:
    connection.execute("alter table leads add column branch varchar(6)")
    connection.execute("update leads set branch = '-'")
    connection.execute("alter table leads alter column branch set not null")
    visit = press(console("lookup", q=NOBODY), "lookup.new_lead")
    assert "leads.branch is empty" in visit.warning[0].value.replace("\\", "")
    assert "repair.confirm" not in keys_of(visit)
    box = next(box for box in visit.text_input if box.label.startswith("branch"))
    visit = box.set_value("Bonn").run()
    visit = press(visit, "repair.confirm")
    assert world.linking.story(NOBODY).lead.row["branch"] == "Bonn"


@pytest.mark.parametrize("typed", ["garbage", "☎️", "'; drop table leads; --"])
def test_a_phone_that_cannot_be_read_is_said(console: Console, typed: str) -> None:
    visit = press(console("lookup", q=NOBODY), "lookup.new_lead")
    phone = next(box for box in visit.text_input if box.label == "Phone")
    visit = phone.set_value(typed).run()
    assert not visit.exception
    assert "expected a phone number" in visit.warning[0].value.replace("\\", "")
    assert "repair.confirm" not in keys_of(visit)


def test_the_status_new_is_said_to_be_dialled_later(console: Console) -> None:
    visit = press(console("lookup", q=NOBODY), "lookup.new_lead")
    status = next(box for box in visit.selectbox if box.label == "Status")
    visit = status.set_value("new").run()
    assert "it will be once that slot is empty" in visit.warning[0].value


def test_only_a_call_that_no_lead_fits_offers_it(console: Console) -> None:
    assert "lookup.new_lead" not in keys_of(console("lookup", q=FORMAT))


def test_a_lead_that_came_meanwhile_is_said_and_nothing_written(console: Console, world: App, connection) -> None:
    visit = press(console("lookup", q=NOBODY), "lookup.new_lead")
    connection.execute("insert into leads (id, name, phone) values (77, 'Came Meanwhile', '+14155550199')")
    visit = press(visit, "repair.confirm")
    assert "added since you looked" in visit.error[0].value
    assert world.linking.story(NOBODY).call.lead_id is None
    visit = press(visit, "repair.again")
    assert "Lead 77 has this number already" in visit.warning[0].value


@pytest.mark.parametrize(("page", "params"), [("lookup", {"q": NOBODY}), ("unlinked", {"call": NOBODY})])
def test_a_number_that_is_nearly_right_can_be_mended(
    console: Console, world: App, connection, page: str, params: dict[str, str]
) -> None:
    connection.execute(f"update leads set phone = '415 555 019' where id = {CLEO}")
    visit = console(page, **params)
    words = text_of(visit)
    assert "has 415 555 019: this number with one digit missing." in words
    assert "Store it as +1 415-555-0199 and 1 unlinked call matches." in words
    visit = press(press(visit, f"{page}.mend.{CLEO}"), "repair.confirm")
    assert world.leads.find_by_id(CLEO).phone == "+14155550199"
    assert world.linking.story(NOBODY).call.lead_id is None, "a suggestion links nothing"
    press(visit, "undo.do")
    assert world.leads.find_by_id(CLEO).phone == "415 555 019"


def test_after_a_link_to_a_lead_with_another_number_it_can_be_stored(console: Console, world: App) -> None:
    visit = console("lookup", q=NOBODY)
    visit = visit.text_input(key="lookup.lead").set_value(str(CLEO)).run()
    visit = press(press(visit, "lookup.typed"), "repair.confirm")
    assert "the call came with +1 415 555 0199" in text_of(visit)
    visit = press(press(visit, f"offer.{CLEO}"), "repair.confirm")
    assert world.leads.find_by_id(CLEO).phone == "+14155550199"


def test_from_triage(console: Console, world: App) -> None:
    triage_pass._memories.clear()
    visit = press(console("unlinked", mode="triage", call=NOBODY), "triage.new_lead")
    visit = press(visit, "repair.confirm")
    made = world.linking.story(NOBODY).lead
    assert made is not None and NOBODY not in visit.query_params["call"]
    assert "<b>1</b> linked" in text_of(visit)
    visit = press(visit, "triage.undo")
    assert NOBODY in visit.query_params["call"]
    assert world.leads.find_by_id(made.id) is None
    assert world.linking.activity(call=NOBODY, limit=1)[0].action == "undo"
