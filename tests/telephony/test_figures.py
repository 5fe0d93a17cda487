"""Test calls are left out of figures, trend and worklists."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from core.app import App
from core.linking import WorklistFilter

FIGURES = ("calls", "linked", "current", "history", "unlinked", "set_aside", "pending", "stuck", "dangling")


def figures(app: App) -> dict[str, Any]:
    found = app.linking.overview()
    views = {view: app.linking.count(WorklistFilter(view=view)) for view in ("unlinked", "set_aside", "stuck")}  # type: ignore[arg-type]
    listed = {view: len(app.linking.worklist(WorklistFilter(view=view)).items) for view in views}  # type: ignore[arg-type]
    assert views == listed
    return {
        **{name: found[name] for name in (*FIGURES, "unlinked_by_cause", "oldest_unlinked_at")},
        **views,
        "numbers": app.linking.by_number(WorklistFilter()).total,
        "per_day": app.linking.per_day(30, "UTC"),
    }


def test_test_calls_count_nowhere(app: App, connection: psycopg.Connection[Any]) -> None:
    now = datetime.now(UTC)
    ages = [timedelta(minutes=1), timedelta(hours=5), timedelta(days=3), timedelta(days=20)]
    for number, age in enumerate(ages):
        connection.execute(
            "insert into call_events (call_sid, call_status, direction, from_number, to_number, created_at)"
            " values (%s, 'in-progress', 'outbound-api', '+14155550000', %s, %s)",
            (f"CA{number:032x}", f"+1415555012{number}", now - age),
        )
    connection.execute("insert into leads (phone) values ('+14155550100')")
    app.linking.judge()
    before = figures(app)
    assert before["unlinked"] == 3 and before["pending"] == 1 and before["stuck"] == 3
    for number, age in enumerate([*ages, timedelta(days=29)]):
        connection.execute(
            "insert into call_events (call_sid, call_status, direction, from_number, to_number, created_at)"
            " values (%s, 'in-progress', 'outbound-api', '+14155550000', '+14155550199', %s)",
            (f"CA{number + 100:032x}", now - age),
        )
    connection.execute("update calls set test = true where call_sid >= %s", (f"CA{100:032x}",))
    app.linking.judge()
    app.linking.set_aside(f"CA{101:032x}")
    app.linking.link(f"CA{102:032x}", 1)
    connection.execute("update leads set call_sid = %s", (f"CA{103:032x}",))
    app.linking.judge()
    assert figures(app) == before
