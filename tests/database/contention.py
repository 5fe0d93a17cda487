"""Eight connections fight over the same few calls: four write as the backend does, four give commands.

``fight`` returns a :class:`Report`; :meth:`Report.check` says what must hold afterwards. Deadlocks: PostgreSQL tells
the victim only; what the others were doing stands in the server's log. Two statements of the backend's can deadlock
between themselves by way of the UNIQUE index, without us; one in which a function of ours takes part is a fault.
"""

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from core.errors import BelongsToAnotherLead, Busy, NotAllowed, NotFound, PatchbayError, Stale
from core.store.gateway import Order
from core.store.postgres import PostgresGateway
from tests.database.desk import NOTHING_TO_REPAIR, Desk

CALLS = [f"CA{number}" for number in range(30)]
LEADS = 12
WRITERS = COMMANDERS = 4
ROLE = "fighting_backend"
LONGEST_STATEMENT = 3.0
"""Seconds that a writer's statement may take on a busy machine."""

_OURS = re.compile(r"patchbay_|link_call|relink_call|unlink_call|set_aside_call|restore_call|undo_link_event")
_CHAIN = """
with slot as (
  select id, 'slot of lead ' || s as whose, before -> 'leads' -> s as was,
    lag(after -> 'leads' -> s) over before_it as left_at, lag(id) over before_it as after_id
  from link_events, jsonb_object_keys(after -> 'leads') as s window before_it as (partition by s order by id)),
link as (
  select id, 'lead of call ' || call_sid, before -> 'call_lead', lag(after -> 'call_lead') over before_it,
    lag(id) over before_it
  from link_events window before_it as (partition by call_sid order by id))
select whose, was, left_at, (select jsonb_agg(to_jsonb(e) - '{evidence,request,lead_ids,actor}'::text[] order by e.id)
    from link_events e where e.id between broken.after_id and broken.id) as events
from (select * from slot union all select * from link) as broken
where was is distinct from left_at and left_at is not null"""
"""Events that do not begin where the one before them, about the same slot or the same call, ended; and all between."""


@dataclass
class Report:
    """What happened.

    :ivar counts: outcomes by who and what, e.g. ``writer lead: done``.
    :ivar faults: what must not happen, in words.
    :ivar slowest: seconds of the slowest statement of each kind of a writer's.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: dict[str, float] = field(default_factory=dict)
    events: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, outcome: str) -> None:
        with self.lock:
            self.counts[f"{what}: {outcome}"] += 1

    def fault(self, text: str) -> None:
        with self.lock:
            self.faults.append(text)

    def check(self, desk: Desk) -> None:
        """Nothing lost, no error or long wait at a writer, no deadlock of ours; what was missed is replayed."""
        assert self.faults == [], self.faults[:5]
        assert max(self.slowest.values()) < LONGEST_STATEMENT, self.slowest
        assert self.counts["command: done"] > 100, self.counts
        busy = self.counts["command: busy"] / sum(n for what, n in self.counts.items() if what.startswith("command"))
        assert busy < 0.02, self.counts
        known = {row[0] for row in desk.sql("select id from link_events")}
        assert self.events <= known, "an event that a command returned is not in the ledger"
        missed = desk.errors()
        assert {row[2] for row in missed} <= {"55P03"}, "only a lock that was not had in time may make us miss a change"
        if missed:
            desk.rebuild()
        else:
            broken = desk.sql(_CHAIN).fetchall()
            print(*broken, sep="\n")  # whole: an assertion's message is cut
            assert broken == [], "an event does not begin where the one before ended"
        assert desk.drift() == []
        assert desk.rebuild() == NOTHING_TO_REPAIR


def fight(cluster: Any, url: str, seconds: float, seed: int = 1) -> Report:
    """Let them fight for ``seconds``. ``url``: a fresh migrated database of ``cluster``."""
    report, log = Report(), Path(cluster.folder) / "log"
    already = log.stat().st_size
    with _role(cluster, url):
        end = time.monotonic() + seconds
        threads = [
            threading.Thread(target=_guarded, args=(report, work, url, seed * 1000 + number, end))
            for number in range(WRITERS)
            for work in (_write, _command)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    text = log.read_bytes()[already:].decode(errors="replace")
    for entry in _deadlocks(text):
        if _OURS.search(entry):
            report.fault(f"a deadlock with one of our functions in it: {entry}")
        else:
            report.note("deadlock", "the backend's own")
    return report


def _deadlocks(text: str) -> Iterator[str]:
    """Each deadlock with its DETAIL, CONTEXT and STATEMENT lines."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if "deadlock detected" in line:
            rest = lines[number + 1 :]
            ends = next((n for n, each in enumerate(rest) if re.search(r" (ERROR|LOG|FATAL):  ", each)), len(rest))
            yield "\n".join([line, *rest[:ends]])


@contextmanager
def _role(cluster: Any, url: str) -> Iterator[None]:
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("insert into leads (id) select generate_series(1, %s)", [LEADS])
        owner.execute(f"create role {ROLE} login".encode())
        owner.execute(
            f"grant select, insert, update, delete on leads, call_events, conversation_transcripts to {ROLE}".encode()
        )
        yield
        owner.execute(f"drop owned by {ROLE}".encode())
        owner.execute(f"drop role {ROLE}".encode())


