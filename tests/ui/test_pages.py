"""Every page: what it shows, in words."""

import re

import pytest

from pages.overview.sections import _found
from tests.ui.conftest import ANA, CURRENT, FORMAT, NOBODY, SEVERAL, Console, keys_of, text_of


@pytest.mark.parametrize("page", ["home", "overview", "unlinked", "conflicts", "lookup", "leads", "activity", "system"])
def test_each_page_opens_by_its_address_without_an_error(console: Console, page: str) -> None:
    visit = console(page)
    assert not visit.exception
    assert not visit.error


def test_the_bare_address_leads_to_the_overview(console: Console) -> None:
    assert console("home").title[0].value == "Overview"


def test_overview_shows_its_figures(console: Console) -> None:
    words = text_of(console("overview"))
    for figure in ("**4** Unlinked", "**5** Calls", "**0** Conflicts", "**0** Stuck calls"):
        assert figure in words


def test_a_figure_without_a_rule_is_not_shown() -> None:
    words = [words for _, words, *_ in _found({"conflicts": 3, "suspect": None, "stuck": 0})]
    assert words == ["Conflicts", "Stuck calls"]


def test_overview_lists_causes_and_days_as_links(console: Console) -> None:
    links = [link.value for link in console("overview").get("page_link")]
    assert "format mismatch **1**" in links
    assert sum(": **1**" in link for link in links) == 4


def test_overview_names_what_to_do_first(console: Console) -> None:
    words = text_of(console("overview"))
    assert "exactly one lead has their number, written otherwise" in words
    assert "The oldest unlinked call has waited for **10 d**" in words
    assert re.search(r"(\d+) of \1 checks passed", words)


def test_worklist_shows_unlinked_calls_newest_first(console: Console) -> None:
    visit = console("unlinked")
    table = visit.dataframe[0].value
    assert list(table["cause"]) == ["several leads", "format mismatch", "no matching lead", "missed match"]
    assert table["best"][1] == "/leads?lead=2#● Lead 2 · high"
    assert table["counterpart"][1] == "+1 415 555 0102"
    assert table["length"][1] == "3m 12s"
    assert table["sid"][1] == f"/lookup?q={FORMAT}#CA11…1111"
    assert "<b>4</b>" in text_of(visit)


def test_worklist_shows_the_first_call_beside_the_table(console: Console) -> None:
    visit = console("unlinked")
    assert SEVERAL in [code.value for code in visit.code]


def test_worklist_opens_the_call_of_the_address(console: Console) -> None:
    visit = console("unlinked", call=FORMAT)
    assert FORMAT in [code.value for code in visit.code]
    words = text_of(visit)
    assert "Ben Hall here, &lt;b&gt;about&lt;/b&gt; the garden." in words
    assert "unlinked.link.2" in keys_of(visit)


def test_worklist_says_when_the_call_of_the_address_is_not_listed(console: Console) -> None:
    words = text_of(console("unlinked", call=CURRENT))
    assert "not on the page of the list" in words
    assert f"Linked to lead {ANA}" in words


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"cause": "format_mismatch"}, [FORMAT]),
        ({"direction": "inbound"}, [FORMAT, NOBODY]),
        ({"status": "no-answer"}, [NOBODY]),
        ({"number": "(415) 555-0102"}, [FORMAT]),
        ({"text": "garden"}, [FORMAT]),
        ({"text": "nothing has this"}, []),
        ({"view": "set_aside"}, []),
        ({"cause": "no such cause", "direction": "inbound"}, [FORMAT, NOBODY]),
    ],
)
def test_worklist_takes_filters_from_the_address(console: Console, params: dict[str, str], found: list[str]) -> None:
    visit = console("unlinked", **params)
    assert not visit.exception
    shown = [sid.split("q=")[1].split("#")[0] for table in visit.dataframe for sid in table.value["sid"]]
    assert shown == found


def test_worklist_says_how_many_of_how_many(console: Console) -> None:
    assert "<b>2 of 4</b>" in text_of(console("unlinked", direction="inbound"))


def test_worklist_without_a_hit_says_why_and_clears(console: Console) -> None:
    visit = console("unlinked", text="nothing has this")
    assert "No call fits these filters" in text_of(visit)
    cleared = visit.button(key="unlinked.clear_all").click().run()
    assert len(cleared.dataframe[0].value) == 4


def test_worklist_with_a_bad_number_says_what_is_expected(console: Console) -> None:
    visit = console("unlinked", number="x")
    assert not visit.exception
    assert "expected a phone number" in visit.warning[0].value
    assert len(visit.text_input) >= 2, "the filters stay, so that it can be corrected"


def test_worklist_with_a_made_up_cursor_says_so(console: Console) -> None:
    visit = console("unlinked", after="'; drop table leads")
    assert not visit.exception
    assert "cursor" in visit.warning[0].value


def test_lookup_tells_the_whole_story(console: Console) -> None:
    visit = console("lookup", q=FORMAT)
    words = text_of(visit)
    assert [code.value for code in visit.code] == [FORMAT]
    assert "Unlinked · format mismatch" in words
    assert "Lead 2 (Ben Hall) has this number, written (415) 555-0102" in words
    for part in (
        "Queue job",
        "Twilio",
        "Events",
        "Transcript",
        "Larkspur Services, hello.",
        "Timeline",
        "Link history",
    ):
        assert part in words
    assert {"lookup.link.2", "lookup.set_aside", "lookup.typed"} <= set(keys_of(visit))


def test_lookup_finds_the_sid_in_a_log_line(console: Console) -> None:
    visit = console("lookup", q=f"2026-11-22 10:02 WARN link failed CallSid={FORMAT.replace('CA', 'ca')} retry=0")
    assert [code.value for code in visit.code] == [FORMAT]


def test_lookup_shows_a_linked_call_with_its_lead(console: Console) -> None:
    visit = console("lookup", q=CURRENT)
    words = text_of(visit)
    assert "Linked to lead 1 · current call" in words
    assert "Ana Ortiz" in words
    assert "0 other calls of this lead" in words
    assert "lookup.unlink" in keys_of(visit)
    assert "lookup.set_aside" not in keys_of(visit)


def test_lookup_lists_several_matches_as_links(console: Console) -> None:
    visit = console("lookup", q="+1 415 555 0101")
    links = [link.value for link in visit.get("page_link")]
    assert "`CA22…2222`" in links
    assert "`CA55…5555`" in links


@pytest.mark.parametrize(
    "text",
    [
        "CA" + "f" * 32,
        "'; drop table leads; --",
        "☎️🎉",
        "x" * 10_000,
        "%",
        "_",
        "\\",
        "CA",
        "<script>alert(1)</script>",
    ],
)
def test_lookup_answers_bad_input_with_what_is_expected(console: Console, text: str) -> None:
    visit = console("lookup", q=text)
    assert not visit.exception
    assert not visit.error
    assert "Expected is a Call SID" in text_of(visit)


def test_lookup_without_a_question_says_what_can_be_pasted(console: Console) -> None:
    assert "Paste anything that names a call" in text_of(console("lookup"))


def test_lookup_of_a_sid_of_another_form_warns_and_works(console: Console, connection) -> None:
    connection.execute(
        "insert into call_events (call_sid, from_number, direction)"
        " values ('CA1234_guide_sample', '+14155550102', 'inbound')"
    )
    visit = console("lookup", q="CA1234_guide_sample")
    assert [code.value for code in visit.code] == ["CA1234_guide_sample"]
    assert visit.warning
