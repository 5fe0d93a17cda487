"""Linking many calls at once, as a mode of Unlinked calls.

``/unlinked?bulk=all`` with the worklist's filters, or ``bulk=selected``: the preview. ``/unlinked?batch=ID``: that
batch while it is carried out, and what it did; any window may open it.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from typing import Literal

import streamlit as st

from core.access.identity import VIEWERS_READ
from core.errors import NotFound
from core.linking import BatchStatus, BulkPlan, Options, WorklistPage
from core.linking.bulk_plan import MIN_CONFIDENCES, Pick, chosen_words
from dashboard import bulk, bulk_runs, formatting, go_ahead, identity, links, reads, state, typed, viewer
from dashboard.guard import guarded
from pages.unlinked import filters, table

LEAST_WORDS = {"high": "Certain and high", "certain": "Certain only"}
PLAN, SELECTED, LEAST, APPLY, ORDER = "bulk.plan", "bulk.selected", "bulk.least", "bulk.apply", "bulk.order"
SELECTING, ENDED = "bulk.selecting", "bulk.ended"
FOLLOW_SECONDS = 1.0
SOON_SECONDS = 0.3
"""What takes less shows no progress."""


def wanted() -> bool:
    """Whether the address asks for a preview or a batch."""
    return bool(links.param("batch") or links.param("bulk"))


def show() -> None:
    """The preview, or the batch."""
    batch_id = links.param("batch")
    with st.container(key="bulk_heading", horizontal=True, vertical_alignment="center"):
        st.title("Link in bulk", anchor=False, width="content")
        st.button("Back to the list", key="bulk.back", type="tertiary", icon=":material/arrow_back:", on_click=leave)
    if batch_id:
        _batch(batch_id)
    else:
        _preview()


# The ways in ----------------------------------------------------------------------------------------------------------


def offer(view: str) -> None:
    """The button that plans linking everything that the filters find."""
    if view == "unlinked":
        st.button(
            "Link safe ones…",
            key="bulk.all",
            icon=":material/playlist_add_check:",
            on_click=_ask,
            args=("all",),
            help="Shows which calls that these filters find are certain or high, and links them after you look",
        )
        st.toggle("Select", key=SELECTING, help="Tick single calls of the list and link those")


def selecting() -> bool:
    """Whether rows of the list can be ticked."""
    return bool(state.value(SELECTING))


def select(page: WorklistPage, view: str) -> str:
    """The list with boxes, and what can be done with the ticked calls. Returns the call to be shown beside it."""
    bar = st.container(key="bulk_selection", horizontal=True, vertical_alignment="center", gap="small")
    ticked = table.show_selectable(page, view)
    with bar:
        st.button(
            f"Link {formatting.count(len(ticked), 'selected call')}…" if ticked else "Link selected calls…",
            key="bulk.selected_calls",
            type="primary" if ticked else "secondary",
            icon=":material/link:",
            on_click=ask_for,
            args=(list(ticked),),
            disabled=not ticked,
            help="Shows what would be linked first",
        )
        words = "Tick calls of this page" if not ticked else f"{len(ticked)} of {len(page.items)} on this page"
        st.html(f'<span class="pb-line pb-muted">{words}</span>', width="content")
    return ticked[-1] if ticked else links.param("call") or page.items[0].call_sid


def ask_for(sids: list[str]) -> None:
    """Preview linking these calls. Serves as ``on_click``."""
    state.set_value(SELECTED, tuple(sids))
    _ask("selected")


def leave() -> None:
    """Back to the list with its filters. Serves as ``on_click``."""
    _forget()
    kept = {name: value for name, value in links.params().items() if name not in ("bulk", "batch")}
    links.write_params(kept)
    state.forget_address(filters.SPACE)


def _ask(which: str) -> None:
    _forget()
    kept = {name: value for name, value in links.params().items() if name not in ("call", "after", "batch")}
    links.write_params({**kept, "bulk": which})


def _forget() -> None:
    state.set_value(PLAN, None)
    state.set_value(APPLY, None)


# The preview ----------------------------------------------------------------------------------------------------------


def _preview() -> None:
    pick = _pick()
    if pick is None:
        st.info("No calls are selected any more: select them in the list again.", icon=":material/info:")
        return
    words = formatting.sentence(chosen_words(pick))
    st.html(f'<p class="pb-line"><span class="pb-muted">Which calls:</span> <b>{words}</b></p>')
    choice = st.container(key="bulk_choice", horizontal=True, vertical_alignment="bottom", gap="small")
    with choice:
        st.segmented_control(
            "Confidence",
            tuple(reversed(MIN_CONFIDENCES)),
            key=LEAST,
            default="high",
            required=True,
            format_func=LEAST_WORDS.__getitem__,
            on_change=_forget,
        )
        st.button("Look again", key="bulk.again", type="tertiary", icon=":material/refresh:", on_click=_forget)
    plan = _plan(pick)
    if go_ahead.asked(APPLY, "bulk.reason") and plan.pairs:
        _start(plan)
    state.set_value(APPLY, None)
    if plan.pairs and identity.may_write():
        with choice:
            _confirm(plan)
    elif plan.pairs:
        st.info(VIEWERS_READ, icon=":material/visibility:")
    bulk.show_plan(plan)


def _pick() -> Pick | None:
    if links.param("bulk") == "selected":
        selected: tuple[str, ...] | None = state.value(SELECTED)
        return list(selected) if selected else None
    values = filters.read(links.params())
    return filters.filter_of({**values, "view": "unlinked"}, viewer.zone())


def _plan(pick: Pick) -> BulkPlan:
    """The plan that is shown; it is kept until something else is asked for, so that what is seen is what is applied."""
    least = state.value(LEAST) or "high"
    asked = (pick if not isinstance(pick, list) else tuple(pick), least)
    kept: tuple[object, BulkPlan] | None = state.value(PLAN)
    if kept is not None and kept[0] == asked:
        return kept[1]
    place = st.empty()
    plan = identity.linking().plan(pick, min_confidence=least, progress=_tell(place.text))
    place.empty()
    state.set_value(PLAN, (asked, plan))
    return plan


def _tell(say: Callable[[str], object]) -> Callable[[int], None]:
    begun = time.monotonic()

    def told(considered: int) -> None:
        if time.monotonic() - begun > SOON_SECONDS:
            say(f"Looking at the evidence: {considered:,} calls…")

    return told


def _confirm(plan: BulkPlan) -> None:
    fits = typed.reason("bulk.reason", placeholder="Goes into the link history of every call", width=340)
    go_ahead.button(
        f"Link {formatting.count(len(plan.pairs), 'call')}",
        key="bulk.do",
        order=APPLY,
        icon=":material/link:",
        says="One batch: it can be stopped, and one undo takes it back",
        fits=fits,
    )


def _start(plan: BulkPlan) -> None:
    """Store the plan, work on it in the background, and follow it by its address."""
    linking = identity.linking()
    reason = (state.value("bulk.reason") or "").strip() or None
    batch_id = linking.begin_batch(plan, Options(reason=reason))
    bulk_runs.start(linking, batch_id)
    _forget()
    state.dismiss_done()  # its Undo is of what was done before, and would be taken for that of the batch
    state.set_value(SELECTED, None)
    kept = {name: value for name, value in links.params().items() if name != "bulk"}
    links.write_params({**kept, "batch": batch_id})
    st.rerun()


# The batch ------------------------------------------------------------------------------------------------------------


def _batch(batch_id: str) -> None:
    status = _status(batch_id)
    if status is None:
        st.info("There is no such bulk link. Batches are kept for 90 days.", icon=":material/info:")
        return
    words = f"{formatting.sentence(status.chosen)}, {LEAST_WORDS[status.min_confidence].lower()}"
    who = f"by {formatting.clip(status.actor, 60)}"
    st.html(
        f'<p class="pb-line"><span class="pb-muted">Which calls:</span> <b>{escape(words)}</b> '
        f'<span class="pb-muted">{escape(who)}</span></p>'
    )
    if status.finished:
        reads.clear_at_end(ENDED, batch_id)
        bulk.show_outcome(identity.linking().batch_outcome(batch_id))
    else:
        _follow(batch_id)


def _status(batch_id: str) -> BatchStatus | None:
    try:
        return identity.linking().batch(batch_id)
    except NotFound:
        return None


@st.fragment(run_every=FOLLOW_SECONDS)
@guarded
def _follow(batch_id: str) -> None:
    """The bar, moving by itself until the batch has come to its end."""
    _obey(batch_id)
    status = identity.linking().batch(batch_id)
    if status.finished:
        st.rerun()
    with st.container(width=760):
        bulk.show_progress(status, datetime.now(UTC))
    idle = status.abandoned and not bulk_runs.works_on(batch_id)
    if idle:
        st.warning(
            "It was interrupted, and nobody works on it. What is linked is whole; the rest can be carried on as it "
            "was planned.",
            icon=":material/pause_circle:",
        )
    elif status.cancelled_by:
        st.html('<p class="pb-line pb-muted">Stopping after the calls that are being linked…</p>')
    if not identity.may_write():
        return
    with st.container(key="bulk_control", horizontal=True, gap="small"):
        if idle:
            _order("Carry on", "carry_on", ":material/play_arrow:", kind="primary")
            _order("End it here", "stop", ":material/stop:")
        elif not status.cancelled_by:
            _order("Stop", "stop", ":material/stop:")
            st.html('<span class="pb-line pb-muted">You may close this window: it goes on without it.</span>')


def _order(label: str, order: str, icon: str, *, kind: Literal["primary", "secondary"] = "secondary") -> None:
    st.button(label, key=f"bulk.{order}", type=kind, icon=icon, on_click=state.set_value, args=(ORDER, order))


def _obey(batch_id: str) -> None:
    """Do what a button asked for in the last run: callbacks only change state."""
    order = state.value(ORDER)
    state.set_value(ORDER, None)
    if order == "carry_on":
        bulk_runs.start(identity.linking(), batch_id)
    elif order == "stop":
        identity.linking().cancel_batch(batch_id)


def banner() -> None:
    """On the list: the bulk links that are under way, with the way to follow each."""
    for status in reads.open_batches():
        who = "Interrupted" if status.abandoned else f"{formatting.clip(status.actor, 40)} is linking in bulk"
        words = f"{who}: {bulk.progress_words(status, datetime.now(UTC))}"
        key = f"bulk_open_{status.batch_id}"
        with st.container(key=key, horizontal=True, vertical_alignment="center", gap="small"):
            look, mark = ("pb-wait", "❚❚") if status.abandoned else ("pb-act", "↻")
            st.html(f'<span class="pb-line"><b class="{look}">{mark}</b> {escape(words)}</span>', width="content")
            links.show("Follow it", links.worklist(batch=status.batch_id))
