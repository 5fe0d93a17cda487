"""System: is the database as it should be, what is configured, which numbers are ours, whom automation dials next."""

import streamlit as st

from dashboard import links, live, own_numbers, queue_health, reachability, reads, repair_twilio
from pages.system import checks, facts


def render() -> None:
    """The page."""
    own_numbers.perform()
    st.title("System", anchor=False)
    found = reads.system()
    left, right = st.columns([58, 42], gap="medium")
    with left:
        checks.show((*reachability.checks(), *found.checks, repair_twilio.check(), live.inbound_check()))
        with st.container(key="system_queue", horizontal=True, vertical_alignment="center", gap="small"):
            st.header("Queue", anchor=False, width="content")
            links.show("Open the queue", links.queue())
        checks.lines(queue_health.checks())
        facts.own_numbers(found.own_numbers)
        facts.dialable(found)
    with right, st.container(key="panel_system"):
        facts.configuration(found.configuration)
        facts.versions(found)
        facts.migrations(found)
