"""Reads: every condition, sorting, paging, counts and arguments give the same on every way into the database."""

import threading
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core.errors import BadInput
from core.store.gateway import AnyOf, Gateway, Order, Where
from core.store.supabase import SupabaseGateway
from tests.contract.rest import Rest, key
from tests.database.outside import Connection, add_call, sid

ODD = [
    "it's", 'a "quote"', "back\\slash", "100% sure_thing", "semi;colon -- drop", "{brace,comma}", "Ünïcødé 🎧", "",
    "a,b", "(a)", "a.b.eq.c", "or(id.gt.0)", "*", "a*b%c_d", "**", "null", "NULL", "not.is.null", "true", " space ",
    "a&b=c#d?e", "+1 (415) 555", "line\nbreak", '","', "\\", '\\"', "%20", "[a-z]*", "a|b^c$d*", "tab\there",
]  # fmt: skip


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["id"] for row in rows]


def test_rows_are_json_values(gateway: Gateway) -> None:
    assert gateway.select("things", where=[Where("id", "eq", 1)]) == [
        {"id": 1, "call_sid": "CA1", "name": "thing 1", "amount": 10, "at": "2026-01-01T01:00:00+00:00", "flag": False}
    ]
    found = gateway.select("things", columns=("name", "id"), where=[Where("id", "eq", "1")])
    assert found == [{"name": "thing 1", "id": 1}]
    assert gateway.select("things", where=[Where("id", "eq", 99)]) == []
    assert gateway.select("things", limit=0) == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ([Where("id", "lt", 3)], [1, 2]),
        ([Where("id", "le", 3), Where("id", "ne", 2)], [1, 3]),
        ([Where("id", "ge", 3), Where("id", "lt", 5)], [3, 4]),
        ([Where("amount", "gt", 190)], [20]),
        ([Where("amount", "ge", "190")], [19, 20]),
        ([Where("id", "in", [3, 1, 99])], [1, 3]),
        ([Where("id", "in", (3, None))], [3]),
        ([Where("name", "in", {"thing 3", "x"})], [3]),
        ([Where("id", "in", [])], []),
        ([Where("id", "in", [None])], []),
        ([Where("name", "ilike", "%THING 1_")], [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]),
        ([Where("name", "prefix", "thing 2")], [2, 20]),
        ([Where("name", "prefix", "Thing 2")], []),
        ([Where("name", "is_null")], []),
        ([Where("name", "eq", None)], []),
        ([Where("flag", "eq", True), Where("id", "le", 4), Where("name", "not_null")], [2, 4]),
        ([AnyOf(((Where("id", "eq", 1),), (Where("id", "eq", 2), Where("flag", "eq", True))))], [1, 2]),
        ([AnyOf(((Where("id", "in", [4, 5]),), (Where("name", "ilike", "%g 7"),)))], [4, 5, 7]),
        ([AnyOf(((Where("id", "eq", 1), Where("name", "is_null")), (Where("id", "eq", 2), Where("name", "not_null"))))],
         [2]),
        ([AnyOf(((Where("id", "eq", None),), (Where("id", "eq", 2),)))], [2]),
        ([AnyOf(())], []),
        ([Where("at", "lt", "2026-01-01T03:00:00+00:00")], [1, 2]),
        ([Where("at", "lt", datetime(2026, 1, 1, 3, tzinfo=UTC))], [1, 2]),
    ],
)  # fmt: skip
def test_every_condition(gateway: Gateway, where: list[Any], expected: list[int]) -> None:
    assert ids(gateway.select("things", where=where, order=[Order("id")])) == expected
    assert gateway.count("things", where=where) == len(expected)


@pytest.fixture(scope="module")
def odd_rows(world: str) -> None:
    import psycopg

    with psycopg.connect(world, autocommit=True) as connection:
        for number, text in enumerate(ODD, start=100):
            connection.execute("insert into things (id, name) values (%s, %s)", [number, text])


