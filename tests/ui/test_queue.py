"""Queue: who works it, jobs of every state with their calls, search, retry, do now, cancel, many at once."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from streamlit.testing.v1 import AppTest

from core.access import Identity
from core.app import App, build
from core.errors import NotAllowed
from core.linking.jobs import JobResult
from core.outbound.attempts import Claim
from core.outbound.connection import QueueConnection
from core.outbound.harvest import Harvest
from core.outbound.jobs import QUEUE, Job, ScheduleRequest
from core.outbound.processor import Never, Taken
from core.outbound.queue import OutboundQueue, Workers
from core.outbound.worker import CallWorker, Pace
from core.settings import Settings
from dashboard import queue_reads, queue_runs
from tests.outbound.redis_server import RedisServer
from tests.ui.conftest import ANA, BEN, CURRENT, FORMAT, Console, keys_of, press, text_of

ANAS, BENS = "+14155550101", "+14155550102"
SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2VjcmV0"


@pytest.fixture(autouse=True)
def nobody_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever other tests of this process left running."""
    monkeypatch.setattr(queue_reads, "dialling_here", lambda: False)


def wait(world: App, to: str = ANAS, lead: int | None = ANA, **more: Any) -> Job:
    return world.queue.schedule(ScheduleRequest(to=to, lead_id=lead, **more))


class Script:
    """A processor that does with each job what a test says."""

    def __init__(self, does: Callable[[Taken], Mapping[str, Any]]) -> None:
        self.process = does


def work(world: App, does: Callable[[Taken], Mapping[str, Any]]) -> None:
    """Let a real worker take every job that waits."""
    worker = CallWorker(world.queue.connection, cast(Any, Script(does)), Pace(5, 0, 60))
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    end = time.monotonic() + 60
    while world.queue.counts()["waiting"] or world.queue.counts()["active"] or not worker.running:
        assert time.monotonic() < end
        time.sleep(0.03)
    worker.stop()
    thread.join(15)
    Harvest(world.queue, world.gateway).collect()


def fails(words: str) -> Callable[[Taken], Mapping[str, Any]]:
    def process(_: Taken) -> Mapping[str, Any]:
        raise Never(words)

    return process


def dials(call_sid: str) -> Callable[[Taken], Mapping[str, Any]]:
    return lambda job: {"success": True, "callSid": call_sid, "to": job.data["to"], "lead_id": job.data.get("lead_id")}


def rows_of(visit: AppTest) -> list[dict[str, str]]:
    return list(visit.dataframe[0].value.to_dict("records"))


def state_of(world: App, job: Job) -> str | None:
    found = world.queue.job(job.job_id)
    return found.state if found else None


# Who works, and how much there is -------------------------------------------------------------------------------------


def test_an_empty_queue_says_so_and_leads_to_a_test_call(console: Console) -> None:
    visit = console("queue")
    words = text_of(visit)
    assert "Simulated carrier: nothing is dialled." in words
    assert "No jobs yet" in words
    assert "Nobody takes jobs." in words and "python -m core worker" in words
    assert "Place a test call through the queue" in words
    tabs = {link.label for link in visit.get("page_link")}
    assert tabs >= {"**0** All", "**0** Waiting", "**0** Completed", "**0** Recurring", "Call unlinked"}


def test_it_says_who_works(console: Console, monkeypatch: pytest.MonkeyPatch, world: App) -> None:
    monkeypatch.setattr(OutboundQueue, "workers", lambda _: Workers(ours=True, theirs=True))
    assert "Worked outside this app: Patchbay’s worker and the backend’s worker" in text_of(console("queue"))
    monkeypatch.setattr(OutboundQueue, "workers", lambda _: None)
    queue_reads.clear()
    assert "does not tell who works it" in text_of(console("queue"))
    monkeypatch.setattr(queue_reads, "dialling_here", lambda: True)
    wait(world)
    work(world, dials(CURRENT))
    queue_reads.clear()
    words = text_of(console("queue"))
    assert "Worked by this app" in words
    assert "last job taken" in words


