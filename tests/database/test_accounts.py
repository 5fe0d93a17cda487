"""Accounts, sessions, codes, tokens and throttling over a real database."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import argon2
import psycopg
import pytest

from core.access import Access, Identity, TooManyAttempts
from core.access.identity import Role
from core.access.one_time import OneTime
from core.access.provisional import Provisional
from core.access.secret_tokens import digest, new_token
from core.access.sessions import Sessions
from core.access.throttle import PER_ACCOUNT, PER_ADDRESS
from core.app import App, build
from core.errors import BadInput, MigrationNeeded, NotAllowed, NotFound
from core.linking import Command, Options
from core.settings import Settings
from core.store.migrate import migrate
from core.store.postgres import PostgresGateway
from core.store.scripts import FOLDER

PASSWORD = "correct horse 17"
HERE = "192.0.2.7"


@pytest.fixture
def access(gateway: PostgresGateway) -> Access:
    return Access.over(gateway, Settings.load(env={"PUBLIC_URL": "https://console.example.com"}))


def signed_in(access: Access, name: str = "ana", password: str = PASSWORD, address: str = HERE) -> str:
    token = access.sign_in(name, password, address)
    assert token
    return token


def test_the_right_password_opens_a_session_and_nothing_else_does(access: Access) -> None:
    access.accounts.add("Ana", "operator", PASSWORD)
    token = signed_in(access, "aNA ")
    assert access.sessions.by_token(token) == Identity("Ana", "operator", "password")
    assert access.sign_in("ana", PASSWORD + "x", HERE) is None
    assert access.sign_in("nobody", PASSWORD, HERE) is None
    assert access.sessions.by_token(new_token()) is None
    assert access.sessions.by_token("'; drop table leads --") is None


def test_neither_passwords_nor_tokens_are_stored(access: Access, connection: psycopg.Connection[Any]) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    secrets = [PASSWORD, signed_in(access), access.one_time.issue("link"), access.tokens.add("ci", "viewer")[0]]
    access.sign_in("hunter2 in the wrong field", "x", HERE)
    tables = ("users", "sessions", "one_time_codes", "tokens", "sign_in_attempts")
    stored = "".join(
        str(connection.execute(f"select * from public.patchbay_{name}".encode()).fetchall()) for name in tables
    )
    assert "$argon2id$" in stored
    assert not [secret for secret in [*secrets, "hunter2", HERE] if secret in stored]


def test_an_account_name_is_taken_once_whatever_its_case(access: Access) -> None:
    access.accounts.add("Straße", "viewer", PASSWORD)
    with pytest.raises(NotAllowed, match="already"):
        access.accounts.add("STRASSE", "admin", PASSWORD)


def test_disabling_ends_the_sessions_and_keeps_the_account_out_until_it_is_added_again(access: Access) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    token = signed_in(access)
    access.accounts.disable("ANA")
    assert Sessions(access.accounts._gateway, {"password"}).by_token(token) is None
    assert access.sign_in("ana", PASSWORD, HERE) is None
    access.accounts.add("ana", "viewer", "another password")
    assert access.sign_in("ana", PASSWORD, HERE) is None
    assert access.sessions.by_token(signed_in(access, password="another password")) == Identity("ana", "viewer")
    with pytest.raises(NotFound):
        access.accounts.disable("ben")


def test_a_new_password_ends_the_sessions(access: Access, gateway: PostgresGateway) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    token = signed_in(access)
    access.accounts.set_password("ana", "another password")
    assert Sessions(gateway, {"password"}).by_token(token) is None
    assert access.sign_in("ana", PASSWORD, HERE) is None
    signed_in(access, password="another password")
    with pytest.raises(NotFound):
        access.accounts.set_password("ben", "another password")


def test_a_password_that_changed_while_it_was_checked_opens_nothing(access: Access, gateway: PostgresGateway) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    before = gateway.call("patchbay_user_credentials", p_key="ana")
    access.accounts.set_password("ana", "another password")
    who = Identity("ana", "admin")
    assert access.sessions.open(who, user_id=before["id"], password_hash=before["password_hash"]) is None


def test_a_session_has_the_role_that_the_account_has_now(
    access: Access, gateway: PostgresGateway, connection: psycopg.Connection[Any]
) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    token = signed_in(access)
    connection.execute("update public.patchbay_users set role = 'viewer'")
    assert Sessions(gateway, {"password"}).by_token(token) == Identity("ana", "viewer", "password")


@pytest.mark.parametrize(
    "ending",
    [
        "last_seen_at = now() - interval '12 hours 1 second'",
        "expires_at = now() - interval '1 second'",
    ],
)
def test_a_session_ends_when_idle_and_after_its_time(
    access: Access, gateway: PostgresGateway, connection: psycopg.Connection[Any], ending: str
) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    token = signed_in(access)
    connection.execute(f"update public.patchbay_sessions set {ending}".encode())
    assert Sessions(gateway, {"password"}).by_token(token, touch=True) is None
    assert connection.execute("select count(*) from public.patchbay_sessions").fetchone() == (0,)


def test_signing_in_lasts_seven_days_at_most(access: Access, connection: psycopg.Connection[Any]) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    signed_in(access)
    lasts = connection.execute("select expires_at - created_at = interval '7 days' from public.patchbay_sessions")
    assert lasts.fetchone() == (True,)


def test_only_what_a_person_does_keeps_a_session_awake(
    access: Access, gateway: PostgresGateway, connection: psycopg.Connection[Any]
) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    token = signed_in(access)
    connection.execute("update public.patchbay_sessions set last_seen_at = now() - interval '11 hours'")
    fresh = "select last_seen_at > now() - interval '1 minute' from public.patchbay_sessions"
    other = Sessions(gateway, {"password"})
    assert other.by_token(token)
    assert connection.execute(fresh.encode()).fetchone() == (False,)
    assert other.by_token(token, touch=True)
    assert connection.execute(fresh.encode()).fetchone() == (True,)


def test_a_session_revoked_elsewhere_ends_within_five_seconds(access: Access, gateway: PostgresGateway) -> None:
    now = [100.0]
    here = Sessions(gateway, {"password"}, clock=lambda: now[0])
    token = here.open(Identity("ana", "admin"))
    assert token and here.by_token(token)
    access.sessions.close(token)
    assert here.by_token(token)
    now[0] += 5
    assert here.by_token(token) is None
    now[0] -= 5
    assert here.by_token(token) is None


def test_signing_out_ends_a_session_here_at_once(access: Access) -> None:
    token = access.sessions.open(Identity("ana", "admin"))
    assert token and access.sessions.by_token(token)
    access.sessions.close(token)
    assert access.sessions.by_token(token) is None


def test_a_session_of_the_one_time_link_does_not_open_a_published_console(
    access: Access, gateway: PostgresGateway
) -> None:
    own = Access.over(gateway, Settings.load(env={}))
    token = own.sessions.open(Identity("root", "admin", "link"))
    assert token and own.sessions.by_token(token)
    assert access.sessions.by_token(token) is None


def test_a_database_that_is_away_keeps_only_those_in_who_were_in(db: str) -> None:
    app = build(Settings.load(env={"DATABASE_URL": db}))
    now = [100.0]
    sessions = Sessions(app.gateway, {"link"}, clock=lambda: now[0])
    token, other = (sessions.open(Identity("ana", "admin", "link")) for _ in range(2))
    assert token and other and sessions.by_token(token)
    app.close()
    now[0] += 60
    assert sessions.by_token(token) == Identity("ana", "admin", "link")
    with pytest.raises(Exception, match="closed"):
        sessions.by_token(other)
    now[0] += 600
    with pytest.raises(Exception, match="closed"):
        sessions.by_token(token)


# One-time codes


def test_a_code_works_once(access: Access) -> None:
    token = access.one_time.issue("link")
    assert access.one_time.is_live(token)
    assert not access.one_time.redeem(token, "first_admin")
    assert access.one_time.redeem(token, "link")
    assert not access.one_time.redeem(token, "link")
    assert not access.one_time.is_live(token)
    assert not access.one_time.redeem(new_token(), "link")


def test_of_many_at_once_one_redeems_a_code(access: Access) -> None:
    for _ in range(5):
        token = access.one_time.issue("link")
        start = threading.Barrier(6)

        def race(token: str = token, start: threading.Barrier = start) -> bool:
            start.wait(10)
            return access.one_time.redeem(token, "link")

        with ThreadPoolExecutor(6) as pool:
            won = [future.result() for future in [pool.submit(race) for _ in range(6)]]
        assert sum(won) == 1


def test_a_code_expires(access: Access, connection: psycopg.Connection[Any]) -> None:
    token = access.one_time.issue("link")
    connection.execute("update public.patchbay_one_time_codes set expires_at = now() - interval '1 second'")
    assert not access.one_time.is_live(token)
    assert not access.one_time.redeem(token, "link")


def test_the_first_account_needs_the_code_and_is_created_once(access: Access) -> None:
    code = access.one_time.issue("first_admin")
    with pytest.raises(NotAllowed, match="code"):
        access.accounts.first_admin(digest(new_token()), "ana", PASSWORD)
    with pytest.raises(BadInput):
        access.accounts.first_admin(digest(code), "ana", "short")
    assert access.accounts.first_admin(digest(code), "ana", PASSWORD)["role"] == "admin"
    second = access.one_time.issue("first_admin")
    with pytest.raises(NotAllowed, match="already"):
        access.accounts.first_admin(digest(second), "eve", PASSWORD)
    assert [row["name"] for row in access.accounts.all()] == ["ana"]


def test_of_two_first_admins_at_once_one_is_created(access: Access) -> None:
    codes = [access.one_time.issue("first_admin") for _ in range(2)]
    start = threading.Barrier(2)

    def create(code: str, name: str) -> bool:
        start.wait(10)
        try:
            access.accounts.first_admin(digest(code), name, PASSWORD)
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        created = list(pool.map(create, codes, ("ana", "eve")))
    assert sorted(created) == [False, True]
    assert len(access.accounts.all()) == 1


# Throttling


def test_an_account_is_throttled_wherever_the_attempts_come_from(access: Access) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    for number in range(PER_ACCOUNT):
        assert access.sign_in("ana", "wrong password", f"192.0.2.{number}") is None
    with pytest.raises(TooManyAttempts) as refusal:
        access.sign_in("Ana", PASSWORD, "198.51.100.1")
    assert 0 < refusal.value.seconds <= 900


def test_an_unknown_account_is_throttled_alike(access: Access) -> None:
    for _ in range(PER_ACCOUNT):
        assert access.sign_in("nobody", "wrong password", HERE) is None
    with pytest.raises(TooManyAttempts):
        access.sign_in("nobody", "wrong password", HERE)


def test_an_address_is_throttled_whatever_the_accounts(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.access.passwords.is_right", lambda stored, password: False)
    for number in range(PER_ADDRESS):
        assert access.sign_in(f"name{number}", "x", f"2001:db8::{number + 1:x}") is None
    with pytest.raises(TooManyAttempts):
        access.sign_in("another", "x", "2001:db8::ffff")
    assert access.sign_in("another", "x", "2001:db8:0:1::1") is None


def test_many_attempts_at_once_count_too(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.access.passwords.is_right", lambda stored, password: False)

    def attempt(_number: int) -> bool:
        try:
            access.sign_in("ana", "x", HERE)
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        checked = list(pool.map(attempt, range(PER_ACCOUNT * 2)))
    assert sum(checked) == PER_ACCOUNT


def test_attempts_are_forgotten_with_time_and_with_the_right_password_from_there(
    access: Access, connection: psycopg.Connection[Any]
) -> None:
    access.accounts.add("ana", "admin", PASSWORD)
    for address in (HERE, HERE, "198.51.100.1"):
        access.sign_in("ana", "wrong password", address)
    signed_in(access)
    left = connection.execute("select count(*) from public.patchbay_sign_in_attempts").fetchone()
    assert left == (1,), "another address's attempt is not forgiven"
    connection.execute("update public.patchbay_sign_in_attempts set at = at - interval '16 minutes'")
    signed_in(access)
    assert connection.execute("select count(*) from public.patchbay_sign_in_attempts").fetchone() == (0,)


def test_an_unknown_account_costs_the_same_hash(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    """No enumeration by time: one password check and the same questions to the database, whoever is asked for."""
    access.accounts.add("ana", "admin", PASSWORD)
    access.accounts.add("gone", "admin", PASSWORD)
    access.accounts.disable("gone")
    seen: dict[str, list[str]] = {}
    real_call = PostgresGateway.call
    for name in ("ana", "gone", "nobody"):
        steps = seen.setdefault(name, [])

        def call(self: PostgresGateway, function: str, *, _steps: list[str] = steps, **args: Any) -> Any:
            _steps.append(function)
            return real_call(self, function, **args)

        hasher = argon2.PasswordHasher()

        class Counting:
            def __init__(self, steps: list[str], hasher: argon2.PasswordHasher) -> None:
                self._steps, self._hasher = steps, hasher

            def verify(self, stored: str, password: str) -> bool:
                self._steps.append(f"verify {stored.rsplit('$', 2)[0]}")
                return self._hasher.verify(stored, password)

        monkeypatch.setattr(PostgresGateway, "call", call)
        monkeypatch.setattr("core.access.passwords._hasher", Counting(steps, hasher))
        assert access.sign_in(name, "wrong password", HERE) is None
    assert seen["ana"] == seen["gone"] == seen["nobody"]
    assert len(seen["ana"]) == 3


# API tokens


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_a_token_names_its_role_and_its_last_use_and_can_be_revoked(access: Access, role: Role) -> None:
    token, row = access.tokens.add("CI", role)
    assert row["last_used_at"] is None and "key" not in row
    assert access.tokens.identity(token) == Identity("CI", role, "token")
    assert access.tokens.all()[0]["last_used_at"]
    with pytest.raises(NotAllowed, match="already"):
        access.tokens.add("ci", role)
    access.tokens.revoke("ci")
    assert access.tokens.identity(token) is None
    assert access.tokens.all()[0]["revoked_at"]
    with pytest.raises(NotFound):
        access.tokens.revoke("ci")
    access.tokens.add("ci", role)


def test_nobody_else_may_use_these_objects(connection: psycopg.Connection[Any]) -> None:
    """Whatever roles a hosted database has, only a service's key calls the functions, and nobody reads the tables."""
    roles = ("anon", "authenticated", "service_role")
    for role in roles:
        connection.execute(
            f"do $$ begin create role {role} nologin; exception when duplicate_object then null; end $$".encode()
        )
    connection.execute("grant all on all tables in schema public to anon, authenticated, service_role")
    connection.execute("grant execute on all functions in schema public to anon, authenticated, service_role")
    script = next(FOLDER.glob("*_accounts.sql")).read_text()
    with connection.transaction():
        connection.execute(script.encode())
    readable = connection.execute(
        """select r.rolname, c.relname from pg_roles r, pg_class c where r.rolname = any (%s)
        and c.relname in ('patchbay_users', 'patchbay_sessions', 'patchbay_one_time_codes',
                          'patchbay_sign_in_attempts', 'patchbay_tokens')
        and has_table_privilege(r.oid, c.oid, 'select,insert,update,delete,truncate')""",
        [list(roles)],
    ).fetchall()
    callable_by = connection.execute(
        """select r.rolname, count(*) from pg_roles r, pg_proc p where r.rolname = any (%s)
        and p.proname ~ '^patchbay_(user|session|one_time|sign_in|token|first_admin|has_users)'
        and has_function_privilege(r.oid, p.oid, 'execute') group by 1""",
        [list(roles)],
    ).fetchall()
    assert readable == []
    assert [role for role, _ in callable_by] == ["service_role"]


