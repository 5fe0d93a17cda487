"""The further views of Unlinked calls, the export, the text for a ticket, and the search from every page."""

import csv
import io
import itertools
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from core.app import App
from core.linking.stuck import is_stuck
from core.linking.worklist import WorklistFilter
from dashboard import reads, stuck
from tests.ui.conftest import ANA, BEN, CLEO, DAN, FORMAT, NOBODY, OLDER, Console, keys_of, press, text_of

STUCK = "CA" + "6" * 32
DANGLING = "CA" + "7" * 32
TROUBLE = f"""
insert into call_events (call_sid, direction, from_number, to_number, call_status, created_at) values
    ('{STUCK}', 'inbound', '+14155550102', '+14155550000', 'ringing', now() - interval '2 days');
update leads set call_sid = '{DANGLING}' where id = {CLEO};
update leads set call_sid = '{NOBODY}' where id = {DAN};
"""


@pytest.fixture
def trouble(world: App, connection: psycopg.Connection[Any]) -> App:
    """The small world with a stuck call, a dangling link, and a link whose lead has another number."""
    connection.execute(TROUBLE.encode())
    world.linking.judge()
    return world


def _search_dialog() -> None:
    from dashboard import search

    search._dialog()


def sids(visit) -> list[str]:
    return [address.split("q=")[1].split("#")[0] for table in visit.dataframe for address in table.value["sid"]]


@pytest.mark.parametrize(
    ("view", "found", "why"),
    [
        ("suspect", NOBODY, "which no lead has"),
        ("stuck", STUCK, "Its status is still"),
        ("dangling", DANGLING, ""),
    ],
)
def test_each_view_lists_its_calls_and_why(trouble: App, console: Console, view: str, found: str, why: str) -> None:
    visit = console("unlinked", view=view)
    assert not visit.exception
    assert sids(visit) == [found]
    assert why in visit.dataframe[0].value["why"][0]
    chosen = console("unlinked").segmented_control(key="unlinked.view").set_value(view).run()
    assert sids(chosen) == [found]
    assert chosen.query_params["view"] == view


@pytest.mark.parametrize("view", ["suspect", "stuck", "dangling", "by_number", "set_aside"])
def test_an_empty_view_says_that_all_is_well(app: App, serve, view: str) -> None:
    visit = serve(app)("unlinked", view=view)
    assert not visit.exception
    assert not visit.error
    assert "pb-empty" in text_of(visit)


def test_all_calls_are_listed_linked_ones_too(trouble: App, console: Console) -> None:
    visit = console("unlinked", view="all")
    assert not visit.exception
    assert "calls, linked ones too" in text_of(visit)
    assert any(lead.endswith("#Lead 1") for lead in visit.dataframe[0].value["lead"])


@pytest.mark.parametrize("days", [("0001-01-01", "9999-12-31"), ("9999-12-31",), ("2026-13-45",)])
def test_days_that_no_calendar_has_do_not_filter(console: Console, days: tuple[str, ...]) -> None:
    visit = console("unlinked", dates=list(days))
    assert not visit.exception and not visit.error
    assert "No call fits" not in text_of(visit)


def test_a_suspect_link_is_confirmed_and_leaves_the_list(trouble: App, console: Console) -> None:
    visit = press(console("unlinked", view="suspect"), "unlinked.confirm_link")
    visit = press(visit, "repair.confirm")
    assert "No suspect link" in text_of(visit)
    assert trouble.linking.story(NOBODY).call.lead_id == DAN
    visit = press(visit, "undo.do")
    assert trouble.linking.count(WorklistFilter(view="suspect")) == 1


def test_a_suspect_link_is_undone_from_its_panel(trouble: App, console: Console) -> None:
    press(press(console("unlinked", view="suspect"), "unlinked.unlink"), "repair.confirm")
    assert trouble.linking.story(NOBODY).call.lead_id is None


