"""The command create-lead: its preview, its event, exit codes, and words that cannot be meant."""

import pytest

from tests.database.outside import Connection, add_call, add_lead, sid, slot
from tests.database.test_cli import EVENT, Run, run

__all__ = ["run"]


def test_preview_then_the_lead_then_undo(run: Run, connection: Connection) -> None:
    call, other = add_call(connection, 1), add_call(connection, 2)
    seen = run("create-lead", call, "--name", "Nora", "--preview", "--json")
    assert seen.code == 0 and seen.json["columns"]["phone"] == "+14155550199"
    assert (seen.json["matching"], seen.json["calls"]) == (1, [other])
    assert "lead_source" in run("create-lead", call, "--preview").out
    made = run("create-lead", call, "--name", "Nora", "--reason", "new customer", "--json")
    assert made.code == 0 and set(made.json) >= EVENT and made.json["action"] == "create_lead"
    assert slot(connection, made.json["lead_id"]) == call
    assert run("create-lead", call).code == 4
    assert run("undo", made.json["id"]).code == 0
    assert connection.execute("select count(*) from leads").fetchone() == (0,)


def test_further_columns(run: Run, connection: Connection) -> None:
    call = add_call(connection, 1)
    columns = '{"email": "nora@example.com"}'
    made = run("create-lead", call, "--status", "new", "--columns", columns, "--json")
    row = connection.execute("select email, lead_status from leads").fetchone()
    assert made.code == 0 and row == ("nora@example.com", "new")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((sid(99),), 3),
        (("",), 2),
        ((sid(1), "--phone", "garbage"), 2),
        ((sid(1), "--name", ""), 2),
        ((sid(1), "--status", " "), 2),
        ((sid(1), "--columns", "{"), 2),
        ((sid(1), "--columns", "[1]"), 2),
        ((sid(1), "--columns", '{"nope": "1"}'), 2),
        ((sid(2),), 4),
    ],
)
def test_exit_codes(run: Run, connection: Connection, words: tuple[str, ...], code: int) -> None:
    add_call(connection, 1)
    add_lead(connection, "Has it", call_sid=add_call(connection, 2))
    assert run("create-lead", *words).code == code
    assert connection.execute("select count(*) from leads").fetchone() == (1,)
