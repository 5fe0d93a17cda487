"""Before a call is found: nothing asked, several matches, none."""

from datetime import UTC, datetime

import streamlit as st

from core.errors import BadInput, NotFound
from core.linking import Matches
from core.model.records import Call
from dashboard import formatting, links, story, viewer

EXPECTED = (
    "Expected is a Call SID (<code>CA</code> and 32 hexadecimal digits, in any case, with any text round it), "
    "at least the beginning or the end of one, its short form such as <code>CA3f…9c1e</code>, or a phone number."
)


def nothing_asked() -> None:
    """The empty page says what can be pasted."""
    st.html(f'<div class="pb-empty"><b>Paste anything that names a call</b>{EXPECTED}</div>')


def not_found(error: BadInput | NotFound) -> None:
    """Nothing fits: what was wrong, and what is expected."""
    title = "No such call" if isinstance(error, NotFound) else "That cannot name a call"
    st.warning(f"**{title}.** {formatting.plain(error.message)}", icon=":material/search_off:")
    if error.hint and not error.hint.startswith("Expected"):
        st.markdown(formatting.plain(error.hint))
    st.html(f'<p class="pb-line pb-muted">{EXPECTED}</p>')


def matches(found: Matches) -> None:
    """Several calls fit: each as one line."""
    more = " The newest are listed; paste more of the SID to narrow it down." if found.more else ""
    words = f"<b>{formatting.count(len(found.calls), 'call')}</b> fit this text.{more}"
    st.html(f'<p class="pb-line">{words}</p>')
    for call in found.calls:
        with st.container(
            key=f"ledger_match_{call.call_sid}", horizontal=True, vertical_alignment="center", gap="medium"
        ):
            links.show_call(call.call_sid)
            st.html(_line(call), width="stretch")


def _line(call: Call) -> str:
    when = formatting.clock(call.started_at, viewer.zone(), now=datetime.now(UTC))
    number = formatting.phone(call.counterpart)
    parts = (
        when,
        formatting.relative(call.started_at),
        formatting.direction(call.direction),
        number,
        formatting.duration(call.duration),
    )
    return f'<span class="pb-line">{story.chip(call, call.cause)} {" · ".join(map(story.text, parts))}</span>'
