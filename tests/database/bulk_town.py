"""Calls and leads for bulk links: as many as asked for, with every reason to leave a call alone."""

from typing import Any

import psycopg

OURS = "+14155550000"
Connection = psycopg.Connection[Any]


def sid(number: int) -> str:
    """The Call SID of the call with this number; a larger number is the greater SID."""
    return f"CA{number:032x}"


def lead(connection: Connection, number: int, *, name: str | None = None, status: str = "contacted") -> int:
    """A lead whose phone is that of ``number``."""
    row = connection.execute(
        "insert into leads (name, phone, lead_status) values (%s, %s, %s) returning id",
        (name or f"Lead of {number}", phone(number), status),
    ).fetchone()
    assert row
    return int(row[0])


def call(connection: Connection, number: int, party: int | None, *, days: float) -> str:
    """A call from the phone of ``party``, so many days old."""
    connection.execute(
        "insert into call_events (call_sid, direction, from_number, to_number, call_status, call_duration, created_at)"
        " values (%s, 'inbound', %s, %s, 'completed', 60, now() - make_interval(secs => %s))",
        (sid(number), None if party is None else phone(party), OURS, days * 86_400),
    )
    return sid(number)


def phone(party: int) -> str:
    """A number of its own for each party."""
    return f"+1415{2_000_000 + party:07d}"


def fill(connection: Connection, *, leads: int, calls: int, shared: int = 0) -> None:
    """Many leads with many unlinked calls each; the last ``shared`` leads have the number of the lead before them."""
    connection.execute(
        "insert into leads (name, phone, lead_status)"
        " select 'Lead ' || n, '+1415' || 2000000 + n - case when n > %s then 1 else 0 end,"
        " case n %% 3 when 0 then 'new' else 'contacted' end from generate_series(1, %s) as n",
        (leads - shared, leads),
    )
    connection.execute(
        "insert into call_events (call_sid, direction, from_number, to_number, call_status, call_duration, created_at)"
        " select 'CA' || lpad(to_hex(n), 32, '0'), 'inbound', '+1415' || 2000001 + n %% %s, %s, 'completed', 60,"
        " now() - make_interval(mins => 10 + n) from generate_series(1, %s) as n",
        (leads, OURS, calls),
    )
