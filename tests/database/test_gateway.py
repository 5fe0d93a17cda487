"""The gateway over real servers: what it reads, how it calls, and what becomes of every kind of failure."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from core.errors import (
    BadInput,
    BelongsToAnotherLead,
    Busy,
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
from core.store.failures import RightMissing
from core.store.gateway import AnyOf, Order, Where
from core.store.postgres import PostgresGateway

ODD = ["it's", 'a "quote"', "back\\slash", "100% sure_thing", "semi;colon -- drop", "{brace,comma}", "Ünïcødé 🎧", ""]
SETUP = """
create table things (id bigint primary key, call_sid varchar(50), name text, amount int, at timestamptz, flag bool);
insert into things select n, 'CA' || n, 'thing ' || n, n * 10,
    timestamptz '2026-01-01 00:00+00' + n * interval '1 hour', n % 2 = 0 from generate_series(1, 20) n;
create function by_name(wanted text) returns setof things language sql stable as
    $$ select * from things where name = wanted $$;
create function echo(p_json jsonb default null, p_ids bigint[] default null, p_number int default null,
    p_text text default null, p_at timestamptz default null, p_yes bool default null) returns jsonb language sql as
    $$ select jsonb_build_object('json', p_json, 'ids', p_ids, 'number', p_number, 'text', p_text, 'at', p_at,
                                 'yes', p_yes) $$;
create function fails(p_state text) returns jsonb language plpgsql as $$ begin
    raise exception 'A sentence for people.' using errcode = p_state, detail = '{"call_lead": 7}', hint = 'Do this.';
end $$;
create function sleeps(p_seconds float) returns void language sql as $$ select pg_sleep(p_seconds) $$;
create function session() returns jsonb language sql as $$ select jsonb_build_object(
    'prepared', (select count(*) from pg_prepared_statements), 'timeout', current_setting('statement_timeout')) $$;
create sequence tries;
create function wins_at(p_try int) returns jsonb language plpgsql as $$ begin
    if nextval('tries') < p_try then raise exception 'Lost the race.' using errcode = 'PB006'; end if;
    return to_jsonb(true);
