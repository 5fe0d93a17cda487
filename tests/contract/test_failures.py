"""Every failure arrives as the same error with the same words, and a database that is away costs three seconds."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from core.errors import (
    BadInput,
    BelongsToAnotherLead,
    Busy,
    DatabaseDown,
    MigrationNeeded,
    NotAllowed,
    NotFound,
    PatchbayError,
    Refused,
    RequestIdReused,
    Stale,
    TimedOut,
    Unavailable,
)
from core.store.failures import PASTE_HINT, RightMissing
from core.store.gateway import AnyOf, Gateway, Where
from core.store.supabase import SupabaseGateway
from tests.contract.rest import SECRET_KEY, Rest, free_port, key, prepare, serving
from tests.database.conftest import Cluster

LIMIT = 3.0


def failure(ask: Callable[[Gateway], Any], gateway: Gateway) -> PatchbayError:
    with pytest.raises(PatchbayError) as raised:
        ask(gateway)
    return raised.value


def same_everywhere(ask: Callable[[Gateway], Any], ways: dict[str, Gateway]) -> PatchbayError:
    """The failure of a question, after checking that every way tells it alike."""
    said = {way: failure(ask, gateway) for way, gateway in ways.items()}
    told = {way: (type(error), error.message, error.hint, error.detail) for way, error in said.items()}
    first = told["psycopg"]
    assert all(other == first for other in told.values()), told
    return said["psycopg"]


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("PB001", NotFound), ("PB002", BelongsToAnotherLead), ("PB003", Stale), ("PB004", NotAllowed),
        ("PB005", RequestIdReused), ("PB007", BadInput), ("23505", Refused), ("22003", BadInput),
        ("42501", RightMissing), ("25006", Unavailable), ("P0001", Unavailable), ("53300", DatabaseDown),
    ],
)  # fmt: skip
def test_every_code(ways: dict[str, Gateway], state: str, kind: type[PatchbayError]) -> None:
    said = {way: failure(lambda gateway: gateway.call("fails", p_state=state), each) for way, each in ways.items()}
    assert {type(error) for error in said.values()} == {kind}
    if kind is DatabaseDown:
        return  # names the server, and they are not the same
    assert len({(error.message, repr(error.detail)) for error in said.values()}) == 1
    if state.startswith("PB"):
        assert {(error.message, error.hint) for error in said.values()} == {("A sentence for people.", "Do this.")}
        assert all(error.detail == {"call_lead": 7} for error in said.values())
    elif state != "42501":  # what gives the right differs
        assert len({error.hint for error in said.values()}) == 1


def test_a_unique_violation(ways: dict[str, Gateway]) -> None:
    error = same_everywhere(lambda gateway: gateway.call("doubles"), ways)
    assert type(error) is Refused and "things_pkey" in error.message


@pytest.mark.parametrize(
    "ask",
    [
        lambda gateway: gateway.select("things", where=[Where("name", "eq", "a\x00b")]),
        lambda gateway: gateway.select("things", where=[AnyOf(((Where("name", "eq", "a\x00b"),),))]),
        lambda gateway: gateway.select("things", where=[Where("name", "in", ["\x00"])]),
        lambda gateway: gateway.count("things", where=[Where("name", "prefix", "\x00")]),
        lambda gateway: gateway.call("echo", p_text="\x00"),
        lambda gateway: gateway.call("echo", p_json={"a": ["\x00"]}),
        lambda gateway: gateway.call("echo", p_json={"\ud83d": 1}),
        lambda gateway: gateway.select("things", where=[Where("name", "eq", "\ud83d")]),
        lambda gateway: gateway.select("things", where=[Where("id", "eq", "twelve")]),
        lambda gateway: gateway.select("things", where=[Where("id", "in", ["twelve"])]),
        lambda gateway: gateway.select("things", where=[Where("id", "eq", 10**30)]),
        lambda gateway: gateway.select("things", where=[Where("at", "gt", "yesterday evening")]),
        lambda gateway: gateway.select("things", where=[Where("id", "eq", object())]),
        lambda gateway: gateway.select("things", where=[Where("id", "in", "text")]),
        lambda gateway: gateway.call("echo", p_json={"a": float("nan")}),
        lambda gateway: gateway.call("echo", p_number="many"),
        lambda gateway: gateway.call("echo", p_number=10**30),
        lambda gateway: gateway.call("echo", p_at="noon"),
        lambda gateway: gateway.call("echo", p_text=object()),
    ],
)
def test_what_cannot_be_read_is_bad_input(ways: dict[str, Gateway], ask: Any) -> None:
    assert type(same_everywhere(ask, ways)) is BadInput


def test_a_backslash_u0000_that_is_text_is_text(gateway: Gateway) -> None:
    for text in ("\\u0000", "\\\\u0000", "a\\\\\\u0000b"):
        assert gateway.call("echo", p_json={"a": text}, p_text=text)["json"] == {"a": text}


@pytest.mark.parametrize(
    "ask",
    [
        lambda gateway: gateway.select("nowhere"),
        lambda gateway: gateway.count("nowhere"),
        lambda gateway: gateway.select("things", columns=("nothing",)),
        lambda gateway: gateway.select("things", where=[Where("nothing", "eq", 1)]),
        lambda gateway: gateway.select(
            "things", where=[AnyOf(((Where("nothing", "eq", 1),), (Where("id", "eq", 1),)))]
        ),
        lambda gateway: gateway.call("nothing"),
        lambda gateway: gateway.select("nothing", args={"p_a": 1}),
        lambda gateway: gateway.call("echo", p_unknown=1),
    ],
)
def test_a_schema_that_lacks_something_says_how_to_migrate(ways: dict[str, Gateway], ask: Any) -> None:
    assert type(same_everywhere(ask, ways)) is MigrationNeeded


def test_without_database_url_the_migration_is_pasted(rest: Rest) -> None:
    gateway = SupabaseGateway(rest.url, key("service_role"))
    for ask in (lambda: gateway.call("nothing"), lambda: gateway.select("nowhere")):
        with pytest.raises(MigrationNeeded) as raised:
            ask()
        assert raised.value.hint == PASTE_HINT
        assert "migrate --print" in PASTE_HINT
    gateway.close()


def test_a_statement_that_takes_too_long_is_stopped(ways: dict[str, Gateway]) -> None:
    began = time.monotonic()
    error = same_everywhere(lambda gateway: gateway.call("sleeps", p_seconds=30.0), ways)
    assert type(error) is TimedOut
    assert time.monotonic() - began < 3 * 2.5


def test_a_project_s_own_limit_stops_pages_but_not_work_on_everything(
    world: str, connection: psycopg.Connection[Any]
) -> None:
    """Hosted projects stop a role's statements after some seconds; what looks at everything has its own limit."""
    connection.execute(
        "create or replace function long_work() returns int language sql set statement_timeout = '15min' as"
        " $$ select 1 from pg_sleep(1) $$;"
        "create or replace function long_page() returns int language sql as $$ select 1 from pg_sleep(1) $$"
    )
    connection.execute("alter role service_role set statement_timeout = '400ms'")
    try:
        with serving(world) as strict:
            gateway = SupabaseGateway(strict.url, SECRET_KEY)
            assert gateway.call("long_work") == 1
            with pytest.raises(TimedOut):
                gateway.call("long_page")
            gateway.close()
    finally:
        connection.execute("alter role service_role reset statement_timeout")
    limits = connection.execute(
        "select proname from pg_proc where proconfig::text like '%statement_timeout%' and proname not in"
        " ('sleeps', 'long_work') order by 1"
    ).fetchall()
    assert {"patchbay_doctor", "patchbay_drift", "patchbay_rebuild", "requeue_all_calls"} <= {row[0] for row in limits}


