"""Random sequences of commands and outside writes against PostgreSQL, compared with :mod:`tests.database.link_model`.

``machine(cluster, unique=…)`` is a hypothesis state machine class. Each example runs in a database of its own that was
installed over slots which existed before (with ``unique=False`` two leads claim one call from the start). Two people
and an outside writer each have their connection. After every step: slots, links, starts as in the model; the ledger
replays to the present (``link_drift`` is empty: roll-up = recomputation, and the slot invariant); no missed change.
"""

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.store.migrate import migrate
from tests.database.desk import NOTHING_TO_REPAIR, Desk, Event, drop_constraint
from tests.database.link_model import Call, Model, RefusedByRules

CALLS = [*(f"CA{number}" for number in range(7)), "ca1"]
TEST_CALLS = CALLS[4:6]
"""Calls that are tests from the start; any other may turn out to be one."""
LEADS = range(1, 7)
START = datetime(2026, 1, 1, tzinfo=UTC)
TIMES = [START + timedelta(days=days) for days in (0, 1, 1, 5, 9, 4000, 4001)]
"""Starts of rows: equal ones, and some later than any provisional start, which is the time of the test."""
TABLES = ("call_events", "conversation_transcripts")
UNDO_REACH = 12

calls = st.sampled_from(CALLS)
leads = st.sampled_from(LEADS)
slots = st.none() | calls
times = st.sampled_from(TIMES)
tables = st.sampled_from(TABLES)
seldom = st.sampled_from([False] * 7 + [True])
"""For what leaves little behind: else few sequences would come far."""


def installed_template(cluster: Any, *, unique: bool) -> str:
    """Name of a database whose slots were there before the installation."""
    url = cluster.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        desk = Desk(connection)
        desk.sql("create table leads (id bigint primary key, name text, last_contacted_at timestamptz, call_sid text)")
        desk.sql("insert into leads (id, call_sid) values (1, null), (2, 'CA0'), (3, %s)", None if unique else "CA0")
        desk.sql("insert into leads values (4, 'x', %s, 'CA1')", START + timedelta(days=2))
        migrate(url)
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


