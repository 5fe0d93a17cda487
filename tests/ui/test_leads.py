"""Leads: search, one lead's calls and what can be done with them, its phone mended in place."""

import pytest

from core.app import App
from core.linking import Options
from tests.ui.conftest import (
    ANA,
    BEN,
    CLEO,
    CURRENT,
    DAN,
    EVE,
    FORMAT,
    NOBODY,
    OLDER,
    SEVERAL,
    Console,
    keys_of,
    press,
    text_of,
)


def listed(visit) -> list[str]:
    return [words.split("#")[1] for table in visit.dataframe for words in table.value["lead"]]


def link_words(visit) -> list[str]:
    return [link.value for link in visit.get("page_link")]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("roe", {f"Lead {DAN}", f"Lead {EVE}"}),
        (str(CLEO), {f"Lead {CLEO}"}),
        ("(415) 555 0102", {f"Lead {BEN}"}),
        ("5550104", {f"Lead {DAN}", f"Lead {EVE}"}),
        ("*Marsh*", {f"Lead {CLEO}"}),
        ("nobody is called this", set()),
        ("'; drop table leads; --", set()),
        ("%", set()),
        ("☎️", set()),
    ],
)
def test_search_by_id_name_and_number(console: Console, text: str, found: set[str]) -> None:
    visit = console("leads", q=text)
    assert not visit.exception
    assert not visit.error
    assert set(listed(visit)) == found
    typed = console("leads").text_input(key="leads.q").set_value(text).run()
    assert set(listed(typed)) == found
    assert typed.query_params["q"] == text


def test_without_a_text_every_lead_is_listed(console: Console) -> None:
    assert len(listed(console("leads"))) == 5


def test_without_leads_the_page_says_so(app: App, serve) -> None:
    assert "No leads yet" in text_of(serve(app)("leads"))


@pytest.mark.parametrize("lead", ["x", "0", "-1", "9" * 40])
def test_an_address_that_is_no_lead_is_said(console: Console, lead: str) -> None:
    visit = console("leads", lead=lead)
    assert not visit.exception
    assert "is no lead id" in visit.warning[0].value


def test_a_lead_that_is_gone_is_said(console: Console) -> None:
    visit = console("leads", lead="4711")
    assert not visit.exception
    assert "4711" in visit.warning[0].value


@pytest.mark.parametrize("offset", ["x", "-1", "99999999999", "4"])
def test_pages_of_the_list(console: Console, offset: str) -> None:
    visit = console("leads", **{"from": offset})
    assert not visit.exception
    assert not visit.error


def test_the_list_pages_on(console: Console, connection) -> None:
    connection.execute("insert into leads (id, name) select n, 'Lead ' || n from generate_series(100, 170) n")
    visit = console("leads")
    first = listed(visit)
    visit = press(visit, "leads.more")
    assert not set(first) & set(listed(visit))
    assert len(listed(visit)) == 26
    assert listed(press(visit, "leads.first")) == first


def test_the_whole_history_with_the_current_call_marked(console: Console, world: App) -> None:
    world.linking.link(OLDER, ANA)
    visit = console("leads", lead=str(ANA))
    assert visit.title[0].value == "Lead 1 · Ana Ortiz"
    table = visit.dataframe[0].value
    assert list(table["state"]) == ["✓ current", "↺ history"]
    assert "Its calls · 2" in text_of(visit)


def test_make_current_and_unlink_from_here(console: Console, world: App) -> None:
    world.linking.link(OLDER, ANA)
    visit = console("leads", lead=str(ANA), call=OLDER)
    visit = press(press(visit, "leads.make_current"), "repair.confirm")
    assert world.linking.story(OLDER).call.state == "current"
    visit = console("leads", lead=str(ANA), call=CURRENT)
    press(press(visit, "leads.unlink"), "repair.confirm")
    assert world.linking.story(CURRENT).call.lead_id is None


def test_a_call_of_its_number_is_linked_from_here(console: Console, world: App) -> None:
    visit = console("leads", lead=str(BEN))
    assert "No call is linked to this lead" in text_of(visit)
    assert "Other calls of its numbers · 1" in text_of(visit)
    visit = press(press(visit, "leads.link"), "repair.confirm")
    assert world.linking.story(FORMAT).call.lead_id == BEN
    assert "Its calls · 1" in text_of(visit)


def test_another_leads_call_of_its_number_is_relinked_from_here(console: Console, world: App) -> None:
    world.linking.link(SEVERAL, EVE)
    visit = console("leads", lead=str(DAN))
    assert f"Lead {EVE} · Eve Roe" in "\n".join(link_words(visit))
    visit = press(press(visit, "leads.relink"), "repair.confirm")
    assert world.linking.story(SEVERAL).call.lead_id == DAN


def test_who_shares_the_number(console: Console) -> None:
    visit = console("leads", lead=str(DAN))
    assert "Leads that share the number · 1" in text_of(visit)
    assert f"Lead {EVE} · Eve Roe" in link_words(visit)


def test_fix_the_phone_with_a_preview_and_undo(console: Console, world: App) -> None:
    visit = console("leads", lead=str(CLEO))
    assert visit.button(key="leads.store").disabled
    visit = visit.text_input(key=f"leads.phone.{CLEO}").set_value("+1 415 555 0199").run()
    assert "Store this number and 1 unlinked call matches." in text_of(visit)
    assert "`CA44…4444`" in link_words(visit)
    assert world.leads.find_by_id(CLEO).phone == "+14155550103", "looking writes nothing"
    visit = press(press(visit, "leads.store"), "repair.confirm")
    assert world.leads.find_by_id(CLEO).phone == "+1 415 555 0199"
    assert world.linking.story(NOBODY).call.best_lead_id == CLEO
    visit = press(visit, "undo.do")
    assert world.leads.find_by_id(CLEO).phone == "+14155550103"


@pytest.mark.parametrize("typed", ["garbage", "☎️", "1" * 200, "'; drop table leads; --"])
def test_a_phone_that_cannot_be_read_is_said_before_it_is_stored(console: Console, typed: str) -> None:
    visit = console("leads", lead=str(CLEO))
    visit = visit.text_input(key=f"leads.phone.{CLEO}").set_value(typed).run()
    assert not visit.exception
    assert "no call would match" in text_of(visit) or visit.warning


def test_a_phone_that_changed_meanwhile_is_not_overwritten(console: Console, world: App, connection) -> None:
    visit = console("leads", lead=str(CLEO))
    visit = visit.text_input(key=f"leads.phone.{CLEO}").set_value("+14155550199").run()
    visit = press(visit, "leads.store")
    connection.execute(f"update leads set phone = '+14155550188' where id = {CLEO}")
    visit = press(visit, "repair.confirm")
    assert visit.error
    assert world.leads.find_by_id(CLEO).phone == "+14155550188"


def test_every_lead_links_to_its_page(console: Console, world: App) -> None:
    world.linking.link(FORMAT, BEN, Options(actor="dana"))
    assert "Open lead 2 with all its calls" in link_words(console("lookup", q=FORMAT))
    assert f"Lead {BEN}" in link_words(console("activity", call=FORMAT))
    assert f"Lead {DAN}" in link_words(console("unlinked", call=SEVERAL))


def test_what_changed_stands_on_the_lead(console: Console, world: App) -> None:
    world.linking.link(FORMAT, BEN, Options(actor="dana <b>"))
    words = text_of(console("leads", lead=str(BEN)))
    assert "dana &lt;b&gt;" in words
    assert "leads.confirm_link" not in keys_of(console("leads", lead=str(BEN)))