def test_a_lost_race_is_run_again_for_two_seconds_then_busy(gateway: Gateway) -> None:
    began = time.monotonic()
    with pytest.raises(Busy) as raised:
        gateway.call("fails", p_state="PB006")
    assert type(raised.value) is Busy and raised.value.message == "A sentence for people."
    assert 0.8 < time.monotonic() - began < 3.5


@pytest.mark.parametrize("state", ["55P03", "40P01"])
def test_locks_not_had_in_time_and_deadlocks_are_lost_races(
    ways: dict[str, Gateway], monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr("core.store.postgres.RETRY_SECONDS", 0.2)
    monkeypatch.setattr("core.store.races.RETRY_SECONDS", 0.2)
    began = time.monotonic()
    error = same_everywhere(lambda gateway: gateway.call("fails", p_state=state), ways)
    assert type(error) is Busy and time.monotonic() - began > 3 * 0.05


def test_a_race_that_is_won_in_the_end(gateway: Gateway) -> None:
    assert gateway.call("wins_at", p_try=4) is True


# The key -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (key("service_role", seconds=-60), "JWT expired"),
        (key("service_role", secret="x" * 40), "The key was refused"),
        ("sb_secret_unknown", "Invalid API key"),
    ],
    ids=["expired", "another project's", "unknown"],
)
def test_a_key_that_is_refused(rest: Rest, bad: str, says: str) -> None:
    gateway = SupabaseGateway(rest.url, bad)
    for ask in (lambda: gateway.select("things"), lambda: gateway.call("echo"), gateway.ping):
        with pytest.raises(Unavailable) as raised:
            ask()
        assert type(raised.value) is Unavailable
        assert says in raised.value.message and "The key was refused" in raised.value.message
        assert "SUPABASE_SERVICE_ROLE_KEY" in (raised.value.hint or "")
        assert bad not in f"{raised.value.message} {raised.value.hint} {raised.value.detail}"
    gateway.close()