def test_with_an_account_nothing_is_said_of_a_simulation(world: App, db: str, serve: Any) -> None:
    account = {"TWILIO_ACCOUNT_SID": "AC" + "0" * 32, "TWILIO_AUTH_TOKEN": "x"}
    app = build(Settings.load(env={"DATABASE_URL": db, **account}))
    assert "Simulated" not in text_of(serve(app)("queue"))
    app.close()


# Lists, search, one job -----------------------------------------------------------------------------------------------


def test_each_state_is_a_list_of_its_own(console: Console, world: App) -> None:
    wait(world, priority="high")
    wait(world, BENS, BEN, delay=timedelta(hours=3))
    visit = console("queue", state="waiting")
    (row,) = rows_of(visit)
    assert row["kind"] == "immediate · high"
    assert row["lead"].endswith("#Lead 1 · Ana Ortiz")
    assert row["to"] == "+1 415 555 0101"
    (row,) = rows_of(console("queue", state="delayed"))
    assert row["when"].startswith("due in 2 h")
    assert len(rows_of(console("queue"))) == 2
    assert "Nothing has failed" in text_of(console("queue", state="failed"))


def test_a_call_is_shown_with_its_link_and_repaired_from_here(console: Console, world: App) -> None:
    wait(world, BENS, BEN)
    work(world, dials(FORMAT))
    visit = console("queue", state="unlinked")
    (row,) = rows_of(visit)
    assert row["call"].endswith("CA11…1111 ○ unlinked")
    assert row["state"] == "✓ completed"
    words = text_of(visit)
    assert "Repair the link" in words
    assert "waited" in words and "worked" in words
    world.linking.link(FORMAT, BEN)
    queue_reads.clear()
    assert "Every job’s call is tied to a lead" in text_of(console("queue", state="unlinked"))
    (row,) = rows_of(console("queue", state="completed"))
    assert row["call"].endswith("✓ current")


def test_jobs_are_found_by_sid_number_lead_and_id(console: Console, world: App) -> None:
    job = wait(world)
    wait(world, BENS, BEN)
    work(world, lambda taken: dials(CURRENT if taken.job_id == job.job_id else FORMAT)(taken))
    for text in (CURRENT, f"Error in call {CURRENT} at 12:00", "(415) 555-0101", "lead 1", "1", job.job_id):
        visit = console("queue", q=text)
        assert [row["id"] for row in rows_of(visit)] == [job.job_id], text
    assert "No job fits" in text_of(console("queue", q="nothing-like-it"))
    visit = press(console("queue", q="nothing-like-it"), "queue.clear_empty")
    assert len(rows_of(visit)) == 2


def test_what_the_queue_has_forgotten_is_still_listed(console: Console, world: App) -> None:
    world.linking.note_jobs(
        [JobResult.from_bullmq({
            "id": "17", "name": "make-call", "timestamp": 1_790_000_000_000, "state": "completed", "attemptsMade": 1,
            "data": {"to": ANAS, "lead_id": 99, "type": "immediate"}, "returnvalue": {"callSid": CURRENT},
            "processedOn": 1_790_000_001_000, "finishedOn": 1_790_000_001_500,
        })]
    )  # fmt: skip
    visit = console("queue")
    (row,) = rows_of(visit)
    assert row["lead"].endswith("#Lead 99 (deleted)")
    words = text_of(visit)
    assert "forgotten by the queue" in words
    assert "Lead 99 has been deleted" in words
    assert all(visit.button(key=f"queue.{action}").disabled for action in ("retry", "promote", "cancel"))
    shared = text_of(console("queue", state="failed", job="17@1790000000000"))
    assert "Nothing has failed" in shared
    wait(world)
    assert "Lead 99 has been deleted" in text_of(console("queue", state="waiting", job="17@1790000000000"))
    assert "Nothing is known of the job" in text_of(console("queue", state="waiting", job="18@1790000000000"))


def kept(number: int, state: str, minutes: int, **more: Any) -> JobResult:
    """A job that ended so many minutes ago, and that the queue has forgotten."""
    at = 1_790_000_000_000 - minutes * 60_000
    data = {"to": ANAS, "lead_id": ANA, "type": "immediate"}
    bull = {"id": str(number), "name": "make-call", "timestamp": at - 86_400_000 * (minutes % 2), "state": state,
            "attemptsMade": 1, "data": data, "processedOn": at - 500, "finishedOn": at}  # fmt: skip
    return JobResult.from_bullmq({**bull, **more})


