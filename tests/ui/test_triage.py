"""Triage: one call at a time, each key's outcome, undo, back, others at work, the end."""

from html import unescape

import pytest

from core.app import App
from core.linking import Options
from core.model.dialling import DiallingChange
from core.model.records import Candidate
from dashboard import triage_pass
from dashboard.triage_steps import asked_in_dialog
from tests.ui.conftest import (
    ANA,
    BEN,
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

ORDER = (SEVERAL, FORMAT, NOBODY, OLDER)
"""The small world's unlinked calls, newest first."""


@pytest.fixture
def triage(console: Console):
    triage_pass._memories.clear()

    def visit(**params: str):
        return console("unlinked", mode="triage", **params)

    return visit


def at(visit) -> str:
    return visit.query_params["call"] if isinstance(visit.query_params["call"], str) else visit.query_params["call"][0]


def left(visit) -> str:
    return next(words for words in (element.value for element in visit.get("html")) if "left of" in str(words))


def test_it_starts_with_the_newest_and_counts_down(triage) -> None:
    visit = triage()
    assert at(visit) == SEVERAL
    assert "<b>4</b> left of 4" in left(visit)
    visit = press(visit, "triage.next")
    assert at(visit) == FORMAT
    assert "<b>3</b> left of 4" in left(visit)
    assert "<b>1</b> passed over" in text_of(visit)


def test_accept_links_and_goes_on(triage, world: App) -> None:
    visit = triage(call=OLDER)
    assert "It joins the history of lead 1" in text_of(visit)
    visit = press(visit, "triage.accept")
    told = world.linking.story(OLDER)
    assert (told.call.lead_id, told.call.state) == (ANA, "history")
    assert told.history[0].actor == "ana"
    assert at(visit) == "end"
    assert "<b>1</b> linked" in text_of(visit)


def status_of(world: App, lead_id: int) -> str | None:
    return world.linking.lead_story(lead_id).lead.lead_status


def test_accept_waits_until_it_is_chosen_what_becomes_of_a_new_leads_status(triage, world: App) -> None:
    visit = triage(call=FORMAT)
    assert "What shall become of its status new?" in text_of(visit)
    visit = press(visit, "triage.accept")
    assert world.linking.story(FORMAT).call.lead_id is None
    assert "Choose, and the call is linked" in text_of(visit)
    visit = press(visit, "triage.status.cancel")
    assert "Choose, and" not in text_of(visit)
    visit = press(press(visit, "triage.accept"), "triage.status.contacted")
    assert world.linking.story(FORMAT).call.lead_id == BEN
    assert status_of(world, BEN) == "contacted"
    assert at(visit) == NOBODY
    visit = press(visit, "triage.undo")
    assert world.linking.story(FORMAT).call.lead_id is None
    assert status_of(world, BEN) == "new"
    assert at(visit) == FORMAT
    assert "the backend's automation may dial it" in unescape(text_of(visit))


def test_the_choice_holds_for_the_pass_and_can_be_changed(triage, world: App) -> None:
    visit = press(triage(call=FORMAT), "triage.status.keep")
    assert world.linking.story(FORMAT).call.lead_id is None, "to choose is not to link"
    assert "Its status stays new" in text_of(visit)
    visit = press(visit, "triage.status.contacted")
    assert "It is marked contacted" in text_of(visit)
    visit = press(press(visit, "triage.next"), "triage.back")
    assert "It is marked contacted" in text_of(visit)
    visit = press(visit, "triage.status.keep")
    visit = press(visit, "triage.accept")
    assert (world.linking.story(FORMAT).call.lead_id, status_of(world, BEN)) == (BEN, "new")
    assert at(visit) == NOBODY


def test_another_pass_asks_again(triage, world: App) -> None:
    press(triage(call=FORMAT), "triage.status.keep")
    visit = triage(call=FORMAT)
    assert "What shall become of its status new?" in text_of(visit)


def test_an_open_choice_falls_with_any_other_key(triage, world: App) -> None:
    visit = press(press(triage(call=FORMAT), "triage.accept"), "triage.next")
    visit = press(visit, "triage.back")
    assert "What shall become of its status new?" in text_of(visit)
    assert world.linking.story(FORMAT).call.lead_id is None


def test_a_lead_that_became_new_meanwhile_is_asked_about(triage, world: App, connection) -> None:
    connection.execute("update leads set lead_status = 'contacted' where id = %s", (BEN,))
    visit = triage(call=FORMAT)
    assert "status new" not in text_of(visit)
    connection.execute("update leads set lead_status = 'new' where id = %s", (BEN,))
    visit = press(visit, "triage.accept")
    assert world.linking.story(FORMAT).call.lead_id is None
    assert "Choose, and the call is linked" in text_of(visit)


def test_what_could_make_a_lead_be_dialled_is_asked_in_the_dialog() -> None:
    sure, unsure = Candidate(BEN, None, None, "high", ()), Candidate(BEN, None, None, "low", ())
    assert not asked_in_dialog(sure, [DiallingChange(BEN, False, "")])
    assert asked_in_dialog(sure, [DiallingChange(BEN, True, "")])
    assert asked_in_dialog(sure, [DiallingChange(ANA, False, "")])
    assert asked_in_dialog(unsure, [])


def test_the_other_candidate(triage, world: App) -> None:
    visit = triage()
    assert visit.button(key="triage.accept").label == f"Link to lead {DAN}"
    visit = press(visit, "triage.other")
    assert visit.button(key="triage.accept").label == f"Link to lead {EVE}"
    visit = press(visit, f"triage.pick.{DAN}")
    visit = press(press(visit, "triage.other"), "triage.accept")
    if "repair.confirm" in keys_of(visit):
        visit = press(visit, "repair.confirm")
    assert world.linking.story(SEVERAL).call.lead_id == EVE


def test_set_aside_with_a_reason(triage, world: App) -> None:
    visit = press(triage(), "triage.aside")
    visit = press(visit, "triage.aside.2")
    told = world.linking.story(SEVERAL)
    assert (told.call.state, told.history[0].reason) == ("set_aside", "Wrong number")
    assert at(visit) == FORMAT
    assert "triage.aside.2" not in keys_of(visit)


def test_undo_takes_the_last_step_back_and_no_more(triage, world: App) -> None:
    visit = press(press(triage(), "triage.aside"), "triage.aside.1")
    visit = press(visit, "triage.next")
    assert at(visit) == NOBODY
    visit = press(visit, "triage.undo")
    assert at(visit) == FORMAT
    assert world.linking.story(SEVERAL).call.state == "set_aside"
    visit = press(visit, "triage.undo")
    assert at(visit) == SEVERAL
    assert world.linking.story(SEVERAL).call.state == "unlinked"


def test_undo_after_a_reload(triage, world: App) -> None:
    press(press(triage(), "triage.aside"), "triage.aside.1")
    visit = triage(call=FORMAT)
    assert "<b>1</b> set aside" in text_of(visit)
    visit = press(visit, "triage.undo")
    assert at(visit) == SEVERAL
    assert world.linking.story(SEVERAL).call.state == "unlinked"


def test_back_shows_the_call_before_as_it_is_now(triage) -> None:
    visit = press(press(triage(), "triage.aside"), "triage.aside.1")
    visit = press(visit, "triage.back")
    assert at(visit) == SEVERAL
    assert "Set aside" in text_of(visit)
    assert visit.button(key="triage.accept").disabled
    assert at(press(visit, "triage.next")) == FORMAT


def test_a_call_that_somebody_else_finished_is_passed_over_with_a_word(triage, world: App) -> None:
    visit = triage()
    world.linking.link(FORMAT, BEN, Options(actor="dana"))
    visit = press(visit, "triage.next")
    assert at(visit) == NOBODY
    assert "was linked to lead 2 as its current call by dana" in text_of(visit)


def test_the_call_in_front_that_somebody_else_finished(triage, world: App) -> None:
    visit = triage(call=OLDER)
    world.linking.set_aside(OLDER, Options(actor="dana"))
    visit = press(visit, "triage.accept")
    assert "set aside by dana" in text_of(visit)
    assert world.linking.story(OLDER).call.state == "set_aside"
    assert at(visit) == "end"


def test_filters_and_confidence(triage) -> None:
    visit = triage(cause="format_mismatch")
    assert (at(visit), "<b>1</b> left of 1" in left(visit)) == (FORMAT, True)
    assert "format mismatch" in text_of(visit)
    assert at(triage(confidence="none")) == NOBODY
    assert at(triage(cause="nonsense")) == SEVERAL


def test_the_end_is_said_and_what_is_left_can_be_taken_up_again(triage, world: App) -> None:
    visit = triage()
    for _ in ORDER:
        visit = press(visit, "triage.next")
    assert at(visit) == "end"
    assert "You have been through all of them" in text_of(visit)
    visit = press(visit, "triage.again")
    assert at(visit) == SEVERAL
    for sid in ORDER:
        world.linking.set_aside(sid)
    visit = triage(call="end")
    assert "Zero left" in text_of(visit) or "Nothing to triage" in text_of(visit)


def test_an_empty_list(app: App, serve) -> None:
    triage_pass._memories.clear()
    assert "Nothing to triage" in text_of(serve(app)("unlinked", mode="triage"))


def test_todays_work_with_undo_for_each(triage, world: App) -> None:
    visit = press(press(triage(), "triage.aside"), "triage.aside.1")
    visit = press(visit, "triage.next")
    visit = press(visit, "triage.work")
    event = world.linking.activity(call=SEVERAL, limit=1)[0]
    assert f"triage.undo.{event.id}" in keys_of(visit)
    visit = press(visit, f"triage.undo.{event.id}")
    assert world.linking.story(SEVERAL).call.state == "unlinked"
    visit = press(visit, f"triage.unskip.{FORMAT}")
    assert at(visit) == FORMAT


def test_a_typed_lead_and_the_offer_to_store_its_number(triage, world: App) -> None:
    visit = triage(call=NOBODY)
    visit = visit.text_input(key="triage.lead").set_value("3").run()
    visit = press(press(visit, "triage.typed"), "repair.confirm")
    assert world.linking.story(NOBODY).call.lead_id == 3
    assert at(visit) == OLDER


def test_a_viewer_sees_and_changes_nothing(triage, monkeypatch) -> None:
    from core.access import Identity

    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: Identity("vera", "viewer"))
    visit = triage()
    assert visit.button(key="triage.accept").disabled
    assert not visit.button(key="triage.next").disabled


def test_an_address_that_names_no_call(triage) -> None:
    visit = triage(call="CA" + "9" * 32)
    assert not visit.exception
    assert at(visit) == SEVERAL
    assert CURRENT not in text_of(visit)
