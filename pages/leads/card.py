"""One lead: who it is, its phone number mended in place, who shares it, what was changed."""

from html import escape

import streamlit as st

from core.linking.lead_book import LeadStory
from dashboard import formatting, links, reads, remedies, state, story, viewer

LIKENESS = {
    "same": "the same number",
    "national": "the same number, written otherwise",
    "other_country": "the same number behind another country code",
    "variant": "the same number but for a mobile digit",
}
MOST_CHANGES = 8
SHOWN = ("id", "name", "phone", "email", "company", "lead_status", "call_sid", "created_at", "last_contacted_at")


def heading(told: LeadStory) -> None:
    """The lead's name, and the way back to the list."""
    lead = told.lead
    with st.container(
        key="lead_heading", horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        st.title(formatting.plain(formatting.lead_label(lead.id, lead.name)), anchor=False, width="content")
        back = links.param("q")
        links.show("Back to the search" if back else "All leads", links.leads(back), icon=":material/arrow_back:")


def facts(told: LeadStory) -> None:
    """What is known of the lead."""
    lead, zone = told.lead, viewer.zone()
    rows = [
        ("Phone", lead.phone or formatting.NONE),
        ("Read as", ", ".join(map(formatting.phone, told.numbers)) or "no number that can be read"),
        ("E-mail", lead.email or formatting.NONE),
        ("Company", str(lead.row.get("company") or formatting.NONE)),
        ("Status", _status(told)),
        ("Current call", formatting.short_sid(told.current) if told.current else "none"),
        ("Last contact", formatting.exact(lead.last_contacted_at, zone)),
        ("Created", formatting.exact(lead.created_at, zone)),
    ]
    st.html(story.facts_html(rows))
    others = [(name, formatting.cell(value)) for name, value in lead.row.items() if name not in SHOWN and value]
    if others:
        with st.expander("All other columns"):
            st.html(story.facts_html(others))


def _status(told: LeadStory) -> str:
    status = told.lead.lead_status or formatting.NONE
    dialled = status == "new" and not told.current
    return f"{status}: automation may dial it, since it has no current call" if dialled else status


def phone(told: LeadStory) -> None:
    """The phone field, mended in place: what another number would match is shown before anything is stored."""
    lead, field = told.lead, f"leads.phone.{told.lead.id}"
    st.header("Fix this phone", anchor=False)
    with st.container(key="lead_phone", horizontal=True, vertical_alignment="bottom", gap="small"):
        text = st.text_input("Phone number to store", value=lead.phone or "", key=field, width=240)
        wanted = (text or "").strip()
        same = wanted == (lead.phone or "").strip()
        args = ("set_phone", "", lead.id, None, wanted or None)
        st.button(
            "Store…", key="leads.store", icon=":material/save:", on_click=state.open_dialog, args=args, disabled=same
        )
    if same:
        st.html('<p class="pb-line pb-muted">Type another number to see which calls would then match.</p>')
        return
    seen = reads.phone_preview(lead.id, wanted)
    st.html(remedies.phone_words(seen))
    with st.container(horizontal=True, gap="small"):
        for call in seen.calls[:8]:
            links.show_call(call.call_sid)


def sharing(told: LeadStory) -> None:
    """The other leads that hold one of its numbers."""
    st.header(f"Leads that share the number · {len(told.sharing)}", anchor=False)
    if not told.sharing:
        st.html('<p class="pb-line pb-muted">No other lead holds it.</p>')
    for other in told.sharing:
        with st.container(
            key=f"ledger_sharing_{other.lead.id}", horizontal=True, vertical_alignment="center", gap="small"
        ):
            links.show_lead(other.lead.id, formatting.lead_label(other.lead.id, other.lead.name))
            how = LIKENESS.get(other.likeness, other.likeness)
            number = formatting.clip(other.lead.phone or "", 40)
            st.html(f'<span class="pb-line pb-muted">{escape(number)}: {escape(how)}</span>', width="content")


def changes(told: LeadStory) -> None:
    """The newest changes of its links."""
    st.header("Activity", anchor=False)
    if not told.history:
        st.html('<p class="pb-line pb-muted">No link of this lead has ever changed.</p>')
        return
    lines = "".join(
        f"<li>{escape(formatting.sentence(formatting.event_words(event)))}"
        f'{" · undone" if event.undone else ""}<br><span class="pb-muted">'
        f"{escape(formatting.short_sid(event.call_sid or ''))} {escape(formatting.actor_words(event))}, "
        f'<span title="{escape(formatting.exact(event.at, viewer.zone()))}">'
        f"{escape(formatting.relative(event.at))}</span></span></li>"
        for event in told.history[:MOST_CHANGES]
    )
    st.html(f'<ul class="pb-checks">{lines}</ul>')
    words = f"All changes of lead {told.lead.id}, with Undo"
    links.show(words, links.activity(lead=told.lead.id), icon=":material/history:")
