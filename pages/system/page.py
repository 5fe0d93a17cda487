"""System: is the database as it should be, what is configured, which numbers are ours, whom automation dials next."""

import streamlit as st

from dashboard import live, own_numbers, reads, repair_twilio
from pages.system import checks, facts


def render() -> None:
    """The page."""
    own_numbers.perform()
    st.title("System", anchor=False)
    found = reads.system()
    left, right = st.columns([58, 42], gap="medium")
    with left:
        checks.show((*found.checks, repair_twilio.check(), live.inbound_check()))
        facts.own_numbers(found.own_numbers)
        facts.dialable(found)
    with right, st.container(key="panel_system"):
        facts.configuration(found.configuration)
        facts.versions(found)
        facts.migrations()
