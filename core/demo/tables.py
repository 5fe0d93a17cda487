"""Writes the demo's world into the customer's tables, in one transaction, as a backend and people would have."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import sql

from core.demo.rows import EventRow, JobRow, LeadRow, RecordingRow, Repair, SlotWrite, TranscriptRow, World

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]
Fields: TypeAlias = Mapping[str, Any]

ROWS_PER_COPY: Final = 20_000
"""Our triggers follow whole statements; this bounds what one of them looks at."""

_COLUMNS = """
select c.column_name from information_schema.columns c
where c.table_schema = 'public' and c.table_name = %s and c.is_generated = 'NEVER'"""
_NEW_IDS = """
select nextval(pg_get_serial_sequence('public.leads', 'id')) from generate_series(1, %s)"""
_HIGHEST_ID = "select coalesce(max(id), 0) from public.leads"
_WAVE = """
update public.leads l set call_sid = w.call_sid, lead_status = coalesce(w.lead_status, l.lead_status),
  last_contacted_at = coalesce(w.last_contacted_at, l.last_contacted_at), notes = coalesce(w.notes, l.notes)
from unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])
  as w (id, call_sid, lead_status, last_contacted_at, notes)
where l.id = w.id"""
_REPAIRS: Final[Mapping[str, str]] = {
    "link_call": "select public.link_call(p_call_sid => %(sid)s, p_lead_id => %(lead)s, p_options => %(options)s)",
    "relink_call": "select public.relink_call(p_call_sid => %(sid)s, p_lead_id => %(lead)s, p_options => %(options)s)",
    "unlink_call": "select public.unlink_call(p_call_sid => %(sid)s, p_options => %(options)s)",
    "set_aside_call": "select public.set_aside_call(p_call_sid => %(sid)s, p_options => %(options)s)",
    "restore_call": "select public.restore_call(p_call_sid => %(sid)s, p_options => %(options)s)",
    "undo_link_event": "select public.undo_link_event(p_event_id => %(event)s, p_options => %(options)s)",
}


def write(connection: Connection, world: World) -> None:
    """Write the world; the caller commits.

    Only columns that the customer's tables have are written, so that a smaller backend's tables can be filled too.
    """
    ids = _new_lead_ids(connection, len(world.leads))
    _copy(connection, "leads", (_lead_fields(row, ids) for row in world.leads))
    _copy(connection, "call_events", (_fields(row) for row in world.events))
    _copy(connection, "conversation_transcripts", _transcript_fields(connection, world.transcripts))
    if _columns(connection, "call_recordings"):
        _copy(connection, "call_recordings", (_fields(row) for row in world.recordings))
    _refresh_statistics(connection)
    for wave in world.waves:
        _write_slots(connection, wave, ids)
    _refresh_statistics(connection)
    connection.execute("delete from public.leads where id = any (%s)", [[ids[key - 1] for key in world.deleted_leads]])
    connection.execute(
        "update public.leads set call_sid = null where id = any (%s)", [[ids[key - 1] for key in world.emptied_slots]]
    )
    _keep_jobs(connection, world.jobs, ids)
    _repair(connection, world, ids)


def _new_lead_ids(connection: Connection, count: int) -> list[int]:
    """Ids from the table's own sequence, so that the next lead of the backend's does not collide."""
    ids = [row[0] for row in connection.execute(_NEW_IDS, [count])]
    if None not in ids:
        return ids
    (highest,) = connection.execute(_HIGHEST_ID).fetchall()[0]
    return list(range(highest + 1, highest + count + 1))


def _fields(row: LeadRow | EventRow | TranscriptRow | RecordingRow) -> Fields:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _lead_fields(row: LeadRow, ids: Sequence[int]) -> Fields:
    fields = dict(_fields(row))
    return {"id": ids[fields.pop("key") - 1], **fields}


def _transcript_fields(connection: Connection, rows: Iterable[TranscriptRow]) -> Iterator[Fields]:
    """Both of the backend's shapes, unless the table has room for one only."""
    columns = _columns(connection, "conversation_transcripts")
    both = {"content", "message"} <= columns
    for row in rows:
        fields = _fields(row)
        if not both:
            role, text = row.role or row.speaker, row.content or row.message
            fields = {**fields, "role": role, "speaker": role, "content": text, "message": text}
        yield fields


def _columns(connection: Connection, table: str) -> set[str]:
    return {row[0] for row in connection.execute(_COLUMNS, [table])}


def _copy(connection: Connection, table: str, rows: Iterable[Fields]) -> None:
    """COPY the rows' fields that the table has columns for."""
    there = _columns(connection, table)
    left = iter(rows)
    while batch := list(islice(left, ROWS_PER_COPY)):
        names = [name for name in batch[0] if name in there]
        statement = sql.SQL("copy public.{} ({}) from stdin").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, names))
        )
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for fields in batch:
                copy.write_row([_value(fields[name]) for name in names])


def _value(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, Mapping) else value


def _refresh_statistics(connection: Connection) -> None:
    """A table that was empty a moment ago is planned as if it still were."""
    for table in ("leads", "call_events", "conversation_transcripts", "calls", "link_events"):
        connection.execute(sql.SQL("analyze public.{}").format(sql.Identifier(table)))


def _write_slots(connection: Connection, wave: Sequence[SlotWrite], ids: Sequence[int]) -> None:
    connection.execute(
        _WAVE,
        [
            [ids[write.lead - 1] for write in wave],
            [write.call_sid for write in wave],
            [write.lead_status for write in wave],
            [write.last_contacted_at for write in wave],
            [write.notes for write in wave],
        ],
    )


def _keep_jobs(connection: Connection, jobs: Sequence[JobRow], ids: Sequence[int]) -> None:
    """What the harvest of the queue would have kept of these jobs."""
    rows = [
        {
            "job_id": job.job_id, "job_at": job.job_at.isoformat(), "name": "make-call", "type": "immediate",
            "state": "completed", "lead_id": ids[job.lead - 1], "to_number": job.to_number, "call_sid": job.call_sid,
            "processed_at": job.job_at.isoformat(), "finished_at": job.finished_at.isoformat(), "attempts": 1,
        }
        for job in jobs
    ]  # fmt: skip
    connection.execute("select public.note_job_results(%s)", [json.dumps(rows)])


def _repair(connection: Connection, world: World, ids: Sequence[int]) -> None:
    events: list[int] = []
    for repair in world.repairs:
        given = {
            "sid": repair.call_sid,
            "lead": ids[repair.lead - 1] if repair.lead else None,
            "event": events[repair.undoes] if repair.undoes is not None else None,
            "options": json.dumps(_options(repair, world.seed, world.now)),
        }
        (event,) = connection.execute(_REPAIRS[repair.command], given).fetchall()[0]
        events.append(event["id"])


def _options(repair: Repair, seed: int, now: datetime) -> dict[str, Any]:
    options: dict[str, Any] = {"actor": repair.actor}
    if repair.reason:
        options["reason"] = repair.reason
    if repair.batch is not None:
        options["batch_id"] = str(uuid.uuid5(uuid.NAMESPACE_OID, f"demo {seed} {now.isoformat()} {repair.batch}"))
    return options
