"""The queue for pages and command line: scheduling, looking, changing, and what happens when it is away."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.app import build
from core.errors import BadInput, NotAllowed, NotFound, RequestIdReused, Unavailable
from core.outbound.jobs import ScheduleRequest
from core.outbound.processor import Never, Taken
from core.outbound.worker import Pace
from core.settings import Settings
from tests.outbound.conftest import Line, until
from tests.outbound.redis_server import RedisServer
from tests.outbound.test_refused_jobs import add

NUMBER = "+14155550101"
CALL = ScheduleRequest(to=NUMBER)


def test_the_jobs_are_the_backends(line: Line) -> None:
    now = line.queue.schedule(ScheduleRequest(to="(415) 555-0101", lead_id=7, message="Hi", priority="high"))
    later = line.queue.schedule(ScheduleRequest(to=NUMBER, delay=timedelta(minutes=5), priority="low"))
    first, second = line.queue.schedule_many([replace(CALL, batch_index=0), replace(CALL, batch_index=1)])
    assert (now.name, now.type, now.priority, now.state) == ("make-call", "immediate", 1, "waiting")
    assert (later.name, later.type, later.priority, later.state) == ("start-media-stream", "scheduled", 3, "delayed")
    assert (first.name, first.type, second.data["batchIndex"]) == ("start-media-stream", "bulk", 1)
    assert {name: now.data[name] for name in ("to", "message", "lead_id", "priority", "metadata", "type")} == {
        "to": NUMBER, "message": "Hi", "lead_id": 7, "priority": "high", "metadata": {}, "type": "immediate",
    }  # fmt: skip
    raw = next(raw for raw in line.queue.raw_jobs("waiting", 0, 10) if raw["id"] == now.job_id)
    options = ("attempts", "backoff", "priority", "removeOnComplete", "removeOnFail")
    assert {name: raw["opts"][name] for name in options} == {
        "attempts": 3, "backoff": {"type": "exponential", "delay": 2000}, "priority": 1,
        "removeOnComplete": {"age": 604_800, "count": 1000}, "removeOnFail": {"age": 2_592_000},
    }  # fmt: skip
    assert line.queue.counts() == {
        "waiting": 3, "delayed": 1, "active": 0, "completed": 0, "failed": 0, "paused": 0,
    }  # fmt: skip
    assert not now.job_id.isdigit() and ":" not in now.job_id


def test_the_more_urgent_job_comes_first(line: Line) -> None:
    for priority, number in (("low", "+14155550103"), ("normal", "+14155550102"), ("high", "+14155550101")):
        line.queue.schedule(ScheduleRequest(to=number, priority=priority))  # type: ignore[arg-type]
    with line.working(pace=Pace(1, 0, 60)):
        until(lambda: line.queue.counts()["completed"] == 3, "all are done")
    assert [dial["to"][-1] for dial in line.peer.dials] == ["1", "2", "3"]


def test_a_delayed_call_waits_and_can_be_done_now(line: Line) -> None:
    soon = line.queue.schedule(replace(CALL, delay=timedelta(seconds=1)))
    late = line.queue.schedule(replace(CALL, delay=timedelta(hours=1)))
    assert late.due_at is not None and (late.due_at - late.at) == timedelta(hours=1)
    with line.working():
        done = line.until_finished(soon.job_id)
        assert (done.processed_at - done.at).total_seconds() >= 1
        assert line.queue.job(late.job_id).state == "delayed"
        line.queue.promote(late.job_id)
        assert line.until_finished(late.job_id).state == "completed"
    with pytest.raises(NotAllowed, match="completed"):
        line.queue.promote(late.job_id)


def test_a_recurring_call_comes_again(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.queue.schedule(replace(CALL, every=timedelta(minutes=10), key="every ten"))
    (found,) = line.queue.recurring()
    assert found["every"] == 600_000
    page = line.queue.jobs("delayed")
    jobs = [*page.jobs, *line.queue.jobs("waiting").jobs]
    assert [job.name for job in jobs] == ["start-media-stream"]
    if jobs[0].state == "delayed":
        line.queue.promote(jobs[0].job_id)
    with line.working():
        until(lambda: line.peer.dials, "it is dialled")
        until(lambda: line.queue.jobs("delayed").total == 1, "the next one waits")
    assert line.queue.stop_recurring(found["key"] or found["id"])
    assert line.queue.recurring() == []


def test_the_same_key_gives_the_same_job(line: Line) -> None:
    request = replace(CALL, key="click 17", lead_id=line.lead())
    first, second = line.queue.schedule(request), line.queue.schedule(request)
    assert (first.job_id, first.at) == (second.job_id, second.at)
    assert line.queue.counts()["waiting"] == 1
    with pytest.raises(RequestIdReused):
        line.queue.schedule(replace(request, lead_id=None))
    with line.working():
        line.until_finished(first.job_id)
    assert line.queue.schedule(request).state == "completed"
    assert len(line.peer.dials) == 1


def test_the_same_key_again_after_the_queue_forgot(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    request = replace(CALL, key="click 17")
    first = line.queue.schedule(request)
    line.queue.cancel(first.job_id)
    again = line.queue.schedule(request)
    assert (again.job_id, again.in_queue) == (first.job_id, False)
    assert line.queue.counts()["waiting"] == 0


def test_a_key_counts_in_a_bulk_too(line: Line) -> None:
    first = line.queue.schedule(replace(CALL, key="a"))
    line.queue.cancel(first.job_id)
    again, fresh = line.queue.schedule_many([replace(CALL, key="a"), CALL])
    assert (again.job_id, again.in_queue, fresh.state) == (first.job_id, False, "waiting")
    assert line.queue.counts()["waiting"] == 1
    with pytest.raises(RequestIdReused):
        line.queue.schedule_many([replace(CALL, key="a", to="+14155550102"), CALL])
    assert line.queue.counts()["waiting"] == 1


def test_retries_and_cancellations_only_where_they_fit(line: Line) -> None:
    line.peer.behave(NUMBER, lambda request: request.refused(400, 21211, "no"))
    job = line.queue.schedule(CALL)
    with pytest.raises(NotAllowed, match="only a failed one"):
        line.queue.retry(job.job_id)
    with line.working():
        line.until_finished(job.job_id)
    with pytest.raises(NotAllowed, match="not begun"):
        line.queue.cancel(job.job_id)
    assert line.queue.retry(job.job_id).state == "waiting"
    assert line.queue.cancel(job.job_id).job_id == job.job_id
    assert line.queue.job(job.job_id) is None
    for change in (line.queue.retry, line.queue.cancel, line.queue.promote):
        with pytest.raises(NotFound):
            change("no-such-job")


def test_jobs_are_found_by_call_lead_and_number(line: Line) -> None:
    lead = line.lead()
    job = line.queue.schedule(replace(CALL, lead_id=lead))
    other = line.queue.schedule(ScheduleRequest(to="+14155550999"))
    assert [found.job_id for found in line.queue.find(lead_id=lead)] == [job.job_id]
    assert [found.job_id for found in line.queue.find(number="(415) 555-0999")] == [other.job_id]
    with line.working():
        line.until_finished(job.job_id)
    (found,) = line.queue.find(call_sid=line.queue.job(job.job_id).call_sid)
    assert (found.job_id, found.state, found.in_queue) == (job.job_id, "completed", True)
    with pytest.raises(BadInput):
        line.queue.find()
    with pytest.raises(BadInput):
        line.queue.find(number="nobody")


def test_jobs_come_in_pages(line: Line) -> None:
    ids = [add(line, {"to": NUMBER}) for _ in range(3)] + [line.queue.schedule(CALL).job_id for _ in range(4)]
    pages = [line.queue.jobs("waiting", offset, 2) for offset in range(0, 8, 2)]
    assert {page.total for page in pages} == {7}
    assert [job.job_id for page in pages for job in page.jobs] == ids
    assert line.queue.jobs("failed").jobs == ()
    with pytest.raises(BadInput):
        line.queue.jobs("lost")


def test_a_limit_holds_calls_back(line: Line) -> None:
    line.queue.schedule_many([CALL] * 5)
    with line.working(pace=Pace(5, 2, 1)):
        began = time.monotonic()
        until(lambda: line.queue.counts()["completed"] == 5, "all are done")
    assert time.monotonic() - began > 1.5


def test_a_redis_that_is_down_is_told_within_five_seconds_and_nothing_is_queued_twice(
    settings: Settings, tmp_path: Path
) -> None:
    server = RedisServer(tmp_path / "redis")
    app = build(replace(settings, redis_url=server.url))
    request = replace(CALL, key="click 17")
    try:
        app.queue.schedule(CALL)
        server.stop()
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(Unavailable, match=f"Redis at 127.0.0.1:{server.port} does not answer"):
                app.queue.schedule(request)
            assert time.monotonic() - began < 5
        server.start()
        first, second = app.queue.schedule(request), app.queue.schedule(request)
        assert first.job_id == second.job_id
        assert app.queue.counts()["waiting"] == 1
    finally:
        app.close()
        server.stop()


def test_a_redis_that_stands_still_is_told_within_five_seconds(settings: Settings, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    app = build(replace(settings, redis_url=server.url))
    request = replace(CALL, key="click 17")
    try:
        app.queue.counts()
        server.hold(True)
        began = time.monotonic()
        with pytest.raises(Unavailable, match="does not answer"):
            app.queue.schedule(request)
        assert time.monotonic() - began < 5.5
        server.hold(False)
        assert app.queue.schedule(request).state == "waiting"
        assert app.queue.counts()["waiting"] == 1
    finally:
        app.close()
        server.stop()


def test_a_wrong_password_is_said_without_it(settings: Settings, tmp_path: Path) -> None:
    server = RedisServer(tmp_path / "redis")
    server.say(b"CONFIG SET requirepass hunter3\r\n")
    app = build(replace(settings, redis_url=server.url.replace("//", "//:hunter2@")))
    try:
        with pytest.raises(Unavailable) as refused:
            app.queue.counts()
        assert "hunter2" not in f"{refused.value}{refused.value.hint}{app.queue.connection}"
        assert "password" in refused.value.message
    finally:
        app.close()
        server.stop()


@pytest.mark.parametrize(
    "values,hint",
    [
        ({"supabase_url": "https://abc.supabase.co", "supabase_key": "k"}, "REDIS_URL"),
        ({"database_url": "postgresql://u:hunter2@localhost:6543/x"}, "session pooler"),
    ],
)
def test_where_there_can_be_no_queue_the_missing_variable_is_named(values: dict[str, Any], hint: str) -> None:
    app = build(Settings(**values))
    with pytest.raises(Unavailable) as missing:
        app.queue.schedule(CALL)
    assert hint in (missing.value.hint or "")
    assert "hunter2" not in str(missing.value)
    app.close()


def test_redis_is_chosen_by_any_of_its_variables() -> None:
    def url(**env: str) -> str | None:
        return Settings.load(env).redis_url

    assert url() is None
    assert url(REDIS_URL="redis://a:1/2", REDIS_HOST="b") == "redis://a:1/2"
    assert url(REDIS_HOST="b", REDIS_PORT="7000", REDIS_PASSWORD="p@ss/word") == "redis://:p%40ss%2Fword@b:7000/0"
    assert url(REDIS_HOST="::1") == "redis://[::1]:6379/0"
    for wrong in ({"REDIS_URL": "http://x"}, {"REDIS_HOST": "x", "REDIS_PORT": "x"}, {"CALL_WORKER_CONCURRENCY": "0"}):
        with pytest.raises(BadInput):
            Settings.load(wrong)


@pytest.mark.parametrize(
    "url", ["redis://:pa#ss@localhost:6379", "redis://:pass/word@localhost", "http://x", "redis://h:0"]
)
def test_an_address_of_redis_that_cannot_be_read_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(BadInput, match="REDIS_URL cannot be read") as refused:
        Settings.load(env={"REDIS_URL": url})
    assert "pa" not in str(refused.value).replace("password", "")


def test_a_closed_queue_can_be_used_again(line: Line) -> None:
    line.queue.schedule(CALL)
    line.queue.close()
    line.queue.close()
    assert line.queue.counts()["waiting"] == 1


def test_a_worker_that_is_told_to_end_leaves_no_job_behind(line: Line) -> None:
    """At any moment: jobs are done or wait, none stays with a worker that is gone."""
    jobs = [line.queue.schedule(CALL).job_id for _ in range(60)]
    for round_ in range(12):
        with line.working(pace=Pace(2, 0, 60)):
            time.sleep(0.02 * (round_ % 4))
        counts = line.queue.counts()
        assert counts["active"] == 0, f"round {round_}"
        assert counts["waiting"] + counts["completed"] == len(jobs)
    assert line.queue.counts()["failed"] == 0


def test_what_another_worker_failed_needs_a_persons_word(line: Line) -> None:
    """The backend's worker leaves no attempt, and not every failure of its comes before dialling."""
    job = line.queue.schedule(CALL)

    def fails(_: Taken) -> None:
        raise Never("read ECONNRESET")

    with line.doing(fails):
        assert line.until_finished(job.job_id).perhaps_dialled
    with pytest.raises(NotAllowed, match="Nothing tells"):
        line.queue.retry(job.job_id)
    assert line.queue.retry(job.job_id, perhaps_dialled=True).state == "waiting"


def test_a_job_that_was_scheduled_in_a_simulation_is_never_dialled(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.outbound.worker.HANDED_BACK_SECONDS", 0.01)
    job = line.queue.schedule(replace(CALL, simulated=True))
    with line.working():
        failed = line.until_finished(job.job_id)
    assert failed.failure.startswith("Not dialled: It was scheduled where calls are only simulated")
    assert not failed.perhaps_dialled and not line.peer.dials
