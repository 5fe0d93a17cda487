"""The form that makes a lead from a call: prefilled, with the row that it would make, and what matches then."""

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

import streamlit as st

from core.errors import PatchbayError
from core.linking import Draft, Linking, NewLeadPreview, Options, Story
from core.linking.new_lead import STATUS, suggested
from core.model.records import LinkEvent
from dashboard import formatting, guard, identity, links, reads, state, story
from dashboard.state import Intent

STATUSES = (STATUS, "new")
"""Offered; any other can be typed."""
FIELDS = "new_lead"
_SEEN = f"{FIELDS}.seen"


def button(told: Story, *, key: str) -> None:
    """The button that opens the form, for a call whose number no lead has."""
    if told.call.lead_id is not None or told.cause != "no_matching_lead":
        return
    st.button(
        "Create a lead from this call…",
        key=f"{key}.new_lead",
        icon=":material/person_add:",
        on_click=state.open_dialog,
        args=("create_lead", told.call_sid),
        disabled=not identity.may_write(),
    )


def begin(linking: Linking, intent: Intent) -> Mapping[str, Any]:
    """What the form is filled with: the call's number, the name that was said, and the columns that must be given."""
    told = linking.story(intent.call_sid)
    state.set_value(_SEEN, None)
    return {"draft": suggested(told), "required": linking.required_columns()}


def show(intent: Intent, seen: Mapping[str, Any]) -> bool:
    """The form and what it would make. Returns False while it cannot be made so."""
    draft = _form(intent, seen)
    try:
        preview = identity.linking().preview_new_lead(intent.call_sid, draft)
    except PatchbayError as error:
        state.set_value(_SEEN, None)
        guard.show(error, "new_lead")
        return False
    state.set_value(_SEEN, preview)
    _outcome(preview)
    return True


def _form(intent: Intent, seen: Mapping[str, Any]) -> Draft:
    draft: Draft = seen["draft"]
    key = f"{FIELDS}.{{}}.{intent.request_id}"
    st.html(f'<p class="pb-line">Call <code>{escape(intent.call_sid)}</code></p>')
    said = "As the caller said it; check it." if draft.name else None
    left, right = st.columns(2, gap="small")
    name = left.text_input("Name", draft.name or "", key=key.format("name"), help=said)
    phone = right.text_input("Phone", draft.phone or "", key=key.format("phone"))
    status = st.selectbox("Status", STATUSES, key=key.format("status"), accept_new_options=True)
    columns = {}
    for column in seen["required"]:
        value = st.text_input(
            f"{column.name} (required by your table, {column.type})",
            key=key.format(f"column.{column.name}"),
        )
        if value.strip():
            columns[column.name] = value.strip()
    chosen = (status or STATUS).strip() or STATUS
    return Draft(name=name.strip() or None, phone=phone.strip() or None, status=chosen, columns=columns)


def _outcome(preview: NewLeadPreview) -> None:
    if preview.sharing:
        st.warning(formatting.plain(preview.sentence), icon=":material/group:")
        with st.container(horizontal=True, gap="small"):
            for other in preview.sharing[:5]:
                links.show_lead(other.lead.id, formatting.lead_label(other.lead.id, other.lead.name))
    rows = [(name, _cell(name, value)) for name, value in preview.columns.items() if value is not None]
    st.html('<p class="pb-line"><b>The new row of leads</b>, with your table\'s own defaults</p>')
    place = "as its current call" if preview.is_current else "as history: a test call is never the current one"
    st.html(story.facts_html([*rows, ("This call", f"linked to it, {place}")]))
    if not preview.sharing:
        st.html(f'<p class="pb-line"><b>{escape(preview.sentence)}</b></p>')
    icon = ":material/phone_forwarded:"
    if preview.draft.status == "new":
        st.warning(formatting.plain(preview.dialling), icon=icon)
    else:
        st.html(f'<p class="pb-line pb-muted">{escape(preview.dialling)}</p>')


def _cell(name: str, value: Any) -> str:
    text = formatting.cell(value)
    return text[:19].replace("T", " ") if name.endswith("_at") and isinstance(value, str) else text


def make(linking: Linking, intent: Intent, options: Options) -> LinkEvent | None:
    """Make what was shown last, with what was typed just before the button was pressed."""
    preview: NewLeadPreview | None = state.value(_SEEN)
    if preview is None or preview.call_sid != intent.call_sid:
        return None
    seen = replace(preview.options, reason=options.reason, request_id=options.request_id)
    event = linking.create_lead(intent.call_sid, _typed(intent, preview.draft), seen)
    reads.clear()
    return event


def _typed(intent: Intent, draft: Draft) -> Draft:
    """The draft with what stands in the form now: a press of the button comes with the last words typed."""
    key = f"{FIELDS}.{{}}.{intent.request_id}"
    name = (state.value(key.format("name"), draft.name) or "").strip() or None
    phone = (state.value(key.format("phone"), draft.phone) or "").strip() or None
    columns = {column: state.value(key.format(f"column.{column}"), value) for column, value in draft.columns.items()}
    return replace(draft, name=name, phone=phone, columns=columns)
