"""Undo of a large batch, as a mode of Activity.

``/activity?batch=ID&undo=all``: what it would take back. ``/activity?batch=ID&undo=RUN``: how far it is, and what it
did; any window of this server may open it.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape

import streamlit as st

from core.linking.batch_preview import BatchPreview
from core.linking.results import SkippedUndo
from dashboard import bulk_undo, bulk_undo_runs, formatting, go_ahead, identity, links, reads, remedies, state, typed
from dashboard.bulk_undo_runs import UndoRun
from dashboard.guard import guarded
from pages.activity import panel

PLAN, GO, ENDED, ORDER = "activity.undo_plan", "activity.undo_go", "activity.undo_ended", "activity.undo_order"
ADDRESS = "activity.undo_address"
FOLLOW_SECONDS = 1.0
SOON_SECONDS = 0.3
"""What takes less shows no progress."""


def wanted() -> bool:
    """Whether the address asks for the undo of a batch."""
    return bool(links.param("undo") and links.param("batch"))


def show() -> None:
    """The preview, or the undo."""
    _restate()
    batch_id, named = links.param("batch") or "", links.param("undo") or ""
    with st.container(key="undoing_heading", horizontal=True, vertical_alignment="center"):
        st.title("Undo a batch", anchor=False, width="content")
        st.button(
            "Back to the batch", key="undoing.back", type="tertiary", icon=":material/arrow_back:", on_click=_leave
        )
    if named == "all":
        _preview(batch_id)
        return
    run = bulk_undo_runs.find(named)
    if run is None or run.batch_id != batch_id:
        st.info(
            "This server does not know of this undo: it was restarted since. What is undone by then is undone.",
            icon=":material/info:",
        )
        links.show("Undo the rest of the batch", links.activity(batch=batch_id, undo="all"), icon=":material/undo:")
    elif run.ended:
        _forget_reads(run)
        _outcome(run)
    else:
        _follow(named)


def _restate() -> None:
    """A link that leads from the page to itself leaves the old address in the browser, which then comes back."""
    here = links.params()
    if state.value(ADDRESS) != here:
        state.set_value(ADDRESS, here)
        links.restate_params()


def forget() -> None:
    """The list is shown instead."""
    state.set_value(ADDRESS, None)


def banner(batch_id: str) -> None:
    """Beside a batch whose undo is under way or was stopped: the way to it."""
    run = bulk_undo_runs.of_batch(batch_id)
    if run is None or (run.ended and not run.left):
        return
    words = "Its undo was stopped" if run.ended else "It is being undone"
    links.show(
        f"{words}: {run.undone:,} taken back, {run.left:,} to go",
        links.activity(batch=batch_id, undo=run.undo_id),
        icon=":material/pause_circle:" if run.ended else ":material/sync:",
    )


def _leave() -> None:
    _forget()
    reads.clear()
    links.write_params({name: value for name, value in links.params().items() if name != "undo"})


def _forget() -> None:
    state.set_value(PLAN, None)
    state.set_value(GO, None)


def _preview(batch_id: str) -> None:
    going = bulk_undo_runs.of_batch(batch_id)
    if going is not None and not going.ended:
        banner(batch_id)
        return
    seen = _plan(batch_id)
    if seen.undoable:
        remedies.show_batch(seen)
        _confirm(seen)
    else:
        st.html('<p class="pb-line"><b>Nothing of it can be taken back.</b></p>')
    _skipped(seen.skipped)


def _plan(batch_id: str) -> BatchPreview:
    """What is shown stays until something else is asked for."""
    kept: BatchPreview | None = state.value(PLAN)
    if kept is not None and kept.batch_id == batch_id:
        return kept
    with st.container(width=760):
        place = st.empty()
    seen = identity.linking().preview_undo_batch(batch_id, progress=_tell(place.progress))
    place.empty()
    state.set_value(PLAN, seen)
    return seen


def _tell(show_bar: Callable[..., object]) -> Callable[[int, int], None]:
    begun = time.monotonic()

    def told(looked_at: int, total: int) -> None:
        if time.monotonic() - begun > SOON_SECONDS:
            words = f"Looking at what moved on since: {looked_at:,} of {formatting.count(total, 'change')}"
            show_bar(looked_at / max(total, 1), text=words)

    return told


def _confirm(seen: BatchPreview) -> None:
    count = len(seen.undoable)
    if go_ahead.asked(GO, "undoing.reason"):
        reason = (state.value("undoing.reason") or "").strip() or None
        actor = identity.current_actor().name
        run = bulk_undo_runs.start(identity.linking(), seen.batch_id, reason, actor=actor, total=count)
        _forget()
        state.dismiss_done()  # its Undo is of what was done before, and would be taken for that of this
        links.write_params({"batch": seen.batch_id, "undo": run})
        st.rerun()
    state.set_value(GO, None)
    fits = typed.reason("undoing.reason", width=340)
    go_ahead.button(
        f"Undo {formatting.count(count, 'change')}",
        key="undoing.do",
        order=GO,
        icon=":material/undo:",
        says="It can be stopped and carried on; what is undone by then stays undone",
        fits=fits,
    )


def _forget_reads(run: UndoRun) -> None:
    """Once for each end: lists and counts are other ones now."""
    end = (run.undo_id, run.worked_since)
    if state.value(ENDED) != end:
        state.set_value(ENDED, end)
        reads.clear()
        st.rerun()


@st.fragment(run_every=FOLLOW_SECONDS)
@guarded
def _follow(undo_id: str) -> None:
    """The bar, moving by itself until the undo has come to its end."""
    run = bulk_undo_runs.find(undo_id)
    if run is None or run.ended:
        st.rerun()
        return
    with st.container(width=760):
        st.progress(min(run.done / max(run.total, 1), 1.0), text=progress_words(run, datetime.now(UTC)))
    if run.stopped_by:
        st.html('<p class="pb-line pb-muted">Stopping after the changes that are being undone…</p>')
    elif identity.may_write():
        who = identity.current_actor().name
        args = (undo_id, who)
        st.button("Stop", key="undoing.stop", icon=":material/stop:", on_click=bulk_undo_runs.stop, args=args)
        st.html('<span class="pb-line pb-muted">You may close this window: it goes on without it.</span>')


def progress_words(run: UndoRun, now: datetime) -> str:
    """``1,204 of 2,310 changes · 310 a second · 2 skipped``."""
    words = [f"{run.done:,} of {formatting.count(run.total, 'change')}"]
    seconds = (now - run.worked_since).total_seconds()
    if seconds > 1 and run.done > 20:
        words.append(f"{run.done / seconds:,.0f} a second")
    if run.skipped:
        words.append(f"{run.skipped:,} skipped")
    return " · ".join(words)


def _outcome(run: UndoRun) -> None:
    _obey(run)
    whole = not run.left and not run.problem
    look, mark = ("pb-ok", "✓ done") if whole else ("pb-wait", "■ stopped")
    words = [
        f'<span class="pb-chip {look}">{mark}</span>',
        f"<b>{formatting.count(run.undone, 'change')} taken back</b>",
        f"{run.skipped:,} skipped",
        *([f"{run.left:,} not come to: they stand as they were"] if run.left else []),
        f"by {escape(formatting.clip(run.actor, 60))}",
    ]
    st.html(f'<p class="pb-line">{" · ".join(words)}</p>')
    if run.problem:
        st.error(formatting.plain(run.problem), icon=":material/cloud_off:")
    elif run.stopped_by:
        st.html(f'<p class="pb-line">Stopped by {escape(formatting.clip(run.stopped_by, 60))}.</p>')
    with st.container(key="undoing_actions", horizontal=True, vertical_alignment="center", gap="small"):
        if (run.left or run.problem) and identity.may_write():
            label = f"Carry on with {formatting.count(run.left, 'change')}" if run.left else "Carry on"
            st.button(
                label,
                key="undoing.carry_on",
                type="primary",
                icon=":material/play_arrow:",
                on_click=state.set_value,
                args=(ORDER, run.undo_id),
            )
        if run.undone:
            bulk_undo.button(run.undo_id, run.undone, key="undoing.redo", label="Redo…")
            links.show("What was taken back", links.activity(batch=run.undo_id), icon=":material/history:")
    if run.outcome is not None:
        _skipped(run.outcome.outcome.skipped)


def _obey(run: UndoRun) -> None:
    """Carry it on where a button asked for that in the last run."""
    order = state.value(ORDER)
    state.set_value(ORDER, None)
    if order == run.undo_id:
        bulk_undo_runs.carry_on(identity.linking(), run.undo_id)
        st.rerun()


def _skipped(skipped: tuple[SkippedUndo, ...]) -> None:
    if skipped:
        panel.show_skipped(skipped)