def test_a_cause_does_not_outlive_a_view_that_has_none(trouble: App, console: Console) -> None:
    visit = console("unlinked", cause="format_mismatch")
    visit = visit.segmented_control(key="unlinked.view").set_value("stuck").run()
    assert not visit.exception
    assert not visit.warning
    assert sids(visit) == [STUCK]
    assert dict(visit.query_params) == {"view": "stuck"}
    assert sids(console("unlinked", view="stuck", cause="format_mismatch")) == [STUCK]


def test_suspect_links_by_kind(trouble: App, console: Console) -> None:
    visit = console("unlinked", view="suspect")
    visit = visit.selectbox(key="unlinked.cause").set_value("other_lead").run()
    assert "No call fits these filters" in text_of(visit)


def test_grouped_by_number_the_busiest_first(trouble: App, console: Console) -> None:
    visit = console("unlinked", view="by_number")
    table = visit.dataframe[0].value
    assert list(table["calls"]) == [2, 1, 1]
    assert table["number"][0] == "+1 415 555 0102"
    links = [link.value for link in visit.get("page_link")]
    assert "Show its 2 calls" in links
    assert "<b>3 numbers</b>" in text_of(visit)
    visit = visit.selectbox(key="unlinked.direction").set_value("outbound").run()
    assert list(visit.dataframe[0].value["calls"]) == [1, 1]


def test_a_group_is_chosen_by_its_address(trouble: App, console: Console) -> None:
    visit = console("unlinked", view="by_number", group="+14155550104")
    assert "+1 415 555 0104" in text_of(visit)
    assert "several leads 1" in text_of(visit)


def test_export_holds_every_filtered_row_and_no_formula(trouble: App, console: Console, connection) -> None:
    connection.execute(f"update leads set name = '=cmd|calc' where id = {BEN}")
    console("unlinked")
    rows = list(csv.DictReader(io.StringIO(reads.export(WorklistFilter(direction="inbound")).decode("utf-8-sig"))))
    assert {row["call_sid"] for row in rows} == {FORMAT, STUCK}
    assert all(row["best_lead_name"] == "'=cmd|calc" for row in rows)


def test_numbers_are_exported_too(trouble: App, console: Console, connection) -> None:
    connection.execute(f"update leads set name = '=cmd|calc' where id = {BEN}")
    assert console("unlinked", view="by_number").get("download_button")
    rows = list(csv.DictReader(io.StringIO(reads.export_numbers(WorklistFilter()).decode("utf-8-sig"))))
    assert [row["calls"] for row in rows] == ["2", "1", "1"]
    assert (rows[0]["counterpart"], rows[0]["best_lead_name"]) == ("+14155550102", "'=cmd|calc")
    assert sum(int(row["calls"]) for row in rows) == trouble.linking.count(WorklistFilter())


def test_calls_without_a_number_are_not_one_persons(trouble: App, console: Console, connection) -> None:
    for number in (8, 9):
        connection.execute(
            f"insert into call_events (call_sid, direction, call_status, created_at) values "
            f"('CA{str(number) * 32}', 'inbound', 'completed', now() - interval '{number} days')"
        )
    connection.execute(f"update leads set notes = 'Outbound call CA{'8' * 32} initiated' where id = {ANA}")
    trouble.linking.judge()
    visit = console("unlinked", view="by_number", group="none")
    words = text_of(visit)
    assert "Calls without a number" in words and "link write failed 1, no numbers 1" in words
    assert "Best candidate" not in words, "the notes name one of them, not all"
    targets = {link.value for link in visit.get("page_link")}
    assert "No numbers · 1" in targets and not any(words.startswith(f"Lead {ANA}") for words in targets)
    group = next(row for row in trouble.linking.by_number(WorklistFilter()).items if row.counterpart is None)
    assert (group.best_lead_id, group.best_confidence) == (None, None)


def test_lookup_says_of_a_suspect_link_why_it_is_doubtful(trouble: App, console: Console) -> None:
    words = text_of(console("lookup", q=NOBODY))
    assert "Why its link is doubtful:" in words and "Why it is not linked:" not in words
    assert "Why it is not linked:" in text_of(console("lookup", q=FORMAT))