def labels(visit: AppTest) -> set[str]:
    return {link.label for link in visit.get("page_link")}


def test_tabs_count_what_their_lists_show_also_what_the_queue_has_forgotten(console: Console, world: App) -> None:
    world.linking.note_jobs([kept(n, "completed", n, returnvalue={"callSid": CURRENT}) for n in range(1, 4)])
    world.linking.note_jobs([kept(9, "failed", 9, failedReason="Failed to initiate call: socket hang up")])
    wait(world, BENS, BEN)
    work(world, fails("Not dialled: Twilio is not available."))
    wait(world, BENS, BEN, delay=timedelta(hours=1))
    for view, number in (("all", 6), ("completed", 3), ("failed", 2), ("delayed", 1), ("waiting", 0)):
        visit = console("queue", state=view)
        assert f"**{number}** {view.capitalize()}" in labels(visit)
        assert len(rows_of(visit)) == number if number else not visit.dataframe
    visit = console("queue", state="completed")
    assert [row["id"] for row in rows_of(visit)] == ["1", "2", "3"], "the last one that ended comes first"
    assert "the queue itself still has none of them" in text_of(visit)
    assert "the queue itself still has 1 of them" in text_of(console("queue", state="failed"))
    assert console("queue", state="failed").button(key="queue.bulk.retry").label == "Retry 1 job…"


def test_many_kept_jobs_are_counted_now_and_then_and_a_whole_list_right(
    console: Console, world: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_reads, "MANY", 1)
    world.linking.note_jobs([kept(n, "completed", n) for n in range(1, 4)])
    assert "**3** Completed" in labels(console("queue"))
    world.linking.note_jobs([kept(9, "failed", 9)])
    queue_reads.clear()
    assert "**0** Failed" in labels(console("queue", state="completed")), "not counted again yet"
    queue_reads.clear()
    visit = console("queue", state="failed")
    assert "**1** Failed" in labels(visit) and len(rows_of(visit)) == 1


def test_a_list_that_is_older_than_its_count_says_so(console: Console, world: App) -> None:
    wait(world)
    visit = console("queue", state="waiting")
    assert "queue.newer" not in keys_of(visit)
    wait(world, BENS, BEN)
    queue_reads.clear()
    assert "**2** Waiting" in labels(visit.run()) and len(rows_of(visit)) == 2, "a whole run reads the list again"


def test_pages_of_finished_jobs_follow_each_other(world: App) -> None:
    world.linking.note_jobs([kept(n, "completed", n) for n in range(1, 8)])
    board = queue_reads.Board(world.queue, world.gateway, "US")
    seen, after = [], None
    while True:
        page = board.finished("completed", after, 3)
        seen += [entry.job.job_id for entry in page.entries]
        after = page.following
        if after is None:
            break
    assert seen == [str(n) for n in range(1, 8)]
    assert board.known() == {"all": 7, "completed": 7, "failed": 0}


def test_a_job_that_was_put_back_says_so_among_the_failed(console: Console, world: App) -> None:
    job = wait(world)
    work(world, fails("Not dialled: Twilio is not available."))
    world.queue.retry(job.job_id)
    queue_reads.clear()
    visit = console("queue", state="failed")
    (row,) = rows_of(visit)
    assert row["outcome"] == "↻ put back: ○ waiting"
    assert "queue.bulk.retry" not in keys_of(visit)


def test_a_call_that_is_tied_to_another_lead_than_the_job_s_is_named(console: Console, world: App) -> None:
    world.linking.note_jobs(
        [kept(5, "completed", 5, data={"to": BENS, "lead_id": BEN}, returnvalue={"callSid": CURRENT})]
    )
    visit = console("queue", state="completed")
    assert rows_of(visit)[0]["call"].endswith("! lead 1")
    words = text_of(visit)
    assert "Its call is tied to lead 1; the job was made for lead 2." in words
    assert "Compare the leads" in labels(visit)


