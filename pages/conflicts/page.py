"""Conflicts: data that contradicts itself about one SID, by kind, each with its remedy."""

import streamlit as st

from dashboard import grid, links, reads
from pages.conflicts import kinds, panel, table


def render() -> None:
    """The page."""
    heading = st.container(
        key="conflicts_heading", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    )
    heading.title("Conflicts", anchor=False, width="content")
    kind = kinds.asked()
    page = reads.conflicts(kind, links.param("after"))
    kinds.show(kind, page.counts)
    with heading, st.container(horizontal=True, vertical_alignment="center", width="content"):
        kinds.show_count(page)
        if page.items:
            holds = "Every conflict of this list, not only this page; at most 100,000"
            grid.export("conflicts", kind or "conflicts", lambda: reads.export_conflicts(kind), holds=holds)
    if not page.items:
        table.nothing(kind, sum(page.counts.values()))
        return
    left, right = st.columns([52, 48], gap="medium")
    with left:
        selected = table.show(page.items)
        grid.paging("conflicts", "after", following=page.next, shown=len(page.items), noun="conflict", param="conflict")
    with right, st.container(key="panel_conflict"):
        panel.show(selected)
