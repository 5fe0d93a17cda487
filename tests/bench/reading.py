"""What people wait for (pages, counts, lookup, link), each beside the bare index read of the same rows."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from core.linking import Command, Linking, WorklistFilter
from core.linking.worklist import make_cursor
from core.settings import DEFAULT_GRACE_SECONDS
from tests.bench.timing import Case, milliseconds

PAGE = 50
DEEP = 0.8
"""How far down the list the deep page lies."""
_UNLINKED = "c.lead_id is null and not c.set_aside and c.started_at <= %(now)s"
_PAGE = """
select c.call_sid, 'unlinked' as state, c.started_at, c.lead_id, c.set_aside, c.by_hand, c.direction, c.from_number,
  c.to_number, c.status, c.duration, c.event_count, c.transcript_count, c.counterpart, c.cause, c.cause_leads,
  c.best_lead_id, c.best_confidence, c.best_evidence, b.name as best_lead_name, b.phone as best_lead_phone,
  b.lead_status as best_lead_status, c.candidate_count, c.suspect,
  case when cardinality(c.cause_leads) > 1
    then (select json_agg(json_build_object('id', n.id, 'name', n.name, 'phone', n.phone))
      from public.leads n where n.id = any (c.cause_leads)) end as named
from public.calls c left join public.leads b on b.id = c.best_lead_id
where {} order by c.started_at desc, c.call_sid collate "C" desc limit %(size)s"""
"""The bare read of a page: the rows and columns that it shows with the leads that its sentences name, nothing else."""
_AFTER = ' and c.started_at <= %(start)s and (c.started_at, c.call_sid collate "C") < (%(start)s, %(sid)s)'
_TABLES = ("call_events", "leads", "conversation_transcripts")
_LEDGER = """insert into bare.link_events (actor, source, action, call_sid, lead_id, before, after)
values ('bench', 'person', 'link', %s, %s, '{"call_lead": null, "set_aside": false, "by_hand": false, "leads": {}}',
  '{"call_lead": 1, "set_aside": false, "by_hand": false, "leads": {}}')"""
_PARTS = (
    "select * from public.calls where call_sid = %s",
    "select * from public.call_events where call_sid = %s order by created_at, id",
    "select * from public.conversation_transcripts where call_sid = %s order by created_at, id",
    "select * from public.call_recordings where call_sid = %s",
    "select * from public.link_events where call_sid = %s order by id desc",
    "select l.* from public.leads l join public.calls c on c.lead_id = l.id where c.call_sid = %s",
    """select o.call_sid, o.started_at, o.direction, o.status, o.duration from public.calls c
    join public.calls o on o.lead_id = c.lead_id where c.call_sid = %s order by o.started_at desc limit 20""",
    """select l.* from public.calls c join public.lead_numbers n on n.key = c.counterpart_key
    join public.leads l on l.id = n.lead_id where c.call_sid = %s""",
    "select id from public.leads where call_sid = %s",
    "select m.lead_id from public.lead_mentions m join public.leads l on l.id = m.lead_id where m.call_sid = %s",
    "select * from public.job_results where call_sid = %s order by job_at desc limit 5",
)
"""The bare read of a story: the rows that it tells of, each kind by its index."""


class Bare:
    """psycopg and nothing else, over a pool like the gateway's."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool(
            url,
            kwargs={"autocommit": True, "row_factory": dict_row, "options": "-c timezone=UTC"},
            min_size=1,
            max_size=4,
            check=ConnectionPool.check_connection,
        )

    def rows(self, statement: str, params: Any = None) -> list[dict[str, Any]]:
        """Run one statement."""
        with self._pool.connection() as connection:
            return connection.execute(statement, params).fetchall()  # type: ignore[return-value]

    def several(self, statements: tuple[str, ...], params: Any) -> None:
        """Run several statements on one connection."""
        with self._pool.connection() as connection:
            for statement in statements:
                connection.execute(statement, params).fetchall()

    def together(self, *statements: tuple[str, Any]) -> None:
        """Run statements in one transaction."""
        with self._pool.connection() as connection, connection.transaction():
            for statement, params in statements:
                connection.execute(statement, params)

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close()


@dataclass(frozen=True, slots=True)
class PandasTimes:
    """Milliseconds of reading and merging the three tables in pandas for the same question."""

    first_page: float
    count: float
    lookup: float
    rows: int


def read_pages(linking: Linking, bare: Bare, rounds: int) -> Iterator[Case]:
    """First page, each cause, next pages, count."""
    now = datetime.now(UTC) - timedelta(seconds=DEFAULT_GRACE_SECONDS)
    everything = WorklistFilter()
    yield _page(linking, bare, "first page", everything, _UNLINKED, {"now": now}, rounds)
    for row in bare.rows(f"select distinct cause from public.calls c where {_UNLINKED} order by 1", {"now": now}):
        wanted, where = WorklistFilter(cause=row["cause"]), f"{_UNLINKED} and c.cause = %(cause)s"
        yield _page(linking, bare, f"cause {row['cause']}", wanted, where, {"now": now, "cause": row["cause"]}, rounds)
    for name, skipped in (("second page", PAGE), ("deep page", int(linking.count(everything) * DEEP))):
        place = _place(bare, now, skipped)
        params = {"now": now, "start": place["started_at"], "sid": place["call_sid"]}
        cursor = make_cursor({**place, "started_at": place["started_at"].isoformat()})
        yield _page(linking, bare, name, everything, _UNLINKED + _AFTER, params, rounds, cursor)
    count = f"select count(*) from public.calls c where {_UNLINKED}"
    yield Case("count", lambda: linking.count(everything), lambda: bare.rows(count, {"now": now}), rounds=rounds)


