"""Phone numbers that are nearly right: what would match is suggested, stored with preview and undo, nothing linked."""

from datetime import UTC, datetime

import pytest

from core.app import App
from core.linking import Linking
from tests.database.outside import Connection, add_call, add_lead

LONDON = "+442079460958"
CREATED = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def linking(app: App) -> Linking:
    return app.linking


@pytest.mark.parametrize(
    ("field", "difference", "stored"),
    [
        ("+44 20 7946 958", "digit_missing", LONDON),
        ("020 7946 0985", "digits_swapped", LONDON),
        ("+12079460958", "other_country", LONDON),
        ("+91207946095", "digit_missing", LONDON),
        ("020 7946 0958", "national", LONDON),
        ("+44 20 7946 0959; +1 617 555 0142", "digit_wrong", f"{LONDON}; +1 617 555 0142"),
    ],
)
def test_what_could_be_stored_and_what_matches_then(
    linking: Linking, connection: Connection, field: str, difference: str, stored: str
) -> None:
    lead = add_lead(connection, "Dana", field, created_at=CREATED)
    calls = [add_call(connection, n, counterpart=LONDON, inbound=True) for n in range(7)]
    linking.judge()
    (found,) = linking.corrections(calls[0])
    assert (found.lead_id, found.difference, found.phone, found.matching) == (lead, difference, stored, 7)
    said = (
        f"Store it as {LONDON}, as Twilio writes it, and"
        if difference == "national"
        else "Store it as +44 20 7946 0958 and"
    )
    assert found.outcome.startswith(f"{said} 7 unlinked calls match")
    assert found.sentence.startswith(f"Lead {lead} (Dana) has ")
    seen = linking.preview_phone(lead, found.phone)
    assert seen.matching == 7
    event = linking.set_phone(lead, found.phone, seen.options)
    assert all(linking.call(call).best_lead_id == lead and linking.call(call).lead_id is None for call in calls)
    assert linking.call(calls[0]).best_confidence == "high"
    linking.undo(event.id)
    assert linking.corrections(calls[0]) == (found,)


def test_a_neighbour_whose_own_number_is_known_is_somebody_else(linking: Linking, connection: Connection) -> None:
    add_lead(connection, "Neighbour", "+442079460959", created_at=CREATED)
    call = add_call(connection, 1, counterpart=LONDON)
    add_call(connection, 2, counterpart="+442079460959")
    linking.judge()
    assert linking.corrections(call) == ()


def test_a_lost_digit_comes_before_a_wrong_one(linking: Linking, connection: Connection) -> None:
    wrong = add_lead(connection, "Wrong", "+442079460957")
    missing = add_lead(connection, "Missing", "+44207946095")
    add_lead(connection, "Far", "+442079461111")
    call = add_call(connection, 1, counterpart=LONDON)
    linking.judge()
    assert [found.lead_id for found in linking.corrections(call)] == [missing, wrong]


def test_a_number_that_a_lead_has_is_no_slip_of_another_lead(linking: Linking, connection: Connection) -> None:
    add_lead(connection, "Owner", LONDON)
    add_lead(connection, "Neighbour", "+442079460959")
    call = add_call(connection, 1, counterpart=LONDON)
    linking.judge()
    assert linking.corrections(call) == ()


def test_nothing_is_suggested_where_there_is_nothing_to_mend(linking: Linking, connection: Connection) -> None:
    lead = add_lead(connection, "Right", LONDON)
    call, hidden = add_call(connection, 1, counterpart=LONDON), add_call(connection, 2, counterpart="anonymous")
    linking.judge()
    assert linking.corrections(call) == () == linking.corrections(hidden)
    linking.link(call, lead)
    connection.execute("update leads set phone = '+44207946095'")
    assert linking.corrections(call) == (), "it belongs to somebody"