@pytest.mark.usefixtures("odd_rows")
@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_text_is_only_text(gateway: Gateway, text: str) -> None:
    number = 100 + ODD.index(text)
    odd = Where("id", "ge", 100)
    nobody = Where("id", "eq", -1)
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    for condition in (
        Where("name", "eq", text), Where("name", "in", [text]), Where("name", "in", [text, "another, one"]),
        AnyOf(((Where("name", "eq", text),), (nobody,))), AnyOf(((Where("name", "in", [text]),), (nobody, odd))),
    ):  # fmt: skip
        assert ids(gateway.select("things", where=[odd, condition])) == [number], condition
    like = sorted(100 + place for place, other in enumerate(ODD) if other.lower() == text.lower())
    for condition in (Where("name", "ilike", escaped), AnyOf(((Where("name", "ilike", escaped),), (nobody,)))):
        assert sorted(ids(gateway.select("things", where=[odd, condition]))) == like, condition
    starting = sorted(100 + place for place, other in enumerate(ODD) if other.startswith(text))
    assert ids(gateway.select("things", where=[odd, Where("name", "prefix", text)], order=[Order("id")])) == starting
    containing = sorted(100 + place for place, other in enumerate(ODD) if text.lower() in other.lower())
    inside = Where("name", "ilike", f"%{escaped}%")
    assert ids(gateway.select("things", where=[odd, inside], order=[Order("id")])) == containing
    assert gateway.count("things", where=[odd, Where("name", "ne", text)]) == len(ODD) - 1
    assert ids(gateway.select("by_name", args={"wanted": text})) == [number]
    said = gateway.call("echo", p_text=text, p_json={text: [text]}, p_texts=[text])
    assert (said["text"], said["json"], said["texts"]) == (text, {text: [text]}, [text])


def test_sorting_puts_nulls_where_postgresql_does(gateway: Gateway, connection: Connection) -> None:
    connection.execute("insert into things (id, amount) values (50, null), (51, 5) on conflict do nothing")
    few = Where("id", "in", [50, 51, 1])
    assert ids(gateway.select("things", where=[few], order=[Order("amount")])) == [51, 1, 50]
    assert ids(gateway.select("things", where=[few], order=[Order("amount", descending=True)])) == [50, 1, 51]
    connection.execute("delete from things where id in (50, 51)")


@pytest.mark.parametrize("column", ["call_sid", "sid_key"])
def test_keyset_paging_meets_every_call_once_in_byte_order(
    gateway: Gateway, connection: Connection, column: str
) -> None:
    """Past 1,000 rows, many with the same start, SIDs in upper and lower case: "greater" is byte order."""
    connection.execute(
        "insert into call_events (call_sid, direction, created_at)"
        " select (array['CAp', 'cAP', 'CAP'])[n % 3 + 1] || n, 'paging', date '2020-01-01' + n / 100 * interval '1 s'"
        " from generate_series(1, 2600) n where not exists (select from call_events where direction = 'paging')"
    )
    order = [Order("started_at", descending=True), Order(column, descending=True)]
    ours = Where("direction", "eq", "paging")
    seen: list[tuple[str, bytes]] = []
    after: tuple[Any, ...] = ()
    while page := gateway.select("call_links", where=[ours, *after], order=order, limit=700):
        seen += [(row["started_at"], row["call_sid"].encode()) for row in page]
        at, last = page[-1]["started_at"], page[-1]["call_sid"]
        after = (AnyOf(((Where("started_at", "lt", at),), (Where("started_at", "eq", at), Where(column, "lt", last)))),)
    assert len(seen) == 2600 == gateway.count("call_links", where=[ours])
    assert seen == sorted(seen, reverse=True)


def test_more_rows_than_one_answer_holds(gateway: Gateway) -> None:
    order = [Order("id")]
    assert ids(gateway.select("many", order=order)) == list(range(1, 2501))
    assert ids(gateway.select("many", order=order, limit=1700)) == list(range(1, 1701))
    assert ids(gateway.select("many", order=order, limit=1000)) == list(range(1, 1001))
    assert ids(gateway.select("some_of_many", args={"p_most": 2100})) == list(range(1, 2101))
    assert gateway.count("many") == 2500
    assert gateway.count("some_of_many", args={"p_most": 2100}) == 2100
    assert gateway.call("list_result") == list(range(1, 3001))


def test_a_list_too_long_for_one_request(gateway: Gateway) -> None:
    wanted = [f"row {number}" for number in range(1, 2400, 2)] * 2
    expected = list(range(1, 2400, 2))
    named = Where("name", "in", wanted)
    assert ids(gateway.select("many", where=[named], order=[Order("id")])) == expected
    newest = [Order("id", descending=True)]
    assert gateway.select("many", columns=("name",), where=[named], order=newest, limit=2) == [
        {"name": "row 2399"}, {"name": "row 2397"},
    ]  # fmt: skip
    assert gateway.count("many", where=[named, Where("id", "le", 100)]) == 50
    assert sorted(ids(gateway.select("many", where=[Where("id", "in", list(range(1, 2401)))]))) == list(range(1, 2401))