def test_a_job_for_a_worker_with_an_account_says_what_it_waits_for(console: Console, world: App) -> None:
    wait(world)
    assert "It waits for a worker with a Twilio account" not in text_of(console("queue", state="waiting"))
    world.queue._simulated = False
    wait(world, BENS, BEN)
    queue_reads.clear()
    last = queue_reads.page("waiting", None).entries[-1]
    assert "It waits for a worker with a Twilio account" in text_of(console("queue", state="waiting", job=last.key))


def test_credentials_in_a_job_are_never_shown(console: Console, world: App, connection: Any) -> None:
    job = wait(world, metadata={"supabaseKey": SECRET, "note": f"Bearer {SECRET}", "campaign": "spring"})
    visit = console("queue", state="waiting")
    words = text_of(visit)
    assert SECRET not in words and "eyJ" not in words
    assert "[redacted]" in words and "spring" in words
    assert "backoff" in words, "the job's options are shown"
    assert job.job_id in words


def test_a_failure_is_said_in_words_with_what_to_do(console: Console, world: App) -> None:
    wait(world)
    work(world, fails("Not dialled: The Twilio account may not call this country or region."))
    words = text_of(console("queue", state="failed"))
    assert "✗ The Twilio account may not call this country or region.</b>" in words
    assert "Nothing was dialled." in words
    assert "Geo permissions. Then retry it." in words


def test_how_far_dialling_got(console: Console, world: App) -> None:
    job = wait(world)
    token = "11111111-1111-4111-8111-111111111111"
    attempt = world.attempts.claim(Claim(QUEUE, job.job_id, job.at, token, ANAS, ANA))
    assert "dialling" in text_of(console("queue", state="waiting"))
    world.attempts.settle(attempt.attempt_id, "unknown", "The answer was lost.")
    queue_reads.clear()
    words = text_of(console("queue", state="waiting"))
    assert "unknown: perhaps dialled" in words and "The answer was lost." in words
    assert "never dialled again" in words


# One action -----------------------------------------------------------------------------------------------------------


def test_a_failed_job_is_put_back(console: Console, world: App) -> None:
    job = wait(world)
    work(world, fails("Not dialled: Twilio is not available."))
    visit = press(console("queue", state="failed"), "queue.retry")
    assert "back into the queue with 3 tries" in text_of(visit)
    assert state_of(world, job) == "failed", "nothing is done before it is confirmed"
    visit = press(visit, "queue.confirm")
    assert state_of(world, job) == "waiting"
    assert "is back in the queue" in visit.toast[0].value


def test_a_job_that_perhaps_dialled_needs_a_person_s_word(console: Console, world: App) -> None:
    job = wait(world)
    work(world, fails("job stalled more than allowable limit"))
    visit = console("queue", state="failed")
    words = text_of(visit)
    assert "The worker that had it ended or hung." in words
    assert "Whether anybody was called is not known" in words and "Ask the carrier for calls to this number" in words
    visit = press(visit, "queue.retry")
    assert visit.button(key="queue.confirm").disabled
    visit = visit.checkbox(key="queue.sure").check().run()
    press(visit, "queue.confirm")
    assert state_of(world, job) == "waiting"


def test_a_dialled_job_is_never_tried_again(console: Console, world: App) -> None:
    job = wait(world)
    token = "11111111-1111-4111-8111-111111111111"
    attempt = world.attempts.claim(Claim(QUEUE, job.job_id, job.at, token, ANAS, ANA))
    world.attempts.place(attempt.attempt_id, FORMAT, datetime.now(UTC))
    work(world, fails("The worker broke."))
    button = console("queue", state="failed").button(key="queue.retry")
    assert button.disabled
    assert "was dialled" in button.help


def test_a_delayed_job_is_done_now_or_cancelled(console: Console, world: App) -> None:
    job = wait(world, BENS, BEN, delay=timedelta(hours=3))
    visit = press(console("queue", state="delayed"), "queue.promote")
    assert "+1 415 555 0102 for lead 2 as soon as it is free" in text_of(visit)
    visit = press(visit, "queue.confirm")
    assert state_of(world, job) == "waiting"
    visit = press(console("queue", state="waiting"), "queue.cancel")
    words = text_of(visit)
    assert "cannot be taken back" in words
    assert "automation may schedule it again" in words
    visit = press(visit, "queue.leave")
    assert state_of(world, job) == "waiting"
    press(press(visit, "queue.cancel"), "queue.confirm")
    assert state_of(world, job) is None
    assert [row["state"] for row in rows_of(console("queue"))] == ["– taken out"]


