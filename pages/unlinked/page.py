"""Unlinked calls: the worklist with its filters, and the selected call beside it."""

import streamlit as st

from dashboard import links, reads, stuck, viewer
from pages.unlinked import bulk, filters, groups, panel, repair, table, triage


def render() -> None:
    """The page."""
    if triage.wanted():
        triage.show()
        return
    if bulk.wanted():
        bulk.show()
        return
    if repair.wanted():
        repair.show()
        return
    heading = st.container(
        key="unlinked_heading", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    )
    heading.title("Unlinked calls", anchor=False, width="content")
    bulk.banner()
    views = st.container(key="unlinked_views")
    with st.container(key="unlinked_filters", horizontal=True, vertical_alignment="bottom", gap="small"):
        wanted = filters.show(viewer.zone(), views)
    if filters.grouped():
        groups.show(wanted, heading)
        return
    page = reads.worklist(wanted, links.param("after"))
    table.forget_handled_call(page)
    with heading, st.container(horizontal=True, vertical_alignment="center", width="content"):
        table.show_count(wanted, page)
        triage.offer(wanted.view, some=bool(page.items))
        if page.items:
            bulk.offer(wanted.view)
            repair.offer(wanted)
            table.export(wanted)
    if not page.items:
        table.nothing(wanted, page)
        return
    stuck.explain(wanted.view, len(page.items))
    left, right = st.columns([67, 33], gap="medium")
    with left:
        selected = bulk.select(page, wanted.view) if bulk.selecting() else table.show(page, wanted.view)
        table.paging(page)
    with right, st.container(key="panel_call"):
        panel.show(
            selected, on_list=selected in {call.call_sid for call in page.items}, note=page.details.get(selected)
        )
