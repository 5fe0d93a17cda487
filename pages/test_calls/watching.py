"""One test call, watched: the strip of stages and what is said, refreshed until nothing is waited for any more."""

from html import escape

import streamlit as st

from core.errors import PatchbayError
from core.linking import fields
from core.telephony import Watched
from dashboard import guard, identity, links, state, story, test_calls, viewer
from dashboard.guard import guarded
from pages.test_calls import form

LOOK_SECONDS = 1.0
KEEP, OVER = "test_calls.keep_now", "test_calls.over"


def show(asked: str) -> None:
    """The test call that the address names.

    :raises core.errors.BadInput: when that cannot be an id.
    :raises core.errors.NotFound: when there is none.
    """
    test_id = fields.identifier("call", asked)
    watched = test_calls.service().watch(test_id)
    with st.container(key="test_call_heading", horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Test call {test_id}", anchor=False, width="content")
        st.button("New test call", key="test_calls.new", icon=":material/call:", on_click=form.begin_anew)
        links.show("Link to this test call", links.test_calls(call=test_id), icon=":material/link:")
    if watched.over:
        _forget_reads(test_id)
        _body(watched)
    else:
        _follow(test_id)


def _forget_reads(test_id: int) -> None:
    """Once, when a call is first seen at its end: the list below and the lead's page say something else now."""
    if state.value(OVER) != test_id:
        state.set_value(OVER, test_id)
        test_calls.clear()


@st.fragment(run_every=LOOK_SECONDS)
@guarded
def _follow(test_id: int) -> None:
    """Looks by itself once a second; when it is over the page is read once more, and stays as it is."""
    _keep_if_asked(test_id)
    watched = test_calls.service().watch(test_id)
    if watched.over:
        st.rerun()
    _body(watched)


def _body(watched: Watched) -> None:
    call = watched.call
    look, mark, words = test_calls.verdict(watched)
    st.html(
        f'<p class="pb-line" role="status"><span class="pb-chip {look}">{mark} {_chip(watched)}</span> '
        f"{escape(words)}</p>"
    )
    st.html(test_calls.strip(watched, viewer.zone()))
    left, right = st.columns([58, 42], gap="medium")
    with left:
        st.header("What is said", anchor=False)
        turns = test_calls.said(call.call_sid) if call.call_sid else []
        if turns:
            st.html(story.conversation(turns, viewer.zone()))
        else:
            st.html(f'<p class="pb-line pb-muted">{"Nothing was said." if watched.over else "Nothing yet."}</p>')
    with right, st.container(key="panel_test_call"):
        _facts(watched)


def _chip(watched: Watched) -> str:
    if not watched.over:
        return "under way"
    return "passed" if watched.ok else "failed"


def _facts(watched: Watched) -> None:
    call = watched.call
    st.html(story.facts_html(test_calls.facts(call, viewer.zone())))
    with st.container(key="test_call_links", horizontal=True, vertical_alignment="center", gap="small"):
        if call.call_sid:
            links.show("Open in Call lookup", links.call(call.call_sid), icon=":material/open_in_full:")
        if call.lead_id is not None:
            links.show_lead(call.lead_id)
        if call.job_id:
            links.show("Its job", links.queue(q=call.job_id), icon=":material/queue:")
    words = test_calls.lead_words(call, viewer.zone())
    if words:
        st.html(f'<p class="pb-line pb-muted">{escape(words)}</p>')
    if call.lead_id is not None and not call.keep and call.restored_at is None and identity.may_write():
        st.button(
            f"Let lead {call.lead_id} keep it",
            key="test_calls.keep_it",
            icon=":material/push_pin:",
            on_click=state.set_value,
            args=(KEEP, True),
        )


def _keep_if_asked(test_id: int) -> None:
    if state.value(KEEP):
        state.set_value(KEEP, None)
        try:
            test_calls.service().keep(test_id)
        except PatchbayError as error:
            guard.show(error, "keep")
