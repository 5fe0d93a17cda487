"""Undo of a large batch: side by side, followed, stopped between two changes, carried on, the same as one by one."""

import uuid
from typing import Any

import psycopg
import pytest

from core.app import App
from core.errors import BadInput, DatabaseDown, NotFound
from core.linking import Options, commands, patience
from core.linking.bulk_undo import UndoProgress

BATCH, UNDO = str(uuid.UUID(int=21)), str(uuid.UUID(int=22))
LEADS, CALLS = 7, 60
SIDS = [f"CA{number:032d}" for number in range(CALLS)]


@pytest.fixture
def world(app: App, connection: psycopg.Connection[Any]) -> App:
    """Sixty calls of seven leads, all linked as one batch."""
    connection.execute(
        "insert into leads (id, name, lead_status) select n, 'Lead ' || n, 'contacted' from generate_series(1, %s) n",
        (LEADS,),
    )
    for number, sid in enumerate(SIDS):
        connection.execute(
            "insert into call_events (call_sid, direction, created_at) "
            "values (%s, 'inbound', now() - %s * interval '1 min')",
            [sid, 100 + CALLS - number],
        )
    for number, sid in enumerate(SIDS):
        app.linking.link(sid, number % LEADS + 1, Options(batch_id=BATCH))
    return app


def linked(world: App) -> int:
    return sum(row["lead_id"] is not None for row in world.gateway.select("call_links"))


def slots(world: App) -> set[str]:
    return {row["call_sid"] for row in world.gateway.select("leads") if row["call_sid"]}


def test_all_of_it_is_taken_back_and_every_step_is_told(world: App) -> None:
    told: list[UndoProgress] = []
    found = world.linking.undo_in_bulk(BATCH, Options(batch_id=UNDO, reason="wrong list"), progress=told.append)
    assert (len(found.outcome.undone), found.outcome.skipped, found.left, found.before) == (CALLS, (), 0, 0)
    assert found.outcome.batch_id == UNDO
    assert [each.done for each in told] == list(range(1, CALLS + 1)) and told[-1].total == CALLS
    assert linked(world) == 0 and not slots(world)
    events = world.linking.activity(batch=UNDO, limit=500)
    assert len(events) == CALLS and {event.reason for event in events} == {"wrong list"}


def test_one_that_is_stopped_is_whole_as_far_as_it_got_and_is_carried_on(world: App) -> None:
    done: list[UndoProgress] = []
    first = world.linking.undo_in_bulk(
        BATCH, Options(batch_id=UNDO), progress=done.append, going_on=lambda: len(done) < 25
    )
    assert 25 <= len(first.outcome.undone) < CALLS and first.left == CALLS - len(first.outcome.undone)
    assert linked(world) == first.left
    held = {row["call_sid"] for row in world.gateway.select("call_links") if row["lead_id"] is not None}
    assert slots(world) <= held, "a slot names a call that is linked"
    second = world.linking.undo_in_bulk(BATCH, Options(batch_id=UNDO))
    assert (len(second.outcome.undone), second.before, second.left) == (first.left, CALLS - first.left, 0)
    assert linked(world) == 0
    again = world.linking.undo_in_bulk(BATCH)
    assert (again.outcome.undone, again.before) == ((), CALLS)
    redo = world.linking.undo_in_bulk(UNDO)
    assert len(redo.outcome.undone) == CALLS and linked(world) == CALLS, "both parts are one batch"
    assert len(slots(world)) == LEADS


def test_what_moved_on_is_skipped_and_listed(world: App) -> None:
    world.linking.relink(SIDS[0], 7, Options(actor="eli"))
    seen = world.linking.preview_undo_batch(BATCH)
    found = world.linking.undo_in_bulk(BATCH)
    skipped = {skip.event.call_sid: skip.reason for skip in found.outcome.skipped}
    assert set(skipped) == {skip.event.call_sid for skip in seen.skipped} == {SIDS[0], SIDS[LEADS]}
    assert "belongs to lead 7 now" in skipped[SIDS[0]], "and its next call would put it back in the slot"
    assert len(found.outcome.undone) == len(seen.undoable) == CALLS - 2
    assert linked(world) == 2


def test_the_preview_tells_how_far_it_is(world: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.linking.batch_preview.EVENTS_AT_ONCE", 20)
    told: list[tuple[int, int]] = []
    world.linking.preview_undo_batch(BATCH, progress=lambda *step: told.append(step))
    assert len(told) >= 3 and told[-1] == (CALLS, CALLS)


def test_a_database_that_stays_away_ends_it_and_the_rest_is_done_later(
    world: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    run, left = commands.run, iter(range(20))

    def until_it_is_away(*args: Any, **kwargs: Any) -> Any:
        if next(left, None) is None:
            raise DatabaseDown("The database does not answer.")
        return run(*args, **kwargs)

    monkeypatch.setattr(commands, "run", until_it_is_away)
    with pytest.raises(DatabaseDown):
        world.linking.undo_in_bulk(BATCH, Options(batch_id=UNDO))
    monkeypatch.setattr(commands, "run", run)
    assert linked(world) == CALLS - 20
    assert len(world.linking.undo_in_bulk(BATCH, Options(batch_id=UNDO)).outcome.undone) == CALLS - 20


def test_what_cannot_be_meant_is_refused(world: App) -> None:
    with pytest.raises(NotFound):
        world.linking.undo_in_bulk(str(uuid.UUID(int=5)))
    with pytest.raises(BadInput):
        world.linking.undo_in_bulk("no batch")
