"""A desk beside a database: the link commands as SQL functions, and what the tables hold afterwards.

``Desk`` is one person's (or script's) psycopg connection. Outside writers use ``desk.sql``: that is how they write.
Every helper that reads, reads the tables, never a cache. ``clean_desk`` gives a test a desk whose writes are undone.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

Event = dict[str, Any]
NOTHING_TO_REPAIR = {"roll_ups": 0, "links": 0, "slots": 0, "missed_changes": 0}


@dataclass(frozen=True)
class Linked:
    """The link of one call, as the roll-up has it."""

    lead: int | None
    set_aside: bool = False
    by_hand: bool = False


@dataclass
class Refusal:
    """Why a command was refused; filled when the block has ended.

    :ivar facts: the facts that differ, as they are now (stale commands only).
    """

    message: str = ""
    hint: str = ""
    facts: dict[str, Any] | None = None


class Desk:
    """One connection to a migrated database.

    :param connection: autocommit; commands and outside writes go through it.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    # Commands: each returns its link event, or None when nothing changed.

    def link(self, call_sid: str, lead: int, **options: Any) -> Event | None:
        return self._command("link_call(%s, %s, %s)", call_sid, lead, options)

    def relink(self, call_sid: str, lead: int, **options: Any) -> Event | None:
        return self._command("relink_call(%s, %s, %s)", call_sid, lead, options)

    def unlink(self, call_sid: str, **options: Any) -> Event | None:
        return self._command("unlink_call(%s, %s)", call_sid, options)

    def set_aside(self, call_sid: str, **options: Any) -> Event | None:
        return self._command("set_aside_call(%s, %s)", call_sid, options)

    def restore(self, call_sid: str, **options: Any) -> Event | None:
        return self._command("restore_call(%s, %s)", call_sid, options)

    def undo(self, event: int | Event | None, **options: Any) -> Event | None:
        number = event if isinstance(event, int) else (event or {})["id"]
        return self._command("undo_link_event(%s, %s)", number, options)

    def _command(self, call: str, *arguments: Any) -> Event | None:
        *plain, options = arguments
        event: Event | None = self.one(f"select {call}", *plain, json.dumps(options))
        return event

    @contextmanager
    def refused(self, code: str, message: str = "") -> Iterator[Refusal]:
        """The block must be refused with SQLSTATE ``code``, and must leave every table as it was.

        :param message: a regular expression that the message or the hint must contain.
        """
        refusal = Refusal()
        before = self.everything()
        with pytest.raises(psycopg.Error) as caught, self.connection.transaction():
            yield refusal
        diagnosis = caught.value.diag
        assert diagnosis.sqlstate == code, f"{diagnosis.sqlstate}: {diagnosis.message_primary}"
        refusal.message = diagnosis.message_primary or ""
        refusal.hint = diagnosis.message_hint or ""
        refusal.facts = json.loads(diagnosis.message_detail) if code == "PB003" and diagnosis.message_detail else {}
        assert re.search(message, f"{refusal.message} {refusal.hint}"), refusal.message
        assert self.everything() == before, "a refused command wrote something"

    # What outside writers do.

    def sql(self, statement: str, *values: Any) -> psycopg.Cursor[Any]:
        """Run any statement, as somebody with SQL would."""
        return self.connection.execute(statement.encode(), values or None)

    def one(self, statement: str, *values: Any) -> Any:
        """The first column of the first row."""
        row = self.sql(statement, *values).fetchone()
        return row[0] if row else None

    def set_slot(self, lead: int, call_sid: str | None) -> None:
        """What the backend does after dialling."""
        self.sql("update leads set call_sid = %s where id = %s", call_sid, lead)

    def leads(self, count: int, **columns: Any) -> list[int]:
        """Insert leads and return their ids in order."""
        names = "".join(f", {name}" for name in columns)
        places = ", %s" * len(columns)
        return [
            self.one(
                f"insert into leads (name{names}) values (%s{places}) returning id",
                f"Lead {number}", *columns.values(),
            )
            for number in range(count)
        ]  # fmt: skip

    def calls(self, *call_sids: str, day: int = 1) -> None:
        """Give calls an event row each, the first on that day of March 2026 at 09:00 UTC, the next a day later."""
        for later, call_sid in enumerate(call_sids):
            self.sql(
                "insert into call_events (call_sid, call_status, direction, to_number, created_at)"
                " values (%s, 'completed', 'outbound-api', '+14155550199', %s)",
                call_sid, f"2026-03-{day + later:02}T09:00:00Z",
            )  # fmt: skip

    # What is true now.

    def slot(self, lead: int) -> str | None:
        found: str | None = self.one("select call_sid from leads where id = %s", lead)
        return found

    def call(self, call_sid: str) -> Linked | None:
        row = self.sql("select lead_id, set_aside, by_hand from calls where call_sid = %s", call_sid).fetchone()
        return Linked(*row) if row else None

    def lead_of(self, call_sid: str) -> int | None:
        found = self.call(call_sid)
        assert found, f"{call_sid} is not known"
        return found.lead

    def state(self, call_sid: str) -> str:
        return str(self.one("select state from call_links where call_sid = %s", call_sid))

    def events(self, call_sid: str | None = None) -> list[Event]:
        """The ledger, newest first, as scripts get it."""
        rows = self.sql(
            "select patchbay_event_json(e) from link_events e where %s::text is null or call_sid = %s order by id desc",
            call_sid, call_sid,
        )  # fmt: skip
        return [row[0] for row in rows]

    def newest(self, call_sid: str | None = None) -> Event:
        return self.events(call_sid)[0]

    def errors(self) -> list[tuple[Any, ...]]:
        """Changes that a trigger could not follow and that nobody replayed so far."""
        return self.sql(
            "select relation, operation, error, lead_id, old_slot, new_slot from link_errors"
            " where replayed_at is null order by id"
        ).fetchall()

    def drift(self) -> list[tuple[Any, ...]]:
        return self.sql("select kind, key, should_be, is_now from link_drift").fetchall()

    def rebuild(self) -> dict[str, int]:
        found: dict[str, int] = self.one("select patchbay_rebuild()")
        return found

    def everything(self) -> list[Any]:
        """All that a command could write, for comparing before and after (what was queued to be judged aside)."""
        return [
            self.sql(f"select to_jsonb(x) - 'judged_at' from {table} x order by 1").fetchall()
            for table in ("leads", "calls", "link_events", "link_event_values", "link_errors")
        ]

    def assert_sound(self) -> None:
        """Slots, links, ledger and roll-up agree, nothing was missed, and a rebuild finds nothing to do."""
        assert self.errors() == []
        assert self.drift() == []
        assert self.rebuild() == NOTHING_TO_REPAIR


@contextmanager
def clean_desk(connection: psycopg.Connection[Any]) -> Iterator[Desk]:
    """A desk in a transaction that is rolled back: a database for each test of a file would take most of its time."""
    with connection.transaction(force_rollback=True):
        yield Desk(connection)


def drop_constraint(desk: Desk) -> None:
    """Before the migration could add UNIQUE: two leads may carry one SID."""
    desk.sql("alter table leads drop constraint leads_call_sid_key")
