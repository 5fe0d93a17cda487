"""Whatever is pasted, the call that is meant is found, and its whole story told."""

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.app import App
from core.errors import BadInput, NotFound
from core.linking import Matches, Options, Story, WorklistFilter
from tests.database.outside import OURS, Connection, add_call, add_lead, say, sid

CALL = "CA3f0123456789abcdef01234567899c1e"


@pytest.fixture
def calls(connection: Connection) -> None:
    """CALL, and two others with numbers of their own."""
    add_call(connection, 0, call_sid=CALL, counterpart="+442079460123", at="2026-03-01")
    add_call(connection, 2, counterpart="+14155550123", at="2026-03-02")
    add_call(connection, 3, counterpart="+14155550123", at="2026-03-03")


def found(app: App, text: str) -> list[str]:
    app.linking.judge()
    result = app.linking.lookup(text)
    return [result.call_sid] if isinstance(result, Story) else [call.call_sid for call in result.calls]


@pytest.mark.parametrize(
    "text",
    [
        CALL,
        CALL.upper(),
        CALL.lower(),
        f"  {CALL}\r\n",
        f"2026-03-01T09:00:00Z [callWorker] Outbound call {CALL} initiated",
        f'{{"callSid":"{CALL}","status":"completed"}}',
        f"https://console.twilio.com/us1/monitor/logs/calls/{CALL}?frameUrl=%2Fconsole",
        f"/lookup?sid=%22{CALL}%22",
        f"{'x' * 10_000}\n{CALL}\n{'y' * 10_000}",
        f"\0{CALL}\0",
        "CA3f",
        "CA3f0123456789",
        "9c1e",
        "CA3f…9c1e",
        "ca3f...9C1E",
        "+442079460123",
        "+44 20 7946 0123",
        "0044 20 7946 0123",
    ],
)
def test_every_way_to_name_one_call(app: App, calls: None, text: str) -> None:
    assert found(app, text) == [CALL]


def test_a_number_of_several_calls_lists_them_newest_first(app: App, calls: None) -> None:
    assert found(app, "(415) 555-0123") == [sid(3), sid(2)]


def test_our_own_number_lists_every_call_on_it(app: App, calls: None) -> None:
    assert set(found(app, OURS)) == {CALL, sid(2), sid(3)}


def test_several_sids_in_one_paste_are_all_shown(app: App, calls: None) -> None:
    assert found(app, f"{sid(2)}, then {sid(9)}, then {CALL}") == [sid(2), CALL]


def test_a_part_of_several_sids_lists_them(app: App, calls: None) -> None:
    assert found(app, "CA000") == [sid(3), sid(2)]


def test_more_matches_than_are_listed_are_admitted(app: App, connection: Connection) -> None:
    for number in range(30):
        add_call(connection, number)
    result = app.linking.lookup("CA0000")
    assert isinstance(result, Matches)
    assert (len(result.calls), result.more) == (25, True)


def test_the_guides_own_sample_works_and_is_warned_about(app: App, connection: Connection) -> None:
    add_call(connection, 0, call_sid="CA1234567890abcdef")
    told = app.linking.lookup("CA1234567890abcdef")
    assert isinstance(told, Story)
    assert told.warning is not None
    assert "has not the form of a Twilio Call SID" in told.warning


def test_variants_in_case_are_calls_of_their_own(app: App, calls: None, connection: Connection) -> None:
    add_call(connection, 0, call_sid=CALL.upper(), at="2026-03-05")
    assert found(app, CALL) == [CALL.upper(), CALL]
    assert app.linking.story(CALL).call_sid == CALL


@pytest.mark.parametrize("text", ["", "  \n", "\0", "x" * 10_000, "🙂", "CA", "7"])
def test_what_cannot_name_a_call_says_what_is_expected(app: App, calls: None, text: str) -> None:
    with pytest.raises(BadInput) as refused:
        app.linking.lookup(text)
    assert "Call SID" in f"{refused.value.message} {refused.value.hint}"


@pytest.mark.parametrize("text", [sid(77), "CAffff", "' or 1=1 --", "%", "___", "\\", "+14155550999", "Ada", "a🙂b"])
def test_what_names_no_call_is_not_found(app: App, calls: None, text: str) -> None:
    expected = BadInput if len(text) < 3 else NotFound
    with pytest.raises(expected):
        app.linking.lookup(text)