def test_what_moved_on_meanwhile_is_refused_in_words(console: Console, world: App) -> None:
    job = wait(world)
    visit = press(console("queue", state="waiting"), "queue.cancel")
    work(world, dials(CURRENT))
    visit = press(visit, "queue.confirm")
    assert "The job is completed: only one that has not begun can be cancelled." in visit.error[0].value.replace(
        "\\", ""
    )
    assert state_of(world, job) == "completed"


def test_a_recurring_call_is_ended(console: Console, world: App) -> None:
    wait(world, every=timedelta(hours=24))
    visit = console("queue", state="recurring")
    assert "every 24h 00m" in text_of(visit)
    (key,) = (key for key in keys_of(visit) if key.startswith("queue.end."))
    visit = press(press(visit, key), "queue.confirm")
    assert world.queue.recurring() == []
    assert "Nothing recurs" in text_of(visit)


def test_viewers_act_on_nothing(console: Console, world: App, monkeypatch: pytest.MonkeyPatch) -> None:
    wait(world, delay=timedelta(hours=3))
    wait(world, every=timedelta(hours=24))
    monkeypatch.setattr("dashboard.identity.current_actor", lambda *, touch=False: Identity("vera", "viewer"))
    visit = console("queue", state="delayed")
    assert all(visit.button(key=f"queue.{action}").disabled for action in ("retry", "promote", "cancel"))
    assert not [key for key in keys_of(visit) if key.startswith("queue.bulk")]
    visit = console("queue", state="recurring")
    assert all(visit.button(key=key).disabled for key in keys_of(visit) if key.startswith("queue.end."))
    assert console("queue", state="delayed", bulk="cancel").button(key="queue.bulk_do").disabled
    with pytest.raises(NotAllowed):
        queue_reads.board().act("cancel", queue_reads.page("delayed", None).entries[0].key)


# Many at once ---------------------------------------------------------------------------------------------------------


def until_ended(visit: AppTest) -> AppTest:
    run_id = "".join(visit.query_params["run"])
    end = time.monotonic() + 60
    while (run := queue_runs.find(run_id)) is None or run.ended_at is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    return visit.run()


def test_all_that_is_filtered_is_put_back_but_for_what_may_not_be(console: Console, world: App) -> None:
    plain = [wait(world) for _ in range(3)]
    perhaps, wrong = wait(world, BENS, BEN), wait(world, BENS, BEN)
    why = {
        perhaps.job_id: "job stalled more than allowable limit",
        wrong.job_id: "Not dialled: The number to call is not valid.",
    }

    def process(job: Taken) -> Mapping[str, Any]:
        return fails(why.get(job.job_id, "Not dialled: no way."))(job)

    work(world, process)
    visit = console("queue", state="failed")
    assert visit.button(key="queue.bulk.retry").label == "Retry 5 jobs…"
    visit = press(visit, "queue.bulk.retry")
    words = text_of(visit)
    assert "3 jobs would be put back into the queue" in words
    assert "Left alone: 2 jobs" in words and "Nothing tells whether it was dialled" in words
    assert "tried again it would fail again" in words
    assert world.queue.counts()["failed"] == 5
    visit = until_ended(press(visit, "queue.bulk_do"))
    words = text_of(visit)
    assert "<b>3 jobs put back</b>" in words and "2 left alone from the start" in words
    assert [state_of(world, job) for job in plain] == ["waiting"] * 3
    assert state_of(world, perhaps) == "failed"


