"""What Patchbay's triggers cost the backend: its own statements, one commit each, with and without Patchbay."""

import itertools
import time
from collections.abc import Callable, Iterator

import psycopg

from tests.bench.reading import Bare
from tests.bench.timing import Case, Work
from tests.bench.town import Town

Params = Callable[[], tuple[object, ...]]

_EVENT = """insert into {}.call_events (call_sid, call_status, direction, from_number, to_number, "timestamp")
values (%s, 'initiated', 'outbound-api', '+13905550100', '+14995550101', now())"""
_UPDATE = (
    """update {}.call_events set call_status = 'completed', call_duration = %s, updated_at = now() where id = %s"""
)
_LINE = """insert into {}.conversation_transcripts (call_sid, message_id, role, content)
values (%s, 'item', 'user', 'I would like to move my appointment.')"""
_LEAD = "insert into {}.leads (name, phone, lead_source) values ('Bench', %s, 'api')"
_SLOT = """update {}.leads set call_sid = %s, lead_status = 'contacted', last_contacted_at = now(),
  notes = %s where id = %s"""
_COLUMN = "update {}.leads set lead_priority = %s where id = %s"


def prepare(town: Town) -> None:
    """The same customer tables without Patchbay, in schema ``bare``, and bare copies of calls and ledger."""
    town.build("bare")
    town.connection.execute("create table bare.calls as select * from public.calls")
    town.connection.execute("alter table bare.calls add primary key (call_sid)")
    town.connection.execute("create table bare.link_events (like public.link_events including all)")
    town.connection.execute("vacuum analyze bare.calls")


def trigger_costs(bare: Bare, ours: psycopg.Connection, theirs: psycopg.Connection, rounds: int) -> list[Case]:
    """Each statement of the backend's in both worlds, one commit each.

    :param ours, theirs: connections in autocommit mode, one for each world.
    """
    sids = [row["call_sid"] for row in bare.rows("select call_sid from public.calls order by md5(call_sid) limit 2000")]
    events = [row["id"] for row in bare.rows("select id from public.call_events order by md5(id::text) limit 2000")]
    leads = [row["id"] for row in bare.rows("select id from public.leads order by md5(id::text) limit 2000")]
    numbers = itertools.count(time.time_ns())  # new ones, also in a database that was measured before
    known, rows, people = itertools.cycle(sids), itertools.cycle(events), itertools.cycle(leads)
    cases: tuple[tuple[str, str, Params], ...] = (
        ("event insert, new call", _EVENT, lambda: (_new_sid(numbers),)),
        ("event insert, known call", _EVENT, lambda: (next(known),)),
        ("event update", _UPDATE, lambda: (next(numbers) % 900, next(rows))),
        ("transcript insert", _LINE, lambda: (next(known),)),
        ("lead insert", _LEAD, lambda: (f"+1499{next(numbers) % 10**7:07d}",)),
        ("lead slot update", _SLOT, lambda: _slot(numbers, people)),
        ("lead other column", _COLUMN, lambda: (("low", "high")[next(numbers) % 2], next(people))),
    )
    return [
        Case(
            name,
            _one_by_one(ours, statement.format("public"), params),
            _one_by_one(theirs, statement.format("bare"), params),
            rounds,
            warm=20,
        )
        for name, statement, params in cases
    ]


def _one_by_one(connection: psycopg.Connection, statement: str, params: Params) -> Work:
    return lambda: connection.execute(statement.encode(), params())


def _new_sid(numbers: Iterator[int]) -> str:
    return f"CAbe{next(numbers):030x}"


def _slot(numbers: Iterator[int], people: Iterator[int]) -> tuple[object, ...]:
    sid = _new_sid(numbers)
    return sid, f"Outbound call {sid} initiated", next(people)
