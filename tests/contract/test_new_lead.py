"""A lead made from a call, its preview, refusals and undo, and what triage reads, are the same on every way."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from core.errors import BadInput, NotAllowed, PatchbayError
from core.linking import Draft, Linking, Options, WorklistFilter
from core.settings import Settings
from core.store.gateway import Gateway
from tests.database.outside import Connection, add_call, add_lead, slot


@pytest.fixture
def linking(gateway: Gateway) -> Linking:
    return Linking(gateway, Settings(actor="ops"))


def test_made_refused_undone_and_counted(linking: Linking, connection: Connection) -> None:
    seed = int(uuid4().int % 10**15)
    number = f"+1415555{seed % 10**4:04d}"
    call = add_call(connection, seed, counterpart=number)
    linking.judge()
    before = datetime.now(UTC) - timedelta(seconds=2)
    seen = linking.preview_new_lead(call, Draft("Nora", number))
    assert seen.columns["lead_source"] == "patchbay" and seen.event.id is None
    for draft, error in ((Draft(columns={"nope": "1"}), BadInput), (Draft(phone="?"), BadInput)):
        with pytest.raises(error):
            linking.preview_new_lead(call, draft)
    event = linking.create_lead(call, seen.draft, seen.options)
    assert slot(connection, event.lead_id) == call
    work = linking.work_since(before)
    assert work.linked >= 1 and work.events[0].id == event.id
    with pytest.raises(PatchbayError):
        linking.create_lead(call, seen.draft, seen.options)
    linking.undo(event.id, Options(reason="no"))
    assert linking.call(call).lead_id is None
    with pytest.raises(NotAllowed):
        linking.undo(event.id)


def test_the_next_call_and_a_number_that_is_nearly_right(linking: Linking, connection: Connection) -> None:
    seed = int(uuid4().int % 10**15)
    digits = f"{seed % 10**4:04d}"
    number = f"+1415557{digits}"
    lead = add_lead(connection, "Near", f"+1415557{digits[:-1]}")
    first = add_call(connection, seed, counterpart=number, at="2026-03-02T09:00:00Z")
    second = add_call(connection, seed + 1, counterpart=number)
    linking.judge()
    mine = WorklistFilter(number=number)
    turn = linking.triage(mine)
    assert (turn.call.call_sid, turn.following, turn.left) == (first, second, 2)
    then = linking.triage(mine, after=turn.call)
    assert (then.call.call_sid, then.following, then.left) == (second, None, 1)
    assert linking.triage_at(mine, then.call).left == 1
    (found,) = [each for each in linking.corrections(first) if each.lead_id == lead]
    assert (found.difference, found.matching) == ("digit_missing", 2)