end $$;
"""


@pytest.fixture
def things(empty_database: str) -> str:
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(SETUP.encode())
    return empty_database


@pytest.fixture
def gateway(things: str) -> Iterator[PostgresGateway]:
    opened = PostgresGateway(things, statement_timeout=1.0)
    yield opened
    opened.close()


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def test_rows_are_json_values(gateway: PostgresGateway) -> None:
    row = gateway.select("things", where=[Where("id", "eq", 1)])[0]
    assert row == {
        "id": 1, "call_sid": "CA1", "name": "thing 1", "amount": 10, "at": "2026-01-01T01:00:00+00:00", "flag": False,
    }  # fmt: skip
    assert gateway.select("things", columns=("name", "id"), where=[Where("id", "eq", "1")]) == [
        {"name": "thing 1", "id": 1}
    ]
    assert gateway.select("things", where=[Where("id", "eq", 99)]) == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([Where("id", "lt", 3)], [1, 2]),
        ([Where("id", "le", 3), Where("id", "ne", 2)], [1, 3]),
        ([Where("amount", "gt", 190)], [20]),
        ([Where("amount", "ge", "190")], [19, 20]),
        ([Where("id", "in", [3, 1, 99])], [1, 3]),
        ([Where("name", "in", ["thing 3", "x"])], [3]),
        ([Where("id", "in", [])], []),
        ([Where("name", "ilike", "%THING 1_")], [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]),
        ([Where("name", "prefix", "thing 2")], [2, 20]),
        ([Where("name", "is_null")], []),
        ([Where("flag", "eq", True), Where("id", "le", 4), Where("name", "not_null")], [2, 4]),
        ([AnyOf(((Where("id", "eq", 1),), (Where("id", "eq", 2), Where("flag", "eq", True))))], [1, 2]),
        ([AnyOf(())], []),
        ([Where("at", "lt", "2026-01-01T03:00:00+00:00")], [1, 2]),
    ],
)
def test_every_condition(gateway: PostgresGateway, where: list[Any], expected: list[int]) -> None:
    assert ids(gateway.select("things", where=where, order=[Order("id")])) == expected
    assert gateway.count("things", where=where) == len(expected)


def test_keyset_paging_meets_every_row_once_in_byte_order(things: str, gateway: PostgresGateway) -> None:
    with psycopg.connect(things, autocommit=True) as connection:
        connection.execute("update things set at = timestamptz '2026-01-01 00:00+00' + (id / 5) * interval '1 hour'")
        connection.execute("update things set call_sid = case when flag then 'CA' else 'ca' end || id")
    seen, after = [], None
    order = [Order("at", descending=True), Order("call_sid", descending=True)]
    while page := gateway.select("things", where=[after] if after else [], order=order, limit=3):
        seen += [(row["at"], row["call_sid"].encode()) for row in page]
        at, sid = page[-1]["at"], page[-1]["call_sid"]
        after = AnyOf(((Where("at", "lt", at),), (Where("at", "eq", at), Where("call_sid", "lt", sid))))
    assert len(seen) == 20
    assert seen == sorted(seen, reverse=True)


def test_odd_text_is_only_text(things: str, gateway: PostgresGateway) -> None:
    with psycopg.connect(things, autocommit=True) as connection:
        for number, text in enumerate(ODD, start=100):
            connection.execute("insert into things (id, name) values (%s, %s)", [number, text])
    for number, text in enumerate(ODD, start=100):
        assert ids(gateway.select("things", where=[Where("name", "eq", text)])) == [number]
        assert ids(gateway.select("things", where=[Where("name", "in", [text])])) == [number]
        assert ids(gateway.select("by_name", args={"wanted": text})) == [number]
        if text:
            assert ids(gateway.select("things", where=[Where("name", "prefix", text)])) == [number]
        assert gateway.call("echo", p_text=text, p_json={text: [text]})["json"] == {text: [text]}


def test_function_with_rows(gateway: PostgresGateway) -> None:
    assert ids(gateway.select("by_name", args={"wanted": "thing 4"}, where=[Where("flag", "eq", True)])) == [4]
    assert gateway.count("by_name", args={"wanted": "thing 4"}) == 1
    assert ids(gateway.call("by_name", wanted="thing 4")) == [4]
    assert gateway.call("by_name", wanted="nothing") == []


def test_arguments_take_the_type_of_the_function(gateway: PostgresGateway) -> None:
    said = gateway.call(
        "echo", p_json=[1, "two", None], p_ids=[3, 4], p_number="5", p_text=6, p_at="2026-01-01T00:00:00Z", p_yes=True
    )
    assert said == {
        "json": [1, "two", None], "ids": [3, 4], "number": 5, "text": "6", "at": "2026-01-01T00:00:00+00:00",
        "yes": True,
    }  # fmt: skip
    assert gateway.call("echo", p_json="text", p_ids=[])["json"] == "text"
    assert gateway.call("echo")["json"] is None
    assert gateway.call("sleeps", p_seconds=0.0) is None


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("PB001", NotFound), ("PB002", BelongsToAnotherLead), ("PB003", Stale), ("PB004", NotAllowed),
        ("PB005", RequestIdReused), ("PB007", BadInput),
    ],
)  # fmt: skip
def test_our_own_codes_keep_message_hint_and_facts(
    gateway: PostgresGateway, state: str, error: type[PatchbayError]
) -> None:
    with pytest.raises(error) as raised:
        gateway.call("fails", p_state=state)
    assert type(raised.value) is error
    assert raised.value.message == "A sentence for people."
    assert raised.value.hint == "Do this."
    assert raised.value.detail == {"call_lead": 7}


@pytest.mark.parametrize(
    ("state", "error"),
    [("23505", Refused), ("22003", BadInput), ("42501", RightMissing), ("25006", Unavailable), ("P0001", Unavailable)],
)
def test_standard_codes(gateway: PostgresGateway, state: str, error: type[PatchbayError]) -> None:
    with pytest.raises(error) as raised:
        gateway.call("fails", p_state=state)
    assert type(raised.value) is error


def test_a_lost_race_is_run_again_for_two_seconds_then_busy(gateway: PostgresGateway) -> None:
    began = time.monotonic()
    with pytest.raises(Busy):
        gateway.call("fails", p_state="PB006")
    assert 1.0 < time.monotonic() - began < 3.0


@pytest.mark.parametrize("state", ["55P03", "40P01"])
def test_locks_not_had_in_time_and_deadlocks_are_lost_races(
    gateway: PostgresGateway, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    monkeypatch.setattr("core.store.postgres.RETRY_SECONDS", 0.2)
    began = time.monotonic()
    with pytest.raises(Busy):
        gateway.call("fails", p_state=state)
    assert time.monotonic() - began > 0.05


def test_behind_a_transaction_pooler_nothing_is_prepared_and_settings_last_one_transaction(things: str) -> None:
    gateway = PostgresGateway(things + "&pgbouncer=true", statement_timeout=0.5, size=1)
    try:
        for number in range(1, 9):
            rows = gateway.select("things", where=[Where("id", "eq", number)])
            assert rows[0]["at"] == f"2026-01-01T{number:02}:00:00+00:00"
        assert gateway.call("echo", p_ids=[1])["ids"] == [1]
        assert gateway.call("session")["prepared"] == 0
        assert gateway.call("session")["timeout"] == "500ms"
        with pytest.raises(TimedOut):
            gateway.call("sleeps", p_seconds=30.0)
    finally:
        gateway.close()


def test_a_race_that_is_won_in_the_end(gateway: PostgresGateway) -> None:
    assert gateway.call("wins_at", p_try=4) is True


@pytest.mark.parametrize(
    "ask",
    [
        lambda gateway: gateway.select("things", where=[Where("name", "eq", "a\x00b")]),
        lambda gateway: gateway.call("echo", p_text="\x00"),
        lambda gateway: gateway.call("echo", p_json={"a": "\x00"}),
        lambda gateway: gateway.select("things", where=[Where("name", "eq", "\ud83d")]),
        lambda gateway: gateway.select("things", where=[Where("id", "eq", "twelve")]),
        lambda gateway: gateway.select("things", where=[Where("id", "eq", 10**30)]),
        lambda gateway: gateway.select("things", where=[Where("at", "gt", "yesterday evening")]),
        lambda gateway: gateway.select("things", where=[Where("id", "eq", object())]),
        lambda gateway: gateway.select("things", where=[Where("id", "in", "text")]),
        lambda gateway: gateway.call("echo", p_json={"a": float("nan")}),
    ],
)
def test_what_cannot_be_read_is_bad_input(gateway: PostgresGateway, ask: Any) -> None:
    with pytest.raises(BadInput):
        ask(gateway)
    gateway.ping()


@pytest.mark.parametrize(
    "ask",
    [
        lambda gateway: gateway.select("nowhere"),
        lambda gateway: gateway.select("things", columns=("nothing",)),
        lambda gateway: gateway.call("nothing"),
        lambda gateway: gateway.call("echo", p_unknown=1),
    ],
)
def test_a_schema_that_lacks_something_says_how_to_migrate(gateway: PostgresGateway, ask: Any) -> None:
    with pytest.raises(MigrationNeeded) as raised:
        ask(gateway)
    assert raised.value.hint == "Run: python -m core migrate"


def test_a_function_made_later_is_found(things: str, gateway: PostgresGateway) -> None:
    with pytest.raises(MigrationNeeded):
        gateway.call("late")
    with psycopg.connect(things, autocommit=True) as connection:
        connection.execute("create function late() returns int language sql as 'select 1'")
    assert gateway.call("late") == 1


def test_a_statement_that_takes_too_long_is_stopped(gateway: PostgresGateway) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut):
        gateway.call("sleeps", p_seconds=30.0)
    assert time.monotonic() - began < 2.0
    gateway.ping()


def test_the_session_is_utc_and_named(things: str) -> None:
    gateway = PostgresGateway(things + "&options=-c%20timezone%3DAsia/Tokyo")
    try:
        assert gateway.select("things", columns=("at",), where=[Where("id", "eq", 1)])[0]["at"].endswith("+00:00")
        with psycopg.connect(things) as connection:
            found = connection.execute("select count(*) from pg_stat_activity where application_name = 'patchbay'")
            assert found.fetchone() == (1,)
    finally:
        gateway.close()


def test_threads_share_a_gateway(things: str) -> None:
    gateway = PostgresGateway(things, size=4)
    wrong: list[object] = []

    def ask(number: int) -> None:
        for _ in range(40):
            found = ids(gateway.select("things", where=[Where("id", "eq", number)]))
            if found != [number]:
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 13)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gateway.close()
    assert wrong == []


def test_close_may_be_repeated_and_ends_use(things: str) -> None:
    gateway = PostgresGateway(things)
    gateway.ping()
    gateway.close()
    gateway.close()
    with pytest.raises(Unavailable):
        gateway.ping()
