"""Every widget that changes what is shown: the state before, the step, the state after."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import CURRENT, FORMAT, NOBODY, OLDER, SEVERAL, Console, keys_of, press, text_of

MANY = """
insert into call_events (call_sid, direction, from_number, to_number, call_status, created_at)
select 'CA' || lpad(to_hex(n), 32, 'a'), 'inbound', '+14155550188', '+14155550000', 'completed',
       now() - interval '20 days' - n * interval '1 minute'
from generate_series(1, 120) n;
"""


def sids(visit: AppTest) -> list[str]:
    return [address.split("q=")[1].split("#")[0] for table in visit.dataframe for address in table.value["sid"]]


@pytest.mark.parametrize(
    ("kind", "key", "value", "found"),
    [
        ("selectbox", "unlinked.cause", "format_mismatch", [FORMAT]),
        ("selectbox", "unlinked.direction", "outbound", [SEVERAL, OLDER]),
        ("selectbox", "unlinked.status", "busy", [OLDER]),
        ("text_input", "unlinked.number", "0199", [NOBODY]),
        ("text_input", "unlinked.text", "garden", [FORMAT]),
        ("text_input", "unlinked.text", "'; drop table leads; --", []),
    ],
)
def test_a_filter_narrows_the_list_and_goes_into_the_address(
    console: Console, kind: str, key: str, value: str, found: list[str]
) -> None:
    visit = console("unlinked", call=NOBODY)
    visit = getattr(visit, kind)(key=key).set_value(value).run()
    assert not visit.exception
    assert sids(visit) == found
    assert visit.query_params[key.removeprefix("unlinked.")] == value
    assert "call" not in visit.query_params, "another list has another selection"


def test_days_filter_counts_the_viewers_days(console: Console) -> None:
    visit = console("unlinked")
    day = datetime.now(UTC).date() - timedelta(days=3)
    visit = visit.date_input(key="unlinked.dates").set_value((day, day)).run()
    assert sids(visit) == [FORMAT]
    assert visit.query_params["dates"] == [day.isoformat(), day.isoformat()]
    assert sids(console("unlinked", dates=["not a day", "2026-13-99"])) == [SEVERAL, FORMAT, NOBODY, OLDER]


def test_the_view_switches_to_set_aside_and_back(console: Console, world: Any) -> None:
    world.linking.set_aside(NOBODY)
    visit = console("unlinked")
    assert NOBODY not in sids(visit)
    visit = visit.segmented_control(key="unlinked.view").set_value("set_aside").run()
    assert sids(visit) == [NOBODY]
    assert visit.query_params["view"] == "set_aside"
    visit = visit.segmented_control(key="unlinked.view").set_value("unlinked").run()
    assert NOBODY not in sids(visit)
    assert "view" not in visit.query_params


def test_clear_takes_all_filters_away_and_stays_in_the_view(console: Console, world: Any) -> None:
    world.linking.set_aside(NOBODY)
    world.linking.set_aside(FORMAT)
    visit = console("unlinked", view="set_aside", status="no-answer")
    assert sids(visit) == [NOBODY]
    visit = press(visit, "unlinked.clear")
    assert sids(visit) == [FORMAT, NOBODY]
    assert dict(visit.query_params) == {"view": "set_aside"}


def test_selecting_a_row_shows_its_call_and_goes_into_the_address(console: Console) -> None:
    visit = console("unlinked")
    key = visit.dataframe[0].proto.id.split("-", 2)[-1]
    assert key.startswith("unlinked.calls.")
    visit.session_state[key] = {"selection": {"rows": [2], "columns": [], "cells": []}}
    visit = visit.run()
    assert NOBODY in [code.value for code in visit.code]


def test_a_selection_does_not_outlive_its_rows(console: Console) -> None:
    visit = console("unlinked", call=NOBODY)
    visit = visit.selectbox(key="unlinked.direction").set_value("outbound").run()
    assert SEVERAL in [code.value for code in visit.code], "the first row of the new list, not the third position"


def test_paging_older_and_newer_never_repeats_a_call(console: Console, world: Any, connection: Any) -> None:
    connection.execute(MANY)
    world.linking.judge()
    visit = console("unlinked")
    assert "unlinked.newer" not in keys_of(visit)
    pages = [sids(visit)]
    while "unlinked.older" in keys_of(visit):
        visit = press(visit, "unlinked.older")
        pages.append(sids(visit))
    assert [len(page) for page in pages] == [50, 50, 24]
    assert len({sid for page in pages for sid in page}) == 124
    visit = press(visit, "unlinked.newer")
    assert sids(visit) == pages[1]
    visit = press(visit, "unlinked.newer")
    assert sids(visit) == pages[0]
    assert "after" not in visit.query_params


def test_a_shared_older_page_leads_back_to_the_newest(console: Console, world: Any, connection: Any) -> None:
    connection.execute(MANY)
    world.linking.judge()
    older = press(console("unlinked"), "unlinked.older")
    cursor = older.query_params["after"]
    shared = console("unlinked", after=cursor)
    assert sids(shared) == sids(older)
    assert sids(press(shared, "unlinked.newer"))[0] == SEVERAL


def test_pasting_into_lookup_makes_a_clean_address(console: Console) -> None:
    visit = console("lookup")
    visit = visit.text_input(key="lookup.q").set_value(f"err sid={FORMAT} try=3").run()
    assert FORMAT in [code.value for code in visit.code]
    assert visit.query_params["q"] == FORMAT


def test_lookup_can_be_asked_again(console: Console) -> None:
    visit = console("lookup", q=FORMAT)
    visit = visit.text_input(key="lookup.q").set_value(CURRENT).run()
    assert CURRENT in [code.value for code in visit.code]
    visit = visit.text_input(key="lookup.q").set_value("").run()
    assert "Paste anything" in text_of(visit)


def test_refresh_reads_again(console: Console, world: Any) -> None:
    visit = console("lookup", q=FORMAT)
    world.linking.link(FORMAT, 2)
    visit = press(visit, "shell.refresh")
    assert "Linked to lead 2" in text_of(visit)
