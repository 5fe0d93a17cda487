"""Activity: the ledger's list, its filters, and undo of one change and of a batch."""

import uuid

import pytest

from core.app import App
from core.linking import Options
from tests.ui.conftest import (
    ANA,
    BEN,
    CLEO,
    CURRENT,
    DAN,
    FORMAT,
    NOBODY,
    OLDER,
    SEVERAL,
    Console,
    keys_of,
    press,
    text_of,
)

BATCH = str(uuid.UUID(int=7))


def listed(visit) -> list[str]:
    return [words for table in visit.dataframe for words in table.value["what"]]


def test_changes_newest_first_with_who_and_what(console: Console, world: App) -> None:
    world.linking.link(FORMAT, BEN, Options(actor="dana", reason="said <b>so</b>"))
    world.linking.relink(FORMAT, CLEO, Options(actor="eli"))
    visit = console("activity")
    table = visit.dataframe[0].value
    assert table["what"][0] == f"moved from lead {BEN} to lead {CLEO} as its current call"
    assert list(table["who"][:2]) == ["eli", "dana"]
    assert table["why"][1] == "said <b>so</b>"
    words = text_of(visit)
    assert "by eli" in words
    assert f"linked to lead {CLEO} · current call" in words


def test_an_empty_ledger_says_what_will_stand_here(app: App, serve) -> None:
    assert "Nothing has changed yet" in text_of(serve(app)("activity"))


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ({"actor": "dana"}, 1),
        ({"lead": str(CLEO)}, 1),
        ({"call": FORMAT}, 2),
        ({"batch": BATCH}, 1),
        ({"actor": "nobody of that name"}, 0),
    ],
)
def test_filters_live_in_the_address(console: Console, world: App, params: dict[str, str], count: int) -> None:
    world.linking.link(FORMAT, BEN, Options(actor="dana", batch_id=BATCH))
    world.linking.relink(FORMAT, CLEO, Options(actor="eli"))
    visit = console("activity", **params)
    assert len(listed(visit)) == count
    (name, value), *_ = params.items()
    typed = console("activity").text_input(key=f"activity.{name}").set_value(value).run()
    assert len(listed(typed)) == count
    assert typed.query_params[name] == value
    cleared = press(typed, "activity.clear")
    assert len(listed(cleared)) == 3


@pytest.mark.parametrize(("name", "value"), [("lead", "x"), ("lead", "-1"), ("batch", "no"), ("lead", "9" * 40)])
def test_a_filter_that_cannot_be_meant_is_said(console: Console, name: str, value: str) -> None:
    visit = console("activity", **{name: value})
    assert not visit.exception
    assert name.title() in visit.warning[0].value


@pytest.mark.parametrize("params", [{"before": "x"}, {"event": "x"}, {"event": "999999"}, {"event": "9" * 40}])
def test_an_address_that_names_nothing_breaks_nothing(console: Console, params: dict[str, str]) -> None:
    visit = console("activity", **params)
    assert not visit.exception
    assert not visit.error


def test_the_selected_change_is_undone_and_marked(console: Console, world: App) -> None:
    event = world.linking.link(FORMAT, BEN)
    visit = press(console("activity", event=str(event.id)), "activity.undo")
    assert world.linking.story(FORMAT).call.lead_id == BEN, "asking writes nothing"
    visit = press(visit, "repair.confirm")
    assert world.linking.story(FORMAT).call.lead_id is None
    assert "↺ undone" in list(visit.dataframe[0].value["mark"])
    visit = console("activity", event=str(event.id))
    assert "activity.undo" not in keys_of(visit)
    assert "It cannot be undone" in text_of(visit)


def test_what_moved_on_says_why_it_cannot_be_undone(console: Console, world: App) -> None:
    event = world.linking.link(FORMAT, BEN)
    world.linking.relink(FORMAT, CLEO)
    visit = console("activity", event=str(event.id))
    assert "activity.undo" not in keys_of(visit)
    assert "It cannot be undone" in text_of(visit)


def test_a_batch_is_undone_and_what_was_skipped_is_listed(console: Console, world: App) -> None:
    for sid, lead in ((FORMAT, BEN), (SEVERAL, DAN), (OLDER, ANA)):
        world.linking.link(sid, lead, Options(batch_id=BATCH))
    world.linking.relink(SEVERAL, CLEO, Options(actor="eli"))
    visit = console("activity", batch=BATCH)
    assert "One batch of 3 changes" in text_of(visit)
    assert "Undo takes 2 changes back, skips 1" in text_of(visit)
    assert "CA33…3333, linked to lead 4" in text_of(visit) and "it moved on since" in text_of(visit)
    assert world.linking.story(FORMAT).call.lead_id == BEN, "looking writes nothing"
    visit = press(visit, "activity.undo_batch")
    assert "2 changes would be taken back" in text_of(visit)
    assert "1 change is skipped" in text_of(visit)
    visit = press(visit, "repair.confirm")
    assert "2 changes; 1 change skipped" in visit.toast[0].value
    assert "CA33…3333, linked to lead 4" in text_of(visit)
    leads = {sid: world.linking.story(sid).call.lead_id for sid in (FORMAT, SEVERAL, OLDER)}
    assert leads == {FORMAT: None, SEVERAL: CLEO, OLDER: None}
    visit = press(visit, "undo.do")
    assert world.linking.story(FORMAT).call.lead_id == BEN, "Redo takes the whole undo back"


def test_a_batch_that_is_undone_offers_no_second_undo(console: Console, world: App) -> None:
    world.linking.link(FORMAT, BEN, Options(batch_id=BATCH))
    world.linking.undo_batch(BATCH)
    assert "activity.undo_batch" not in keys_of(console("activity", batch=BATCH))


def test_older_changes_page_by_page(console: Console, world: App) -> None:
    for _ in range(30):
        world.linking.set_aside(NOBODY)
        world.linking.restore(NOBODY)
    visit = console("activity")
    first = listed(visit)
    assert len(first) == 50
    visit = press(visit, "activity.older")
    assert len(listed(visit)) == 11
    assert "before" in visit.query_params
    visit = press(visit, "activity.newer")
    assert listed(visit) == first
    assert "before" not in visit.query_params


def test_an_outside_change_names_another_program(console: Console, connection) -> None:
    connection.execute(f"update leads set call_sid = null where id = {ANA}")
    table = console("activity", call=CURRENT).dataframe[0].value
    assert table["who"][0].startswith("another program")