@pytest.mark.parametrize("bad", ["", "two words", "kéy", "line\nbreak"])
def test_a_key_that_cannot_be_one(bad: str) -> None:
    with pytest.raises(BadInput, match="SUPABASE_SERVICE_ROLE_KEY"):
        SupabaseGateway("https://abc.supabase.co", bad)


@pytest.mark.parametrize("bad", ["", "abc", "ftp://abc", "https://", "postgresql://x/y"])
def test_an_address_that_cannot_be_one(bad: str) -> None:
    with pytest.raises(BadInput, match="SUPABASE_URL"):
        SupabaseGateway(bad, "key")


def test_a_pasted_rest_address_is_forgiven(rest: Rest) -> None:
    gateway = SupabaseGateway(f"{rest.url}/rest/v1/", SECRET_KEY)
    assert gateway.count("many") == 2500
    gateway.close()


def test_a_signed_in_person_s_token(rest: Rest) -> None:
    """One client per token; the ledger's actor comes from the verified token."""
    gateway = SupabaseGateway(rest.url, SECRET_KEY)
    ada = gateway.for_token(key("service_role", email="ada@example.com"))
    ben = gateway.for_token(key("service_role", email="ben@example.com"))
    assert ada.call("patchbay_actor", p_named="mallory") == "ada@example.com"
    assert ben.call("patchbay_actor", p_named="mallory") == "ben@example.com"
    assert gateway.call("patchbay_actor", p_named="mallory") == "mallory"
    late = gateway.for_token(key("authenticated", seconds=-60))
    with pytest.raises(Unavailable) as raised:
        late.select("things")
    assert "JWT expired" in raised.value.message and raised.value.hint == "Sign in."
    gateway.close()


def test_many_people_keep_few_clients(rest: Rest) -> None:
    gateway = SupabaseGateway(rest.url, SECRET_KEY)
    for number in range(200):
        gateway.for_token(key("service_role", sub=str(number))).ping() if number % 50 == 0 else None
        gateway._channel._client(key("service_role", sub=str(number)))
    assert len(gateway._channel._clients) == 64
    assert gateway.count("many") == 2500
    gateway.close()


# Servers that are away -----------------------------------------------------------------------------------------------


def down(ask: Callable[[], Any]) -> DatabaseDown:
    began = time.monotonic()
    with pytest.raises(DatabaseDown) as raised:
        ask()
    assert time.monotonic() - began < LIMIT
    return raised.value


def questions(gateway: SupabaseGateway) -> list[Callable[[], Any]]:
    return [
        gateway.ping,
        lambda: gateway.select("things", limit=1),
        lambda: gateway.count("things"),
        lambda: gateway.call("echo"),
    ]


def test_nobody_there() -> None:
    gateway = SupabaseGateway(f"http://127.0.0.1:{free_port()}", SECRET_KEY)
    for ask in questions(gateway):
        assert "refuses connections" in down(ask).message
    gateway.close()


def test_a_name_that_nobody_has() -> None:
    gateway = SupabaseGateway("https://no-such-project.invalid", SECRET_KEY)
    for ask in questions(gateway):
        error = down(ask)
        assert "no-such-project.invalid" in error.message and SECRET_KEY not in str(error)
    gateway.close()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_never_answers(silent: str) -> None:
    gateway = SupabaseGateway(silent, SECRET_KEY)
    for ask in questions(gateway):
        assert "does not answer" in down(ask).message
    gateway.close()


def test_a_frozen_project_and_one_that_comes_back(world: str) -> None:
    with serving(world) as mine:
        gateway = SupabaseGateway(mine.url, SECRET_KEY)
        assert gateway.count("many") == 2500
        mine.process.send_signal(signal.SIGSTOP)
        for ask in questions(gateway)[:2]:
            down(ask)
        mine.process.send_signal(signal.SIGCONT)
        assert gateway.count("many") == 2500
        mine.process.kill()
        mine.process.wait()
        for ask in questions(gateway):
            down(ask)
        gateway.close()


