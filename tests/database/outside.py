"""What other programs write: leads, call events and transcripts, as the backend and people with SQL write them."""

from datetime import datetime
from typing import Any

import psycopg
import psycopg.sql

Connection = psycopg.Connection[Any]
OURS = "+14155550100"


def sid(number: int) -> str:
    """A Call SID of Twilio's form that says which one it is."""
    return f"CA{number:032x}"


def add_lead(connection: Connection, name: str = "Ada", phone: str | None = None, **columns: Any) -> int:
    """Insert a lead and return its id."""
    return _insert(connection, "leads", {"name": name, "phone": phone, **columns})


def add_call(
    connection: Connection,
    number: int,
    *,
    counterpart: str | None = "+14155550199",
    inbound: bool = False,
    at: datetime | str = "2026-03-01T09:00:00Z",
    **columns: Any,
) -> str:
    """Insert one event row of a call and return its SID."""
    from_number, to_number = (counterpart, OURS) if inbound else (OURS, counterpart)
    row = {
        "call_sid": sid(number),
        "call_status": "completed",
        "direction": "inbound" if inbound else "outbound-api",
        "from_number": from_number,
        "to_number": to_number,
        "call_duration": 61,
        "created_at": at,
    }
    _insert(connection, "call_events", {**row, **columns})
    return str({**row, **columns}["call_sid"])


def say(connection: Connection, call_sid: str, role: str, content: str, **columns: Any) -> int:
    """Insert one line of a transcript."""
    row = {"call_sid": call_sid, "role": role, "content": content, "timestamp": "2026-03-01T09:00:10Z"}
    return _insert(connection, "conversation_transcripts", {**row, **columns})


def slot(connection: Connection, lead_id: int) -> str | None:
    """What a lead's call_sid holds."""
    row = connection.execute("select call_sid from leads where id = %s", [lead_id]).fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


def _insert(connection: Connection, table: str, row: dict[str, Any]) -> int:
    names = psycopg.sql.SQL(", ").join(psycopg.sql.Identifier(name) for name in row)
    places = psycopg.sql.SQL(", ").join(psycopg.sql.Placeholder() * len(row))
    statement = psycopg.sql.SQL("insert into {} ({}) values ({}) returning id")
    found = connection.execute(
        statement.format(psycopg.sql.Identifier(table), names, places), list(row.values())
    ).fetchone()
    assert found is not None
    return int(found[0])