class LinkMachine(RuleBasedStateMachine):
    """See the module. ``cluster``, ``template`` and ``unique`` are set by :func:`machine`."""

    cluster: Any
    template: str
    unique: bool

    @initialize()
    def install(self) -> None:
        self._stack = contextlib.ExitStack()
        url = self._stack.enter_context(self.cluster.database(self.cluster.new_database(self.template)))
        self._people = [Desk(self._stack.enter_context(psycopg.connect(url, autocommit=True))) for _ in range(2)]
        self._outside = Desk(self._stack.enter_context(psycopg.connect(url, autocommit=True)))
        for desk in (*self._people, self._outside):
            desk.sql("set timezone = 'UTC'")
        claim = None if self.unique else "CA0"
        self._model = Model(self._provisional, self.unique, {1: None, 2: "CA0", 3: claim, 4: "CA1"})
        for sid, lead in (("CA0", 2), ("CA1", 4)):
            self._model.calls[sid] = Call(self._provisional(sid), lead=lead, recorded=True)
        assert self._model.calls["CA1"].start == START + timedelta(days=2), "last contacted: the provisional start"
        for sid in TEST_CALLS:
            self.a_row_comes(TABLES[0], sid, TIMES[2])
            self.a_call_turns_out_to_be_a_test(sid)

    def teardown(self) -> None:
        if hasattr(self, "_stack"):
            self._stack.close()

    def _provisional(self, sid: str) -> datetime:
        """The start that a write gave to a call: by the clock, so it is taken from there. (No row: it was refused.)"""
        found: datetime | None = self._outside.one("select started_at from calls where call_sid = %s", sid)
        return found or datetime.now(UTC)

    # Outside writers

    @rule(table=tables, call=calls, at=times)
    def a_row_comes(self, table: str, call: str, at: datetime) -> None:
        columns = 'created_at, "timestamp"' if table == TABLES[0] else '"timestamp", created_at'
        row = self._outside.one(
            f"insert into {table} (call_sid, {columns}) values (%s, %s, null) returning id", call, at
        )
        self._model.add_row((table, row), call, at)

    @precondition(lambda self: self._model.rows)
    @rule(data=st.data(), call=calls, upsert=st.booleans())
    def a_row_gets_another_sid(self, data: st.DataObject, call: str, upsert: bool) -> None:
        table, row = data.draw(st.sampled_from(sorted(self._model.rows)))
        if upsert:
            self._outside.sql(
                f"insert into {table} (id, call_sid) values (%s, %s)"
                " on conflict (id) do update set call_sid = excluded.call_sid",
                row, call,
            )  # fmt: skip
        else:
            self._outside.sql(f"update {table} set call_sid = %s where id = %s", call, row)
        self._model.rename_row((table, row), call)

    @rule(call=calls)
    def a_calls_rows_go(self, call: str) -> None:
        self._outside.sql(
            "with gone as (delete from call_events where call_sid = %s)"
            " delete from conversation_transcripts where call_sid = %s", call, call,
        )  # fmt: skip
        self._model.delete_rows([key for key, row in self._model.rows.items() if row[0] == call])

    @rule(table=tables, really=seldom)
    def a_table_is_emptied(self, table: str, really: bool) -> None:
        if not really:
            return
        self._outside.sql(f"truncate {table}")
        self._model.delete_rows([key for key in self._model.rows if key[0] == table])

    @rule(lead=leads, call=slots)
    def a_slot_is_set(self, lead: int, call: str | None) -> None:
        if lead in self._model.slots:
            self._write_slots({lead: call}, "update leads set call_sid = %s where id = %s", call, lead)

    @rule(first=leads, second=leads, call=slots, other=slots)
    def two_slots_are_set_by_one_statement(self, first: int, second: int, call: str | None, other: str | None) -> None:
        if first != second and {first, second} <= self._model.slots.keys():
            self._write_slots(
                {first: call, second: other},
                "update leads set call_sid = case id when %s then %s else %s end where id in (%s, %s)",
                first, call, other, first, second,
            )  # fmt: skip

    @rule(lead=leads, call=calls)
    def the_guides_two_statements(self, lead: int, call: str) -> None:
        carriers: dict[int, str | None] = dict.fromkeys(self._model.carriers(call))
        self._write_slots(carriers, "update leads set call_sid = null where call_sid = %s", call)
        if lead in self._model.slots:
            self._write_slots({lead: call}, "update leads set call_sid = %s where id = %s", call, lead)

    @rule(lead=leads, call=slots)
    def a_lead_comes(self, lead: int, call: str | None) -> None:
        if lead not in self._model.slots:
            self._write_slots({lead: call}, "insert into leads (id, call_sid) values (%s, %s)", lead, call)

    @rule(going=st.sets(leads, min_size=1, max_size=2))
    def leads_go(self, going: set[int]) -> None:
        self._outside.sql("delete from leads where id = any (%s)", sorted(going))
        self._model.delete_leads(going & self._model.slots.keys())

    @rule(really=seldom)
    def leads_are_truncated(self, really: bool) -> None:
        if not really:
            return
        self._outside.sql("truncate leads")
        self._model.delete_leads(list(self._model.slots))

    @rule(lead=leads, to=leads)
    def a_lead_gets_another_id(self, lead: int, to: int) -> None:
        if lead in self._model.slots and to not in self._model.slots:
            self._outside.sql("update leads set id = %s where id = %s", to, lead)
            self._model.change_id(lead, to)

    @rule(call=calls)
    def a_call_turns_out_to_be_a_test(self, call: str) -> None:
        if call in self._model.calls:
            self._outside.sql("update calls set test = true where call_sid = %s", call)
            self._model.calls[call].test = True

    @rule(lead=leads, call=st.sampled_from(TEST_CALLS))
    def a_slot_is_set_to_a_test_call(self, lead: int, call: str) -> None:
        self.a_slot_is_set(lead, call)

    @rule()
    def leads_are_touched(self) -> None:
        self._outside.sql("update leads set name = 'x', call_sid = call_sid")

    def _write_slots(self, written: dict[int, str | None], statement: str, *values: Any) -> None:
        outcome = {**self._model.slots, **written}
        held = [call for call in outcome.values() if call]
        try:
            self._outside.sql(statement, *values)
        except psycopg.errors.UniqueViolation:
            # UNIQUE is checked row by row: a swap may fail although its outcome would be fine
            assert self.unique and (len(held) != len(set(held)) or len(written) > 1)
            return
        assert not self.unique or len(held) == len(set(held))
        self._model.write_slots(written)

    # People and automation

    @rule(who=st.integers(0, 1), call=calls, lead=leads, current=st.booleans())
    def somebody_links(self, who: int, call: str, lead: int, current: bool) -> None:
        self._command(
            who, "link_call", (call, lead), {"current": current}, lambda m: m.link(call, lead, current=current)
        )

    @precondition(lambda self: self._tests())
    @rule(how=st.sampled_from(["person", "current", "automatic"]), data=st.data(), lead=leads)
    def a_test_call_is_linked_or_moved(self, how: str, data: st.DataObject, lead: int) -> None:
        call = data.draw(st.sampled_from(self._tests()))
        if how == "automatic":
            self.automation_links(call, lead)
        elif self._model.calls[call].lead is None:
            self.somebody_links(0, call, lead, how == "current")
        else:
            self.somebody_relinks(1, call, lead, how == "current")

    @precondition(lambda self: self._tests())
    @rule(who=st.integers(0, 1))
    def somebody_undoes_what_took_a_test_call_out_of_a_slot(self, who: int) -> None:
        events, tests = self._outside.events(), self._tests()
        for back, event in enumerate(events[: UNDO_REACH + 1]):
            if event["call_sid"] and not set(tests).isdisjoint(event["before"]["leads"].values()):
                self.somebody_undoes(who, back)
                return

    def _tests(self) -> list[str]:
        return sorted(sid for sid, call in self._model.calls.items() if call.test)

    @rule(call=calls, lead=leads)
    def automation_links(self, call: str, lead: int) -> None:
        options = {"mode": "automatic"}
        self._command(0, "link_call", (call, lead), options, lambda m: m.link(call, lead, mode="automatic"))

    @rule(call=calls, lead=leads, at=st.none() | times)
    def the_worker_records_its_call(self, call: str, lead: int, at: datetime | None) -> None:
        options = {"mode": "worker", "create": True, "started_at": at.isoformat() if at else None}
        self._command(1, "link_call", (call, lead), options, lambda m: m.link(call, lead, mode="worker"))

    @rule(who=st.integers(0, 1), call=calls, lead=leads, current=st.booleans())
    def somebody_relinks(self, who: int, call: str, lead: int, current: bool) -> None:
        options = {"current": current}
        self._command(who, "relink_call", (call, lead), options, lambda m: m.relink(call, lead, current=current))

    @rule(who=st.integers(0, 1), call=calls)
    def somebody_unlinks(self, who: int, call: str) -> None:
        self._command(who, "unlink_call", (call,), {}, lambda m: m.unlink(call))

    @rule(who=st.integers(0, 1), call=calls, aside=st.booleans())
    def somebody_sets_aside_or_restores(self, who: int, call: str, aside: bool) -> None:
        name = "set_aside_call" if aside else "restore_call"
        self._command(who, name, (call,), {}, lambda m: m.put_aside(call, aside))

    @rule(who=st.integers(0, 1), back=st.integers(0, UNDO_REACH))
    def somebody_undoes(self, who: int, back: int) -> None:
        events = self._outside.events()
        if back < len(events):
            event = events[back]
            undone = _undone(event["id"], events)
            self._command(who, "undo_link_event", (event["id"],), {}, lambda m: m.undo(event, undone=undone))

    def _command(self, who: int, function: str, given: tuple[Any, ...], options: dict[str, Any], rules: Any) -> None:
        """Preview, then do what was shown; the model must come to the same, or refuse with the same code."""
        places = ", ".join(["%s"] * (len(given) + 1))
        options = {"actor": f"person {who}", **options}

        def call(**more: Any) -> Event | None:
            answer: Event | None = self._people[who].one(
                f"select {function}({places})", *given, json.dumps({**options, **more})
            )
            return answer

        shown, code = None, None
        try:
            shown = call(preview=True)
            done = call(expect=shown["before"], promise=shown["after"]) if shown else call()
            assert (done and {**done, "id": None, "at": None}) == shown
        except psycopg.Error as refused:
            code = refused.sqlstate
        try:
            changed = rules(self._model)
        except RefusedByRules as refused:
            assert code == refused.code, f"the rules refuse with {refused.code}, the database with {code}"
        else:
            assert code is None, f"the rules allow it, the database refuses with {code}"
            assert changed == (shown is not None)

    @rule()
    def a_rebuild_finds_nothing(self) -> None:
        assert self._people[0].rebuild() == NOTHING_TO_REPAIR

    # What must hold after every step

    @invariant()
    def database_and_model_agree(self) -> None:
        if not hasattr(self, "_model"):
            return
        desk = self._outside
        assert dict(desk.sql("select id, call_sid from leads").fetchall()) == self._model.slots
        facts = "select call_sid, lead_id, set_aside, by_hand, started_at, start_known from calls"
        assert {row[0]: row[1:] for row in desk.sql(facts)} == {
            sid: (call.lead, call.set_aside, call.by_hand, call.start, call.start_known)
            for sid, call in self._model.calls.items()
        }
        assert desk.drift() == []
        assert desk.errors() == []


def _undone(event: int, events: list[Event]) -> bool:
    return any(not _undone(other["id"], events) for other in events if other["undoes"] == event)


def machine(cluster: Any, *, unique: bool) -> type[LinkMachine]:
    """A state machine over databases of one cluster, with or without the UNIQUE constraint."""
    template = installed_template(cluster, unique=unique)
    url = cluster.url(template)
    with psycopg.connect(url, autocommit=True) as connection:
        desk = Desk(connection)
        if unique:
            assert desk.one("select has_call_sid_constraint()")
        elif desk.one("select has_call_sid_constraint()"):
            drop_constraint(desk)
    return type("Links", (LinkMachine,), {"cluster": cluster, "template": template, "unique": unique})
