"""Commands before and after their SQL function: what is checked, what is passed on, how a refusal is worded."""

from datetime import datetime
from typing import Any

import pytest

from core.errors import BadInput, NotAllowed, NotFound, Stale
from core.linking import Command, Options, activity, commands
from core.model.records import LinkEvent
from core.store.gateway import Gateway
from tests.fakes import FakeGateway

CALL = "CA" + "1" * 32
BATCH = "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77"
EVENT: dict[str, Any] = {
    "id": 7,
    "at": "2026-03-01T09:00:00+00:00",
    "actor": "maria",
    "source": "person",
    "action": "link",
    "call_sid": CALL,
    "lead_id": 212,
    "before": {"call_lead": None, "set_aside": False, "by_hand": False, "leads": {"212": None}},
    "after": {"call_lead": 212, "set_aside": False, "by_hand": False, "leads": {"212": CALL}},
}


def run(gateway: Gateway, command: Command, **more: Any) -> LinkEvent | None:
    return commands.run(gateway, command, actor="machine", **more)


def test_only_what_was_said_is_passed_on() -> None:
    gateway = FakeGateway(unlink_call=EVENT)
    run(gateway, Command("unlink", CALL))
    assert gateway.asked == [("unlink_call", {"p_call_sid": CALL, "p_options": {"actor": "machine"}})]


def test_every_option_reaches_the_function() -> None:
    gateway = FakeGateway(link_call=EVENT)
    options = Options(
        actor=" maria ",
        reason="she said so",
        request_id="r1",
        batch_id=BATCH.upper(),
        current=True,
        mode="automatic",
        mark_contacted=(212,),
        expect={"call_lead": None, "leads": {212: None}},
        promise={"call_lead": 212},
        evidence=[{"kind": "notes"}],
    )
    run(gateway, Command("link", CALL, 212, options=options), preview=True)
    ((_, asked),) = gateway.asked
    assert asked == {
        "p_call_sid": CALL,
        "p_lead_id": 212,
        "p_options": {
            "actor": "maria",
            "reason": "she said so",
            "request_id": "r1",
            "batch_id": BATCH,
            "current": True,
            "mode": "automatic",
            "mark_contacted": [212],
            "expect": {"call_lead": None, "leads": {"212": None}},
            "promise": {"call_lead": 212},
            "evidence": [{"kind": "notes"}],
            "preview": True,
        },
    }


def test_the_worker_may_record_a_call_of_which_nothing_is_known() -> None:
    gateway = FakeGateway(link_call=EVENT)
    run(gateway, Command("link", CALL, 212, options=Options(mode="worker", started_at=datetime(2026, 3, 1, 9))))
    options = gateway.asked[0][1]["p_options"]
    assert options["create"] is True
    assert options["started_at"] == "2026-03-01T09:00:00+00:00"


def test_nothing_changed_is_none() -> None:
    assert run(FakeGateway(link_call=None), Command("link", CALL, 212)) is None


@pytest.mark.parametrize(
    "command",
    [
        Command("link", "", 212),
        Command("link", CALL, None),
        Command("link", CALL, 0),
        Command("relink", CALL, "212; --"),  # type: ignore[arg-type]
        Command("undo"),
        Command("undo", event_id=True),
        Command("merge", CALL),  # type: ignore[arg-type]
        Command("unlink", CALL, options=Options(current=True)),
        Command("unlink", CALL, options=Options(actor="")),
        Command("unlink", CALL, options=Options(reason="x" * 2001)),
        Command("unlink", CALL, options=Options(request_id="x" * 201)),
        Command("unlink", CALL, options=Options(request_id="two\nlines")),
        Command("unlink", CALL, options=Options(batch_id="5")),
        Command("unlink", CALL, options=Options(mode="robot")),  # type: ignore[arg-type]
        Command("unlink", CALL, options=Options(mark_contacted=("x",))),  # type: ignore[arg-type]
        Command("unlink", CALL, options=Options(expect={"nonsense": 1})),
        Command("unlink", CALL, options=Options(expect={"leads": [1]})),
        Command("unlink", CALL, options=Options(promise={"leads": {"x": None}})),
    ],
)
def test_bad_input_never_reaches_the_database(command: Command) -> None:
    gateway = FakeGateway()
    with pytest.raises(BadInput):
        run(gateway, command)
    assert gateway.asked == []


