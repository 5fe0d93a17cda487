"""A suspect link: the lead that the call is linked to, beside the one that fits better, each with its evidence."""

from html import escape

import streamlit as st

from core.linking import Story
from core.model.records import Candidate, Lead
from dashboard import candidates, formatting, links, reads, state

MOST_BETTER = 3


def show(told: Story) -> None:
    """Both sides, and the two ways to settle it: relink, or say that the link is right."""
    call, known = told.call, {candidate.lead_id: candidate for candidate in told.candidates}
    st.header("Which lead is right?", anchor=False)
    if call.lead_id is not None:
        with st.container(key=f"candidate_linked_{call.lead_id}", gap="xsmall"):
            _linked(told, call.lead_id, known.get(call.lead_id))
    better = [known[lead_id] for lead_id in call.cause_leads if lead_id in known and lead_id != call.lead_id]
    for place, candidate in enumerate(better[:MOST_BETTER]):
        with st.container(key=f"candidate_better_{candidate.lead_id}", gap="xsmall"):
            _better(told, candidate, first=place == 0)
    if not better:
        st.html('<p class="pb-line pb-muted">No lead fits better: unlink the call, or say that the link is right.</p>')
    rest = [each for each in told.candidates if each.lead_id != call.lead_id and each not in better[:MOST_BETTER]]
    if rest:
        with st.expander(f"Other candidates · {len(rest)}"):
            candidates.show(told.call_sid, rest, key="unlinked", lead_id=call.lead_id)


def _linked(told: Story, lead_id: int, candidate: Candidate | None) -> None:
    lead = told.lead or reads.lead(lead_id)
    number = f' <span class="pb-muted">{escape(formatting.clip(lead.phone, 40))}</span>' if lead and lead.phone else ""
    name = escape(formatting.lead_label(lead_id, lead.name if lead else None))
    st.html(
        f'<p class="pb-line"><b>{name}</b>{number} <span class="pb-chip pb-wait">linked now</span></p>'
        + (candidates.reasons(candidate) if candidate else _nothing(lead))
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "The link is right…", key="unlinked.confirm_link", icon=":material/check:", on_click=state.open_dialog,
            args=("confirm_link", told.call_sid, lead_id), help="It is not suspect any more, unless new proof appears",
        )  # fmt: skip
        links.show_lead(lead_id)


def _nothing(lead: Lead | None) -> str:
    what = "Nothing speaks for it but the link itself." if lead else "It is gone."
    return f'<p class="pb-line pb-muted">{what}</p>'


def _better(told: Story, candidate: Candidate, *, first: bool) -> None:
    words = "fits better" if first else "fits as well"
    chip = f'<span class="pb-chip pb-ok">{words}</span>'
    st.html(f'<p class="pb-line">{chip}</p>' + candidates.heading(candidate) + candidates.reasons(candidate))
    with st.container(horizontal=True, gap="small"):
        st.button(
            f"Relink to lead {candidate.lead_id}…", key=f"unlinked.link.{candidate.lead_id}",
            type="primary" if first else "secondary", icon=":material/link:", on_click=state.open_dialog,
            args=("relink", told.call_sid, candidate.lead_id),
        )  # fmt: skip
        links.show_lead(candidate.lead_id)
