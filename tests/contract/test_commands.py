"""Every link command, its refusals and the guide's calls give the same on every way into the database."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from core.errors import (
    BadInput,
    BelongsToAnotherLead,
    NotAllowed,
    NotFound,
    PatchbayError,
    Refused,
    RequestIdReused,
    Stale,
)
from core.leads import Leads
from core.linking import Command, Linking, Options, WorklistFilter
from core.settings import Settings
from core.store.gateway import Gateway, Where
from core.transcripts import Transcripts
from tests.database.outside import Connection, add_call, add_lead, say, slot

SETTINGS = Settings(actor="ops")


@pytest.fixture
def linking(gateway: Gateway) -> Linking:
    return Linking(gateway, SETTINGS)


class Numbers:
    """Fresh call numbers, so that tests may share a database."""

    def __init__(self) -> None:
        self._last = int(uuid4().int % 10**15) * 1000

    def __next__(self) -> int:
        self._last += 1
        return self._last


@pytest.fixture
def numbers() -> Iterator[Numbers]:
    yield Numbers()


def a_call(connection: Connection, numbers: Numbers, **columns: Any) -> str:
    return add_call(connection, next(numbers), **columns)


def test_every_command_and_its_undo(linking: Linking, connection: Connection, numbers: Numbers) -> None:
    ada, ben = add_lead(connection, "Ada"), add_lead(connection, "Ben")
    first = a_call(connection, numbers, at="2026-03-01T09:00:00Z")
    later = a_call(connection, numbers, at="2026-03-02T09:00:00Z")
    linked = linking.link(first, ada, Options(reason="same voice", evidence={"kind": "said", "quote": 'a, "b" 🎧'}))
    assert linked is not None and (linked.action, linked.actor, linked.source) == ("link", "ops", "person")
    assert linked.evidence == {"kind": "said", "quote": 'a, "b" 🎧'}
    assert slot(connection, ada) == first
    linking.link(later, ada)
    assert slot(connection, ada) == later
    assert linking.link(later, ada) is None
    current = linking.link(first, ada, Options(current=True))
    assert current is not None and current.action == "make_current"
    moved = linking.relink(first, ben)
    assert moved is not None and moved.after["leads"] == {str(ada): later, str(ben): first}
    gone = linking.unlink(first)
    assert gone is not None and linking.call(first).by_hand
    aside = linking.set_aside(first, Options(reason="spam"))
    assert aside is not None and linking.call(first).state == "set_aside"
    linking.restore(first)
    assert linking.call(first).state == "unlinked"
    assert moved.id is not None and gone.id is not None
    with pytest.raises(Refused):
        linking.undo(moved.id)
    history = linking.activity(call=first)
    assert [event.action for event in history][:4] == ["restore", "set_aside", "unlink", "relink"]
    preview = linking.preview(Command("link", first, ben))
    assert preview is not None and preview.id is None and linking.call(first).lead_id is None


def test_a_test_call_is_linked_as_history_and_never_made_current(
    linking: Linking, gateway: Gateway, connection: Connection, numbers: Numbers
) -> None:
    ada, ben = add_lead(connection, "Ada"), add_lead(connection, "Ben")
    call, other = a_call(connection, numbers), a_call(connection, numbers, at="2026-03-02T09:00:00Z")
    connection.execute("update calls set test = true where call_sid = %s", [call])
    linked = linking.link(call, ada)
    assert linked is not None and linked.after["leads"] == {} and slot(connection, ada) is None
    assert linking.call(call).test and linking.call(call).state == "history" and not linking.call(other).test
    command = Command("link", call, ada, options=Options(current=True))
    for attempt in (linking.preview, linking.run):
        with pytest.raises(NotAllowed, match="test call") as raised:
            attempt(command)
        assert "history" in str(raised.value.hint)
    with pytest.raises(NotAllowed, match="test call"):
        Leads(gateway, "ops").update_call_sid(ada, call)
    linking.link(other, ben)
    assert linking.relink(call, ben) is not None and slot(connection, ben) == other
    assert slot(connection, ada) is None
    connection.execute("update leads set call_sid = %s where id = %s", [call, ben])
    gone = linking.unlink(call)
    assert gone is not None and gone.id is not None
    back = linking.undo(gone.id)
    assert back is not None and back.after["leads"] == {} and slot(connection, ben) == other
    connection.execute("update calls set test = false where call_sid = %s", [call])  # other tests count all calls


def test_a_batch_is_undone_and_says_what_moved_on(linking: Linking, connection: Connection, numbers: Numbers) -> None:
    batch = str(uuid4())
    lead = add_lead(connection)
    calls = [a_call(connection, numbers) for _ in range(4)]
    for call in calls:
        linking.link(call, lead, Options(batch_id=batch))
    linking.unlink(calls[0])
    outcome = linking.undo_batch(batch)
    assert outcome.skipped and outcome.undone and len(outcome.undone) + len(outcome.skipped) == 4
    assert all(linking.call(str(event.call_sid)).lead_id is None for event in outcome.undone)


def test_the_same_request_once(linking: Linking, connection: Connection, numbers: Numbers) -> None:
    lead, call, request = add_lead(connection), a_call(connection, numbers), str(uuid4())
    first = linking.link(call, lead, Options(request_id=request))
    assert first == linking.link(call, lead, Options(request_id=request))


def refusal(linking: Linking, command: Command) -> PatchbayError:
    with pytest.raises(PatchbayError) as raised:
        linking.run(command)
    return raised.value


def test_every_refusal_has_the_same_words(ways: dict[str, Gateway], connection: Connection, numbers: Numbers) -> None:
    ada, ben, gone = (add_lead(connection, name) for name in ("Ada", "Ben", "Cleo"))
    call, other, request = a_call(connection, numbers), a_call(connection, numbers), str(uuid4())
    linkings = {way: Linking(gateway, SETTINGS) for way, gateway in ways.items()}
    linkings["psycopg"].link(call, ada, Options(request_id=request))
    linkings["psycopg"].set_aside(other)
    connection.execute("delete from leads where id = %s", [gone])
    cases: list[tuple[Command, type[PatchbayError]]] = [
        (Command("link", call, ben), BelongsToAnotherLead),
        (Command("link", "CAnever", ben), NotFound),
        (Command("link", other, gone), NotFound),
        (Command("relink", other, ben), NotAllowed),
        (Command("set_aside", call), NotAllowed),
        (Command("undo", event_id=2**40), NotFound),
        (Command("unlink", call, options=Options(expect={"call_lead": ben})), Stale),
        (Command("unlink", call, options=Options(expect={"leads": {str(ben): call}})), Stale),
        (Command("link", call, ben, options=Options(request_id=request)), RequestIdReused),
        (Command("link", "x" * 51, ben), BadInput),
        (Command("link", call, 2**70), BadInput),
        (Command("link", "CA\x00", ben), BadInput),
        (Command("link", call, ben, options=Options(reason="half \ud83d")), BadInput),
        (Command("link", call, ben, options=Options(batch_id="no uuid")), BadInput),
    ]
    for command, kind in cases:
        said = {way: refusal(linking, command) for way, linking in linkings.items()}
        assert {type(error) for error in said.values()} == {kind}, command
        assert len({(error.message, error.hint, repr(error.detail)) for error in said.values()}) == 1, said


def test_one_lead_per_slot_is_the_database_s_word(
    ways: dict[str, Gateway], connection: Connection, numbers: Numbers
) -> None:
    """A unique violation: the customer's own column, written as the guide's Lead.update does."""
    connection.execute("create unique index if not exists leads_email_once on leads (email)")
    taken, other = add_lead(connection, email=f"{uuid4()}@example.com"), add_lead(connection)
    email = connection.execute("select email from leads where id = %s", [taken]).fetchone()
    assert email is not None
    said = []
    for gateway in ways.values():
        with pytest.raises(Refused) as raised:
            Leads(gateway, "ops").update(other, email=email[0])
        said.append((type(raised.value), raised.value.message, raised.value.hint))
    assert len(set(said)) == 1
    assert "leads_email_once" in said[0][1]


def test_the_guide_s_model_calls(gateway: Gateway, connection: Connection, numbers: Numbers) -> None:
    leads = Leads(gateway, "ops")
    lead, call = add_lead(connection, "Ada"), a_call(connection, numbers)
    say(connection, call, "user", "Hello, this is Ada.")
    assert leads.find_by_call_sid(call) is None
    leads.update_call_sid(lead, call)
    found = leads.find_by_call_sid(call)
    assert found is not None and found.id == lead
    assert slot(connection, lead) == call
    leads.update(lead, notes="called back", lead_status="contacted")
    row = leads.find_by_id(lead)
    assert row is not None and row.lead_status == "contacted"
    leads.update_call_sid(lead, None)
    assert slot(connection, lead) is None
    assert Transcripts(gateway).find_by_call_sid(call)[0]["content"] == "Hello, this is Ada."


def test_judge_worklist_lookup_overview_and_candidates(
    gateway: Gateway, linking: Linking, connection: Connection, numbers: Numbers
) -> None:
    digits = f"{next(numbers) % 10**7:07}"
    add_lead(connection, "Ada", phone=f"(415) {digits[:3]}-{digits[3:]}")
    call = a_call(connection, numbers, counterpart=f"+1415{digits}", at=datetime(2026, 5, 1, 9, tzinfo=UTC))
    connection.execute("update call_events set direction = 'outbound-api' where call_sid = %s", [call])
    linking.judge()
    assert gateway.count("judge_queue") == 0
    page = linking.worklist(WorklistFilter(number=f"+1415{digits}"), limit=10)
    assert [item.call_sid for item in page.items] == [call]
    assert linking.count(WorklistFilter(text=call)) == 1
    story = linking.lookup(f" {call.lower()} ")
    assert story.to_json()["call_sid"] == call
    (candidate,) = linking.candidates(call)
    assert candidate.name == "Ada"
    figures = linking.overview()
    assert figures["calls"] == gateway.count("calls") and figures["unlinked"] > 0
    assert len(linking.per_day(30, "Europe/Berlin")) == 30
    assert all(check.ok is not None for check in linking.doctor())
    assert gateway.select("call_links", where=[Where("call_sid", "eq", call)])[0]["cause"] is not None
