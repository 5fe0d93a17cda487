"""Every widget that changes a link: what the dialog shows, what is written, how it is undone."""

import pytest
from streamlit.testing.v1 import AppTest

from core.app import App
from core.linking import Options
from tests.database.outside import Connection
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


def lead_of(app: App, call_sid: str) -> int | None:
    return app.linking.story(call_sid).call.lead_id


def events(app: App, call_sid: str) -> list[str]:
    return [event.action for event in app.linking.activity(call=call_sid)]


def confirm(visit: AppTest) -> AppTest:
    return press(visit, "repair.confirm")


def test_link_asks_first_and_shows_both_sides(console: Console, world: App) -> None:
    visit = press(console("unlinked", call=FORMAT), "unlinked.link.2")
    words = text_of(visit)
    assert "linked to lead 2 · current call" in words
    assert "Lead 2 · Ben Hall: current call" in words
    assert "CA11…1111 (this call)" in words
    assert lead_of(world, FORMAT) is None, "asking writes nothing"


def test_link_writes_one_event_and_offers_undo(console: Console, world: App) -> None:
    visit = confirm(press(console("unlinked", call=FORMAT), "unlinked.link.2"))
    assert lead_of(world, FORMAT) == BEN
    assert events(world, FORMAT) == ["link"]
    assert "The call is linked to lead 2 as its current call." in visit.toast[0].value
    assert "undo.do" in keys_of(visit)
    assert len(visit.dataframe[0].value) == 3, "the call has left the worklist"


def test_undo_in_the_page_takes_it_back_and_redo_does_it_again(console: Console, world: App) -> None:
    visit = confirm(press(console("unlinked", call=FORMAT), "unlinked.link.2"))
    visit = press(visit, "undo.do")
    assert lead_of(world, FORMAT) is None
    assert "Undone" in text_of(visit)
    visit = press(visit, "undo.do")
    assert lead_of(world, FORMAT) == BEN
    assert events(world, FORMAT) == ["undo", "undo", "link"]


def test_the_undo_bar_stays_until_it_is_dismissed(console: Console) -> None:
    visit = confirm(press(console("lookup", q=FORMAT), "lookup.link.2"))
    visit = visit.run()
    assert "undo.do" in keys_of(visit)
    assert not visit.toast, "the toast shows once"
    assert "undo.do" not in keys_of(press(visit, "undo.dismiss"))


def test_cancel_closes_the_dialog_and_writes_nothing(console: Console, world: App) -> None:
    visit = press(press(console("lookup", q=FORMAT), "lookup.link.2"), "repair.cancel")
    assert "repair.confirm" not in keys_of(visit)
    assert events(world, FORMAT) == []


def test_the_reason_goes_into_the_ledger(console: Console, world: App) -> None:
    visit = press(console("lookup", q=FORMAT), "lookup.link.2")
    visit = visit.text_input(key="repair.reason").set_value("caller said so").run()
    visit = confirm(visit)
    assert world.linking.activity(call=FORMAT)[0].reason == "caller said so"
    assert "“caller said so”" in text_of(visit)


def test_the_dialog_warns_about_automatic_dialling_and_marks_contacted(console: Console, world: App) -> None:
    visit = press(console("lookup", q=FORMAT), "lookup.link.2")
    assert "will not be dialled by the backend" in text_of(visit)
    visit = visit.checkbox(key=f"repair.contacted.{BEN}").check().run()
    confirm(visit)
    assert world.leads.find_by_id(BEN).lead_status == "contacted"


def test_unlinking_a_new_lead_warns_that_it_may_be_dialled(console: Console, world: App) -> None:
    world.linking.link(FORMAT, BEN)
    visit = press(console("lookup", q=FORMAT), "lookup.unlink")
    assert "automation may dial it" in visit.warning[0].value
    confirm(visit)
    assert lead_of(world, FORMAT) is None


def test_an_older_call_joins_the_history_unless_made_current(console: Console, world: App) -> None:
    visit = press(console("lookup", q=OLDER), "lookup.link.1")
    assert "linked to lead 1 · history" in text_of(visit)
    visit = visit.checkbox(key="repair.current").check().run()
    assert "linked to lead 1 · current call" in text_of(visit)
    confirm(visit)
    assert world.linking.story(OLDER).call.state == "current"


def test_linking_into_the_history_leaves_the_current_call(console: Console, world: App) -> None:
    confirm(press(console("lookup", q=OLDER), "lookup.link.1"))
    assert world.linking.story(OLDER).call.state == "history"
    assert world.linking.story(CURRENT).call.state == "current"


