"""A Supabase project from the first line to the last: ``python -m core`` with nothing but its URL and key.

The schema is pasted, the calls that were there are taken in through the key, and every command works.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from core import demo
from core.app import App, build
from core.errors import MigrationNeeded, NotAllowed
from core.linking import Options, WorklistFilter
from core.settings import Settings
from core.store import backfill
from core.store.migrate import script
from core.store.postgres import PostgresGateway
from tests.conftest import ROOT
from tests.contract.rest import SECRET_KEY, Rest, prepare, serving
from tests.database.conftest import GUIDE_TABLES, Cluster
from tests.database.outside import sid

FIRST = "CA00000000000000000000000000000001"
SECOND = "CA00000000000000000000000000000002"


class Project:
    """A hosted project with the guide's tables: its database, PostgREST and the command line that works on it."""

    def __init__(self, database: str, rest: Rest, folder: Path) -> None:
        self.database, self.rest, self._folder = database, rest, folder
        self.env = {
            "SUPABASE_URL": rest.url, "SUPABASE_SERVICE_ROLE_KEY": SECRET_KEY, "PATCHBAY_LINK_GRACE_SECONDS": "0",
        }  # fmt: skip
        self._markers = itertools.count(1)

    def paste(self, text: str) -> None:
        """Run a script as the SQL editor does, and wait until PostgREST has read the schema anew."""
        marker = f"marker_{next(self._markers)}"
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(text.encode())
            connection.execute(f"create function {marker}() returns int language sql as 'select 1'".encode())
            connection.execute("notify pgrst, 'reload schema'")
        end = time.monotonic() + 20
        while httpx.post(f"{self.rest.direct}/rpc/{marker}", json={}).status_code == 404:
            assert time.monotonic() < end, "PostgREST did not read the schema anew"
            time.sleep(0.02)

    def core(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
        return subprocess.run(
            [sys.executable, "-m", "core", *words], cwd=self._folder, check=False, capture_output=True, text=True,
            env={**env, "PYTHONPATH": str(ROOT), **self.env, **more}, timeout=120,
        )  # fmt: skip

    def told(self, *words: str, **more: str) -> Any:
        done = self.core(*words, "--json", **more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def app(self) -> App:
        return build(Settings.load(env=self.env))


@pytest.fixture
def project(hosted: Cluster, tmp_path: Path) -> Iterator[Project]:
    with hosted.database(hosted.new_database()) as url:
        prepare(url)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(GUIDE_TABLES.encode())
        with serving(url) as rest:
            yield Project(url, rest, tmp_path)


def refused(done: subprocess.CompletedProcess[str], code: int) -> dict[str, str]:
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: ") and SECRET_KEY not in done.stderr + done.stdout
    error: dict[str, str] = json.loads(done.stdout)["error"]
    return error


def test_by_url_and_key_alone(project: Project) -> None:
    """Five lines of README, then work, then away again."""
    missing = refused(project.core("overview", "--json"), 5)
    assert missing["code"] == "migration_needed" and "migrate --print" in missing["hint"]
    for words in ("migrate", "migrate --uninstall"):
        assert f"{words} --print" in refused(project.core(*words.split(), "--json"), 5)["hint"]
    assert not any(each["applied"] for each in project.told("migrate", "--status")["migrations"])
    start = project.core("migrate", "--at-start")
    assert start.returncode == 0 and "migrate --print" in start.stdout

    printed = project.core("migrate", "--print")
    project.paste(printed.stdout)
    assert all(each["applied"] for each in project.told("migrate", "--status")["migrations"])
    assert project.told("migrate") == {"applied": []}
    figures = project.told("overview")
    assert (figures["calls"], figures["linked"]) == (3, 0)

    page = project.told("unlinked", "--candidates", "--limit", "2")
    assert page["total"] == 3 and page["next"]
    rest = project.told("unlinked", "--after", page["next"])
    assert {item["call_sid"] for item in [*page["items"], *rest["items"]]} == {FIRST, SECOND, sid(3)}
    assert project.told("candidates", SECOND)[0]["lead_id"] == 2
    event = project.told("link", SECOND, "2", "--reason", "same number", "--request-id", "r1", "--actor", "ops")
    assert (event["actor"], event["after"]["call_lead"]) == ("ops", 2)
    assert project.told("link", SECOND, "2", "--reason", "same number", "--request-id", "r1", "--actor", "ops") == event
    assert refused(project.core("link", SECOND, "1", "--json"), 4)["code"] == "belongs_to_another_lead"
    assert refused(project.core("unlink", SECOND, "--expect-lead", "1", "--json"), 4)["code"] == "stale"
    assert refused(project.core("link", "CAnever", "1", "--json"), 3)["code"] == "not_found"
    assert refused(project.core("link", SECOND, "one", "--json"), 2)["code"] == "bad_input"
    project.told("relink", SECOND, "1")
    assert project.told("lookup", SECOND)["lead"]["id"] == 1
    project.told("undo", str(project.told("activity", "--limit", "1")[0]["id"]))
    project.told("set-aside", FIRST)
    project.told("restore", FIRST)
    assert [event["action"] for event in project.told("activity", "--call", FIRST)] == ["restore", "set_aside"]
    assert project.told("rebuild")["links"] == 0
    red = [check["name"] for check in project.told("doctor")["checks"] if not check["ok"]]
    assert red == ["row level security"]  # the guide's tables come without it: true of this project
    assert refused(project.core("demo", "--force", "--json"), 4)["message"].startswith("Demo data never goes")

    ledger = project._folder / "ledger.jsonl"
    away = project.core("migrate", "--uninstall", "--print", "--ledger", str(ledger))
    assert away.returncode == 0 and str(ledger) in away.stderr
    events = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [each["action"] for each in events] == ["link", "relink", "undo", "set_aside", "restore"]
    project.paste(away.stdout)
    assert refused(project.core("overview", "--json"), 5)["code"] == "migration_needed"


def test_database_url_beside_it_migrates(project: Project) -> None:
    hint = refused(project.core("overview", "--json", DATABASE_URL=project.database), 5)["hint"]
    assert hint == "Run: python -m core migrate"
    assert project.core("migrate", DATABASE_URL=project.database).returncode == 0
    assert project.told("overview", DATABASE_URL=project.database)["calls"] == 3
    assert refused(project.core("demo", "--force", "--json", DATABASE_URL=project.database), 4)


def test_an_old_schema_says_what_to_paste(project: Project) -> None:
    project.paste(script())
    project.paste(
        "create or replace function public.patchbay_schema_version() returns text language sql as $$ select '1' $$"
    )
    app = project.app()
    with pytest.raises(MigrationNeeded) as raised:
        app.require_schema()
    assert "an older schema" in raised.value.message and "migrate --print" in (raised.value.hint or "")
    project.paste(script())
    app.require_schema()
    app.close()


def unfilled(project: Project, calls: int) -> None:
    """The schema without the first filling, as after a paste that had no time for it."""
    project.paste(script().partition("-- first filling")[0])
    project.paste("alter table call_events disable trigger user; alter table leads disable trigger user")
    project.paste(
        "insert into call_events (call_sid, to_number, from_number, created_at) select 'CA' || md5(n::text), '+1415555'"
        f" || (1000 + n % 9000), '+14155550000', now() - n * interval '1 minute' from generate_series(1, {calls}) n"
    )
    project.paste(
        "insert into leads (name, call_sid) select 'Lead ' || n, 'CA' || md5(n::text) from generate_series(1, 500) n"
    )
    project.paste("alter table call_events enable trigger user; alter table leads enable trigger user")


def test_the_first_filling_goes_through_the_key(project: Project) -> None:
    unfilled(project, 6000)
    app = project.app()
    said: list[str] = []
    app.finish_installation(said.append)
    app.finish_installation()
    assert backfill.is_filled(app.gateway) and said
    assert app.gateway.count("calls") == 6003
    app.linking.judge()
    assert app.linking.overview()["linked"] == 500
    assert app.gateway.select("link_drift") == []
    app.close()


def test_a_step_that_is_stopped_is_taken_again_in_smaller_portions(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosted projects stop a statement after some seconds: here one that looks at more than 100 rows takes too long."""
    unfilled(project, 1500)
    project.paste(
        "alter function patchbay_install_step(int) rename to patchbay_install_step_quick;"
        "create function patchbay_install_step(p_batch int) returns int language plpgsql"
        " set statement_timeout = '300ms' as $$ begin perform pg_sleep(case when p_batch > 100 then 2 else 0 end);"
        " return patchbay_install_step_quick(p_batch); end $$;"
        "grant execute on function patchbay_install_step(int) to service_role"
    )
    monkeypatch.setattr(backfill, "LARGEST_PORTION", 400)
    app = project.app()
    assert backfill.fill(app.gateway)
    assert app.gateway.count("calls") == 1503
    app.close()


def test_both_ways_at_once_on_one_project(project: Project) -> None:
    """Somebody links by DATABASE_URL what somebody else looks at by key: refused, and told what changed and by whom."""
    project.paste(script())
    app = project.app()
    other = build(Settings.load(env={"DATABASE_URL": project.database, "PATCHBAY_LINK_GRACE_SECONDS": "0"}))
    app.linking.judge()
    assert (
        app.linking.worklist(WorklistFilter(), limit=10).items
        == other.linking.worklist(WorklistFilter(), limit=10).items
    )
    other.linking.link(SECOND, 1, Options(actor="ben"))
    with pytest.raises(Exception, match="ben") as raised:
        app.linking.link(SECOND, 2, Options(expect={"call_lead": None}))
    assert "lead 1" in str(raised.value)
    assert app.linking.story(SECOND).to_json() == other.linking.story(SECOND).to_json()
    assert app.linking.overview() == other.linking.overview()
    with pytest.raises(NotAllowed):
        demo.fill(app)
    assert isinstance(other.gateway, PostgresGateway)
    app.close()
    other.close()
