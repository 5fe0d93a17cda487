"""Test calls: place one, watch every stage from the queue to the linked lead, look at earlier ones."""

import streamlit as st

from core.errors import BadInput, NotFound
from dashboard import guard, links, queue_words, test_calls
from pages.test_calls import earlier, form, watching


def render() -> None:
    """The page."""
    with st.container(key="test_calls_heading", horizontal=True, vertical_alignment="center"):
        st.title("Test calls", anchor=False, width="content")
        links.show("The queue", links.queue(), icon=":material/queue:")
    if test_calls.simulated():
        st.info(f"**{queue_words.SIMULATED}** {queue_words.HOW_PLAYED}", icon=":material/theater_comedy:")
    form.place_if_asked()
    asked = links.param("call")
    if asked:
        try:
            watching.show(asked)
        except (BadInput, NotFound) as error:
            guard.show(error, "test_call")
            st.button("New test call", key="test_calls.new", icon=":material/call:", on_click=form.begin_anew)
    left, right = (None, st.container()) if asked else st.columns([38, 62], gap="medium")
    if left is not None:
        with left:
            form.show()
    with right:
        earlier.show(asked)
