"""Whose a call is, contested: claims by notes and job results, rejected links, the evidence, what settles it."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core.app import App, build
from core.linking import Linking, Options
from core.settings import Settings
from tests.database.outside import OURS, Connection, add_call, add_lead, sid

NUMBER = "+14155550199"
BEFORE, AFTER = "2026-03-01T09:00:30Z", "2100-01-01T00:00:00Z"


@pytest.fixture
def linking(app: App) -> Linking:
    return app.linking


@pytest.fixture
def both(database_url: str) -> Iterator[tuple[Linking, Connection]]:
    """The use cases and an outside writer, on PostgreSQL 15 and 18."""
    app = build(Settings.load({"DATABASE_URL": database_url}))
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield app.linking, connection
    app.close()


def job(connection: Connection, call: str | None, lead: int | None, name: str = "508", **columns: Any) -> None:
    """The queue kept the result of a finished job."""
    told = {"job_id": name, "job_at": BEFORE, "finished_at": BEFORE, "state": "completed", "call_sid": call}
    connection.execute("select note_job_results(%s)", [json.dumps([{**told, "lead_id": lead, **columns}])])


def found(linking: Linking) -> list[tuple[str, str | None, tuple[int, ...]]]:
    """Kind, call and leads of every conflict."""
    items = (item.conflict for item in linking.conflicts().items)
    return [(each.kind, each.call_sid, each.lead_ids) for each in items]


def contested(connection: Connection, number: int = 1) -> tuple[str, int, int]:
    """A call that lead B has in its slot while a job result names lead A: call, A, B."""
    call = add_call(connection, number)
    meant, holder = add_lead(connection, "Ada"), add_lead(connection, "Bo", call_sid=call)
    job(connection, call, meant, str(number))
    return call, meant, holder


def test_a_job_result_for_one_lead_and_the_slot_of_another_is_a_rejected_link(both: tuple[Linking, Connection]) -> None:
    linking, connection = both
    call, meant, holder = contested(connection)
    assert found(linking) == [("rejected_link", call, (meant, holder))]
    (item,) = linking.conflicts("rejected_link").items
    assert item.sentence == (
        f"A job result names lead {meant} for this call, but lead {holder} has it: "
        f"the write for lead {meant} must have hit the UNIQUE constraint."
    )
    assert item.conflict.remedy == "choose_lead"
    sides = {claim.lead_id: claim for claim in item.sides[0].claims}
    assert [(e.kind, e.source) for e in sides[meant].evidence] == [("job_result", "job_results/outbound-calls/1")]
    assert [e.kind for e in sides[holder].evidence] == ["slot", "link"]
    assert sides[meant].in_jobs and not sides[holder].in_jobs and sides[holder].linked
    shown = item.to_json()["rows"]
    assert shown["job_results"][0]["job_id"] == "1"
    assert shown["leads"][0]["evidence"][0]["detail"].startswith("The result of job 1 (1 Mar 2026 09:00 UTC) names")
    assert linking.overview()["conflicts_by_kind"] == {"rejected_link": 1}


def test_a_write_that_came_later_than_the_job_is_no_rejection(linking: Linking, connection: Connection) -> None:
    first = add_call(connection, 8)
    add_lead(connection, "Early", call_sid=first)  # the ledger begins
    call = add_call(connection, 1)
    meant = add_lead(connection, "Ada")
    at = connection.execute("select clock_timestamp()::text").fetchone()
    job(connection, call, meant, finished_at=at[0] if at else None)
    connection.execute("select pg_sleep(0.01)")
    holder = add_lead(connection, "Bo", call_sid=call)
    connection.execute("alter table link_events disable trigger all")
    connection.execute("update link_events set at = at + interval '1 minute' where call_sid = %s", [call])
    assert found(linking) == [("two_leads_claim", call, (meant, holder))]


def test_a_lead_that_once_had_the_call_was_not_rejected(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    meant, holder = add_lead(connection, "Ada", call_sid=call), add_lead(connection, "Bo")
    connection.execute("update leads set call_sid = null where id = %s", [meant])
    connection.execute("update leads set call_sid = %s where id = %s", [call, holder])
    job(connection, call, meant)
    assert found(linking) == [("two_leads_claim", call, (meant, holder))]


def test_notes_beside_the_job_are_a_claim_not_a_rejection(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    meant = add_lead(connection, "Ada", notes=f"Outbound call {call} initiated")
    holder = add_lead(connection, "Bo", call_sid=call)
    job(connection, call, meant)
    assert found(linking) == [("two_leads_claim", call, (meant, holder))]
    (item,) = linking.conflicts().items
    assert [e.kind for e in item.sides[0].claims[0].evidence] == ["job_result", "notes"]


def test_job_results_of_two_leads_claim_an_unlinked_call(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    ada, bo = add_lead(connection, "Ada"), add_lead(connection, "Bo")
    job(connection, call, ada, "1")
    job(connection, call, bo, "2")
    job(connection, call, None, "3")
    job(connection, call, 999_999, "4")  # a lead that is gone claims nothing
    assert found(linking) == [("two_leads_claim", call, (ada, bo))]


def test_agreement_is_no_conflict(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    lead = add_lead(connection, "Ada", call_sid=call, notes=f"Outbound call {call} initiated")
    job(connection, call, lead)
    alone = add_call(connection, 2)
    job(connection, alone, lead, "2")
    assert found(linking) == []


@pytest.mark.parametrize("settle", ["relink", "confirm", "unlink"])
def test_what_a_person_decided_does_not_come_back(linking: Linking, connection: Connection, settle: str) -> None:
    call, meant, holder = contested(connection)
    assert len(found(linking)) == 1
    linking.choose_lead(call, {"relink": meant, "confirm": holder, "unlink": None}[settle])
    assert found(linking) == []
    job(connection, call, meant, "1")  # harvested again: nothing new
    linking.rebuild()
    assert found(linking) == []


def test_new_proof_calls_a_decision_into_question_and_can_be_decided_anew(
    linking: Linking, connection: Connection
) -> None:
    call, holder = add_call(connection, 1), add_lead(connection, "Bo")
    linking.link(call, holder)
    meant = add_lead(connection, "Ada")
    assert found(linking) == []
    job(connection, call, meant)
    assert found(linking) == [("rejected_link", call, (meant, holder))]
    assert linking.confirm(call, Options(actor="ana")) is not None
    assert found(linking) == []
    connection.execute("update leads set notes = %s where id = %s", [f"Outbound call {call} initiated", meant])
    assert found(linking) == [("two_leads_claim", call, (holder, meant))], "its notes are new proof"


def test_undoing_a_decision_brings_the_conflict_back(linking: Linking, connection: Connection) -> None:
    call, _, holder = contested(connection)
    event = linking.choose_lead(call, holder)
    assert event is not None and event.id is not None and found(linking) == []
    linking.undo(event.id)
    assert [kind for kind, *_ in found(linking)] == ["rejected_link"]


def test_rows_that_contradict_each_other_show_what_speaks_for_each_side(
    linking: Linking, connection: Connection
) -> None:
    other = "+14155550177"
    call = add_call(connection, 1, counterpart=NUMBER)
    add_call(connection, 1, counterpart=NUMBER, call_status="ringing")
    add_call(connection, 1, counterpart=other)
    for number in range(2, 5):
        add_call(connection, number, counterpart=f"+1415555018{number}")
    lead = add_lead(connection, "Ada", phone="(415) 555-0199", call_sid=call)
    job(connection, call, lead, to_number=NUMBER)
    (item,) = linking.conflicts("contradicting_event_rows").items
    right, wrong = item.readings
    assert (right.to_number, len(right.rows), wrong.to_number, len(wrong.rows)) == (NUMBER, 2, other, 1)
    assert [e.kind for e in right.evidence] == ["rows", "job_number", "lead_number"]
    assert right.evidence[2].detail == (
        f"Lead {lead} (Ada) has its number, written (415) 555-0199; the call is linked to it."
    )
    assert [e.kind for e in wrong.evidence] == ["rows", "no_lead"]
    assert wrong.evidence[0].source == f"call_events/{wrong.rows[0]}"
    assert item.to_json()["readings"][0]["from_number"] == OURS


def test_many_claims_are_listed_page_by_page(linking: Linking, connection: Connection) -> None:
    for number in range(1, 6):
        contested(connection, number)
    seen, after = [], None
    while True:
        page = linking.conflicts("rejected_link", limit=2, after=after)
        seen += [item.conflict.call_sid for item in page.items]
        after = page.next
        if after is None:
            break
    assert sorted(filter(None, seen)) == [sid(number) for number in range(1, 6)] and page.total == 5


def test_a_job_that_is_only_brought_up_to_date_is_no_new_proof(linking: Linking, connection: Connection) -> None:
    call, meant, _ = contested(connection)
    linking.confirm(call, Options(actor="ops"))
    assert found(linking) == []
    job(connection, call, meant, "1", attempts=2, finished_at="2026-03-01T09:00:40Z")
    assert found(linking) == [], "the person knew what it says"
    job(connection, call, add_lead(connection, "Cleo"), "2")
    assert [kind for kind, *_ in found(linking)] == ["two_leads_claim"]
