"""The selected call beside the worklist: facts, what was said, candidates, actions."""

from html import escape

import streamlit as st

from core.linking import Story
from core.linking.bulk_plan import is_pinned
from dashboard import bulk, candidates, corrections, links, new_lead, reads, state, story, stuck, viewer
from pages.unlinked import suspect

EXCERPT_TURNS = 4


def show(call_sid: str, *, on_list: bool, note: str | None = None) -> None:
    """One call.

    :param on_list: it is among the rows of the table.
    :param note: why it is on this list, where the call itself does not say so.
    """
    told = reads.story(call_sid)
    if not on_list:
        st.info("This call is not on the page of the list that you see.", icon=":material/info:")
    pinned = f" {bulk.PINNED}" if is_pinned(told.call, told.history) else ""
    st.html(f"{story.chip(told.call, told.cause)}{pinned}")
    st.code(told.call_sid, language=None, wrap_lines=True)
    detail = told.detail or (None if links.param("view") == "stuck" else note)
    if detail:
        st.html(f'<p class="pb-line">{escape(detail)}</p>')
    stuck.show(told, key="unlinked", ask=True)
    _actions(told)
    story.show_call_facts(told.call)
    if told.call.suspect:
        suspect.show(told)
    else:
        st.header("Candidates", anchor=False)
        candidates.show(told.call_sid, told.candidates, key="unlinked", lead_id=told.call.lead_id)
    corrections.show(told, key="unlinked")
    new_lead.button(told, key="unlinked")
    _excerpt(told)


def _actions(told: Story) -> None:
    with st.container(key="unlinked_actions", horizontal=True, vertical_alignment="center", gap="small"):
        if told.call.state == "unlinked":
            _ask("Set aside…", "set_aside", told.call_sid, ":material/block:")
        if told.call.state == "set_aside":
            _ask("Restore…", "restore", told.call_sid, ":material/undo:")
        if told.call.lead_id is not None:
            _ask("Unlink…", "unlink", told.call_sid, ":material/link_off:")
            links.show_lead(told.call.lead_id)
        if told.call.counterpart:
            links.show("About this number", links.number(told.call.counterpart), icon=":material/dialpad:")
        links.show("Open in Call lookup", links.call(told.call_sid), icon=":material/open_in_full:")


def _ask(label: str, action: state.Action, call_sid: str, icon: str, lead_id: int | None = None) -> None:
    args = (action, call_sid, lead_id)
    st.button(label, key=f"unlinked.{action}", icon=icon, on_click=state.open_dialog, args=args)


def _excerpt(told: Story) -> None:
    st.header("What was said", anchor=False)
    if not told.transcripts:
        st.html('<p class="pb-line pb-muted">There is no transcript of this call.</p>')
        return
    st.html(story.conversation(told.transcripts, viewer.zone(), limit=EXCERPT_TURNS))
