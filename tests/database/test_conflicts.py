"""Conflicts: what is listed, what each remedy does, that it can be undone, and that races lose nothing."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from core.app import App, build
from core.errors import BadInput, NotAllowed, NotFound, PatchbayError, RequestIdReused, Stale
from core.linking import Linking, Options, WorklistFilter
from core.model.conflicts import CONFLICT_KINDS
from core.settings import Settings
from tests.database.outside import OURS, Connection, add_call, add_lead, say, sid, slot

NUMBER, OTHER = "+14155550199", "+14155550188"


@pytest.fixture
def linking(app: App) -> Linking:
    return app.linking


def rows(connection: Connection, call_sid: str, table: str = "call_events") -> list[dict[str, Any]]:
    found = connection.execute(
        f"select to_jsonb(t) from {table} t where call_sid = %s order by id".encode(), [call_sid]
    )
    return [row[0] for row in found]


def sound(connection: Connection) -> None:
    """Slots, links, ledger and roll-up agree."""
    assert connection.execute("select * from link_drift").fetchall() == []
    assert connection.execute("select * from link_errors").fetchall() == []


def kinds(linking: Linking) -> dict[str, int]:
    return dict(linking.conflicts().counts)


def duplicates(connection: Connection) -> str:
    """One call in four rows that agree: the numbers in one, the final status in another, the recording in a third."""
    add_call(
        connection,
        1,
        counterpart=None,
        call_status="in-progress",
        direction="inbound",
        from_number=None,
        call_duration=None,
    )
    add_call(connection, 1, counterpart=NUMBER, call_status="ringing", call_duration=None, at="2026-03-01T09:00:05Z")
    add_call(
        connection,
        1,
        counterpart=None,
        from_number=None,
        call_status="completed",
        direction=None,
        at="2026-03-01T09:01:05Z",
    )
    nothing = dict.fromkeys(("from_number", "call_status", "direction", "call_duration"))
    return add_call(connection, 1, counterpart=None, recording_url="https://r/1", recording_sid="RE1", **nothing)


def contradiction(connection: Connection, number: int = 1) -> tuple[str, str, str]:
    """One call in two rows with different numbers: its SID and the rows' ids."""
    call = add_call(connection, number, counterpart=NUMBER)
    add_call(connection, number, counterpart=OTHER)
    first, second = (str(row["id"]) for row in rows(connection, call))
    return call, first, second


def without_constraint(connection: Connection) -> None:
    connection.execute("alter table leads drop constraint leads_call_sid_key")


# The list ------------------------------------------------------------------------------------------------------------


def test_an_orderly_database_has_none(linking: Linking, connection: Connection) -> None:
    lead = add_lead(connection, phone=NUMBER)
    linking.link(add_call(connection, 1), lead)
    page = linking.conflicts()
    assert (page.items, page.total, page.counts, page.next) == ((), 0, {}, None)
    assert linking.overview()["conflicts"] == 0


def every_kind(connection: Connection) -> None:
    without_constraint(connection)
    duplicates(connection)
    contradiction(connection, 2)
    add_call(connection, 3)
    add_call(connection, 3, call_sid=sid(3).lower())
    call = add_call(connection, 4)
    add_lead(connection, call_sid=call)
    add_lead(connection, call_sid=call)
    mentioned = add_call(connection, 5)
    for _ in range(2):
        add_lead(connection, notes=f"Outbound call {mentioned} initiated")
    job_result(connection, add_call(connection, 6), add_lead(connection, "Meant"))
    add_lead(connection, "Holder", call_sid=sid(6))


def job_result(connection: Connection, call: str, lead: int | None, job: str = "508", **columns: Any) -> None:
    """The queue kept the result of a finished job."""
    at = "2026-03-01T09:00:30Z"
    told = {"job_id": job, "job_at": at, "finished_at": at, "state": "completed", "call_sid": call, "lead_id": lead}
    connection.execute("select note_job_results(%s)", [json.dumps([{**told, **columns}])])


