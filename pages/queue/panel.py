"""The selected job beside the list: what it is, its attempt, its call, its data, and what can be done with it."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import streamlit as st

from core.errors import NotFound
from core.outbound.board import BoardPage, Entry
from dashboard import formatting, guard, links, queue_actions, queue_failures, queue_reads, queue_words, story, viewer

UNSEEN = "It may have called too, unseen: look for a second call to this number about then."


def show(key: str, found: BoardPage) -> None:
    """One job.

    :param key: it may be on another page of the list.
    """
    entry = next((each for each in found.entries if each.key == key), None)
    if entry is None:
        try:
            entry = queue_reads.entry(key)
        except NotFound as error:
            guard.show(error, "queue_job")
            return
    st.html(queue_words.chip(entry, away=queue_reads.pulse().problem is not None))
    st.code(entry.job.job_id, language=None, wrap_lines=True)
    _failure(entry)
    _waits_for(entry)
    with st.container(key="queue_actions", horizontal=True, vertical_alignment="center", gap="small"):
        queue_actions.buttons(entry)
    st.html(story.facts_html(queue_words.facts(entry, viewer.zone())))
    _lead(entry)
    _attempt(entry)
    _call(entry)
    _data(entry)
    if links.param("job"):
        links.show("Link to this job", links.queue(q=entry.job.job_id, job=entry.key), icon=":material/link:")


def _failure(entry: Entry) -> None:
    """What went wrong, whether anybody was called, what to do next, and what the worker left."""
    found = queue_failures.of(entry)
    if found is None:
        return
    if entry.job.state != "failed":
        label = "An earlier try failed" if entry.job.state == "completed" else "The last try failed"
        unseen = f" {UNSEEN}" if entry.job.state == "completed" and found.fate == "dialled" and not found.code else ""
        words = f"<b>{label}:</b> {escape(found.what)}{escape(unseen)}"
        st.html(f'<p class="pb-line"><span class="pb-wait">!</span> {words}</p>{_said(found)}')
        return
    code = f' <span class="pb-muted">Twilio error {found.code}</span>' if found.code else ""
    look, mark = ("pb-wait", "!") if found.fate == "dialled" else ("pb-bad", "✗")
    st.html(
        f'<p class="pb-line"><b class="{look}">{mark} {escape(found.what)}</b>{code}<br>{escape(found.called)}</p>'
        f'<p class="pb-line"><b>Next:</b> {escape(found.todo)}</p>{_said(found)}'
    )


def _said(found: queue_failures.Failure) -> str:
    if not found.said:
        return ""
    return f'<p class="pb-line pb-muted">The worker said: <code>{escape(found.said)}</code></p>'


def _waits_for(entry: Entry) -> None:
    """Why a job stays where it is, when no worker of this app takes it."""
    data = entry.job.data
    played = isinstance(data, Mapping) and data.get("simulated") is True
    if not entry.job.in_queue or entry.job.state not in ("waiting", "delayed") or played or not queue_reads.simulated():
        return
    st.html(
        '<p class="pb-line"><b class="pb-wait">!</b> It waits for a worker with a Twilio account: it was scheduled to '
        "be dialled, and here calls are only played.</p>"
    )


def _lead(entry: Entry) -> None:
    lead_id = entry.job.lead_id
    if lead_id is None:
        st.html('<p class="pb-line pb-muted">It was made for no lead, so its call is linked to nobody by itself.</p>')
    elif entry.lead_gone:
        st.html(f'<p class="pb-line"><b class="pb-wait">!</b> Lead {lead_id} has been deleted.</p>')
    else:
        links.show_lead(lead_id, formatting.lead_label(lead_id, entry.lead_name))


def _attempt(entry: Entry) -> None:
    st.header("Attempt", anchor=False)
    st.html(queue_words.attempt_chip(entry))
    if entry.attempt is None:
        return
    st.html(story.facts_html(queue_words.attempt_facts(entry, viewer.zone())))
    if entry.attempt.state == "unknown":
        st.html(
            '<p class="pb-line pb-muted">It is never dialled again. A callback, or the carrier when it is asked, '
            "settles it.</p>"
        )


def _call(entry: Entry) -> None:
    st.header("Call", anchor=False)
    sid = entry.call_sid
    if sid is None:
        st.html('<p class="pb-line pb-muted">No call is known of this job.</p>')
        return
    if entry.call is None:
        st.html('<p class="pb-line"><b class="pb-wait">?</b> The database has no trace of this call.</p>')
    else:
        st.html(story.chip(entry.call, entry.call.cause))
        if queue_words.with_another(entry):
            held, meant = entry.call.lead_id, entry.job.lead_id
            st.html(
                f'<p class="pb-line"><b class="pb-wait">!</b> Its call is tied to lead {held}; '
                f"the job was made for lead {meant}.</p>"
            )
    with st.container(key="queue_call", horizontal=True, vertical_alignment="center", gap="small"):
        links.show_call(sid)
        if entry.call is not None and entry.call.state == "unlinked":
            links.show("Repair the link", links.worklist(call=sid), icon=":material/build:")
        elif queue_words.with_another(entry):
            links.show("Compare the leads", links.call(sid), icon=":material/build:")


def _data(entry: Entry) -> None:
    if not entry.job.in_queue:
        st.html('<p class="pb-line pb-muted">Only what was kept of it is here; its data is not kept.</p>')
        return
    _json("Data", entry.job.data)
    _json("Result", entry.job.returnvalue)
    _json("Options", entry.job.options)


def _json(title: str, value: Any) -> None:
    if value in (None, {}, []):
        return
    with st.expander(title):
        st.code(json.dumps(value, indent=2, ensure_ascii=False, default=str), language="json", wrap_lines=True)
