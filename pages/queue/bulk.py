"""One action on every job that a filter finds, as a mode of the Queue page.

``/queue?state=failed&bulk=retry``: what it would do. ``/queue?run=ID``: how far it is, and what it did; any window of
this server may open it.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import cast

import streamlit as st

from core.outbound.board import FITTING, Action, BoardPage, Entry, obstacle
from dashboard import (
    formatting,
    go_ahead,
    grid,
    identity,
    links,
    queue_actions,
    queue_failures,
    queue_reads,
    queue_runs,
    queue_words,
    state,
)
from dashboard.guard import guarded
from dashboard.queue_runs import Run
from pages.queue import head, table

PLAN, GO = "queue.bulk_plan", "queue.bulk_go"
MOST_LISTED = 200
FOLLOW_SECONDS = 1.0
NO_NUMBER = "Its number is none: tried again it would fail again. Correct the number and schedule a new call"
PERHAPS = "Nothing tells whether it was dialled: look at it by itself"


def wanted() -> bool:
    """Whether the address asks for a preview or a run."""
    return bool(links.param("run") or links.param("bulk"))


def offer(found: BoardPage, view: str, text: str | None) -> None:
    """The actions that fit what is filtered; for everything at once there is none."""
    if not identity.may_write() or (not text and view in ("all", "unlinked")):
        return
    states = {entry.job.state for entry in found.entries if entry.job.in_queue}
    fitting = [action for action in queue_actions.ACTIONS if states & set(FITTING[action])]
    with st.container(key="queue_bulk", horizontal=True, vertical_alignment="center", gap="small"):
        for action in fitting:
            number = sum(entry.job.state in FITTING[action] for entry in found.entries)
            whole = number if text else min(queue_reads.pulse().counts.get(view) or number, queue_reads.MOST_AT_ONCE)
            st.button(
                f"{queue_words.BULK_WORDS[action]} {formatting.count(whole, 'job')}…",
                key=f"queue.bulk.{action}",
                icon=queue_words.ACTION_ICONS[action],
                on_click=_ask,
                args=(action,),
                help="Every job that is listed here, on all pages; shows first what it would do",
            )


def show() -> None:
    """The preview, or the run."""
    with st.container(key="queue_heading", horizontal=True, vertical_alignment="center"):
        st.title("Many jobs at once", anchor=False, width="content")
        st.button("Back to the list", key="queue.back", type="tertiary", icon=":material/arrow_back:", on_click=leave)
    head.banner()
    run_id = links.param("run")
    if run_id:
        _run(run_id)
    else:
        _preview()


def leave() -> None:
    """Back to the list. Serves as ``on_click``."""
    _forget()
    queue_reads.clear()
    links.write_params({name: value for name, value in links.params().items() if name not in ("bulk", "run", "job")})


def _ask(action: str) -> None:
    _forget()
    kept = {name: value for name, value in links.params().items() if name not in ("job", "after")}
    links.write_params({**kept, "bulk": (action,)})


def _forget() -> None:
    state.set_value(PLAN, None)
    state.set_value(GO, None)


def _preview() -> None:
    named = links.param("bulk")
    if named not in queue_actions.ACTIONS:
        st.info("There is no such action on jobs: go back to the list.", icon=":material/info:")
        return
    action = cast(Action, named)
    would, reasons = _plan(action)
    st.html(f'<p class="pb-line"><span class="pb-muted">Which jobs:</span> <b>{escape(_chosen())}</b></p>')
    if not would:
        st.html('<p class="pb-line"><b>There is nothing to do.</b></p>')
    else:
        words = f"{formatting.count(len(would), 'job')} {queue_words.BULK_WOULD[action]}"
        st.html(f'<p class="pb-line"><b>{escape(words)}.</b></p>')
        _confirm(action, would, sum(reasons.values()))
        shown = would[:MOST_LISTED]
        columns = {name: table.COLUMNS[name] for name in ("state", "when", "kind", "lead", "to", "outcome", "id")}
        alt = "The jobs that it would be done with"
        grid.table(table.rows(shown, columns, datetime.now(UTC)), columns, key="queue.bulk_rows", alt=alt, most=12)
        if len(would) > len(shown):
            st.html(f'<p class="pb-line pb-muted">The first {len(shown)} of {len(would):,} are shown.</p>')
    if reasons:
        st.header(f"Left alone: {formatting.count(sum(reasons.values()), 'job')}", anchor=False)
        st.html(queue_words.by_reason(reasons))


def _plan(action: Action) -> tuple[list[Entry], Counter[str]]:
    """What is shown is what is done: the plan is kept until something else is asked for."""
    asked = (action, _chosen())
    kept: tuple[object, tuple[list[Entry], Counter[str]]] | None = state.value(PLAN)
    if kept is not None and kept[0] == asked:
        return kept[1]
    would: list[Entry] = []
    reasons: Counter[str] = Counter()
    for entry in _listed():
        why = obstacle(entry, action) or (_in_vain(entry) if action == "retry" else None)
        if why is None:
            would.append(entry)
        else:
            reasons[why.split(": CA")[0]] += 1
    state.set_value(PLAN, (asked, (would, reasons)))
    return would, reasons


def _in_vain(entry: Entry) -> str | None:
    """Why a job is not retried with many others, although it can be by itself."""
    if entry.perhaps_dialled:
        return PERHAPS
    failed = queue_failures.of(entry)
    return NO_NUMBER if failed is not None and failed.code in queue_failures.NO_NUMBER else None


def _listed() -> Sequence[Entry]:
    text = links.param("q")
    if text:
        return queue_reads.board().find(text).entries
    return (
        queue_reads.board().all_of(head.view(), queue_reads.MOST_AT_ONCE) if head.view() in queue_reads.STATES else ()
    )


def _chosen() -> str:
    text = links.param("q")
    if text:
        return f"those that {formatting.clip(text, 60)} finds"
    return f"all {head.view()} jobs that the queue has, at most {queue_reads.MOST_AT_ONCE:,}"


def _confirm(action: Action, would: Sequence[Entry], left_out: int) -> None:
    if go_ahead.asked(GO):
        keys = [entry.key for entry in would]
        run = queue_runs.start(queue_reads.board(), action, keys, chosen=_chosen(), left_out=left_out)
        _forget()
        kept = {name: value for name, value in links.params().items() if name != "bulk"}
        links.write_params({**kept, "run": (run.run_id,)})
        st.rerun()
    go_ahead.button(
        f"{queue_words.BULK_WORDS[action]} {formatting.count(len(would), 'job')}",
        key="queue.bulk_do",
        order=GO,
        icon=queue_words.ACTION_ICONS[action],
        says="It can be stopped; what is done by then stays done",
    )


def _run(run_id: str) -> None:
    run = queue_runs.find(run_id)
    if run is None:
        words = "This server knows nothing of it: it was restarted, or a hundred others have followed."
        st.info(words, icon=":material/info:")
        return
    st.html(
        f'<p class="pb-line"><span class="pb-muted">Which jobs:</span> <b>{escape(run.chosen)}</b> '
        f'<span class="pb-muted">by {escape(formatting.clip(run.actor, 60))}</span></p>'
    )
    if run.ended_at is None:
        _follow(run_id)
    else:
        _outcome(run)


@st.fragment(run_every=FOLLOW_SECONDS)
@guarded
def _follow(run_id: str) -> None:
    """The bar, moving by itself until the run has come to its end."""
    run = queue_runs.find(run_id)
    if run is None or run.ended_at is not None:
        queue_reads.clear()
        st.rerun()
        return
    with st.container(width=760):
        words = f"{run.seen:,} of {formatting.count(len(run.keys), 'job')}"
        st.progress(run.seen / max(len(run.keys), 1), text=words)
    if identity.may_write() and not run.stopped_by:
        who = identity.current_actor().name
        st.button("Stop", key="queue.stop", icon=":material/stop:", on_click=queue_runs.stop, args=(run_id, who))
        st.html('<span class="pb-line pb-muted">You may close this window: it goes on without it.</span>')


def _outcome(run: Run) -> None:
    whole = run.seen == len(run.keys)
    look, mark = ("pb-ok", "✓ done") if whole and not run.broken else ("pb-wait", "■ stopped")
    words = [
        f'<span class="pb-chip {look}">{mark}</span>',
        f"<b>{formatting.count(run.done, 'job')} {queue_words.BULK_DONE[run.action]}</b>",
        f"{len(run.refused):,} refused",
        f"{run.left_out:,} left alone from the start",
        escape(formatting.relative(run.ended_at)),
    ]
    st.html(f'<p class="pb-line">{" · ".join(words)}</p>')
    if run.broken:
        st.error(formatting.plain(run.broken), icon=":material/cloud_off:")
    elif run.stopped_by:
        st.html(f'<p class="pb-line">Stopped by {escape(formatting.clip(run.stopped_by, 60))}.</p>')
    if run.refused:
        st.header(f"Refused: {formatting.count(len(run.refused), 'job')}", anchor=False)
        lines = "".join(
            f"<li><code>{escape(key.rpartition('@')[0])}</code> {escape(why)}</li>"
            for key, why in run.refused[:MOST_LISTED]
        )
        st.html(f'<ul class="pb-reasons pb-list">{lines}</ul>')