def test_make_current(console: Console, world: App) -> None:
    world.linking.link(OLDER, ANA)
    confirm(press(console("lookup", q=OLDER), "lookup.make_current"))
    assert world.linking.story(OLDER).call.state == "current"
    assert world.linking.story(CURRENT).call.state == "history"


@pytest.fixture
def tested(connection: Connection) -> str:
    """A call that turns out to be a test call."""
    connection.execute("update calls set test = true where call_sid = %s", (FORMAT,))
    return FORMAT


def test_a_test_call_is_linked_as_history_and_the_dialog_says_why(console: Console, world: App, tested: str) -> None:
    visit = press(console("lookup", q=tested), "lookup.link.2")
    assert "linked to lead 2 · history" in text_of(visit)
    assert "test call: it never becomes a lead’s current call" in visit.info[0].value
    assert "repair.current" not in keys_of(visit)
    visit = confirm(visit)
    assert "The call is linked to lead 2 as history." in visit.toast[0].value
    assert world.leads.find_by_id(BEN).call_sid is None


@pytest.mark.parametrize(("page", "params"), [("lookup", {"q": FORMAT}), ("leads", {"lead": str(BEN)})])
def test_making_a_test_call_current_is_not_offered(
    console: Console, world: App, tested: str, page: str, params: dict[str, str]
) -> None:
    world.linking.link(tested, BEN)
    visit = console(page, **params)
    assert f"{page}.make_current" not in keys_of(visit) and f"{page}.unlink" in keys_of(visit)
    assert "This is a test call: it never becomes a lead’s current call. Its link stays in the history." in text_of(
        visit
    )


def test_a_call_that_turned_out_to_be_a_test_meanwhile_is_refused(
    console: Console, world: App, connection: Connection
) -> None:
    world.linking.link(OLDER, ANA)
    visit = press(console("lookup", q=OLDER), "lookup.make_current")
    connection.execute("update calls set test = true where call_sid = %s", (OLDER,))
    visit = confirm(visit)
    assert "it never becomes a lead's current call" in visit.error[0].value.replace("\\", "")
    assert world.linking.story(CURRENT).call.state == "current"


def test_undoing_the_unlinking_of_a_test_call_says_that_it_stays_history(
    console: Console, world: App, connection: Connection, tested: str
) -> None:
    connection.execute("update leads set call_sid = %s where id = %s", (tested, BEN))
    gone = world.linking.unlink(tested)
    visit = press(console("lookup", q=tested), f"lookup.undo.{gone.id}")
    assert "test call: it never becomes a lead’s current call" in visit.info[0].value
    confirm(visit)
    assert (lead_of(world, tested), world.leads.find_by_id(BEN).call_sid) == (BEN, None)


def test_relink_by_a_typed_lead_shows_what_both_leads_lose_and_gain(console: Console, world: App) -> None:
    visit = console("lookup", q=CURRENT)
    visit = visit.text_input(key="lookup.lead").set_value(str(CLEO)).run()
    visit = press(visit, "lookup.typed")
    words = text_of(visit)
    assert "Lead 1 · Ana Ortiz: current call" in words
    assert "Lead 3 · Cleo *Marsh*: current call" in words
    confirm(visit)
    assert lead_of(world, CURRENT) == CLEO
    assert events(world, CURRENT)[0] == "relink"


@pytest.mark.parametrize("typed", ["", "abc", "-1", "1; drop table leads", "9" * 30, "١٢", "🎉"])
def test_a_typed_lead_that_is_no_id_gets_a_message_beside_the_field(console: Console, world: App, typed: str) -> None:
    visit = console("lookup", q=CURRENT)
    visit = press(visit.text_input(key="lookup.lead").set_value(typed).run(), "lookup.typed")
    assert "Lead id is" in visit.warning[0].value
    assert "repair.confirm" not in keys_of(visit)
    assert lead_of(world, CURRENT) == ANA


def test_a_typed_lead_that_does_not_exist_is_said_in_the_dialog(console: Console) -> None:
    visit = console("lookup", q=CURRENT)
    visit = press(visit.text_input(key="lookup.lead").set_value("4711").run(), "lookup.typed")
    assert "4711" in visit.warning[0].value
    assert "repair.confirm" not in keys_of(visit)


def test_unlink(console: Console, world: App) -> None:
    visit = press(console("lookup", q=CURRENT), "lookup.unlink")
    assert "counts as unlinked by hand" in text_of(visit)
    visit = confirm(visit)
    assert lead_of(world, CURRENT) is None
    assert "unlinked by hand" in text_of(visit)