def test_the_waits_of_one_page_on_a_frozen_project_do_not_add_up(world: str) -> None:
    """A page asks for the session, then for its figures: both together answer within the three seconds."""
    with serving(world) as mine:
        gateway = SupabaseGateway(mine.url, SECRET_KEY)
        gateway.ping()
        mine.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        for ask in (lambda: gateway.call("echo"), lambda: gateway.count("many")):
            assert "does not answer" in down(ask).message
        assert time.monotonic() - began < LIMIT
        mine.process.send_signal(signal.SIGCONT)
        assert gateway.count("many") == 2500, "as soon as it is back it is asked again"
        gateway.close()


def test_slow_is_not_down(world: str, connection: psycopg.Connection[Any]) -> None:
    """A statement may take longer than it takes to find out that the project is there."""
    connection.execute(
        "create or replace function dawdles() returns int language sql as $$ select 1 from pg_sleep(3.2) $$"
    )
    with serving(world) as mine:
        gateway = SupabaseGateway(mine.url, SECRET_KEY)
        assert gateway.call("dawdles") == 1
        impatient = SupabaseGateway(mine.url, SECRET_KEY, answer_timeout=2.0)
        with pytest.raises(TimedOut) as raised:
            impatient.call("dawdles")
        assert "look whether it was made" in (raised.value.hint or "")
        gateway.close()
        impatient.close()


def test_postgresql_down_behind_a_running_project(cluster_folder: Any, cluster_user: Any) -> None:
    from core.store.server_files import reachable_binaries

    own = Cluster("pg18", reachable_binaries(cluster_folder, cluster_user), cluster_folder / "ownrest", cluster_user)
    url = own.new_database()
    prepare(url)
    with serving(url) as mine:
        gateway = SupabaseGateway(mine.url, SECRET_KEY)
        gateway.ping()
        own.stop()
        for ask in (lambda: gateway.select("things", limit=1), lambda: gateway.count("things")):
            assert "cannot reach its database" in down(ask).message
        gateway.close()


def test_what_stands_in_front_says_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of gateways and proxies that are not PostgREST's."""
    import httpx

    cases: list[tuple[int, str, type[PatchbayError]]] = [
        (502, "<html>Bad gateway</html>", DatabaseDown), (540, '{"message": "Project paused"}', DatabaseDown),
        (504, "upstream timed out", TimedOut), (404, "no such page", Unavailable), (429, "slow down", Busy),
        (414, "too long", BadInput), (401, '{"message": "Invalid API key"}', Unavailable), (418, "[]", Unavailable),
    ]  # fmt: skip
    for status, text, kind in cases:
        transport = httpx.MockTransport(lambda _request, s=status, t=text: httpx.Response(s, text=t))
        gateway = SupabaseGateway("https://abc.supabase.co", SECRET_KEY, transport=transport)
        with pytest.raises(PatchbayError) as raised:
            gateway.select("things", where=[Where("name", "eq", "secret words")])
        assert type(raised.value) is kind, status
        assert "secret words" not in f"{raised.value.message} {raised.value.hint}"
        gateway.close()


def test_a_broken_connection_is_no_reason_to_bother_a_reader_but_to_warn_a_writer() -> None:
    import httpx

    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        if len(asked) % 2:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return httpx.Response(200, json=[{"id": 1}])

    gateway = SupabaseGateway("https://abc.supabase.co", SECRET_KEY, transport=httpx.MockTransport(answer))
    assert gateway.select("things", limit=1) == [{"id": 1}]
    assert asked == ["GET", "GET"]
    with pytest.raises(DatabaseDown) as raised:
        gateway.call("link_call")
    assert "look whether it was made" in (raised.value.hint or "") and len(asked) == 3
    gateway.close()


def test_close_may_be_repeated_and_ends_use(rest: Rest) -> None:
    gateway = SupabaseGateway(rest.url, SECRET_KEY)
    gateway.ping()
    gateway.close()
    gateway.close()
    with pytest.raises(Unavailable):
        gateway.ping()


def test_a_name_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    forever = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: forever.wait(20) or [])
    gateway = SupabaseGateway("https://abc.supabase.co", SECRET_KEY)
    for ask in questions(gateway)[:2]:
        down(ask)
    forever.set()
    gateway.close()
