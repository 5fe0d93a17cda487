"""Overview: how many calls are tied to their lead, which are not and why, and what to do first."""

import streamlit as st

from dashboard import live, reads
from pages.overview import sections


def render() -> None:
    """The page."""
    figures = reads.figures().values
    st.title("Overview", anchor=False)
    if not figures["calls"]:
        live.strip()  # the first call of all is seen at once
        sections.nothing_yet()
        return
    sections.figure_row(figures)
    live.strip()
    trend, causes = st.columns([3, 2], gap="medium")
    with trend:
        sections.trend()
    with causes:
        sections.causes(figures["unlinked_by_cause"])
    attention, health = st.columns([3, 2], gap="medium")
    with attention:
        sections.attention(figures)
    with health:
        sections.health()