def test_a_story_holds_everything(app: App, connection: Connection) -> None:
    lead = add_lead(connection, "Ada", "+14155550199", created_at="2026-01-01")
    call = add_call(connection, 1)
    add_call(connection, 1, call_status="ringing", call_duration=None)
    say(connection, call, "assistant", "Hello!", timestamp="2026-03-01T09:00:05Z")
    say(connection, call, "user", "Hi.", timestamp="2026-03-01T09:00:04Z")
    connection.execute("insert into call_recordings (call_sid, duration) values (%s, 60)", [call])
    connection.execute("update leads set notes = %s where id = %s", [f"Outbound call {call} initiated", lead])
    app.linking.link(call, lead, Options(actor="maria"))
    app.linking.judge()
    told = app.linking.story(call)
    assert (told.call.state, told.cause, told.detail) == ("current", None, None)
    assert len(told.events) == 2
    assert [row["content"] for row in told.transcripts] == ["Hi.", "Hello!"]
    assert [row["duration"] for row in told.recordings] == [60]
    assert told.lead is not None
    assert told.lead.row["company"] is None
    assert told.mentions == (lead,)
    assert told.slots == (lead,)
    assert [row["call_sid"] for row in told.lead_calls] == [call]
    assert [event.actor for event in told.history] == ["maria"]
    assert [event.undone for event in told.history] == [False]
    assert {stage.stage: stage.state for stage in told.stages}["lead"] == "ok"


def test_a_story_by_sid_wants_it_exactly(app: App, calls: None) -> None:
    with pytest.raises(NotFound, match=r"There is no call"):
        app.linking.story(CALL.upper())
    with pytest.raises(BadInput):
        app.linking.story("")


PIECES = st.sampled_from(
    [CALL, "CA", "…", "...", "%", "_", "\\", "'", '"', "+1415", "(415) 555-0123", "\0", "\ud800", "\n", "🙂", "٣"]
)
PASTES = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=6).map("".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=PASTES)
def test_no_paste_is_answered_with_anything_but_a_call_or_a_sentence(app: App, calls: None, text: str) -> None:
    with contextlib.suppress(BadInput, NotFound):
        assert isinstance(app.linking.lookup(text), Story | Matches)
    with contextlib.suppress(BadInput, NotFound):
        app.linking.story(text)
    for field in ("text", "number", "status", "cause", "direction", "view"):
        with contextlib.suppress(BadInput):
            app.linking.worklist(WorklistFilter(**{field: text}))
    with contextlib.suppress(BadInput):
        app.linking.worklist(WorklistFilter(), after=text)
    with contextlib.suppress(BadInput):
        app.linking.activity(call=text, actor=text)


def test_the_end_of_a_sid_goes_before_its_middle(app: App, connection: Connection) -> None:
    for call_sid in ("CA" + "0" * 28 + "ab_c", "CA00ab_c" + "0" * 26, "CA" + "0" * 28 + "abxc"):
        add_call(connection, 0, call_sid=call_sid)
    found = app.linking.lookup("AB_C")
    assert isinstance(found, Story) and found.call.call_sid == "CA" + "0" * 28 + "ab_c"
    assert app.linking.lookup("00ab_c00").call.call_sid == "CA00ab_c" + "0" * 26  # type: ignore[union-attr]


def test_a_story_s_candidates_are_those_of_now_whether_judged_or_not(app: App, connection: Connection) -> None:
    add_lead(connection, "Ada", "+442079460123", created_at="2026-01-01")
    call = add_call(connection, 1, counterpart="+442079460123", at="2026-03-01")
    unjudged = app.linking.story(call).candidates
    app.linking.judge()
    judged = app.linking.story(call).candidates
    assert [candidate.name for candidate in judged] == ["Ada"]
    assert unjudged == judged

    add_lead(connection, "Bob", "+442079460123", created_at="2026-01-02")
    add_lead(connection, "Cora", "+14155550188", email="cora@example.com", created_at="2026-01-02")
    say(connection, call, "user", "You can write to cora@example.com", timestamp="2026-03-01T09:00:04Z")
    told = app.linking.story(call).candidates
    assert {candidate.name for candidate in told} == {"Ada", "Bob", "Cora"}
    assert list(told) == app.linking.candidates(call)
    app.linking.judge()
    assert app.linking.story(call).candidates == told


def test_a_judged_call_s_story_is_one_answer(app: App, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = add_lead(connection, "Ada", "+442079460123", created_at="2026-01-01")
    call = add_call(connection, 1, counterpart="+442079460123", at="2026-03-01")
    app.linking.link(call, lead, Options(actor="maria"))
    app.linking.judge()

    def read(*_: object, **__: object) -> None:
        raise AssertionError("one answer holds it all")

    monkeypatch.setattr(type(app.gateway), "select", read)
    told = app.linking.story(call)
    assert [candidate.lead_id for candidate in told.candidates] == [lead]