# What a role may do


def test_a_viewers_commands_are_refused_and_an_operator_signs_every_event(
    app: App, connection: psycopg.Connection[Any]
) -> None:
    sid, batch = "CA" + "a" * 32, "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77"
    connection.execute("insert into leads (id, name, phone) values (1, 'Ana', '+14155550101')")
    connection.execute("insert into call_events (call_sid, direction) values (%s, 'inbound')", [sid])
    viewer = app.linking.acting_as(Identity("vera", "viewer"))
    operator = app.linking.acting_as(Identity("olga", "operator"))
    seen = viewer.preview(Command("link", sid, 1))
    assert seen is not None and seen.actor == "vera"
    for refused in (
        lambda: viewer.link(sid, 1),
        lambda: viewer.set_aside(sid),
        lambda: viewer.undo(1),
        lambda: viewer.undo_batch(batch, Options()),
    ):
        with pytest.raises(NotAllowed, match="viewer"):
            refused()
    assert app.linking.activity() == []
    linked = operator.link(sid, 1, Options(actor="somebody else", batch_id=batch))
    undone = operator.undo_batch(batch, Options(actor="somebody else")).undone
    assert linked is not None and len(undone) == 1
    assert {event.actor for event in app.linking.activity()} == {"olga"}


# Before there are tables


