"""Leads: search, a lead's whole story, and what another number would change; global search over all of it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.app import App
from core.errors import BadInput, NotFound, Stale
from core.linking import Linking, Options, WorklistFilter
from tests.database.outside import OURS, Connection, add_call, add_lead, sid

NUMBER, OTHER = "+14155550199", "+14155550188"
START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def linking(app: App) -> Linking:
    return app.linking


def found(linking: Linking, text: str) -> list[int]:
    return [hit.id for hit in linking.find_leads(text).items]


# Search --------------------------------------------------------------------------------------------------------------


def test_what_finds_a_lead(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann O'Neil", "(415) 555-0199", email="ann@example.com", call_sid=sid(1))
    bob = add_lead(connection, "Bob 100%", "+44 20 7946 0018", email="bob_b@example.org")
    for text in (
        "ann",
        "O'N",
        "NEIL",
        "ann@example",
        "0199",
        "4155550199",
        "+1 415 555 0199",
        "(415) 555-0199",
        str(ann),
        sid(1),
    ):
        assert found(linking, text) == [ann], text
    for text in ("100%", "bob_b", "2079460018", "+44 20 7946 0018", f" {bob} "):
        assert found(linking, text) == [bob], text
    for text in ("%%", "nobody", "99999", "0000000", "\\", "'; drop table leads; --", "n_O"):
        assert found(linking, text) == [], text
    assert sorted(found(linking, "")) == sorted(found(linking, "example")) == [ann, bob]
    assert linking.find_leads("ann").items[0].calls == 1


def test_an_exact_id_comes_first_then_the_last_contacted(linking: Linking, connection: Connection) -> None:
    ids = [
        add_lead(connection, f"Lead {n}", f"+1212555{n:04d}", last_contacted_at=START + timedelta(days=n))
        for n in range(5)
    ]
    never = add_lead(connection, "Lead never")
    assert found(linking, "lead") == [*reversed(ids), never]
    assert found(linking, str(ids[1])) == [ids[1]]


def test_pages_of_leads(linking: Linking, connection: Connection) -> None:
    for number in range(7):
        add_lead(connection, f"Lead {number}")
    seen, offset = [], 0
    while True:
        page = linking.find_leads("lead", limit=3, offset=offset)
        seen += [hit.id for hit in page.items]
        if page.next is None:
            break
        offset = page.next
    assert seen == found(linking, "lead")
    for wrong in ({"limit": 0}, {"limit": 201}, {"offset": -1}, {"offset": 10**6}):
        with pytest.raises(BadInput):
            linking.find_leads("lead", **wrong)


def test_leads_without_the_optional_columns_are_found(linking: Linking, connection: Connection) -> None:
    connection.execute("alter table leads drop column if exists company")
    assert found(linking, "ann") == []
    ann = add_lead(connection, "Ann")
    assert found(linking, "ann") == [ann]
    connection.execute("alter table leads add column company text")
    connection.execute("update leads set company = 'Acme GmbH'")
    assert found(linking, "acme") == [ann]


# One lead ------------------------------------------------------------------------------------------------------------


def test_a_leads_story(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann", "(415) 555-0199")
    twin = add_lead(connection, "Ann again", NUMBER)
    abroad = add_lead(connection, "Abe", "+44 7955 550199")  # the same last digits, another number
    old, new, free, theirs = (add_call(connection, n, at=START + timedelta(days=n)) for n in range(1, 5))
    elsewhere = add_call(connection, 9, counterpart="+447955550199")
    for call, lead in ((old, ann), (new, ann), (theirs, twin)):
        linking.link(call, lead)
    linking.judge()
    told = linking.lead_story(ann)
    assert (told.lead.id, told.numbers, told.current, told.calls_total) == (ann, (NUMBER,), new, 2)
    assert [(call.call_sid, call.state) for call in told.calls] == [(new, "current"), (old, "history")]
    assert [(other.lead.id, other.likeness) for other in told.sharing] == [(twin, "same")]
    assert [call.call_sid for call in told.number_calls] == [theirs, free]
    assert elsewhere not in told.details and "have this number" in told.details[free]
    assert [event.call_sid for event in told.history] == [new, old]
    assert abroad not in [other.lead.id for other in told.sharing]
    with pytest.raises(NotFound):
        linking.lead_story(4711)
    with pytest.raises(BadInput):
        linking.lead_story("x")  # type: ignore[arg-type]


def test_all_calls_of_a_lead_page_by_page(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann", NUMBER)
    calls = [add_call(connection, n, at=START + timedelta(days=n // 2)) for n in range(7)]
    for call in calls:
        linking.link(call, ann)
    seen, after = [], None
    while True:
        page = linking.calls_of_lead(ann, limit=2, after=after)
        seen += [call.call_sid for call in page.items]
        after = page.next
        if after is None:
            break
    assert seen == list(reversed(calls))
    assert linking.calls_of_lead(4711).items == ()


# Another number ------------------------------------------------------------------------------------------------------


def test_the_preview_counts_by_the_rules_that_judge(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann", OTHER)
    for number in range(5):
        add_call(connection, number, inbound=number == 0)
    add_call(connection, 5, counterpart="+447955550199")  # the same last digits
    add_call(connection, 6, counterpart=OTHER)
    linking.set_aside(add_call(connection, 7))
    linking.link(add_call(connection, 8), add_lead(connection, "Bob"))
    linking.judge()
    seen = linking.preview_phone(ann, "415.555.0199")
    assert (seen.was, seen.numbers, seen.matching, seen.gained, seen.lost, seen.sharing) == (
        OTHER,
        (NUMBER,),
        5,
        5,
        1,
        (),
    )
    assert seen.sentence == "Store this number and 5 unlinked calls match."
    assert {call.call_sid for call in seen.calls} == {sid(n) for n in range(5)}
    assert linking.lead_story(ann).lead.phone == OTHER, "a preview writes nothing"
    event = linking.set_phone(ann, "415.555.0199", replace(seen.options, reason="misheard"))
    assert event is not None and event.id is not None
    matching = [call for call in linking.worklist(WorklistFilter()).items if call.best_lead_id == ann]
    assert len(matching) == seen.matching
    again = linking.preview_phone(ann, "415.555.0199")
    assert (again.event, again.gained, again.matching) == (None, 0, 5)
    linking.undo(event.id)
    assert linking.lead_story(ann).lead.phone == OTHER
    assert [call.best_lead_id for call in linking.worklist(WorklistFilter(number=NUMBER)).items] == [None] * 5


def test_a_shared_number_is_said_to_be_so(linking: Linking, connection: Connection) -> None:
    bob, ann = add_lead(connection, "Bob", NUMBER), add_lead(connection, "Ann")
    add_call(connection, 1)
    linking.judge()
    seen = linking.preview_phone(ann, NUMBER)
    assert [other.lead.id for other in seen.sharing] == [bob]
    assert seen.sentence == (
        f"Store this number and 1 unlinked call matches. Lead {bob} has it too: a person has to choose."
    )


def test_numbers_that_match_nothing(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann", NUMBER)
    add_call(connection, 1)
    linking.judge()
    assert linking.preview_phone(ann, "n/a").sentence.startswith("This is no phone number")
    emptied = linking.preview_phone(ann, None)
    assert (emptied.matching, emptied.lost, emptied.sentence) == (0, 1, "No unlinked call has this number.")
    assert linking.set_phone(ann, None, emptied.options) is not None
    assert linking.lead_story(ann).lead.phone is None
    for wrong in ("", "  ", "x" * 251, "1\n2", "1\0"):
        with pytest.raises(BadInput):
            linking.preview_phone(ann, wrong)
        with pytest.raises(BadInput):
            linking.set_phone(ann, wrong)
    for attempt in (linking.preview_phone, linking.set_phone):
        with pytest.raises(NotFound):
            attempt(4711, NUMBER)


def test_a_number_that_changed_meanwhile_is_stale(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann")
    seen = linking.preview_phone(ann, NUMBER)
    connection.execute("update leads set phone = %s where id = %s", [OTHER, ann])
    with pytest.raises(Stale):
        linking.set_phone(ann, NUMBER, seen.options)
    assert linking.lead_story(ann).lead.phone == OTHER
    first = linking.set_phone(ann, NUMBER, Options(request_id="p1"))
    again = linking.set_phone(ann, NUMBER, Options(request_id="p1"))
    assert first is not None and again is not None and first.id == again.id


def test_the_numbers_can_be_erased_while_the_ledger_stays(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann", OTHER)
    linking.set_phone(ann, NUMBER)
    ledger = connection.execute(
        "select before::text || after::text from link_events order by id desc limit 1"
    ).fetchone()
    assert ledger is not None and NUMBER not in ledger[0] and OTHER not in ledger[0]


# Global search -------------------------------------------------------------------------------------------------------


def test_one_text_finds_calls_and_leads(linking: Linking, connection: Connection) -> None:
    ann = add_lead(connection, "Ann", "(415) 555-0199", email="ann@example.com")
    call = add_call(connection, 0xABC)
    other = add_call(connection, 0xDEF, counterpart=OTHER)
    linking.judge()
    calls = {text: [hit.call_sid for hit in linking.search(text).calls] for text in (
        call, call.lower(), f"status of {call} please", call[-6:], f"{call[:4]}…{call[-4:]}", "415-555-0199", OURS,
    )}  # fmt: skip
    assert set(map(tuple, calls.values())) <= {(call,), (other, call), (call, other)}
    assert [hit.id for hit in linking.search("415-555-0199").leads] == [ann]
    for text in ("ann", "ann@example", str(ann)):
        assert [hit.id for hit in linking.search(text).leads] == [ann]
    nothing = linking.search("zzzz")
    assert (nothing.calls, nothing.leads, nothing.more_calls, nothing.more_leads) == ((), (), False, False)
    for wrong in ("", "  ", "\0"):
        with pytest.raises(BadInput):
            linking.search(wrong)


@pytest.mark.parametrize(
    "text", ["%", "_", "\\", "'", "a" * 5000, "CA" * 300, "🙂", "\u202e", "0", "-", "…", "(((", "+", "1" * 60]
)
def test_any_text_is_answered(linking: Linking, connection: Connection, text: str) -> None:
    add_lead(connection, "Ann", NUMBER)
    add_call(connection, 1)
    linking.search(text)
    linking.find_leads(text)


def test_hits_are_bounded(linking: Linking, connection: Connection) -> None:
    for number in range(12):
        add_lead(connection, f"Lead {number}", NUMBER)
        add_call(connection, number)
    linking.judge()
    hits = linking.search(NUMBER, limit=5)
    assert (len(hits.calls), len(hits.leads), hits.more_calls, hits.more_leads) == (5, 5, True, True)
