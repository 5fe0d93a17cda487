"""System: checks with their fixes, configuration without secrets, own numbers, whom automation would dial."""

import dataclasses
import re
from pathlib import Path

import httpx
import pytest

from core.access import Identity
from core.access.supabase_auth import SupabaseAuth
from core.app import App
from core.errors import MigrationNeeded
from core.settings import Settings
from dashboard import reachability
from tests.ui.conftest import ANA, BEN, FORMAT, NOBODY, SEVERAL, Console, keys_of, press, text_of
from tests.ui.test_errors import FailingApp

OURS = "+14155550000"


def test_every_check_is_listed_and_passed(console: Console) -> None:
    words = text_of(console("system"))
    assert "14 of 14 passed" in words
    assert "idx_leads_call_sid exists" in words
    assert "The column exists, character varying(50)" in words


def test_it_is_said_how_fast_the_database_answers_and_whether_people_can_sign_in(
    console: Console, world: App, serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.search(r"PostgreSQL · [\w ]+ answers within \d+ ms", text_of(console("system")))
    assert "Supabase Auth" not in text_of(console("system"))

    def auth(status: int) -> App:
        reachability._auth_problem.clear()
        service = httpx.MockTransport(lambda request: httpx.Response(status if "/health" in request.url.path else 404))
        sessions, throttle = world.access.sessions, world.access.throttle
        by_project = SupabaseAuth("https://p.example", "sb_publishable_1", sessions, throttle, transport=service)
        return dataclasses.replace(world, access=dataclasses.replace(world.access, supabase=by_project))

    assert "Supabase Auth answers." in text_of(serve(auth(200))("system"))
    words = text_of(serve(auth(401))("system"))
    assert "The sign-in service answered with status 401. Check SUPABASE_URL and SUPABASE_ANON_KEY." in words
    assert "sb_publishable_1" not in words


def test_a_red_line_has_its_fix_to_copy(console: Console, connection) -> None:
    visit = console("system")
    connection.execute("drop index idx_leads_call_sid")
    visit = press(visit, "system.check")
    assert "13 of 14 passed" in text_of(visit)
    fix = next(code.value for code in visit.code if "idx_leads_call_sid" in code.value)
    connection.execute(fix)
    assert "14 of 14 passed" in text_of(press(visit, "system.check"))


def test_what_drifted_and_what_was_missed_is_listed(console: Console, connection) -> None:
    assert "1 change" not in {each.label for each in console("system").get("expander")}
    connection.execute("alter table leads disable trigger user")
    connection.execute(f"update leads set call_sid = '{FORMAT}' where id = {BEN}")
    connection.execute("alter table leads enable trigger user")
    connection.execute(f"update calls set status = 'busy' where call_sid = '{NOBODY}'")
    connection.execute(f"update calls set lead_id = {BEN} where call_sid = '{SEVERAL}'")
    connection.execute("alter table calls rename to calls_away")
    connection.execute(f"update leads set call_sid = null where id = {ANA}")
    connection.execute("alter table calls_away rename to calls")
    with connection.transaction():  # whoever replays it passes over a row that somebody has locked
        connection.execute("select from link_errors for update")
        visit = press(console("system"), "system.check")
    words = text_of(visit)
    assert {each.label for each in visit.get("expander")} >= {"1 change", "5 rows"}
    assert f"The current call is {FORMAT}, by the ledger none." in words
    assert f"It is linked to lead {BEN}, by the ledger unknown." in words or "by the ledger not linked" in words
    assert "Its summary differs from its rows in status." in words
    assert "update of leads" in words and "stopped by error 42P01" in words
    assert f"Lead {BEN}" in words and "CA44…4444" in words


def test_secrets_are_set_or_not_set_and_never_shown(world: App, serve) -> None:
    settings = Settings(database_url="postgresql://u:topsecret@db.example/x", supabase_anon_key="sb_publishable_key1")
    from core.linking import Linking

    told = dataclasses.replace(world, settings=settings, linking=Linking(world.gateway, settings))
    words = text_of(serve(told)("system"))
    assert "topsecret" not in words
    assert "sb_publishable_key1" not in words
    assert "DATABASE_URL" in words
    assert "set · secret" in words


def test_every_setting_bears_the_name_of_its_variable_and_its_unit(console: Console) -> None:
    words = text_of(console("system"))
    documented = Path(".env.example").read_text()
    named = [name for cell in re.findall(r"<code>([A-Z_,<br> ]+)</code>", words) for name in cell.split(",<br>")]
    assert len(named) > 20
    assert [name for name in named if name not in documented] == ["PATCHBAY_OPEN_BROWSER"], "make run sets it"
    assert "120 s" in words


@pytest.mark.parametrize(("answer", "said"), [("True", "confirmed"), ("False", "not ours")])
def test_an_own_number_is_confirmed_or_denied(console: Console, world: App, answer: str, said: str) -> None:
    from core.linking import own_numbers

    own_numbers.refresh(world.gateway, world.settings)
    visit = console("system")
    assert "1 to confirm" in text_of(visit)
    visit = press(visit, f"system.number.{OURS}.{answer}")
    words = text_of(visit)
    assert "to confirm" not in words
    assert said in words
    assert visit.toast
    visit = press(visit, f"system.number.{OURS}.None")
    assert "1 to confirm" in text_of(visit)


def test_leads_that_automation_would_dial(console: Console, world: App) -> None:
    visit = console("system")
    assert "Automation would dial next · 1" in text_of(visit)
    assert f"Lead {BEN} · Ben Hall" in text_of(visit)
    world.linking.link(FORMAT, BEN)
    assert "No lead has the status new" in text_of(press(visit, "system.check"))


def test_the_schema_and_its_script(console: Console) -> None:
    visit = console("system")
    count = len(list((Path(__file__).resolve().parents[2] / "migrations").glob("*.sql")))
    assert f"{count} of {count} migrations applied" in text_of(visit)
    assert "migrations.toggle" in keys_of(visit)
    visit = press(visit, "migrations.toggle")
    assert any("create table" in code.value for code in visit.code)
    visit = press(visit, "migrations.toggle")
    assert not any("create table" in code.value for code in visit.code)


def test_without_a_connection_the_script_is_shown(world: App, serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "https://project.example")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_1")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    visit = serve(dataclasses.replace(world, database_url=None))("system")
    assert any("create table" in code.value for code in visit.code)
    words = text_of(visit)
    assert "cannot change the schema" in words
    assert re.search(r"✓</span> (\d+) of \1 migrations applied", words), "what was pasted is said too"


def test_a_project_without_our_schema_gets_the_script_to_paste(serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPABASE_URL", "https://project.example")
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "sb_secret_1")
    monkeypatch.delenv("DATABASE_URL", raising=False)
    visit = serve(FailingApp(MigrationNeeded("The database has no Patchbay schema.", hint="Paste it.")))("system")
    assert not visit.exception
    assert "no Patchbay schema" in visit.error[0].value
    assert any("create table" in code.value for code in visit.code)


def test_a_viewer_reads_and_changes_nothing(console: Console, world: App, monkeypatch: pytest.MonkeyPatch) -> None:
    from core.linking import own_numbers

    own_numbers.refresh(world.gateway, world.settings)
    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: Identity("vera", "viewer"))
    assert console("system").button(key=f"system.number.{OURS}.True").disabled
    event = world.linking.link(FORMAT, BEN)
    visit = press(console("activity", event=str(event.id)), "activity.undo")
    assert visit.button(key="repair.confirm").disabled
    assert "viewers can read" in visit.info[-1].value
