"""The leads that may belong to a call: confidence, what speaks for and against each, and the button that links."""

from collections.abc import Sequence
from html import escape

import streamlit as st

from core.model.records import Candidate, Evidence
from dashboard import formatting, links, reads, state

LOOKS = {"certain": ("pb-ok", "◆"), "high": ("pb-ok", "●"), "medium": ("pb-wait", "◐"), "low": ("pb-muted", "○")}
"""Colour and sign of each confidence; the word stands beside them."""


def show(call_sid: str, candidates: Sequence[Candidate], *, key: str, lead_id: int | None = None) -> None:
    """The candidates, best first, each with its button.

    :param key: namespace of the buttons.
    :param lead_id: the lead that the call is linked to now; the others are then offered for relinking.
    """
    if not candidates:
        st.html('<p class="pb-line pb-muted">No lead fits this call by number, notes or an earlier link.</p>')
    for index, candidate in enumerate(candidates):
        with st.container(key=f"candidate_{key}_{candidate.lead_id}", gap="xsmall"):
            _one(call_sid, candidate, key=key, linked=lead_id, first=index == 0)


def _one(call_sid: str, candidate: Candidate, *, key: str, linked: int | None, first: bool) -> None:
    st.html(heading(candidate) + reasons(candidate))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if candidate.lead_id == linked:
            st.html('<span class="pb-chip pb-ok">✓ linked now</span>', width="content")
        else:
            action = "link" if linked is None else "relink"
            strong = first and linked is None and candidate.confidence in ("certain", "high")
            st.button(
                f"{'Link' if linked is None else 'Relink'} to lead {candidate.lead_id}",
                key=f"{key}.link.{candidate.lead_id}",
                type="primary" if strong else "secondary",
                icon=":material/link:",
                on_click=state.open_dialog,
                args=(action, call_sid, candidate.lead_id),
            )
        links.show_lead(candidate.lead_id, _its_calls(candidate))
        if candidate.phone and candidate.phone.strip():
            links.show("Unlinked calls of this number", links.worklist(number=candidate.phone))


def _its_calls(candidate: Candidate) -> str:
    """The words of the link to the lead: how many calls it has."""
    mine = reads.calls_of_lead(candidate.lead_id)
    return f"Its {formatting.count(mine.total, 'call')}" if mine.total else f"Lead {candidate.lead_id}"


def heading(candidate: Candidate) -> str:
    """Lead, number and confidence on one line."""
    look, mark = LOOKS[candidate.confidence]
    name = formatting.lead_label(candidate.lead_id, candidate.name)
    number = f' <span class="pb-muted">{escape(formatting.clip(candidate.phone, 40))}</span>' if candidate.phone else ""
    sure = f'<span class="pb-chip {look}">{mark} {escape(candidate.confidence)}</span>'
    return f'<p class="pb-line" style="margin:0"><b>{escape(name)}</b>{number} {sure}</p>'


def reasons(candidate: Candidate) -> str:
    """What speaks for and against it, each with its sign."""
    lines = [_reason("+", "pb-ok", "for", reason) for reason in candidate.evidence]
    lines += [_reason("−", "pb-bad", "against", reason) for reason in candidate.against]
    return f'<ul class="pb-reasons">{"".join(lines)}</ul>'


def _reason(mark: str, look: str, word: str, reason: Evidence) -> str:
    sign = f'<span class="pb-mark {look}" role="img" aria-label="{word}">{mark}</span>'
    return f'<li title="{escape(reason.source)}">{sign}{escape(formatting.sentence(reason.detail))}</li>'


def summary(lead_id: int | None, confidence: str | None) -> str:
    """The best candidate in a table's cell."""
    if lead_id is None:
        return formatting.NONE
    mark = LOOKS[confidence][1] if confidence in LOOKS else "○"
    return f"{mark} Lead {lead_id} · {confidence or 'unsure'}"
