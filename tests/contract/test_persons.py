"""Commands of people who signed in at Supabase: by their own token where it is granted, else by the key for them."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from core.access import Access
from core.access.person_tokens import MOST_PEOPLE, PersonTokens
from core.access.secret_tokens import digest
from core.app import App, build
from core.errors import NotFound
from core.linking import Options
from core.settings import Settings
from core.store.gateway import Where
from core.store.supabase import SupabaseGateway
from tests.contract.rest import SECRET_KEY, Rest, key
from tests.database.outside import Connection

EMAIL = "ana@example.com"
GRANTED = ("link_call(text, bigint, jsonb)", "undo_link_event(bigint, jsonb)")


class Auth(httpx.BaseTransport):
    """A project's sign-in service: one person, a new token at each sign-in."""

    def __init__(self, **token: Any) -> None:
        self.token, self.given = token, ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.given = key("authenticated", sub=str(uuid4()), email=EMAIL, **self.token)
        user = {"email": EMAIL, "app_metadata": {"patchbay_role": "operator"}}
        return httpx.Response(200, json={"access_token": self.given, "expires_in": 3600, "user": user})


class Person:
    """Ana, signed in: her session's key, her links, and the token that she was given."""

    def __init__(self, app: App, auth: Auth) -> None:
        project = app.access.supabase
        assert project is not None
        project._transport = auth
        cookie = project.sign_in(EMAIL, "whatever she typed", "192.0.2.8")
        assert cookie is not None
        self.app, self.cookie, self.key, self.token = app, cookie, digest(cookie), auth.given

    @property
    def linking(self) -> Any:
        identity = self.app.access.sessions.by_key(self.key)
        assert identity is not None
        return self.app.linking.acting_as(identity, self.app.access.way_of(self.key))


@pytest.fixture
def app(rest: Rest) -> Iterator[App]:
    built = build(
        Settings.load(
            env={
                "SUPABASE_URL": rest.url,
                "SUPABASE_SERVICE_ROLE_KEY": SECRET_KEY,
                "SUPABASE_ANON_KEY": key("anon"),
                "PUBLIC_URL": "https://console.example.com",
            }
        )
    )
    yield built
    built.close()


@contextmanager
def granted(connection: Connection, role: str = "authenticated") -> Iterator[None]:
    """The project's owner grants two commands to whoever signed in."""
    for function in GRANTED:
        connection.execute(f"grant execute on function public.{function} to {role}".encode())
    try:
        yield
    finally:
        for function in GRANTED:
            connection.execute(f"revoke execute on function public.{function} from {role}".encode())


@pytest.fixture
def pair(connection: Connection) -> tuple[str, int]:
    """A call that is not linked, and a lead."""
    sid = "CA" + uuid4().hex
    lead = connection.execute("insert into leads (name) values ('Ben') returning id").fetchone()
    connection.execute("insert into call_events (call_sid, direction) values (%s, 'inbound')", [sid])
    assert lead is not None
    return sid, lead[0]


def test_by_default_the_key_writes_and_the_person_is_the_actor(app: App, pair: tuple[str, int]) -> None:
    ana = Person(app, Auth())
    event = ana.linking.link(*pair, Options(actor="somebody else"))
    assert (event.actor, event.source) == (EMAIL, "person")
    assert ana.linking.undo(event.id).actor == EMAIL


def test_where_it_is_granted_the_actor_comes_from_the_verified_claims(
    app: App, connection: psycopg.Connection[Any], pair: tuple[str, int]
) -> None:
    ana = Person(app, Auth())
    way = app.access.way_of(ana.key)
    assert way is not None
    sid, lead = pair
    with granted(connection):
        # Whatever name is given along, the token says who it was; by the key that name would count.
        told = way.call("link_call", p_call_sid=sid, p_lead_id=lead, p_options={"actor": "mallory"})
        assert told["actor"] == EMAIL
        assert ana.linking.undo(told["id"]).actor == EMAIL
        by_key = app.gateway.call("link_call", p_call_sid=sid, p_lead_id=lead, p_options={"actor": "mallory"})
        assert by_key["actor"] == "mallory"
    assert ana.linking.unlink(sid).actor == EMAIL, "not granted: by the key, in her name"


def test_what_only_reads_goes_by_the_key(app: App, pair: tuple[str, int]) -> None:
    way = app.access.way_of(Person(app, Auth()).key)
    assert way is not None
    assert way.select("calls", where=[Where("call_sid", "eq", pair[0])])
    assert way.count("calls", where=[Where("call_sid", "eq", pair[0])]) == 1
    assert way.call("find_calls", p_text=pair[0], p_limit=1)
    way.ping()
    way.close()
    app.gateway.ping()


@pytest.mark.parametrize("bad", [{"secret": "a secret that the project does not have, 0123456789"}, {"seconds": -60}])
def test_a_token_that_the_project_does_not_take_stops_nobody(
    app: App, connection: psycopg.Connection[Any], pair: tuple[str, int], bad: dict[str, Any]
) -> None:
    with granted(connection):
        assert Person(app, Auth(**bad)).linking.link(*pair).actor == EMAIL


def test_sign_out_revocation_and_age_end_the_client(app: App, connection: psycopg.Connection[Any]) -> None:
    clients = app.gateway._channel._clients  # type: ignore[attr-defined]
    out, revoked = Person(app, Auth()), Person(app, Auth())
    for ana in (out, revoked):
        with pytest.raises(NotFound):
            ana.linking.undo(999_999_999)
        assert ana.token in clients
    app.access.sessions.close(out.cookie)
    assert app.access.way_of(out.key) is None and out.token not in clients
    connection.execute("delete from public.patchbay_sessions where key = %s", [revoked.key])
    app.access.sessions._answers.clear()
    assert app.access.sessions.by_key(revoked.key) is None
    assert app.access.way_of(revoked.key) is None and revoked.token not in clients


def test_clients_are_bounded_and_end_with_their_token(rest: Rest) -> None:
    now = [0.0]
    gateway = SupabaseGateway(rest.url, SECRET_KEY)
    people = PersonTokens(gateway, clock=lambda: now[0])
    for number in range(MOST_PEOPLE + 5):
        people.keep(f"key {number}", f"token{number}", 3600)
    assert people.gateway("key 4") is None and people.gateway("key 5") is not None
    assert people.gateway("key 5") is people.gateway("key 5"), "made once"
    now[0] = 3590
    assert people.gateway("key 5") is None
    gateway.close()


def test_the_token_is_nowhere_to_be_read(
    app: App, connection: psycopg.Connection[Any], pair: tuple[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ana = Person(app, Auth())
    ana.linking.link(*pair)
    told = io.StringIO()
    for thing in (app, app.access, app.access.people, app.access.way_of(ana.key), *app.access.people._kept.values()):
        print(repr(thing), file=told)
    stored = connection.execute("select s::text from public.patchbay_sessions s").fetchall()
    everything = told.getvalue() + caplog.text + str(stored)
    assert ana.token not in everything and ana.token.rpartition(".")[2] not in everything


def test_accounts_and_the_machines_user_have_no_token(rest: Rest) -> None:
    gateway = SupabaseGateway(rest.url, SECRET_KEY)
    for env in ({}, {"PATCHBAY_AUTH": "required"}):
        access = Access.over(gateway, Settings.load(env=env))
        assert access.people is None and access.way_of("a" * 64) is None
    gateway.close()
