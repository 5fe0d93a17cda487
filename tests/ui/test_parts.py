"""The console's own rules that need no page: links, both sides of a change, chart tables, filter dates."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from core.model.records import Lead, LinkEvent
from dashboard import charts, links, sides
from pages.lookup.sections import still_undone
from pages.unlinked.filters import span

BERLIN = ZoneInfo("Europe/Berlin")
SID = "CA" + "1" * 32
OTHER = "CA" + "2" * 32


def event(before: dict, after: dict, action: str = "relink", **more: object) -> LinkEvent:
    return LinkEvent(None, datetime.now(UTC), "ana", "person", action, SID, 3, before, after, **more)


def test_links_spell_their_parameters_in_one_way() -> None:
    assert links.call(SID).url == f"/lookup?q={SID}"
    assert links.worklist(cause="format_mismatch", text="").url == "/unlinked?cause=format_mismatch"
    assert links.worklist(view="set_aside").url == "/unlinked?view=set_aside"
    day = date(2026, 11, 21)
    assert links.worklist_of_days(day, day).url == "/unlinked?dates=2026-11-21&dates=2026-11-21"


def test_both_sides_show_what_each_lead_loses_and_gains() -> None:
    change = event({"call_lead": 1, "leads": {"1": SID, "3": OTHER}}, {"call_lead": 3, "leads": {"1": None, "3": SID}})
    shown = sides.table(change, {1: Lead(1, "Ana <b>"), 3: Lead(3, "Cleo")})
    assert sides.leads_of(change) == (1, 3)
    assert "Lead 1 · Ana &lt;b&gt;: current call" in shown
    assert "<td>CA11…1111 (this call)</td>" in shown
    assert "none" in shown
    assert "CA11…1111 (this call); CA22…2222 joins the history" in shown


def test_a_slot_that_does_not_change_is_read_from_the_lead() -> None:
    change = event({"call_lead": None, "leads": {}}, {"call_lead": 3, "leads": {}}, "link")
    assert sides.joins_history(change)
    shown = sides.table(change, {3: Lead(3, "Cleo", call_sid=OTHER)})
    assert "linked to lead 3 · history" in shown
    assert "unchanged" in shown


def test_an_undo_that_was_undone_leaves_the_event_undoable_again() -> None:
    first, undo, redo = (
        LinkEvent(number, None, "ana", "person", "undo", SID, 3, {}, {}, undoes=undoes)
        for number, undoes in ((1, None), (2, 1), (3, 2))
    )
    assert still_undone((undo, first)) == {1}
    assert still_undone((redo, undo, first)) == {2}


def test_days_are_the_viewers_days_and_include_the_last() -> None:
    since, until = span((date(2026, 10, 24), date(2026, 10, 25)), BERLIN)
    assert since == datetime(2026, 10, 23, 22, tzinfo=UTC)
    assert until == datetime(2026, 10, 25, 23, tzinfo=UTC), "the day on which summer time ends has 25 hours"
    assert span((), BERLIN) == (None, None)
    assert span((date(2026, 11, 1),), BERLIN) == span((date(2026, 11, 1), date(2026, 11, 1)), BERLIN)


def test_chart_tables() -> None:
    rows = [{"day": "2026-11-21", "current": 2, "history": None, "unlinked": 1, "set_aside": 0}]
    table = charts.day_table(rows)
    assert table["history"].tolist() == [0]
    assert table["day"].tolist() == [date(2026, 11, 21)]
    assert charts.day_table([]).empty
    by_cause = charts.cause_table({"unknown": 1, "format_mismatch": 3, "no_numbers": 0})
    assert by_cause["words"].tolist() == ["format mismatch", "unknown"]
    assert len(charts.per_day(table, "dark").data) == 3
    assert charts.by_cause(by_cause, "light").data[0].x.tolist() == [3, 1]
