"""What undoing a batch would do is what it then does, and looking changes nothing."""

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from core.app import App
from core.errors import BadInput, NotFound
from core.linking import Options, batch_preview
from core.linking.results import SkippedUndo

BATCH = str(uuid.UUID(int=11))
SIDS = [f"CA{number:032d}" for number in range(12)]


@pytest.fixture
def world(app: App, connection: psycopg.Connection[Any]) -> App:
    """Six leads without calls, twelve calls a minute apart."""
    connection.execute(
        "insert into leads (id, name, lead_status) select n, 'Lead ' || n, 'new' from generate_series(1, 6) n"
    )
    for number, sid in enumerate(SIDS):
        connection.execute(
            "insert into call_events (call_sid, direction, created_at) "
            "values (%s, 'inbound', now() - %s * interval '1 min')",
            [sid, 100 - number],
        )
    app.linking.judge()
    return app


def batch(world: App, *pairs: tuple[str, int]) -> None:
    for sid, lead in pairs:
        world.linking.link(sid, lead, Options(batch_id=BATCH, mark_contacted=True))


def everything(connection: psycopg.Connection[Any]) -> list[Any]:
    return [
        connection.execute(query).fetchall()  # type: ignore[arg-type]
        for query in (
            "select to_jsonb(t) from public.link_events t order by id",
            "select to_jsonb(t) - 'judged_at' from public.calls t order by call_sid",
            "select to_jsonb(t) from public.leads t order by id",
            "select count(*) from public.judge_queue",
        )
    ]


def told(skipped: Sequence[SkippedUndo]) -> list[tuple[Any, ...]]:
    """Without who changed it last: while undoing that is the undo before."""
    return [(skip.event.id, skip.code, skip.reason.partition(". ")[0].rstrip(".")) for skip in skipped]


def same_as_undone(world: App, connection: psycopg.Connection[Any]) -> tuple[int, int]:
    before = everything(connection)
    seen = world.linking.preview_undo_batch(BATCH)
    assert everything(connection) == before, "looking changes nothing"
    done = world.linking.undo_batch(BATCH)
    assert [event.id for event in seen.undoable] == [event.undoes for event in done.undone]
    assert told(seen.skipped) == told(done.skipped)
    return len(seen.undoable), len(seen.skipped)


def test_calls_of_one_lead_are_taken_back_one_after_the_other(world: App, connection: psycopg.Connection[Any]) -> None:
    batch(world, (SIDS[0], 1), (SIDS[1], 1), (SIDS[2], 1), (SIDS[3], 2))
    assert same_as_undone(world, connection) == (4, 0)


def test_what_moved_on_is_skipped_for_the_same_reason(world: App, connection: psycopg.Connection[Any]) -> None:
    batch(world, (SIDS[0], 1), (SIDS[1], 2), (SIDS[2], 3), (SIDS[3], 3), (SIDS[4], 4))
    world.linking.relink(SIDS[1], 5, Options(actor="eli"))
    connection.execute("update leads set call_sid = %s where id = 3", [SIDS[5]])
    world.linking.undo(world.linking.activity(call=SIDS[4])[0].id or 0)
    undoable, skipped = same_as_undone(world, connection)
    assert undoable and skipped >= 3


def test_more_events_than_a_statement_looks_at(
    world: App, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_preview, "EVENTS_AT_ONCE", 2)
    batch(world, *((sid, number % 4 + 1) for number, sid in enumerate(SIDS)))
    world.linking.unlink(SIDS[3], Options(actor="eli"))
    undoable, skipped = same_as_undone(world, connection)
    assert (undoable + skipped, skipped > 0) == (12, True)


def test_a_batch_that_is_none(world: App) -> None:
    with pytest.raises(NotFound, match="No link event"):
        world.linking.preview_undo_batch(BATCH)
    with pytest.raises(BadInput):
        world.linking.preview_undo_batch("x")