def _guarded(report: Report, work: Callable[..., None], url: str, seed: int, end: float) -> None:
    try:
        work(report, url, random.Random(seed), end)
    except Exception as failure:  # a thread's error must reach the test
        report.fault(f"{work.__name__}: {failure!r}")


def _write(report: Report, url: str, chance: random.Random, end: float) -> None:
    """The backend: lead first, then the callbacks' select-then-insert, a transaction per request; seldom in bulk."""
    with psycopg.connect(url, user=ROLE, autocommit=True) as connection:

        def run(what: str, *statements: tuple[str, tuple[Any, ...]]) -> Any:
            row, began = None, time.monotonic()
            try:
                with connection.transaction():
                    for statement, values in statements:
                        cursor = connection.execute(statement.encode(), values)
                    row = cursor.fetchone() if cursor.description else None
                report.note(f"writer {what}", "done")
            except psycopg.errors.UniqueViolation:
                report.note(f"writer {what}", "another lead has it")
            except psycopg.errors.DeadlockDetected as failure:
                report.note(f"writer {what}", "deadlock")
                if _OURS.search(failure.diag.context or ""):
                    report.fault(f"{what}: deadlock inside our function: {failure.diag.context}")
            except psycopg.Error as failure:
                report.fault(f"{what}: {failure.sqlstate} {failure}")
            with report.lock:
                report.slowest[what] = max(report.slowest.get(what, 0), time.monotonic() - began)
            return row

        while time.monotonic() < end:
            call, lead, what = chance.choice(CALLS), chance.randint(1, LEADS), chance.random()
            take = (
                "update leads set call_sid = %s, lead_status = 'contacted', last_contacted_at = now(), notes = %s"
                " where id = %s",
                (call, f"Outbound call {call} initiated", lead),
            )
            if what < 0.25:
                run("lead", take)
            if what < 0.75:
                if found := run("select", ("select id from call_events where call_sid = %s limit 1", (call,))):
                    status = chance.choice(["ringing", "completed"])
                    run("row update", ("update call_events set call_status = %s where id = %s", (status, found[0])))
                else:
                    run("row", ("insert into call_events (call_sid, call_status) values (%s, 'initiated')", (call,)))
            elif what < 0.85:
                line = "insert into conversation_transcripts (call_sid, role, content) values (%s, 'user', 'hi')"
                run("transcript", (line, (call,)))
            elif what < 0.90:
                run("empty", ("update leads set call_sid = null where call_sid = %s", (call,)))
            elif what < 0.92:
                other = chance.randint(1, LEADS)
                run("empty two", ("update leads set call_sid = null where id in (%s, %s)", (lead, other)))
            elif what < 0.94:
                rows = "insert into call_events (call_sid) select unnest(%s::text[])"
                run("rows", (rows, (chance.sample(CALLS, 5),)))
            elif what < 0.96:
                run("purge", ("delete from call_events where call_sid = %s", (call,)))
            elif what < 0.97:
                run("lead goes", ("delete from leads where id = %s", (lead,)))
                run("lead comes", ("insert into leads (id) values (%s) on conflict do nothing", (lead,)))
            elif what < 0.98:
                run("lead and row", take, ("insert into call_events (call_sid) values (%s)", (call,)))


def _command(report: Report, url: str, chance: random.Random, end: float) -> None:
    """A person with the console, or a script: commands through the gateway, which repeats what lost a race."""
    gateway = PostgresGateway(url, size=1)
    try:
        while time.monotonic() < end:
            function, given = _any_command(chance, gateway)
            options: dict[str, Any] = {"actor": "fighter", "current": chance.random() < 0.5}
            if function == "link_call" and chance.random() < 0.25:
                options = {"mode": "automatic"}
            try:
                event = gateway.call(function, **given, p_options=options)
            except Busy:
                report.note("command", "busy")
            except (NotFound, BelongsToAnotherLead, NotAllowed, Stale) as refused:
                report.note("command", type(refused).__name__)
            except PatchbayError as failure:
                report.fault(f"{function}: {failure!r}")
            else:
                report.note("command", "done" if event else "nothing to do")
                if event:
                    with report.lock:
                        report.events.add(event["id"])
    finally:
        gateway.close()


def _any_command(chance: random.Random, gateway: PostgresGateway) -> tuple[str, dict[str, Any]]:
    call, lead = chance.choice(CALLS), chance.randint(1, LEADS)
    function = chance.choice(
        ["link_call", "link_call", "relink_call", "relink_call", "unlink_call", "set_aside_call", "undo_link_event"]
    )
    if function == "undo_link_event":
        newest = gateway.select("link_events", columns=("id",), order=(Order("id", descending=True),), limit=6)
        return function, {"p_event_id": chance.choice(newest)["id"] if newest else 1}
    if function in ("link_call", "relink_call"):
        return function, {"p_call_sid": call, "p_lead_id": lead}
    return function, {"p_call_sid": call}
