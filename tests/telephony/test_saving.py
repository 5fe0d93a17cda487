"""Callbacks and lines as they really come: at once, out of order, repeated, before each other."""

import logging
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.inbound import StatusCallback, save_callback, save_line
from tests.telephony.conftest import Saving

SID = "CA" + "1" * 32
OURS, THEIRS = "+14155550000", "+14155550123"
START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
LIFE = ("initiated", "ringing", "in-progress", "completed")


def form(sequence: int, sid: str = SID, **fields: str) -> dict[str, str]:
    """The callback of a stage, as Twilio sends it."""
    status = LIFE[sequence]
    said = {
        "CallSid": sid,
        "CallStatus": status,
        "Direction": "outbound-api",
        "From": OURS,
        "To": THEIRS,
        "Timestamp": format_datetime(START + timedelta(seconds=10 * sequence)),
        "SequenceNumber": str(sequence),
    }
    if status == "completed":
        said |= {
            "CallDuration": "61",
            "Duration": "2",
            "RecordingUrl": "https://example.com/RE1",
            "RecordingSid": "RE1",
        }
    return {**said, **fields}


def event(saving: Saving, sid: str = SID) -> tuple[Any, ...]:
    """The one row of a call."""
    rows = saving.rows(
        "select call_status, direction, from_number, to_number, call_duration, duration, recording_sid"
        " from call_events where call_sid = %s",
        sid,
    )
    assert len(rows) == 1
    return rows[0]


WHOLE = ("completed", "outbound-api", OURS, THEIRS, 61, 2, "RE1")


def test_sixteen_threads_and_two_hundred_callbacks_leave_one_row(saving: Saving) -> None:
    calls = [f"CA{number:032x}" for number in range(5)]
    forms = [form(sequence, sid) for sid in calls for sequence in range(4) for _ in range(10)]
    random.Random(7).shuffle(forms)
    assert len(forms) == 200
    with ThreadPoolExecutor(16) as threads:
        saved = list(threads.map(lambda f: save_callback(saving.gateway, StatusCallback.from_form(f)), forms))
    assert sum(each.created for each in saved) == len(calls)
    for sid in calls:
        assert event(saving, sid) == WHOLE
        progress = saving.rows(
            "select sequence, initiated_at, ringing_at, answered_at, ended_at from call_progress where call_sid = %s",
            sid,
        )
        assert progress == [(3, *(START + timedelta(seconds=10 * step) for step in range(4)))]
        counted = saving.rows("select event_count, status, to_number from calls where call_sid = %s", sid)
        assert counted == [(1, "completed", THEIRS)]


def test_callbacks_and_words_at_once(saving: Saving) -> None:
    lines = [(f"m{number}", START + timedelta(seconds=number)) for number in range(20)] * 3
    random.Random(3).shuffle(lines)

    def speak(line: tuple[str, datetime]) -> None:
        save_line(saving.gateway, SID, "user", f"line {line[0]}\n", line[1], line[0])

    with ThreadPoolExecutor(16) as threads:
        spoken = [threads.submit(speak, line) for line in lines]
        told = [threads.submit(save_callback, saving.gateway, StatusCallback.from_form(form(n % 4))) for n in range(40)]
        for each in (*spoken, *told):
            each.result()
    assert event(saving) == WHOLE
    said = saving.rows("select message_id from conversation_transcripts where call_sid = %s order by timestamp", SID)
    assert [row[0] for row in said] == [f"m{number}" for number in range(20)]


def test_a_late_callback_never_takes_a_call_back(saving: Saving) -> None:
    save_callback(saving.gateway, StatusCallback.from_form(form(3)))
    late = save_callback(saving.gateway, StatusCallback.from_form(form(1)))
    assert (late.created, late.changed) == (False, False)
    save_callback(saving.gateway, StatusCallback.from_form(form(3, CallStatus="failed", SequenceNumber="9")))
    assert event(saving) == WHOLE


