"""Asking Twilio about all calls of a kind, as a mode of Unlinked calls.

``/unlinked?repair=no_numbers`` or ``stuck``: what it would do. ``/unlinked?repaired=BATCH``: how far it is, and what
it did; any window of this server may open it.
"""

from collections.abc import Sequence
from html import escape
from typing import cast

import streamlit as st

from core.linking import Options, WorklistFilter
from core.telephony import BulkRepair
from core.telephony.repair import WHICH, Which
from dashboard import bulk_undo, formatting, go_ahead, identity, links, reads, repair_runs, repair_twilio, state, typed
from dashboard.guard import guarded
from dashboard.repair_runs import RepairRun
from pages.unlinked import filters

GO, ENDED = "unlinked.repair_go", "unlinked.repair_ended"
FOLLOW_SECONDS = 1.0
MOST_LISTED = 100
WHICH_WORDS = {"no_numbers": "calls that lack a number", "stuck": "stuck calls"}


def wanted() -> bool:
    """Whether the address asks for a preview or a run."""
    return bool(links.param("repair") or links.param("repaired"))


def offer(chosen: WorklistFilter) -> None:
    """The button, where the list shows calls that Twilio could complete."""
    which = "stuck" if chosen.view == "stuck" else "no_numbers" if chosen.cause == "no_numbers" else None
    if which is None:
        return
    nobody = not repair_twilio.can_ask()
    st.button(
        "Ask Twilio about all…",
        key="unlinked.repair_all",
        icon=":material/sync:",
        on_click=links.write_params,
        args=({"repair": which},),
        disabled=nobody,
        help=repair_twilio.NO_ACCOUNT if nobody else "Fills numbers, direction, final status and length; shown first",
    )


def show() -> None:
    """The preview, or the run."""
    with st.container(key="repair_heading", horizontal=True, vertical_alignment="center"):
        st.title("Repair from Twilio", anchor=False, width="content")
        st.button(
            "Back to the list", key="repair_all.back", type="tertiary", icon=":material/arrow_back:", on_click=_leave
        )
    batch_id = links.param("repaired")
    if batch_id:
        _run(batch_id)
    else:
        _preview()


def _leave() -> None:
    run = repair_runs.find(links.param("repaired") or "")
    which = run.which if run else links.param("repair")
    links.write_params({"view": "stuck"} if which == "stuck" else {"cause": "no_numbers"})
    state.forget_address(filters.SPACE)


def _preview() -> None:
    named = links.param("repair")
    if named not in WHICH:
        st.info("There is no such repair: go back to the list.", icon=":material/info:")
        return
    if not repair_twilio.can_ask():
        st.info(repair_twilio.NO_ACCOUNT, icon=":material/info:")
        return
    which = cast(Which, named)
    total, rate = repair_twilio.waiting(which), repair_twilio.rate()
    words = f"Twilio is asked about {formatting.count(total, 'call')}"
    kind = f"all {WHICH_WORDS[which]}, {rate} a second, about {formatting.duration(-(-total // rate))}"
    st.html(f'<p class="pb-line"><b>{words}</b> <span class="pb-muted">· {kind}</span></p>')
    st.html(
        '<p class="pb-line">What is missing is filled: numbers, direction, final status, length. Other values stay as '
        "they are. Each call is a change of its own in one batch, and one undo takes the batch back.</p>"
    )
    if not total:
        return
    if go_ahead.asked(GO, "unlinked.repair_reason"):
        _start(which)
    state.set_value(GO, None)
    fits = typed.reason("unlinked.repair_reason", width=340)
    go_ahead.button(
        f"Ask Twilio about {formatting.count(total, 'call')}",
        key="repair_all.do",
        order=GO,
        icon=":material/sync:",
        says="It can be stopped; what is filled by then stays filled",
        fits=fits,
    )


def _start(which: Which) -> None:
    state.set_value(GO, None)
    reason = (state.value("unlinked.repair_reason") or "").strip() or None
    links.write_params({"repaired": repair_twilio.start(which, Options(reason=reason))})
    st.rerun()


def _run(batch_id: str) -> None:
    run = repair_runs.find(batch_id)
    if run is None:
        st.info(
            "This server does not work on it: it was restarted since.",
            icon=":material/info:",
        )
        links.show("Its changes in Activity", links.activity(batch=batch_id), icon=":material/history:")
    elif run.ended:
        reads.clear_at_end(ENDED, batch_id)
        _outcome(run)
    else:
        _follow(batch_id)


@st.fragment(run_every=FOLLOW_SECONDS)
@guarded
def _follow(batch_id: str) -> None:
    """The bar, moving by itself until the repair has come to its end."""
    run = repair_runs.find(batch_id)
    if run is None or run.ended:
        st.rerun()
        return
    with st.container(width=760):
        words = f"{run.done:,} of {formatting.count(run.total, 'call')}"
        st.progress(run.done / run.total if run.total else 0.0, text=words)
    if identity.may_write() and not run.stopped_by:
        who = identity.current_actor().name
        st.button(
            "Stop", key="repair_all.stop", icon=":material/stop:", on_click=repair_runs.stop, args=(batch_id, who)
        )
        st.html('<span class="pb-line pb-muted">You may close this window: it goes on without it.</span>')


def _outcome(run: RepairRun) -> None:
    found = run.outcome
    whole = found is not None and found.stopped is None
    look, mark = ("pb-ok", "✓ done") if whole else ("pb-wait", "■ stopped")
    words = _counts(found) if found else f"{run.done:,} of {formatting.count(run.total, 'call')} were asked about"
    st.html(f'<p class="pb-line"><span class="pb-chip {look}">{mark}</span> <b>{escape(words)}</b></p>')
    problem = run.problem or (found.stopped if found else None)
    if problem:
        st.error(
            f"{formatting.plain(problem)} Run it again to go on: only the rest is asked for.",
            icon=":material/cloud_off:",
        )
    elif run.stopped_by:
        st.html(f'<p class="pb-line">Stopped by {escape(formatting.clip(run.stopped_by, 60))}.</p>')
    with st.container(key="repair_all_actions", horizontal=True, vertical_alignment="center", gap="small"):
        if found is None or found.repaired:
            size = len(found.repaired) if found else run.done
            bulk_undo.button(run.batch_id, size, key="repair_all.undo")
        links.show("Its changes in Activity", links.activity(batch=run.batch_id), icon=":material/history:")
    if found is not None:
        _calls("Filled", [(sid, "") for sid in found.repaired])
        _calls("Unknown to Twilio: another account’s, or deleted", [(sid, "") for sid in found.unknown])
        _calls("Could not be repaired", list(found.failed.items()))


def _counts(found: BulkRepair) -> str:
    return (
        f"{formatting.count(len(found.repaired), 'call')} filled, {len(found.unchanged):,} as they were, "
        f"{len(found.unknown):,} unknown to Twilio, {len(found.failed):,} failed"
    )


def _calls(title: str, listed: Sequence[tuple[str, str]]) -> None:
    if not listed:
        return
    with st.expander(f"{title} · {len(listed):,}"):
        items = [
            f'<a href="{escape(links.call(sid).url)}" target="_self" style="color:var(--pb-act)">'
            f"{escape(formatting.short_sid(sid))}</a> {escape(why)}"
            for sid, why in listed[:MOST_LISTED]
        ]
        left = len(listed) - len(items)
        items += [f"and {left:,} more"] if left > 0 else []
        st.html(f'<ul class="pb-reasons pb-list">{"".join(f"<li>{item}</li>" for item in items)}</ul>')