def test_every_kind_is_listed_with_its_remedy_and_rows(linking: Linking, connection: Connection) -> None:
    every_kind(connection)
    page = linking.conflicts()
    assert page.counts == {
        "contradicting_event_rows": 1, "duplicate_event_rows": 1, "sid_variant": 1, "two_leads_claim": 2,
        "rejected_link": 1, "missing_constraint": 1,
    }  # fmt: skip
    assert set(page.counts) == set(CONFLICT_KINDS)
    assert page.total == len(page.items) == 7
    figures = linking.overview()
    assert (figures["conflicts"], figures["conflicts_by_kind"]) == (7, page.counts)
    found = {(item.conflict.kind, item.conflict.call_sid): item for item in page.items}
    assert {(kind, item.conflict.remedy) for (kind, _), item in found.items()} == {
        ("contradicting_event_rows", "choose_row"), ("duplicate_event_rows", "merge_rows"),
        ("sid_variant", "normalise_sid"),
        ("two_leads_claim", "choose_lead"), ("rejected_link", "choose_lead"), ("missing_constraint", "add_constraint"),
    }  # fmt: skip
    assert len(found["duplicate_event_rows", sid(1)].sides[0].events) == 4
    assert found["contradicting_event_rows", sid(2)].differing == ("to_number",)
    assert {side.call_sid for side in found["sid_variant", sid(3)].sides} == {sid(3), sid(3).lower()}
    in_slots = found["two_leads_claim", sid(4)].sides[0].claims
    assert [(c.in_slot, c.in_notes, c.linked) for c in in_slots] == [(True, False, True), (True, False, False)]
    in_notes = found["two_leads_claim", sid(5)].sides[0].claims
    assert [(c.in_slot, c.in_notes, c.linked) for c in in_notes] == [(False, True, False)] * 2
    assert found["missing_constraint", None].conflict.row_count == 1


@pytest.mark.parametrize("size", [1, 2, 4])
def test_pages_show_each_conflict_once(linking: Linking, connection: Connection, size: int) -> None:
    every_kind(connection)
    seen, after = [], None
    while True:
        page = linking.conflicts(limit=size, after=after)
        seen += [(item.conflict.kind, item.conflict.call_sids) for item in page.items]
        after = page.next
        if after is None:
            break
    assert seen == [(item.conflict.kind, item.conflict.call_sids) for item in linking.conflicts().items]
    assert len(seen) == len(set(seen)) == 7
    for kind in CONFLICT_KINDS:
        only = linking.conflicts(kind, limit=size)
        assert {item.conflict.kind for item in only.items} == {kind}
        assert only.total == only.counts[kind]


def test_a_filter_that_cannot_be_meant(linking: Linking) -> None:
    for wrong in (
        {"kind": "nonsense"},
        {"limit": 0},
        {"limit": 10**6},
        {"after": "x"},
        {"after": "W10"},
        {"after": ""},
    ):
        with pytest.raises(BadInput):
            linking.conflicts(**wrong)  # type: ignore[arg-type]


# Merging rows --------------------------------------------------------------------------------------------------------


def test_merging_keeps_the_union_of_what_the_rows_say(linking: Linking, connection: Connection) -> None:
    call = duplicates(connection)
    before = rows(connection, call)
    seen = linking.preview_merge(call)
    assert len(seen.removed) == 3
    assert rows(connection, call) == before, "a preview writes nothing"
    event = linking.merge_rows(call, options=replace(seen.options, reason="one call", actor="ada"))
    assert event is not None
    assert (event.action, event.actor, event.reason) == ("merge_rows", "ada", "one call")
    (kept,) = rows(connection, call)
    assert seen.kept is not None
    shown = ("from_number", "to_number", "call_status", "direction", "call_duration", "recording_sid", "recording_url")
    assert [kept[name] for name in shown] == [OURS, NUMBER, "completed", "outbound-api", 61, "RE1", "https://r/1"]
    assert [seen.kept[name] for name in shown] == [kept[name] for name in shown]
    assert kept["created_at"].startswith("2026-03-01T09:00:00")
    assert kinds(linking) == {}
    sound(connection)


def test_undoing_a_merge_brings_every_row_back(linking: Linking, connection: Connection) -> None:
    call = duplicates(connection)
    before = rows(connection, call)
    event = linking.merge_rows(call)
    assert event is not None and event.id is not None
    undone = linking.undo(event.id)
    assert undone is not None
    put_back = rows(connection, call)
    assert [{**row, "updated_at": None} for row in put_back] == [{**row, "updated_at": None} for row in before]
    assert kinds(linking) == {"duplicate_event_rows": 1}
    with pytest.raises(PatchbayError):
        linking.undo(event.id)
    sound(connection)