def test_a_callback_without_sequence_never_takes_a_call_back(saving: Saving) -> None:
    for sequence in (2, 1, 0):
        bare = form(sequence)
        del bare["SequenceNumber"]
        save_callback(saving.gateway, StatusCallback.from_form(bare))
    assert event(saving)[0] == "in-progress"


def test_a_lower_sequence_fills_only_what_is_empty(saving: Saving) -> None:
    first = form(2)
    del first["From"]
    save_callback(saving.gateway, StatusCallback.from_form(first))
    save_callback(saving.gateway, StatusCallback.from_form(form(1, To="+14155550999")))
    assert event(saving)[:4] == ("in-progress", "outbound-api", OURS, THEIRS)


def test_the_backends_row_without_numbers_is_completed(saving: Saving) -> None:
    insert = "insert into call_events (call_sid, call_status, direction) values (%s, 'in-progress', 'inbound')"
    saving.connection.execute(insert, (SID,))
    save_callback(saving.gateway, StatusCallback.from_form(form(1)))
    assert event(saving)[:4] == ("in-progress", "outbound-api", OURS, THEIRS)


def test_of_several_rows_the_best_is_kept_up_to_date_and_none_is_added(saving: Saving) -> None:
    saving.connection.execute(
        "insert into call_events (call_sid, call_status, direction, from_number, to_number) values"
        " (%(sid)s, 'in-progress', 'inbound', null, null), (%(sid)s, 'ringing', 'outbound-api', %(ours)s, %(theirs)s)",
        {"sid": SID, "ours": OURS, "theirs": THEIRS},
    )
    save_callback(saving.gateway, StatusCallback.from_form(form(3)))
    rows = saving.rows("select call_status, from_number from call_events where call_sid = %s order by id", SID)
    assert rows == [("in-progress", None), ("completed", OURS)]


def test_a_recording_alone_is_saved(saving: Saving) -> None:
    save_callback(saving.gateway, StatusCallback.from_form(form(2)))
    only = StatusCallback.from_form({"CallSid": SID, "RecordingSid": "RE2", "RecordingUrl": "https://example.com/RE2"})
    save_callback(saving.gateway, only)
    assert event(saving)[0] == "in-progress" and event(saving)[6] == "RE2"


@pytest.mark.parametrize(
    "shape",
    [
        ("role", "content"),
        ("speaker", "message"),
        ("role", "content", "speaker", "message"),
    ],
)
def test_lines_fit_every_shape_of_the_table(saving: Saving, shape: tuple[str, ...]) -> None:
    gone = [column for column in ("role", "content", "speaker", "message", "message_id") if column not in shape]
    for column in gone:
        saving.connection.execute(f"alter table conversation_transcripts drop column {column}".encode())
    for _ in range(2):
        save_line(saving.gateway, SID, "assistant", "Good morning.", START, None)
        save_line(saving.gateway, SID, "user", "Hello.\n", START - timedelta(seconds=2), None)
    said = saving.rows(f"select {', '.join(shape)} from conversation_transcripts order by timestamp")
    pair = {"role": 0, "speaker": 0, "content": 1, "message": 1}
    spoken = [("user", "Hello."), ("assistant", "Good morning.")]
    assert said == [tuple(line[pair[column]] for column in shape) for line in spoken]


def test_nothing_said_saves_nothing(saving: Saving) -> None:
    assert save_line(saving.gateway, SID, "user", " \n", START) is None
    assert saving.rows("select 1 from conversation_transcripts") == []


def test_nothing_of_it_is_logged(saving: Saving, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    save_callback(saving.gateway, StatusCallback.from_form(form(3)))
    save_line(saving.gateway, SID, "user", "my secret order", START, "m1")
    logged = caplog.text
    assert THEIRS not in logged and "secret order" not in logged


@given(st.dictionaries(st.sampled_from(sorted(form(3))), st.text(max_size=60)))
def test_any_form_is_read_or_refused(fields: dict[str, str]) -> None:
    try:
        callback = StatusCallback.from_form(fields, fields.get("To"))
    except BadInput:
        return
    assert callback.sequence is None or callback.sequence >= 0
    assert callback.status is None or callback.status.isascii()
