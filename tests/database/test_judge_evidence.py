"""Jobs and voices over a real database: what they prove, and that nothing that comes later is missed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from core.app import build
from core.linking import jobs, judge, lookup, matching
from core.linking.jobs import JobResult
from core.model import names, spoken
from core.model.records import Call
from core.settings import Settings
from core.store import backfill
from core.store.gateway import Where
from core.store.postgres import PostgresGateway
from tests.database.conftest import Cluster
from tests.database.outside import add_call, say, sid
from tests.database.outside import add_lead as insert_lead

Connection = psycopg.Connection[Any]
SETTINGS = Settings(own_numbers=("+14155550000",))
NUMBER, OTHER = "+14155552671", "+12125550188"
JOB = JobResult("7", datetime(2026, 3, 1, tzinfo=UTC), "completed", to_number=NUMBER, attempts=1)


def add_lead(connection: Connection, **columns: Any) -> int:
    """A lead that is older than every call."""
    return insert_lead(connection, **{"created_at": "2026-02-01T00:00:00Z", **columns})


def judged(gateway: PostgresGateway, call_sid: str) -> Call:
    judge.run(gateway, SETTINGS)
    (row,) = gateway.select("call_links", where=(Where("call_sid", "eq", call_sid),))
    return Call.from_row(row)


def noted(gateway: PostgresGateway, **changes: Any) -> int:
    fields = {name: getattr(JOB, name) for name in JobResult.__dataclass_fields__}
    return jobs.note(gateway, [JobResult(**{**fields, **changes})])


def test_a_job_result_is_proof(connection: Connection, gateway: PostgresGateway) -> None:
    lead, call_sid = add_lead(connection, phone=OTHER), add_call(connection, 1, counterpart=NUMBER)
    assert judged(gateway, call_sid).cause == "no_matching_lead"
    assert noted(gateway, call_sid=call_sid, lead_id=lead) == 1
    call = judged(gateway, call_sid)
    assert (call.cause, call.cause_leads) == ("link_write_failed", (lead,))
    assert (call.best_lead_id, call.best_confidence, call.best_evidence) == (lead, "certain", "job_result")
    (best,) = matching.candidates(gateway, [call], SETTINGS)[call_sid]
    assert best.evidence[0].source == "job_results/outbound-calls/7@2026-03-01T00:00:00+00:00"
    assert noted(gateway, call_sid=call_sid, lead_id=lead) == 0


def test_a_job_for_a_lead_that_is_gone(connection: Connection, gateway: PostgresGateway) -> None:
    lead, call_sid = add_lead(connection, phone=OTHER), add_call(connection, 1, counterpart=NUMBER)
    same = add_lead(connection, phone=NUMBER)
    noted(gateway, call_sid=call_sid, lead_id=lead)
    assert judged(gateway, call_sid).cause == "link_write_failed"
    connection.execute("delete from leads where id = %s", (lead,))
    call = judged(gateway, call_sid)
    assert (call.cause, call.cause_leads) == ("lead_deleted", (lead,))
    assert (call.best_lead_id, call.best_confidence) == (same, "medium"), "the number's lead is not whom it was for"


def test_a_job_without_a_lead_proves_nothing(connection: Connection, gateway: PostgresGateway) -> None:
    add_lead(connection, phone=NUMBER)
    call_sid = add_call(connection, 1, counterpart=NUMBER)
    noted(gateway, call_sid=call_sid)
    call = judged(gateway, call_sid)
    assert (call.cause, call.best_confidence, call.best_evidence) == ("missed_match", "high", "number_exact")


def test_the_first_dial_of_a_retried_job(connection: Connection, gateway: PostgresGateway) -> None:
    one, two = add_lead(connection, phone=NUMBER), add_lead(connection, phone=NUMBER)
    first, second = add_call(connection, 1, counterpart=NUMBER), add_call(connection, 2, counterpart=NUMBER)
    (at,) = connection.execute("select started_at from calls where call_sid = %s", (first,)).fetchone() or ()
    moments = {
        "job_at": at - timedelta(seconds=2),
        "processed_at": at + timedelta(seconds=3),
        "finished_at": at + timedelta(seconds=9),
    }
    noted(gateway, call_sid=second, lead_id=two, attempts=2, **moments)
    call = judged(gateway, first)
    assert (call.best_lead_id, call.best_confidence, call.best_evidence) == (two, "medium", "job_window")
    assert call.cause == "several_leads"
    found = matching.candidates(gateway, [call], SETTINGS)[first]
    assert [(c.lead_id, c.confidence) for c in found] == [(two, "medium"), (one, "low")]


@pytest.mark.parametrize(
    "changes",
    [
        {"attempts": 1},  # one attempt dials once, and that is its result's call
        {"processed_at": timedelta(seconds=-60)},  # the last attempt was over by then
        {"job_at": timedelta(seconds=60)},  # it was not there yet
        {"to_number": OTHER},
    ],
)
def test_jobs_that_cannot_have_dialled_a_call(
    connection: Connection, gateway: PostgresGateway, changes: dict[str, Any]
) -> None:
    lead, call_sid = add_lead(connection, phone=OTHER), add_call(connection, 1, counterpart=NUMBER)
    (at,) = connection.execute("select started_at from calls where call_sid = %s", (call_sid,)).fetchone() or ()
    moments = {
        "job_at": timedelta(seconds=-2),
        "processed_at": timedelta(seconds=3),
        "finished_at": timedelta(seconds=9),
    }
    given = {"attempts": 2, **moments, **changes}
    noted(
        gateway, call_sid=sid(9), lead_id=lead,
        **{name: at + value if isinstance(value, timedelta) else value for name, value in given.items()},
    )  # fmt: skip
    assert judged(gateway, call_sid).best_lead_id is None


def test_lookup_shows_the_job(connection: Connection, gateway: PostgresGateway) -> None:
    lead, call_sid = add_lead(connection), add_call(connection, 1, counterpart=NUMBER)
    noted(gateway, call_sid=call_sid, lead_id=lead, name="make-call", attempts=2)
    judge.run(gateway, SETTINGS)
    story = lookup.story(gateway, call_sid, SETTINGS, datetime.now(UTC))
    assert story.to_json()["job"]["job_id"] == "7"
    assert story.stages[0].detail == f"Job 7 (make-call) dialled it for lead {lead} in 2 attempts."
    assert story.detail is not None
    assert story.detail.startswith("The job that dialled this call was made for")


def test_a_name_that_was_said_puts_the_right_lead_first(connection: Connection, gateway: PostgresGateway) -> None:
    add_lead(connection, phone=NUMBER, name="James Pereira")
    right = add_lead(connection, phone=NUMBER, name="Zoë Perez")
    call_sid = add_call(connection, 1, counterpart=NUMBER, inbound=True)
    say(connection, call_sid, "assistant", "Hello, my name is James Pereira.")
    say(connection, call_sid, "user", "Hi, this is Zoe Perez.")
    call = judged(gateway, call_sid)
    assert (call.best_lead_id, call.best_confidence, call.cause) == (right, "medium", "several_leads")


def test_another_name_makes_the_number_doubtful(connection: Connection, gateway: PostgresGateway) -> None:
    lead = add_lead(connection, phone=NUMBER, name="James Pereira")
    call_sid = add_call(connection, 1, counterpart=NUMBER, inbound=True)
    assert judged(gateway, call_sid).best_confidence == "high"
    say(connection, call_sid, "user", "Hi, this is James Perez.")
    call = judged(gateway, call_sid)
    assert (call.best_lead_id, call.best_confidence) == (lead, "medium"), "a line that comes later is heard"


@pytest.mark.parametrize(
    ("line", "columns", "kind"),
    [
        ("Hi, this is James Perreira.", {"name": "James Pereira"}, "spoken_full_name"),
        ("My email is ann dot lee at mail dot example dot org", {"email": "Ann.Lee@mail.example.org"}, "spoken_email"),
        ("You can reach me at 212 555 0188.", {"phone": "(212) 555-0188"}, "spoken_number"),
        ("reach me at five five two one nine one five four six eight one six one", {"phone": "21 91546-8161"},
         "spoken_number"),
    ],
)  # fmt: skip
def test_a_lead_that_comes_after_the_call_that_said_so(
    connection: Connection, gateway: PostgresGateway, line: str, columns: dict[str, str], kind: str
) -> None:
    call_sid = add_call(connection, 1, counterpart=None)
    say(connection, call_sid, "user", line)
    assert judged(gateway, call_sid).best_lead_id is None
    lead = add_lead(connection, **columns)
    call = judged(gateway, call_sid)
    assert (call.best_lead_id, call.best_confidence, call.best_evidence) == (lead, "medium", kind)
    (column,) = columns
    connection.execute(f"update leads set {column} = null where id = %s".encode(), (lead,))
    assert judged(gateway, call_sid).best_lead_id is None
    connection.execute("update leads set notes = 'called' where id = %s", (lead,))
    assert connection.execute("select count(*) from judge_marks").fetchone() == (0,), "its keys did not change"


def test_what_was_said_is_not_copied(connection: Connection, gateway: PostgresGateway) -> None:
    call_sid = add_call(connection, 1, counterpart=None)
    say(connection, call_sid, "user", "Hi, this is Ann Lee, my email is ann@x.org.")
    judge.run(gateway, SETTINGS)
    keys = [row[0] for row in connection.execute("select key from call_keys where call_sid = %s", (call_sid,))]
    assert len(keys) == 3
    assert not any("ann" in key or "lee" in key for key in keys)
    connection.execute("update conversation_transcripts set content = 'Hello.' where call_sid = %s", (call_sid,))
    connection.execute("insert into judge_queue (call_sid) values (%s)", (call_sid,))
    judge.run(gateway, SETTINGS)
    assert connection.execute("select count(*) from call_keys").fetchone() == (0,)


def test_a_lead_that_comes_while_a_call_is_in_hand_is_not_missed(
    connection: Connection, gateway: PostgresGateway
) -> None:
    call_sid = add_call(connection, 1, counterpart=None)
    judge.run(gateway, SETTINGS)
    say(connection, call_sid, "user", "Hi, this is Ann Lee.")
    in_hand = gateway.call("judge_batch")
    lead = add_lead(connection, name="Ann Lee")
    gateway.call("judge_batch")  # another judge turns the lead's marks into queue rows and has not written yet
    judgements = [{"call_sid": call_sid, "cause": "no_numbers"}]
    gateway.call("write_judgements", p_queue_ids=in_hand["queue_ids"], p_judgements=judgements)
    assert judged(gateway, call_sid).best_lead_id == lead


@pytest.mark.parametrize(
    "name",
    ["José Nuñez", "Jose\u0301 Nun\u0303ez", "Müller, Jürgen", "Dr. Ann O’Brien Jr.", "  ŁUKASZ  Żak ",
     "Иван", "A, B, C", "Anne-Marie Østergaard", "Ünal ŞAHİN", "İpek Işık", "Đặng Văn Lâm",
     "Nguyễn Thị Hương", "O´Brien", "x" * 300, "Åsa Öberg", "Ãœ", "Mr", ""],
)  # fmt: skip
def test_names_are_folded_alike_in_sql(connection: Connection, name: str) -> None:
    (folded,) = connection.execute("select patchbay_fold(%s)", (name,)).fetchone() or ()
    assert folded == names.fold(name)


def test_keys_are_made_alike_in_sql(connection: Connection) -> None:
    said = spoken.said([spoken.Line(1, 1, "This is José Nuñez, my email is J.Nunez@x.org, call me on 415 555 2671.")])
    (keys,) = connection.execute(
        "select patchbay_lead_keys('+14155552671', 'Jose Nunez', 'j.nunez@X.org; other@x.org')"
    ).fetchone() or ((),)
    assert len(said.keys) == 4
    assert set(keys) - set(said.keys) == {"@" + names.hashed("other@x.org")}
    assert set(said.keys) <= set(keys)


def test_an_installation_of_before_gets_its_keys_in_steps(database_url: str) -> None:
    gateway = PostgresGateway(database_url)
    try:
        with psycopg.connect(database_url, autocommit=True) as connection:
            for number in range(5):
                add_lead(connection, name=f"Ann Lee{number}")
            connection.execute("delete from lead_numbers")
            connection.execute("update patchbay_state set value = '{\"phase\": \"leads\"}' where key = 'lead_keys'")
            assert not backfill.is_filled(gateway)
            assert backfill.fill(gateway)
            assert backfill.is_filled(gateway)
            assert connection.execute("select count(*) from lead_numbers").fetchone() == (10,)
            assert gateway.call("patchbay_install_step", p_batch=10) == 0
    finally:
        gateway.close()


def test_an_older_transcript_table_is_heard_too(pg18: Cluster) -> None:
    with pg18.database(pg18.migrated_database()) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "alter table conversation_transcripts drop column if exists role, drop column if exists content"
        )
        connection.execute("alter table conversation_transcripts add column if not exists speaker text")
        connection.execute("alter table conversation_transcripts add column if not exists message text")
        connection.execute(
            "insert into conversation_transcripts (call_sid, speaker, message) values (%s, 'User', 'This is Ann Lee.')",
            (sid(1),),
        )
        (lines,) = connection.execute("select spoken_lines(array[%s])", (sid(1),)).fetchone() or ({},)
        assert [line["text"] for line in lines[sid(1)]] == ["This is Ann Lee."]


def test_calls_with_endless_transcripts_stay_cheap(connection: Connection) -> None:
    connection.execute(
        "insert into conversation_transcripts (call_sid, role, content) "
        "select %s, 'user', 'This is Ann Lee. ' || repeat('x', 5000) from generate_series(1, 300)",
        (sid(1),),
    )
    (lines,) = connection.execute("select spoken_lines(array[%s])", (sid(1),)).fetchone() or ({},)
    assert len(lines[sid(1)]) == 40
    assert {len(line["text"]) for line in lines[sid(1)]} == {1000}


def test_the_command_line_loads_jobs(db: str, connection: Connection, tmp_path: Any) -> None:
    lead, call_sid = add_lead(connection), add_call(connection, 1, counterpart=NUMBER)
    path = tmp_path / "jobs.json"
    path.write_text(
        f'[{{"id": "1", "timestamp": 1772323200000, "data": {{"to": "{NUMBER}", "lead_id": {lead}}},'
        f' "returnvalue": {{"callSid": "{call_sid}", "lead_id": {lead}}}, "finishedOn": 1772323300000}}, 5]'
    )
    app = build(Settings.load(env={"DATABASE_URL": db}))
    try:
        assert app.linking.load_jobs(path).to_json() == {"read": 1, "malformed": 1, "changed": 1}
        app.linking.judge()
        assert app.linking.call(call_sid).cause in ("link_write_failed", "pending")
    finally:
        app.close()