def test_a_call_with_one_row_is_left_alone(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    assert linking.merge_rows(call) is None
    seen = linking.preview_merge(call)
    assert (seen.event, seen.removed, seen.changed) == (None, (), ())
    assert seen.kept is not None and seen.kept["to_number"] == NUMBER
    with pytest.raises(NotFound):
        linking.merge_rows(sid(99))


def test_contradicting_rows_need_a_choice(linking: Linking, connection: Connection) -> None:
    call, first, second = contradiction(connection)
    for attempt in (linking.preview_merge, linking.merge_rows):
        with pytest.raises(NotAllowed, match="contradict"):
            attempt(call)
    assert len(rows(connection, call)) == 2
    for keep, number in ((first, NUMBER), (second, OTHER)):
        seen = linking.preview_merge(call, keep)
        assert seen.kept is not None and (str(seen.kept["id"]), seen.kept["to_number"]) == (keep, number)
        event = linking.merge_rows(call, keep, seen.options)
        assert event is not None and event.id is not None
        (kept,) = rows(connection, call)
        assert (str(kept["id"]), kept["to_number"]) == (keep, number)
        assert linking.call(call).counterpart == number, "judged at once"
        linking.undo(event.id)
    with pytest.raises(NotFound):
        linking.merge_rows(call, "987654")
    for wrong in ("", "x" * 99, "1\n2"):
        with pytest.raises(BadInput):
            linking.merge_rows(call, wrong)


def test_a_blank_number_does_not_beat_one(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1, counterpart=NUMBER)
    add_call(connection, 1, counterpart=" ")
    linking.merge_rows(call)
    (kept,) = rows(connection, call)
    assert kept["to_number"] == NUMBER


def test_what_changed_since_the_preview_is_said(linking: Linking, connection: Connection) -> None:
    call = duplicates(connection)
    seen = linking.preview_merge(call)
    connection.execute("update call_events set call_status = 'busy' where id = %s", [seen.removed[0]["id"]])
    with pytest.raises(Stale):
        linking.merge_rows(call, options=seen.options)
    assert len(rows(connection, call)) == 4


def test_the_same_request_merges_once(linking: Linking, connection: Connection) -> None:
    call = duplicates(connection)
    first = linking.merge_rows(call, options=Options(request_id="r1"))
    again = linking.merge_rows(call, options=Options(request_id="r1"))
    assert first is not None and again is not None and first.id == again.id
    with pytest.raises(RequestIdReused):
        linking.normalise(sid(3).lower(), Options(request_id="r1"))


def test_recordings_point_to_the_row_that_stays(linking: Linking, connection: Connection) -> None:
    connection.execute(
        "create table if not exists call_recordings (id bigint generated always as identity primary key,"
        " call_sid text, recording_sid text, call_event_id bigint)"
    )
    call = duplicates(connection)
    last = rows(connection, call)[-1]["id"]
    connection.execute(
        "insert into call_recordings (call_sid, recording_sid, call_event_id) values (%s, 'RE1', %s)", [call, last]
    )
    event = linking.merge_rows(call)
    (kept,) = rows(connection, call)
    (recording,) = rows(connection, call, "call_recordings")
    assert recording["call_event_id"] == kept["id"]
    assert event is not None and event.id is not None
    linking.undo(event.id)
    (recording,) = rows(connection, call, "call_recordings")
    assert recording["call_event_id"] == last


# Races ---------------------------------------------------------------------------------------------------------------


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run works side by side; an error of ours is an outcome too."""
    gate, outcomes = threading.Barrier(len(works)), [None] * len(works)

    def run(place: int, work: Callable[[], Any]) -> None:
        gate.wait()
        try:
            outcomes[place] = work()
        except PatchbayError as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_of_two_who_merge_one_does_it(linking: Linking, connection: Connection) -> None:
    for number in range(1, 9):
        call = add_call(connection, number)
        for _ in range(3):
            add_call(connection, number)
        outcomes = at_once(*[lambda call=call: linking.merge_rows(call)] * 2)
        assert [o.action for o in outcomes if o is not None] == ["merge_rows"]
        assert len(rows(connection, call)) == 1
    sound(connection)


def test_of_two_who_keep_different_rows_one_wins(linking: Linking, connection: Connection) -> None:
    call, first, second = contradiction(connection)
    outcomes = at_once(lambda: linking.merge_rows(call, first), lambda: linking.merge_rows(call, second))
    done = [o for o in outcomes if o is not None and not isinstance(o, PatchbayError)]
    assert len(done) == 1
    assert [type(o) for o in outcomes if isinstance(o, PatchbayError)] == [NotFound], "the other row is gone"
    (kept,) = rows(connection, call)
    assert kept["to_number"] == linking.call(call).to_number
    sound(connection)


def test_a_row_that_arrives_meanwhile_is_not_lost(linking: Linking, connection: Connection, db: str) -> None:
    call = duplicates(connection)
    with psycopg.connect(db) as writer:  # the backend's callback, not yet committed
        writer.execute(
            "insert into call_events (call_sid, call_status, direction, to_number)"
            " values (%s, 'no-answer', 'outbound-api', %s)",
            [call, NUMBER],
        )
        waiting = threading.Thread(target=writer.commit)
        timer = threading.Timer(0.3, waiting.start)
        timer.start()
        linking.merge_rows(call)
        timer.join()
        waiting.join()
    left = rows(connection, call)
    assert {row["call_status"] for row in left} & {"completed", "no-answer"}
    assert sum(row["to_number"] == NUMBER for row in left) == len(left)
    sound(connection)


def test_writers_and_mergers_side_by_side_lose_nothing(linking: Linking, connection: Connection, db: str) -> None:
    call = add_call(connection, 1, recording_sid="RE0")

    def write() -> None:
        with psycopg.connect(db, autocommit=True) as writer:
            for number in range(1, 16):
                writer.execute(
                    "insert into call_events (call_sid, call_status, direction, from_number, to_number, recording_sid)"
                    " values (%s, 'completed', 'outbound-api', %s, %s, %s)",
                    [call, OURS, NUMBER, f"RE{number}"],
                )

    def merge() -> list[Any]:
        return [linking.merge_rows(call) for _ in range(15)]

    at_once(write, merge)
    linking.merge_rows(call)
    (kept,) = rows(connection, call)
    ledger = connection.execute(
        "select call_sid, side, rows from link_events join link_event_values on event_id = id"
    ).fetchall()
    impersonal = connection.execute("select before from link_events where call_sid = %s", [call]).fetchall()
    known = str(ledger) + str(impersonal) + str(kept)
    assert all(f"'RE{number}'" in known for number in range(16)), "every row stands in the ledger or in the table"
    sound(connection)


# Normalising ---------------------------------------------------------------------------------------------------------


def test_a_variants_rows_take_the_standard_sid(linking: Linking, connection: Connection) -> None:
    variant = sid(10).lower()
    add_call(connection, 10)
    add_call(connection, 10, call_sid=variant)
    say(connection, variant, "user", "hello")
    seen = linking.preview_normalise(variant)
    assert (seen.moved, seen.obstacle, seen.standard.call_sid) == (
        {"call_events": 1, "conversation_transcripts": 1},
        None,
        sid(10),
    )
    events = linking.normalise(variant, replace(seen.options, reason="case"))
    assert {event.batch_id for event in events} == {events[0].batch_id}
    call = linking.call(sid(10))
    assert (call.event_count, call.transcript_count) == (2, 1)
    assert rows(connection, variant) == rows(connection, variant, "conversation_transcripts") == []
    assert linking.call(variant).state == "set_aside"
    assert "sid_variant" not in kinds(linking)
    assert linking.count(WorklistFilter()) == 1
    sound(connection)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("padded", [True, False])
def test_a_variants_link_and_slot_go_along_and_come_back(
    linking: Linking, connection: Connection, known: bool, padded: bool
) -> None:
    variant = f" {sid(10)}" if padded else sid(10).lower()
    if known:
        add_call(connection, 10)
    lead = add_lead(connection, call_sid=variant)
    add_call(connection, 10, call_sid=variant)
    assert linking.preview_normalise(variant).slots == (lead,)
    events = linking.normalise(variant)
    assert slot(connection, lead) == sid(10)
    assert linking.call(sid(10)).lead_id == lead
    assert linking.call(variant).lead_id is None
    sound(connection)
    outcome = linking.undo_batch(events[0].batch_id or "")
    assert [skip.reason for skip in outcome.skipped] == []
    assert slot(connection, lead) == variant
    assert linking.call(variant).lead_id == lead
    assert len(rows(connection, variant)) == 1
    sound(connection)


def test_a_preview_leaves_no_trace(linking: Linking, connection: Connection) -> None:
    variant = sid(10).lower()
    add_lead(connection, call_sid=variant)
    add_call(connection, 10, call_sid=variant)
    seen = linking.preview_normalise(variant)
    assert seen.standard.call is None
    assert connection.execute("select count(*) from calls").fetchone() == (1,)


def test_variants_with_different_leads_are_refused(linking: Linking, connection: Connection) -> None:
    variant = sid(10).lower()
    add_call(connection, 10)
    add_call(connection, 10, call_sid=variant)
    linking.link(sid(10), add_lead(connection))
    linking.link(variant, add_lead(connection))
    assert "different leads" in (linking.preview_normalise(variant).obstacle or "")
    with pytest.raises(NotAllowed, match="different leads"):
        linking.normalise(variant)
    assert len(rows(connection, variant)) == 1


def test_a_sid_that_is_right_or_unknown_is_refused(linking: Linking, connection: Connection) -> None:
    add_call(connection, 10)
    for attempt in (linking.preview_normalise, linking.normalise):
        with pytest.raises(NotAllowed, match="as it should be"):
            attempt(sid(10))
        with pytest.raises(NotFound):
            attempt(sid(10).lower())


def test_a_variant_that_was_linked_meanwhile_is_stale(linking: Linking, connection: Connection) -> None:
    variant = sid(10).lower()
    add_call(connection, 10, call_sid=variant)
    seen = linking.preview_normalise(variant)
    linking.link(variant, add_lead(connection))
    with pytest.raises(Stale):
        linking.normalise(variant, seen.options)


# Choosing between leads, confirming ----------------------------------------------------------------------------------


def claimed(connection: Connection) -> tuple[str, int, int]:
    without_constraint(connection)
    call = add_call(connection, 1)
    return call, add_lead(connection, call_sid=call), add_lead(connection, call_sid=call)


@pytest.mark.parametrize("chosen", [0, 1])
def test_choosing_a_lead_clears_the_others_slots(linking: Linking, connection: Connection, chosen: int) -> None:
    call, *leads = claimed(connection)
    event = linking.choose_lead(call, leads[chosen], Options(reason="asked them"))
    assert event is not None and event.id is not None
    assert [slot(connection, lead) for lead in leads] == [call if n == chosen else None for n in range(2)]
    assert linking.call(call).lead_id == leads[chosen]
    assert kinds(linking) == {"missing_constraint": 1}
    linking.undo(event.id)
    assert [slot(connection, lead) for lead in leads] == [call, call]
    sound(connection)


def test_choosing_none_unlinks(linking: Linking, connection: Connection) -> None:
    call, *leads = claimed(connection)
    linking.choose_lead(call, None)
    assert [slot(connection, lead) for lead in leads] == [None, None]
    assert linking.call(call).state == "unlinked"


def test_notes_of_several_leads_are_settled_by_a_choice(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    one, two = (add_lead(connection, notes=f"Outbound call {call} initiated") for _ in range(2))
    assert kinds(linking) == {"two_leads_claim": 1}
    chosen = linking.choose_lead(call, two)
    assert chosen is not None and chosen.action == "link" and chosen.id is not None
    assert kinds(linking) == {}
    linking.undo(chosen.id)
    moved = linking.choose_lead(call, one)
    assert moved is not None and moved.id is not None
    linking.unlink(call)
    assert kinds(linking) == {}, "unlinked by hand is a decision too"


def test_a_link_that_is_as_chosen_is_confirmed(linking: Linking, connection: Connection) -> None:
    call = add_call(connection, 1)
    one = add_lead(connection, notes=f"Outbound call {call} initiated", call_sid=call)
    add_lead(connection, notes=f"Outbound call {call} initiated")
    assert kinds(linking) == {"two_leads_claim": 1}
    event = linking.choose_lead(call, one, Options(actor="ada"))
    assert event is not None and (event.action, event.actor) == ("confirm", "ada") and event.id is not None
    assert kinds(linking) == {}
    assert linking.confirm(call) is None, "a person has said so already"
    undone = linking.undo(event.id)
    assert undone is not None and undone.id is not None
    assert kinds(linking) == {"two_leads_claim": 1}
    linking.undo(undone.id)
    assert kinds(linking) == {}
    sound(connection)


def test_what_cannot_be_confirmed(linking: Linking, connection: Connection) -> None:
    call, *_ = claimed(connection)
    with pytest.raises(NotAllowed, match="Several leads"):
        linking.confirm(call)
    with pytest.raises(NotAllowed, match="not linked"):
        linking.confirm(add_call(connection, 2))
    with pytest.raises(NotFound):
        linking.confirm(sid(99))
    with pytest.raises(NotFound):
        linking.choose_lead(add_call(connection, 3), 4711)


# The constraint ------------------------------------------------------------------------------------------------------


def test_the_constraint_comes_when_nothing_stands_in_its_way(linking: Linking, connection: Connection) -> None:
    call, one, _ = claimed(connection)
    standing = linking.constraint()
    assert (standing.exists, standing.total) == (False, 1)
    assert [item.conflict.call_sid for item in standing.offenders] == [call]
    with pytest.raises(NotAllowed, match="1 SID stands in several leads") as refused:
        linking.add_constraint()
    assert refused.value.detail == [call]
    linking.choose_lead(call, one)
    assert linking.add_constraint().exists
    assert linking.add_constraint().exists, "again changes nothing"
    with pytest.raises(psycopg.errors.UniqueViolation):
        add_lead(connection, call_sid=call)
    assert kinds(linking) == {}


@pytest.fixture
def viewer(db: str) -> Iterator[Linking]:
    from core.access.identity import Identity

    built = build(Settings.load(env={"DATABASE_URL": db}))
    yield built.linking.acting_as(Identity("vera", "viewer"))
    built.close()


def test_a_viewer_sees_and_changes_nothing(viewer: Linking, connection: Connection) -> None:
    call = duplicates(connection)
    lead = add_lead(connection, phone=NUMBER)
    assert viewer.conflicts().total == 1
    viewer.preview_merge(call)
    works: list[Callable[[], Any]] = [
        lambda: viewer.merge_rows(call), lambda: viewer.normalise(call.lower()), lambda: viewer.add_constraint(),
        lambda: viewer.set_phone(lead, OTHER), lambda: viewer.confirm(call), lambda: viewer.choose_lead(call, lead),
        lambda: viewer.confirm_own_number(OURS, True),
    ]  # fmt: skip
    for work in works:
        with pytest.raises(NotAllowed):
            work()
    assert connection.execute("select count(*) from link_events").fetchone() == (0,)


def test_the_signed_in_person_signs_every_repair(app: App, connection: Connection) -> None:
    from core.access.identity import Identity

    linking = app.linking.acting_as(Identity("olga", "operator"))
    lead = add_lead(connection, phone=NUMBER)
    mine = Options(actor="somebody else")
    signed = [linking.merge_rows(duplicates(connection), options=mine), linking.set_phone(lead, OTHER, mine)]
    add_call(connection, 10, call_sid=sid(10).lower())
    signed += linking.normalise(sid(10).lower(), mine)
    assert [event.actor for event in signed if event] == ["olga"] * 3


def test_contradictions_are_noted_when_calls_are_judged(linking: Linking, connection: Connection) -> None:
    add_call(connection, 1)
    add_call(connection, 1)
    contradiction(connection, 2)
    linking.judge()
    assert _conflict_counts(connection) == {"contradicting_event_rows": 1, "duplicate_event_rows": 1}
    rare = linking.conflicts("contradicting_event_rows")
    assert [item.conflict.call_sid for item in rare.items] == [sid(2)]
    assert rare.total == 1
    connection.execute(
        "delete from call_events where id = (select max(id) from call_events where call_sid = %s)", [sid(2)]
    )
    assert dict(linking.conflicts().counts) == {"duplicate_event_rows": 1}  # judged by the way
    assert connection.execute("select count(*) from contradicting_calls").fetchall() == [(0,)]


def _conflict_counts(connection: Connection) -> Any:
    return connection.execute("select conflict_counts()").fetchall()[0][0]
