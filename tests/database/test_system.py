"""The System page's data: each check turns red with a fix that works; settings without secrets; own numbers."""

from pathlib import Path

import pytest

from core.app import App
from core.errors import BadInput, NotAllowed, NotFound
from core.linking import Check, Linking, system
from core.settings import Settings
from tests.database.outside import OURS, Connection, add_call, add_lead, sid

SECRET = "s3cr3t"


@pytest.fixture
def linking(app: App) -> Linking:
    return app.linking


def check(linking: Linking, name: str) -> Check:
    (found,) = [each for each in linking.doctor() if each.name == name]
    return found


def test_a_sound_installation_is_green(linking: Linking, connection: Connection) -> None:
    add_lead(connection, call_sid=add_call(connection, 1))
    told = linking.system()
    assert [each for each in told.checks if not each.ok] == []
    assert told.ok
    assert {"Python", "streamlit", "psycopg", "PostgreSQL", "schema"} <= told.versions.keys()
    assert told.size == {"calls": 1, "leads": 1, "link_events": 1}


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("index", "drop index idx_leads_call_sid"),
        ("index", "drop index idx_leads_call_sid; create index idx_leads_call_sid on leads (name)"),
        ("unique", "alter table leads drop constraint leads_call_sid_key"),
    ],
)
def test_a_red_line_has_a_fix_that_works(linking: Linking, connection: Connection, name: str, harm: str) -> None:
    for statement in harm.split(";"):
        connection.execute(statement.encode())
    red = check(linking, name)
    assert not red.ok and red.fix
    for statement in red.fix.strip(";").split(";"):
        connection.execute(statement.encode())
    assert check(linking, name).ok


def test_other_red_lines(linking: Linking, connection: Connection) -> None:
    connection.execute("alter table leads disable trigger patchbay_updated")
    triggers = check(linking, "triggers")
    assert not triggers.ok and "leads.patchbay_updated" in triggers.detail and triggers.fix
    lead = add_lead(connection)
    connection.execute("update leads set call_sid = %s where id = %s", [add_call(connection, 1), lead])
    drifted = check(linking, "consistency")
    assert not drifted.ok and drifted.fix == "python -m core rebuild"


def test_open_tables_are_named_with_the_roles_that_reach_them(linking: Linking, connection: Connection) -> None:
    assert check(linking, "row level security").ok
    connection.execute("do $$ begin create role anon; exception when duplicate_object then null; end $$")
    connection.execute("grant select on leads, call_events to anon")
    try:
        red = check(linking, "row level security")
        assert not red.ok and "leads (anon)" in red.detail and "call_events (anon)" in red.detail
        assert red.fix is not None
        for statement in red.fix.strip(";").split(";"):
            connection.execute(statement.encode())
        assert check(linking, "row level security").ok
    finally:
        connection.execute("revoke all on leads, call_events from anon")


def test_whom_the_automation_would_dial(linking: Linking, connection: Connection) -> None:
    for number in range(25):
        add_lead(connection, f"Lead {number}", lead_status="new")
    add_lead(connection, "done", lead_status="contacted")
    add_lead(connection, "called", lead_status="new", call_sid=sid(1))
    told = linking.system()
    assert told.dialable == 25
    assert [lead.name for lead in told.dialable_first] == [f"Lead {number}" for number in range(20)]


# Settings ------------------------------------------------------------------------------------------------------------


def test_no_secret_is_shown() -> None:
    settings = Settings(
        database_url=f"postgresql://me:{SECRET}@db/x", supabase_key=SECRET, supabase_anon_key=SECRET,
        own_numbers=(OURS,), data_dir=Path("/data"),
    )  # fmt: skip
    shown = system.configuration(settings)
    assert SECRET not in repr(shown) + str([each.to_json() for each in shown])
    by_name = {each.name: each for each in shown}
    expected = {
        "database_url": "set", "supabase_key": "set", "supabase_url": "not set", "own_numbers": OURS,
        "data_dir": "/data",
    }  # fmt: skip
    assert {name: by_name[name].shown for name in expected} == expected
    assert len(shown) == len(Settings.__dataclass_fields__)
    assert by_name["supabase_key"].variable == "SUPABASE_SERVICE_ROLE_KEY"
    secrets = {each.name for each in shown if each.secret}
    assert {name for name in by_name if "key" in name or "token" in name or "password" in name} <= secrets


# Own numbers ---------------------------------------------------------------------------------------------------------


def test_a_person_confirms_or_denies_what_the_data_shows(linking: Linking, connection: Connection) -> None:
    for number in range(3):
        add_call(connection, number, counterpart=f"+1212555{number:04d}")
    linking.judge()
    (ours,) = linking.system().own_numbers
    assert (ours.number, ours.source, ours.calls, ours.to_confirm) == (OURS, "data", 3, True)
    assert "to be confirmed" in check(linking, "own numbers").detail
    assert linking.confirm_own_number("(415) 555-0100", True).confirmed is True
    assert not linking.system().own_numbers[0].to_confirm
    denied = linking.confirm_own_number(OURS, False)
    assert denied.confirmed is False
    assert OURS not in check(linking, "own numbers").detail
    linking.rebuild()
    assert linking.system().own_numbers[0].confirmed is False, "what a person says stays"
    assert linking.confirm_own_number(OURS, None).to_confirm


def test_denying_a_number_judges_its_calls_anew(linking: Linking, connection: Connection) -> None:
    for number in range(3):
        add_call(connection, number, counterpart=f"+1212555{number:04d}")
    call = add_call(connection, 9, inbound=True, counterpart=OURS, to_number="+12125550009")
    linking.judge()
    before = linking.call(call).cause
    linking.confirm_own_number(OURS, False)
    assert linking.call(call).counterpart == OURS
    linking.confirm_own_number(OURS, True)
    assert linking.call(call).cause == before


def test_numbers_that_cannot_be_confirmed(linking: Linking, db: str) -> None:
    with pytest.raises(NotFound):
        linking.confirm_own_number("+12125550000", True)
    for wrong in ("", " ", "x" * 200, "1\n"):
        with pytest.raises((BadInput, NotFound)):
            linking.confirm_own_number(wrong, True)
    from core.app import build

    given = build(Settings.load(env={"DATABASE_URL": db, "OWN_NUMBERS": OURS}))
    try:
        given.linking.judge()
        with pytest.raises(NotAllowed, match="by the settings"):
            given.linking.confirm_own_number(OURS, False)
    finally:
        given.close()