def test_the_export_button_is_there_when_there_is_something(trouble: App, console: Console) -> None:
    assert console("unlinked").get("download_button")
    assert not console("unlinked", text="nothing has this").get("download_button")


def test_copy_for_ticket_masks_numbers_unless_asked(console: Console) -> None:
    visit = press(console("lookup", q=FORMAT), "lookup.ticket")
    text = visit.code[-1].value
    assert FORMAT in text
    assert "+14155550102" not in text
    visit = visit.checkbox(key="lookup.full_numbers").check().run()
    assert "+14155550102" in visit.code[-1].value
    visit = press(visit, "lookup.ticket")
    assert [code.value for code in visit.code] == [FORMAT]


@pytest.mark.parametrize("page", ["overview", "unlinked", "conflicts", "lookup", "leads", "activity", "system"])
def test_search_is_on_every_page(console: Console, page: str) -> None:
    visit = console(page)
    assert not visit.exception
    assert "search.open" in keys_of(visit)
    visit = press(visit, "search.open")
    assert visit.text_input(key="search.text").value in (None, "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("roe", "Lead 4 · Dan Roe"),
        ("+1 415 555 0101", f"`{OLDER[:4]}…{OLDER[-4:]}`"),
        ("nobody of this name", "Nothing is called or numbered"),
        ("<script>alert(1)</script>", "&lt;script&gt;"),
        ("%", "Nothing is called or numbered"),
    ],
)
def test_search_lists_calls_and_leads(console: Console, text: str, words: str) -> None:
    visit = AppTest.from_function(_search_dialog, default_timeout=20).run()
    assert "A single hit opens at once" in text_of(visit)
    visit = visit.text_input(key="search.text").set_value(text).run()
    assert not visit.exception
    assert words in text_of(visit)


def test_a_stuck_call_says_that_only_twilio_knows_and_offers_no_false_remedy(trouble: App, console: Console) -> None:
    visit = console("unlinked", view="stuck")
    words = text_of(visit)
    assert "How these calls ended only Twilio knows, and no account is set here." in words
    assert "the callback that says how it ended never came" in words
    assert "set it aside if it is about no lead" in words and "unlinked.set_aside" in keys_of(visit)
    assert "<code>TWILIO_ACCOUNT_SID</code> and <code>TWILIO_AUTH_TOKEN</code>" in words
    assert f"https://www.twilio.com/console/voice/calls/logs/{STUCK}" in words
    assert f".venv/bin/python -m core repair {STUCK}" in [code.value for code in visit.code]
    assert "unlinked.repair_twilio" not in keys_of(visit), "there is nobody to ask"
    trouble.linking.link(STUCK, BEN)
    reads.clear()
    assert "Its link to lead 2 is not what is wrong" in text_of(console("lookup", q=STUCK))
    assert "Stuck." not in text_of(console("lookup", q=NOBODY))


def test_the_rule_of_stuck_calls_is_that_of_the_view(trouble: App, connection: psycopg.Connection[Any]) -> None:
    odd, now = "CA" + "c" * 31, datetime.now(UTC)
    states = ("ringing", "Completed", "in-progress", "no-answer", None)
    for n, (status, ago, lasted) in enumerate(itertools.product(states, (1, 5, 300), (None, 9))):
        connection.execute(
            b"insert into call_events (call_sid, direction, call_status, call_duration, created_at) "
            b"values (%s, 'inbound', %s, %s, now() - make_interval(mins => %s))",
            (f"{odd[:30]}{n:04d}", status, lasted, ago),
        )
    listed = {row["call_sid"] for row in trouble.gateway.select("stuck_calls")}
    assert listed and listed == {row["call_sid"] for row in trouble.gateway.select("call_links") if is_stuck(row, now)}
    assert stuck.console_address("ZZ17") is None
