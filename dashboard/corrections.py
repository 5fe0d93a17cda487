"""Phone numbers that could be mended so that a call finds its lead: said, offered, and stored only in a dialog."""

from html import escape

import streamlit as st

from core.linking import Story
from dashboard import formatting, identity, reads, state

CAUSES = frozenset({"no_matching_lead", "format_mismatch", "unlinked_by_hand", "several_leads"})


def show(told: Story, *, key: str) -> None:
    """The leads whose phone could be mended so that this unlinked call finds them.

    :param key: namespace of the buttons.
    """
    if told.call.lead_id is not None or told.cause not in CAUSES:
        return
    for found in reads.corrections(told.call_sid):
        with st.container(
            key=f"candidate_{key}_mend_{found.lead_id}", horizontal=True, vertical_alignment="center", gap="small"
        ):
            words = f"{escape(found.sentence)} <b>{escape(found.outcome)}</b>"
            st.html(f'<p class="pb-line">{words}</p>', width="stretch")
            _store(found.lead_id, found.phone, f"{key}.mend.{found.lead_id}")


def offer(lead_id: int, number: str) -> None:
    """After a call was linked to a lead whose phone is another number: it could be stored there."""
    lead = reads.lead(lead_id)
    if lead is None:
        return
    seen = reads.phone_preview(lead_id, number)
    has = f"has {formatting.clip(lead.phone, 40)}" if lead.phone and lead.phone.strip() else "has no phone number"
    with st.container(key="offer_number", horizontal=True, vertical_alignment="center", gap="small"):
        words = f"Lead {lead_id} {has}; the call came with {formatting.phone(number)}. {seen.sentence}"
        st.html(f'<span class="pb-line">{escape(words)}</span>', width="stretch")
        _store(lead_id, number, f"offer.{lead_id}")


def _store(lead_id: int, phone: str, key: str) -> None:
    st.button(
        f"Store it for lead {lead_id}…",
        key=key,
        icon=":material/save:",
        disabled=not identity.may_write() or state.intent() is not None,
        on_click=state.open_dialog,
        args=("set_phone", "", lead_id, None, phone),
    )
