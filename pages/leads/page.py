"""Leads: search; a lead with its whole call history, and every lead and call that shares its number."""

import streamlit as st

from core.errors import BadInput
from core.linking.fields import identifier
from dashboard import links, reads
from pages.leads import calls, card, number, search


def render() -> None:
    """The page: one lead or one number when the address names it, else the search."""
    asked, by_number = links.param("lead"), links.param("number")
    if asked is None and by_number is not None:
        number.show(by_number)
        return
    if asked is None:
        search.show()
        return
    try:
        lead_id = identifier("Lead", asked)
    except BadInput:
        search.no_such(asked)
        return
    told = reads.lead_story(lead_id)
    card.heading(told)
    left, right = st.columns([60, 40], gap="medium")
    with left:
        calls.history(told)
        calls.of_its_numbers(told)
    with right, st.container(key="panel_lead"):
        card.facts(told)
        card.phone(told)
        card.sharing(told)
        card.changes(told)