def test_set_aside_with_a_reason_and_restore(console: Console, world: App) -> None:
    visit = press(console("unlinked", call=NOBODY), "unlinked.set_aside")
    visit = visit.selectbox(key="repair.reason").set_value("Spam").run()
    confirm(visit)
    assert world.linking.story(NOBODY).call.state == "set_aside"
    assert world.linking.activity(call=NOBODY)[0].reason == "Spam"
    visit = console("unlinked", view="set_aside")
    confirm(press(visit, "unlinked.restore"))
    assert world.linking.story(NOBODY).call.state == "unlinked"


def test_set_aside_and_restore_in_lookup(console: Console, world: App) -> None:
    visit = confirm(press(console("lookup", q=NOBODY), "lookup.set_aside"))
    assert "lookup.restore" in keys_of(visit)
    confirm(press(visit, "lookup.restore"))
    assert world.linking.story(NOBODY).call.state == "unlinked"


def test_an_event_of_the_history_can_be_undone(console: Console, world: App) -> None:
    event = world.linking.link(FORMAT, BEN)
    visit = press(console("lookup", q=FORMAT), f"lookup.undo.{event.id}")
    assert "linked to lead 2" in text_of(visit)
    visit = confirm(visit)
    assert lead_of(world, FORMAT) is None
    assert f"lookup.undo.{event.id}" not in keys_of(visit), "an event is undone once"
    assert "undone" in text_of(visit)


def test_a_baseline_event_offers_no_undo(console: Console, world: App, connection) -> None:
    visit = console("lookup", q=CURRENT)
    for event in world.linking.activity(call=CURRENT):
        assert (f"lookup.undo.{event.id}" in keys_of(visit)) == (event.source != "baseline")


def test_what_changed_while_the_dialog_was_open_is_said_and_nothing_is_written(console: Console, world: App) -> None:
    visit = press(console("lookup", q=SEVERAL), f"lookup.link.{DAN}")
    world.linking.link(SEVERAL, EVE, Options(actor="dana"))
    visit = confirm(visit)
    assert "dana" in visit.error[0].value
    assert f"lead {EVE}" in visit.error[0].value
    assert lead_of(world, SEVERAL) == EVE
    assert events(world, SEVERAL) == ["link"]
    assert "repair.again" in keys_of(visit)


def test_after_a_refusal_closing_the_dialog_shows_the_facts_as_they_are(console: Console, world: App) -> None:
    visit = press(console("lookup", q=SEVERAL), f"lookup.link.{DAN}")
    world.linking.link(SEVERAL, EVE, Options(actor="dana"))
    visit = press(confirm(visit), "repair.cancel")
    assert f"Linked to lead {EVE}" in text_of(visit)


def test_an_undo_of_what_moved_on_is_refused_with_its_reason(console: Console, world: App) -> None:
    visit = confirm(press(console("lookup", q=FORMAT), "lookup.link.2"))
    world.linking.relink(FORMAT, CLEO, Options(actor="dana"))
    visit = press(visit, "undo.do")
    assert visit.error
    assert lead_of(world, FORMAT) == CLEO


def test_confirming_twice_does_it_once(console: Console, world: App) -> None:
    visit = press(console("lookup", q=FORMAT), "lookup.link.2")
    intent = visit.session_state["repair.intent"]
    confirm(visit)
    again = world.linking.link(
        FORMAT,
        BEN,
        Options(request_id=intent.request_id, expect=dict(intent.seen.before), promise=dict(intent.seen.after)),
    )
    assert again is not None
    assert again.id == world.linking.activity(call=FORMAT)[0].id
    assert events(world, FORMAT) == ["link"]


def test_a_lead_deleted_meanwhile_is_said(console: Console, world: App, connection) -> None:
    visit = press(console("lookup", q=FORMAT), "lookup.link.2")
    connection.execute(f"delete from leads where id = {BEN}")
    visit = confirm(visit)
    assert not visit.exception
    assert "2" in (visit.error or visit.warning)[0].value
    assert lead_of(world, FORMAT) is None


def test_nothing_to_change_is_said(console: Console, world: App) -> None:
    visit = press(console("lookup", q=FORMAT), "lookup.link.2")
    world.linking.link(FORMAT, BEN, Options(actor="dana"))
    visit = press(visit, "repair.cancel")
    visit = console("lookup", q=FORMAT)
    assert f"Linked to lead {BEN}" in text_of(visit)