def test_this_machines_user_gets_in_before_the_tables_are_there(empty_database: str) -> None:
    gateway = PostgresGateway(empty_database)
    own = Access.over(gateway, Settings.load(env={}))
    link = own.one_time.issue("link")
    assert own.one_time.is_live(link) and not own.one_time.is_live(new_token())
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _n: own.one_time.redeem(link, "link"), range(4))) == [False, False, False, True]
    token = own.sessions.open(Identity("root", "admin", "link"))
    assert token and own.sessions.by_token(token, touch=True) == Identity("root", "admin", "link")
    assert own.sessions.by_token(new_token()) is None
    left = own.one_time.issue("link")
    migrate(empty_database)
    assert own.sessions.by_token(token) == Identity("root", "admin", "link")
    assert own.one_time.redeem(left, "link") and not own.one_time.redeem(left, "link")
    later = own.sessions.open(Identity("root", "admin", "link"))
    assert later and gateway.call("patchbay_session", p_key=digest(later), p_idle_seconds=60, p_touch=False)
    own.sessions.close(token)
    assert own.sessions.by_token(token) is None
    gateway.close()


def test_nobody_else_gets_in_before_the_tables_are_there(empty_database: str) -> None:
    gateway = PostgresGateway(empty_database)
    published = Access.over(gateway, Settings.load(env={"PATCHBAY_AUTH": "required"}))
    with pytest.raises(MigrationNeeded):
        published.one_time.issue("first_admin")
    with pytest.raises(MigrationNeeded):
        published.sign_in("ana", PASSWORD, HERE)
    with pytest.raises(MigrationNeeded):
        Access.over(gateway, Settings.load(env={})).accounts.are_there_any()
    gateway.close()


def test_what_is_kept_in_memory_ends_by_the_same_rules() -> None:
    now = [0.0]

    class Empty:
        def call(self, function: str, **args: Any) -> Any:
            raise MigrationNeeded(function)

    keys = Provisional(Empty(), clock=lambda: now[0])
    codes, sessions = OneTime(keys), Sessions(keys, {"link"}, clock=lambda: now[0])
    old, who = codes.issue("link"), Identity("root", "admin", "link")
    idle, busy = sessions.open(who), sessions.open(who)
    assert idle and busy
    now[0] = 901
    assert not codes.redeem(old, "link")
    for hour in range(1, 7 * 24):
        now[0] = hour * 3600.0
        assert sessions.by_token(busy, touch=True) == who
    assert sessions.by_token(idle) is None
    now[0] = 7 * 24 * 3600.0
    assert sessions.by_token(busy, touch=True) is None