def test_an_answer_cut_by_a_lower_limit_of_the_server_is_noticed(world: str) -> None:
    from tests.contract.rest import serving

    with serving(world, max_rows=130) as narrow:
        gateway = SupabaseGateway(narrow.url, key("service_role"))
        assert ids(gateway.select("many", order=[Order("id")], limit=1000)) == list(range(1, 1001))
        assert len(gateway.select("some_of_many", args={"p_most": 400})) == 400
        assert len(gateway.select("things", where=[Where("id", "le", 20)])) == 20
        with pytest.raises(BadInput, match="in an order"):
            gateway.select("many")
        with pytest.raises(BadInput, match="more rows than a call can hold"):
            gateway.call("some_of_many", p_most=400)
        gateway.close()


def test_arguments_take_the_type_of_the_function(gateway: Gateway) -> None:
    said = gateway.call(
        "echo", p_json=[1, "two", None, {"a": 1.5}], p_ids=[3, 4], p_texts=["a,b", "NULL", ""], p_number="5", p_text=6,
        p_at=datetime(2026, 1, 1, tzinfo=UTC), p_yes=True, p_float=0.5,
    )  # fmt: skip
    assert said == {
        "json": [1, "two", None, {"a": 1.5}], "ids": [3, 4], "texts": ["a,b", "NULL", ""], "number": 5, "text": "6",
        "at": "2026-01-01T00:00:00+00:00", "yes": True, "float": "0.5",
    }  # fmt: skip
    identity = UUID(int=7)
    assert gateway.call("echo", p_json="text", p_ids=[])["json"] == "text"
    assert gateway.call("echo", p_ids=(1, 2))["ids"] == [1, 2]
    assert gateway.call("echo", p_text=identity)["text"] == str(identity)
    assert gateway.call("echo", p_json={"at": datetime(2026, 1, 1, tzinfo=UTC)})["json"] == {
        "at": "2026-01-01 00:00:00+00:00"
    }
    assert gateway.call("echo", p_float=float("nan"))["float"] == "NaN"
    assert set(gateway.call("echo").values()) == {None}
    assert set(gateway.call("echo", p_json=None, p_ids=None, p_number=None, p_text=None).values()) == {None}


def test_results_of_every_kind(gateway: Gateway) -> None:
    assert gateway.call("sleeps", p_seconds=0.0) is None
    assert gateway.call("null_result") is None
    assert gateway.call("number_result") == 5
    assert ids(gateway.select("by_name", args={"wanted": "thing 4"}, where=[Where("flag", "eq", True)])) == [4]
    assert gateway.select("by_name", args={"wanted": "thing 4"}, columns=("id",)) == [{"id": 4}]
    assert gateway.count("by_name", args={"wanted": "thing 4"}) == 1
    assert ids(gateway.call("by_name", wanted="thing 4")) == [4]
    assert gateway.call("by_name", wanted="nothing") == []


def test_all_ways_read_the_same_rows(ways: dict[str, Gateway], connection: Connection) -> None:
    for number in range(900, 905):
        add_call(connection, number, at=f"2026-03-01T09:00:{number - 900:02}.123456Z")
    sids = [sid(number) for number in range(900, 905)]
    order = [Order("started_at"), Order("sid_key")]
    found = [
        gateway.select("call_links", where=[Where("call_sid", "in", sids)], order=order) for gateway in ways.values()
    ]
    assert len(found[0]) == 5
    assert found[0] == found[1] == found[2]
    stories = [gateway.call("call_story", p_call_sid=sids[0]) for gateway in ways.values()]
    assert stories[0]["events"] and stories[0] == stories[1] == stories[2]


def test_times_are_utc_whatever_the_project_s_zone(world: str, connection: Connection) -> None:
    from tests.contract.rest import serving

    name = connection.info.dbname
    connection.execute(f"alter database {name} set timezone = 'Asia/Tokyo'".encode())
    try:
        with serving(world) as elsewhere:
            gateway = SupabaseGateway(elsewhere.url, key("service_role"))
            rows = gateway.select("things", columns=("at",), where=[Where("id", "eq", 1)])
            assert rows == [{"at": "2026-01-01T01:00:00+00:00"}]
            gateway.close()
    finally:
        connection.execute(f"alter database {name} reset timezone".encode())


def test_threads_share_a_gateway(rest: Rest) -> None:
    gateway = SupabaseGateway(rest.url, key("service_role"))
    wrong: list[object] = []

    def ask(number: int) -> None:
        for _ in range(15):
            found = ids(gateway.select("things", where=[Where("id", "eq", number)]))
            if found != [number]:
                wrong.append(found)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gateway.close()
    assert wrong == []
