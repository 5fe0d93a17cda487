"""The guide's reads: leads and transcripts."""

import pytest

from tests.api.conftest import ANN, SID, Api


def test_a_page_of_leads_has_the_backends_shape(api: Api) -> None:
    told = api.get("/api/leads?limit=2").json
    assert [lead["id"] for lead in told["data"]] == [3, 2]
    assert told["pagination"] == {
        "total": 3,
        "count": 2,
        "limit": 2,
        "offset": 0,
        "currentPage": 1,
        "totalPages": 2,
        "hasNextPage": True,
        "hasPrevPage": False,
    }
    last = api.get("/api/leads?limit=2&offset=2").json
    assert [lead["id"] for lead in last["data"]] == [ANN]
    assert last["pagination"]["hasPrevPage"] and not last["pagination"]["hasNextPage"]
    assert api.get("/api/leads?offset=50").json["data"] == []


def test_more_than_a_hundred_are_never_given(api: Api) -> None:
    assert api.get("/api/leads?limit=5000").json["pagination"]["limit"] == 100


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=new", [3, 2]),
        ("priority=high", [1]),
        ("source=api", [3, 1]),
        ("search=KESTREL", [1]),
        ("search=555-0102", [2]),
        ("search=100%25", []),
        ("dateFrom=2026-09-02&dateTo=2026-09-02T23:59:59Z", [2]),
        ("sortBy=name&sortOrder=asc", [1, 2, 3]),
        ("sortBy=phone&sortOrder=asc", [2, 1, 3]),
        ("status=new&source=shopify", [2]),
    ],
)
def test_filters_and_sorting(api: Api, query: str, found: list[int]) -> None:
    assert [lead["id"] for lead in api.get(f"/api/leads?{query}").json["data"]] == found


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("limit=abc", "limit"),
        ("limit=0", "limit"),
        ("offset=-1", "offset"),
        ("sortBy=notes", "sortBy"),
        ("sortBy=name;drop", "sortBy"),
        ("sortOrder=up", "sortOrder"),
        ("dateFrom=yesterday", "dateFrom"),
        ("search=%00", "search"),
    ],
)
def test_what_cannot_be_meant_is_named(api: Api, query: str, names: str) -> None:
    reply = api.get(f"/api/leads?{query}")
    assert reply.status == 400
    assert reply.json["success"] is False
    assert names in reply.json["error"]


def test_one_lead(api: Api) -> None:
    assert api.get(f"/api/leads/{ANN}").json["data"]["phone"] == "+14155550101"
    missing = api.get("/api/leads/999")
    assert (missing.status, missing.json) == (404, {"success": False, "error": "There is no lead 999."})
    assert api.get("/api/leads/x").status == 400


@pytest.mark.parametrize("path", ["/transcripts", "/api/transcripts"])
def test_transcripts_in_the_guides_shape(api: Api, path: str) -> None:
    told = api.get(f"{path}/{SID}").json
    assert (told["callSid"], told["messageCount"], told["success"]) == (SID, 2, True)
    assert [(line["role"], line["content"]) for line in told["transcripts"]] == [
        ("assistant", "Hello"),
        ("user", "Hi there"),
    ]
    nothing = api.get(f"{path}/CA{'0' * 32}").json
    assert (nothing["transcripts"], nothing["messageCount"], nothing["success"]) == ([], 0, True)


def test_nobody_reads_without_a_token(api: Api) -> None:
    for path in ("/api/leads", f"/transcripts/{SID}", "/api/calls", "/openapi.json"):
        reply = api.get(path, role=None)
        assert reply.status in (303, 401), path
    assert api.get("/api/leads", role=None).json["success"] is False
    assert api.get("/docs").status == 200
    assert "SwaggerUIBundle" in api.get("/docs/start.js").json
    assert api.get("/docs/files/swagger-ui.css").status == 200


def test_an_unknown_address_answers_in_our_shape(api: Api) -> None:
    reply = api.get("/api/nothing")
    assert (reply.status, reply.json["success"]) == (404, False)
    assert api.ask("DELETE", "/api/leads").status == 405