def test_a_stale_command_says_what_changed_and_by_whom() -> None:
    told = Stale(
        "It changed since you looked; nothing was written.",
        detail={"call_lead": 212, "lead 5": None, "set_aside": False},
    )
    gateway = FakeGateway(link_call=told, link_activity=[EVENT])
    with pytest.raises(Stale) as refused:
        run(gateway, Command("link", CALL, 5))
    assert refused.value.message == (
        "It changed since you looked: the call belongs to lead 212 now; lead 5 has no current call now;"
        " the call is not set aside now."
        f" maria linked call {CALL} to lead 212 as its current call (2026-03-01 09:00:00 UTC)."
    )
    assert refused.value.detail == told.detail


def test_a_stale_undo_names_the_newest_event_of_its_call() -> None:
    def history(p_filter: dict[str, Any]) -> list[dict[str, Any]]:
        return [{**EVENT, "id": 3}] if "before" in p_filter else [{**EVENT, "id": 9, "actor": "joe"}]

    gateway = FakeGateway(undo_link_event=Stale("It moved on.", detail={"call_lead": None}), link_activity=history)
    with pytest.raises(Stale, match=r"the call is not linked now\. joe linked"):
        run(gateway, Command("undo", event_id=3))


def test_a_refusal_stands_even_if_its_author_cannot_be_read() -> None:
    gateway = FakeGateway(link_call=Stale("It changed."), link_activity=NotFound("gone"))
    with pytest.raises(Stale, match=r"^It changed\.$"):
        run(gateway, Command("link", CALL, 5))


def test_a_batch_is_undone_newest_first_one_by_one() -> None:
    def undo(p_event_id: int, p_options: dict[str, Any]) -> Any:
        return NotAllowed("It is undone already.") if p_event_id == 2 else {**EVENT, "id": 10 + p_event_id, **p_options}

    listed = [{**EVENT, "id": number} for number in (3, 2, 1)]
    gateway = FakeGateway(link_activity=listed, undo_link_event=undo)
    outcome = commands.undo_batch(gateway, BATCH, Options(request_id="r1"), actor="machine")
    assert [event.id for event in outcome.undone] == [13, 11]
    assert [(skip.event.id, skip.code, skip.reason) for skip in outcome.skipped] == [
        (2, "not_allowed", "It is undone already.")
    ]
    assert {event.batch_id for event in outcome.undone} == {outcome.batch_id}
    assert [event.request_id for event in outcome.undone] == ["r1/3", "r1/1"]
    again = commands.undo_batch(gateway, BATCH, Options(request_id="r1"), actor="machine")
    assert again.batch_id == outcome.batch_id, "the same request is the same batch"


def test_a_batch_without_events_is_not_found() -> None:
    with pytest.raises(NotFound, match="No link event belongs to batch"):
        commands.undo_batch(FakeGateway(link_activity=[]), BATCH, Options(), actor="machine")


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, f"maria linked call {CALL} to lead 212 as its current call (2026-03-01 09:00:00 UTC)."),
        (
            {"source": "outside", "actor": "postgres", "action": "make_current"},
            f"Another program (postgres) made call {CALL} the current call of lead 212 (2026-03-01 09:00:00 UTC).",
        ),
        (
            {"source": "baseline"},
            f"The installation linked call {CALL} to lead 212 as its current call (2026-03-01 09:00:00 UTC).",
        ),
        (
            {"action": "undo", "undoes": 3, "after": {**EVENT["before"], "call_lead": None}, "before": EVENT["after"]},
            f"maria undid event 3: call {CALL} is unlinked (2026-03-01 09:00:00 UTC).",
        ),
        (
            {"action": "lead_deleted"},
            f"maria deleted lead 212, to which call {CALL} belonged (2026-03-01 09:00:00 UTC).",
        ),
    ],
)
def test_a_link_event_in_words(changed: dict[str, Any], sentence: str) -> None:
    assert activity.sentence(LinkEvent.from_row({**EVENT, **changed})) == sentence