def _page(
    linking: Linking, bare: Bare, name: str, wanted: WorklistFilter, where: str, params: Any, rounds: int,
    cursor: str | None = None,
) -> Case:  # fmt: skip
    statement, given = _PAGE.format(where), {**params, "size": PAGE + 1}
    ours = [call.call_sid for call in linking.worklist(wanted, limit=PAGE, after=cursor).items]
    same = [row["call_sid"] for row in bare.rows(statement, given)][:PAGE]
    if ours != same:
        raise AssertionError(f"{name}: the two ways read different calls")
    return Case(
        name,
        lambda: linking.worklist(wanted, limit=PAGE, after=cursor),
        lambda: bare.rows(statement, given),
        rounds=rounds,
    )


def _place(bare: Bare, now: datetime, skipped: int) -> dict[str, Any]:
    statement = _PAGE.format(_UNLINKED).replace("limit", "offset %(skipped)s limit")
    return bare.rows(statement, {"now": now, "size": 1, "skipped": skipped - 1})[0]


def look_up(linking: Linking, bare: Bare, rounds: int) -> Case:
    """A call's whole story by its SID."""
    sids = [row["call_sid"] for row in bare.rows("select call_sid from public.calls order by md5(call_sid) limit 500")]
    mine, others = itertools.cycle(sids), itertools.cycle(sids)
    return Case(
        "lookup by SID",
        lambda: linking.lookup(next(mine)),
        lambda: bare.several(_PARTS, [next(others)]),
        rounds=rounds,
    )


def link(linking: Linking, bare: Bare, rounds: int) -> Case:
    """Preview and link of an unlinked call, beside reading and writing the same rows without any rule."""
    pairs = _free_pairs(bare, 2 * (rounds + 10))
    mine, others = iter(pairs[::2]), iter(pairs[1::2])
    return Case(
        "link (preview + commit)",
        lambda: _link(linking, *next(mine)),
        lambda: _write(bare, *next(others)),
        rounds=min(rounds, len(pairs) // 2 - 10),
    )


def _free_pairs(bare: Bare, count: int) -> list[tuple[str, int]]:
    """Unlinked calls with the candidate that they would be linked to."""
    statement = """select call_sid, best_lead_id from public.calls where lead_id is null and not set_aside
        and cause in ('missed_match', 'format_mismatch') order by md5(call_sid) limit %s"""
    return [(row["call_sid"], row["best_lead_id"]) for row in bare.rows(statement, [count])]


def _link(linking: Linking, call_sid: str, lead_id: int) -> None:
    command = Command("link", call_sid, lead_id)
    seen = linking.preview(command)
    if seen is None or linking.run(command) is None:
        raise AssertionError(f"{call_sid} could not be linked")


def _write(bare: Bare, call_sid: str, lead_id: int) -> None:
    """What a link is at least: two rows read; slot, link and ledger in one transaction; no triggers."""
    bare.several(("select * from bare.calls where call_sid = %(sid)s", "select * from bare.leads where id = %(lead)s"),
                 {"sid": call_sid, "lead": lead_id})  # fmt: skip
    bare.together(
        ("select 1 from bare.leads where id = %s for update", [lead_id]),
        ("select 1 from bare.calls where call_sid = %s for update", [call_sid]),
        ("update bare.leads set call_sid = %s where id = %s", [f"L{call_sid}", lead_id]),
        ("update bare.calls set lead_id = %s, cause = null where call_sid = %s", [lead_id, call_sid]),
        (_LEDGER, [call_sid, lead_id]),
    )


def merge_in_pandas(url: str) -> PandasTimes:
    """The worklist, its count and one call's story from the three tables, read whole and merged in pandas."""
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        page = _merged(connection).head(PAGE)
        first_page = (time.perf_counter() - began) * 1000
        rows = len(page)
        count = milliseconds(lambda: len(_merged(connection)))
        lookup = milliseconds(lambda: _story(connection, page.index[0]))
    return PandasTimes(first_page, count, lookup, rows)


def _merged(connection: psycopg.Connection) -> pd.DataFrame:
    """Unlinked calls as the three tables show them: those that stand in no lead's slot."""
    events, leads, lines = (_frame(connection, table) for table in _TABLES)
    ordered = events.sort_values("created_at")
    calls = ordered.groupby("call_sid").agg(
        started_at=("created_at", "min"), status=("call_status", "last"), direction=("direction", "first"),
        from_number=("from_number", "first"), to_number=("to_number", "first"), duration=("call_duration", "max"),
    )  # fmt: skip
    calls["lines"] = lines.groupby("call_sid").size()
    merged = calls.merge(leads[["id", "call_sid"]], how="left", left_index=True, right_on="call_sid")
    unlinked = merged[merged["id"].isna()].set_index("call_sid")
    return unlinked.sort_values("started_at", ascending=False)


def _story(connection: psycopg.Connection, call_sid: object) -> None:
    for table in _TABLES:
        frame = _frame(connection, table)
        frame[frame["call_sid"] == call_sid].to_dict("records")


def _frame(connection: psycopg.Connection, table: str) -> pd.DataFrame:
    cursor = connection.execute(f"select * from public.{table}".encode())
    return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])
