"""The top of the Queue page: who works it, how many jobs there are, the search."""

from datetime import datetime
from html import escape

import streamlit as st

from core.linking import fields
from dashboard import formatting, links, queue_reads, queue_words, state, typed, viewer
from dashboard.guard import guarded
from dashboard.queue_reads import VIEWS, Problem, Pulse

SPACE = "queue"
LISTED = "queue.listed"
PULSE_SECONDS = 5.0
START = "python -m core worker"


def banner() -> None:
    """Said wherever calls are only played."""
    if queue_reads.simulated():
        st.info(f"**{queue_words.SIMULATED}** {queue_words.LEFT_ALONE}", icon=":material/theater_comedy:")


def view() -> str:
    """The list that the address names."""
    named = links.param("state")
    return named if named in VIEWS else "all"


def search() -> str | None:
    """What is searched for, from the address."""
    asked = links.param("q") or ""
    if state.follow_address(SPACE, {"q": asked}, {"q": asked}):
        links.restate_params()
    with st.container(key="queue_search", horizontal=True, vertical_alignment="bottom", gap="small"):
        text = st.text_input(
            "Find jobs",
            key=f"{SPACE}.q",
            type="search",
            width=420,
            on_change=_ask,
            placeholder="Call SID · phone number · lead id · job id",
        )
        if not (text or "").strip():
            found = queue_reads.pulse()
            words = queue_words.explained(view(), found.number(view()), found.counts.get(view()))
            st.html(f'<span class="pb-line pb-muted">{escape(words)}</span>', width="content")
        else:
            st.button("Clear", key="queue.clear", type="tertiary", icon=":material/close:", on_click=clear_search)
    return (text or "").strip() or None


def clear_search() -> None:
    """Back to the list. Serves as ``on_click``."""
    links.write_params({})
    state.forget_address(SPACE)


def _ask() -> None:
    pasted = (state.value(f"{SPACE}.q") or "").strip()
    wanted = typed.meant(pasted, fields.TEXT_LENGTH)
    text = typed.for_address(wanted)
    links.write_params({"q": text} if text else {})
    state.note_address(SPACE, {"q": text})
    if wanted != pasted:
        state.forget_address(SPACE)


@st.fragment(run_every=PULSE_SECONDS)
@guarded
def follow_pulse() -> None:
    """Counts and workers, which refresh by themselves; the list below stays as it was read."""
    found = queue_reads.pulse()
    if found.problem is not None:
        _away(found.problem)
    with st.container(key="queue_counts", horizontal=True, gap="small"):
        for name in VIEWS:
            _figure(name, found.number(name))
    with st.container(key="queue_worked", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(f'<span class="pb-line">{_worked(found)}</span>', width="content")
        _older(found)


def _older(found: Pulse) -> None:
    """The list below stays as it was read: where it would be another one by now, say so."""
    listed = state.value(LISTED)
    now = found.number(view())
    if listed is None or now is None or listed[0] != view() or listed[1] in (None, now) or links.param("q"):
        return
    if st.button(
        f"{listed[1]:,} when the list was read, {now:,} now: read it again",
        key="queue.newer",
        type="tertiary",
        icon=":material/refresh:",
    ):
        queue_reads.clear()
        st.rerun()


def note_listed() -> None:
    """Remember how many jobs the list had when it was read."""
    state.set_value(LISTED, (view(), queue_reads.pulse().number(view())))


def _figure(name: str, known: int | None) -> None:
    number = f"**{known:,}** " if known is not None else "" if name == "unlinked" else "**–** "
    here = name == view() and not links.param("q")
    words = f"{number}{queue_words.VIEW_WORDS[name]}"
    target = links.queue() if name == "all" else links.queue(state=name)
    with st.container(key=f"{'tab_here' if here else 'tab'}_{name}", width="content"):
        links.show(words, target, help=queue_words.VIEW_HELP[name])


def _away(problem: Problem) -> None:
    hint = f" {formatting.plain(problem.hint)}" if problem.hint else ""
    st.error(
        f"**{formatting.plain(problem.message)}**{hint}  \n"
        "Nothing is lost: jobs wait there, and no call is dialled meanwhile. What was kept of jobs is listed from the "
        "database: all, completed, failed, and those whose call is unlinked; every other page works.",
        icon=":material/cloud_off:",
    )
    st.button("Try again", key="queue.again", icon=":material/refresh:", on_click=queue_reads.clear)


def _worked(found: Pulse) -> str:
    """Who takes jobs, as HTML."""
    parts = [_who(found), _paused(found), _last(found.last_taken)]
    if found.where:
        parts.append(f'<span class="pb-muted">{escape(formatting.sentence(found.where))}</span>')
    return ' <span class="pb-muted">·</span> '.join(part for part in parts if part)


def _who(found: Pulse) -> str:
    if found.here:
        also = " and by the backend’s own worker (Node)" if found.workers and found.workers.theirs else ""
        return f'<span class="pb-ok">✓</span> <b>Worked by this app{also}</b>'
    if found.problem is not None:
        return '<span class="pb-bad">✗</span> <b>The queue does not answer</b>'
    if found.workers is None:
        return '<span class="pb-muted">?</span> The queue’s server does not tell who works it'
    names = [
        *(["Patchbay’s worker"] if found.workers.ours else []),
        *(["the backend’s worker"] if found.workers.theirs else []),
    ]
    if names:
        return f'<span class="pb-ok">✓</span> <b>Worked outside this app: {" and ".join(names)}</b>'
    return f'<span class="pb-bad">✗ Nobody takes jobs.</span> Start a worker: <code>{START}</code>'


def _paused(found: Pulse) -> str:
    return '<span class="pb-wait">❚❚ The queue is paused: workers wait</span>' if found.counts.get("paused") else ""


def _last(at: datetime | None) -> str:
    if at is None:
        return '<span class="pb-muted">no job was ever taken</span>'
    exact = escape(formatting.exact(at, viewer.zone()))
    return f'<span class="pb-muted" title="{exact}">last job taken {escape(formatting.relative(at))}</span>'
