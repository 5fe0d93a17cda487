"""Calls and repairs over the API."""

from tests.api.conftest import ANN, BOB, OTHER, SID, Api


def test_the_worklist(api: Api) -> None:
    told = api.get("/api/calls?unlinked=true&limit=1").json
    assert (told["total"], [call["call_sid"] for call in told["data"]]) == (2, [OTHER])
    after = api.get(f"/api/calls?unlinked=true&limit=1&after={told['next']}").json
    assert [call["call_sid"] for call in after["data"]] == [SID]
    assert after["next"] is None


def test_all_calls_linked_or_not(api: Api) -> None:
    api.post(f"/api/calls/{SID}/link", {"lead_id": ANN})
    assert [call["call_sid"] for call in api.get("/api/calls").json["data"]] == [OTHER, SID]
    assert [call["call_sid"] for call in api.get("/api/calls?unlinked=true").json["data"]] == [OTHER]


def test_one_call_is_the_whole_story(api: Api) -> None:
    told = api.get(f"/api/calls/{SID}").json["data"]
    assert (told["call_sid"], told["state"], len(told["events"]), len(told["transcripts"])) == (SID, "unlinked", 1, 2)
    assert api.get(f"/api/calls/CA{'0' * 32}").status == 404
    assert api.get("/api/calls/%00").status == 400


def test_link_is_recorded_in_the_tokens_name_and_undone(api: Api) -> None:
    done = api.post(f"/api/calls/{SID}/link", {"lead_id": ANN, "reason": "asked for"}).json
    assert done["success"] is True
    assert (done["data"]["actor"], done["data"]["action"], done["data"]["reason"]) == (
        "a operator",
        "link",
        "asked for",
    )
    assert api.slot(ANN) == SID
    back = api.post(f"/api/link-events/{done['data']['id']}/undo").json
    assert back["data"]["undoes"] == done["data"]["id"]
    assert api.slot(ANN) is None
    assert api.post(f"/api/link-events/{done['data']['id']}/undo").status == 409


def test_the_same_key_does_it_once(api: Api) -> None:
    first = api.post(f"/api/calls/{SID}/link", {"lead_id": ANN}, Idempotency_Key="k1").json
    assert api.post(f"/api/calls/{SID}/link", {"lead_id": ANN}, Idempotency_Key="k1").json == first
    other = api.post(f"/api/calls/{OTHER}/link", {"lead_id": BOB}, Idempotency_Key="k1")
    assert (other.status, other.json["success"]) == (409, False)


def test_what_was_seen_must_still_hold(api: Api) -> None:
    api.post(f"/api/calls/{SID}/link", {"lead_id": ANN})
    stale = api.post(f"/api/calls/{SID}/relink", {"lead_id": BOB, "expect_lead": "none"})
    assert stale.status == 409
    assert "lead 1" in stale.json["error"]
    taken = api.post(f"/api/calls/{SID}/link", {"lead_id": BOB})
    assert (taken.status, api.slot(BOB)) == (409, None)
    moved = api.post(f"/api/calls/{SID}/relink", {"lead_id": BOB, "expect_lead": ANN})
    assert moved.json["data"]["after"]["call_lead"] == BOB
    assert api.post(f"/api/calls/{SID}/relink", {"lead_id": BOB}).json["data"] is None


def test_unlink_set_aside_and_restore(api: Api) -> None:
    assert api.post(f"/api/calls/{SID}/unlink").status == 409
    assert api.post(f"/api/calls/{SID}/set-aside", {"reason": "spam"}).json["data"]["after"]["set_aside"] is True
    assert api.post(f"/api/calls/{SID}/set-aside").json == {
        "success": True,
        "data": None,
        "message": "Nothing changed.",
    }
    assert api.post(f"/api/calls/{SID}/restore").json["data"]["action"] == "restore"
    api.post(f"/api/calls/{SID}/link", {"lead_id": ANN})
    assert api.post(f"/api/calls/{SID}/unlink").json["data"]["after"]["by_hand"] is True


def test_viewers_repair_nothing(api: Api) -> None:
    assert api.post(f"/api/calls/{SID}/link", {"lead_id": ANN}, role="viewer").status == 403
    assert api.slot(ANN) is None


def test_bad_bodies_are_named(api: Api) -> None:
    for body, names in (
        ({}, "lead_id"),
        ({"lead_id": "1"}, "lead_id"),
        ({"lead_id": True}, "lead_id"),
        ({"lead_id": 2**60}, "lead_id"),
        ({"lead_id": 1, "actor": "eve"}, "actor"),
        ("{", "JSON"),
        ("[]", "body"),
    ):
        reply = api.post(f"/api/calls/{SID}/link", body)
        assert reply.status == 400, body
        assert names.lower() in reply.json["error"].lower(), reply.json
    assert api.post(f"/api/calls/{SID}/link", {"lead_id": 999}).status == 404
    assert api.slot(ANN) is None