def test_what_moves_on_during_a_run_is_listed(console: Console, world: App) -> None:
    wait(world)
    gone = wait(world, BENS, BEN)
    visit = press(console("queue", state="waiting"), "queue.bulk.cancel")
    assert "2 jobs would be taken out of the queue" in text_of(visit)
    world.queue.cancel(gone.job_id)
    visit = until_ended(press(visit, "queue.bulk_do"))
    words = text_of(visit)
    assert "<b>1 job cancelled</b>" in words and "Refused: 1 job" in words
    assert world.queue.counts()["waiting"] == 0
    assert "queue.back" in keys_of(visit)


def test_a_search_narrows_what_is_done(console: Console, world: App) -> None:
    mine, other = wait(world), wait(world, BENS, BEN)
    visit = press(console("queue", q="lead 1"), "queue.bulk.cancel")
    assert "those that lead 1 finds" in text_of(visit)
    until_ended(press(visit, "queue.bulk_do"))
    assert (state_of(world, mine), state_of(world, other)) == (None, "waiting")


def test_nothing_is_done_with_everything_at_once(console: Console, world: App) -> None:
    wait(world)
    assert not [key for key in keys_of(console("queue")) if key.startswith("queue.bulk")]
    assert "There is nothing to do" in text_of(console("queue", bulk="cancel"))
    assert "no such action" in text_of(console("queue", state="waiting", bulk="explode"))
    assert "This server knows nothing of it" in text_of(console("queue", run="0" * 12))


# The queue is away ----------------------------------------------------------------------------------------------------


@pytest.fixture
def away(world: App, db: str, serve: Callable[[Any], Console], free_port: int) -> Iterator[Console]:
    """A console whose queue is a Redis that nobody started, over the same database."""
    wait(world)
    app = build(Settings.load(env={"DATABASE_URL": db, "REDIS_URL": f"redis://:hush@127.0.0.1:{free_port}/0"}))
    yield serve(app)
    app.close()


def test_a_queue_that_is_away_is_said_and_the_rest_goes_on(away: Console) -> None:
    visit = away("queue")
    (error,) = visit.error
    assert "does not answer" in error.value and "Check REDIS" in error.value.replace("\\", "")
    assert "hush" not in text_of(visit) + error.value
    assert [row["state"] for row in rows_of(visit)] == ["○ waiting"], "what was kept is listed"
    assert "as last known" in text_of(visit)
    assert "The queue does not answer" in text_of(visit)
    assert "Nothing has failed" in text_of(away("queue", state="failed")), "what was kept can be read"
    visit = away("queue", state="waiting")
    assert "This list cannot be read now" in text_of(visit)
    assert len(visit.error) == 1
    for page in ("overview", "unlinked", "system"):
        assert not away(page).error, page


def test_without_any_place_for_a_queue_it_says_what_to_set(world: App, db: str, serve: Any) -> None:
    queue = OutboundQueue(lambda: QueueConnection.of(Settings(), None), world.gateway, region="US")
    visit = serve(replace(world, queue=queue))("queue")
    assert "Set REDIS" in visit.error[0].value.replace("\\", "")


# A real backend's queue -----------------------------------------------------------------------------------------------


def test_jobs_of_a_real_backend_are_shown_without_its_credentials(
    world: App, db: str, serve: Callable[[Any], Console], captured_data: Path, tmp_path: Path
) -> None:
    redis = RedisServer(tmp_path / "redis", captured_data / "redis_retained.rdb")
    app = build(Settings.load(env={"DATABASE_URL": db, "REDIS_URL": redis.url}))
    try:
        Harvest(app.queue, app.gateway).collect()
        counts = app.queue.counts()
        seen = 0
        for state in ("waiting", "delayed", "active", "completed", "failed"):
            if not counts[state]:
                continue
            for entry in queue_reads.Board(app.queue, app.gateway, "US").page(state, 0, 50).entries:
                told = json.dumps([entry.job.data, entry.job.returnvalue, entry.job.options, entry.job.failure])
                assert "eyJ" not in told and "://" not in told
                seen += 1
            visit = serve(app)("queue", state=state)
            assert not visit.error and len(rows_of(visit)) == min(counts[state], 50)
            assert "eyJ" not in text_of(visit) and "supabase.co" not in text_of(visit)
        assert seen
        assert "Call" in text_of(serve(app)("queue", state="unlinked"))
    finally:
        app.close()
        redis.stop()
