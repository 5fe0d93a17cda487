"""Activity: every change of a link, by whom and why, newest first; undo of one change and of a whole batch."""

import streamlit as st

from dashboard import grid, links, reads
from pages.activity import filters, panel, table, undoing


def render() -> None:
    """The page."""
    if undoing.wanted():
        undoing.show()
        return
    undoing.forget()
    st.title("Activity", anchor=False)
    with st.container(key="activity_filters", horizontal=True, vertical_alignment="bottom", gap="small"):
        wanted = filters.show()
    problem = filters.problem()
    if problem:
        st.warning(problem, icon=":material/edit:")
        return
    events, more = reads.activity(wanted, filters.cursor())
    if wanted.batch and events:
        panel.batch_heading(wanted.batch)
        undoing.banner(wanted.batch)
    if not events:
        table.nothing(wanted)
        return
    left, right = st.columns([64, 36], gap="medium")
    with left:
        selected = table.show(events)
        following = str(events[-1].id) if more else None
        grid.paging("activity", "before", following=following, shown=len(events), noun="change", param="event")
    with right, st.container(key="panel_event"):
        panel.show(selected, events)
        if links.param("event"):
            links.show("Link to this change", links.activity(event=selected), icon=":material/link:")
