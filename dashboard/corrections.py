"""Phone numbers that could be mended so that a call finds its lead: said, offered, and stored only in a dialog."""

from html import escape

import streamlit as st

from core import app as console
from core.linking import Story
from core.model import phone
from core.model.holders import FIRM
from core.model.records import Lead, LinkEvent
from dashboard import formatting, identity, reads, state

CAUSES = frozenset({"no_matching_lead", "format_mismatch", "unlinked_by_hand"})


def show(told: Story, *, key: str, firm: bool = True) -> None:
    """The leads whose phone could be mended so that this unlinked call finds them.

    :param key: namespace of the buttons.
    :param firm: also those that have the number and only write it otherwise: they are found here as they are, but not
        by the backend, which looks for digits as Twilio writes them.
    """
    if told.call.lead_id is not None or told.cause not in CAUSES:
        return
    for found in reads.corrections(told.call_sid):
        if found.difference in FIRM and not firm:
            continue
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


def after_link(event: LinkEvent | None) -> None:
    """The same for what was just done, if it linked a call to a lead with another number."""
    if event is None or event.call_sid is None or event.action not in ("link", "relink") or event.lead_id is None:
        return
    number = reads.story(event.call_sid).call.counterpart
    if number is not None and differs(reads.lead(event.lead_id), number):
        offer(event.lead_id, number)


def differs(lead: Lead | None, number: str) -> bool:
    """Whether a lead's phone field holds another number than this one, or none."""
    region = console.shared().settings.default_region
    return lead is not None and phone.likeness(lead.phone, number, region) not in FIRM


def _store(lead_id: int, phone: str, key: str) -> None:
    st.button(
        f"Store it for lead {lead_id}…",
        key=key,
        icon=":material/save:",
        disabled=not identity.may_write() or state.intent() is not None,
        on_click=state.open_dialog,
        args=("set_phone", "", lead_id, None, phone),
    )
