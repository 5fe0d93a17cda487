"""A stuck call: what is wrong with it, that only Twilio knows how it ended, and the ways to find out."""

import re
from datetime import UTC, datetime
from html import escape

import streamlit as st

from core.linking import Story
from core.linking.stuck import is_stuck
from dashboard import formatting, repair_twilio

COMMAND = ".venv/bin/python -m core repair"
_STANDARD = re.compile(r"CA[0-9a-f]{32}")


def console_address(call_sid: str) -> str | None:
    """The call's page in Twilio's own console; None for a SID that Twilio cannot have given."""
    if not _STANDARD.fullmatch(call_sid):
        return None
    return f"https://www.twilio.com/console/voice/calls/logs/{call_sid}"


def show(told: Story, *, key: str, ask: bool = False) -> None:
    """Why the call is stuck and what to do about it; nothing for a call that is not.

    :param key: prefix of the widgets' keys: the page's name.
    :param ask: show the button that asks Twilio, where the page has none of its own.
    """
    if not is_stuck(told.call_row, datetime.now(UTC)):
        return
    st.html(f'<p class="pb-line"><b class="pb-wait">! Stuck.</b> {escape(_why(told))}</p>')
    st.html(f'<p class="pb-line">{escape(_link(told))}</p>')
    if repair_twilio.can_ask():
        if ask:
            repair_twilio.show(told.call_sid, key=key)
        return
    st.html(
        f'<p class="pb-line"><b>Next:</b> set <code>TWILIO_ACCOUNT_SID</code> and <code>TWILIO_AUTH_TOKEN</code> (in '
        "<code>.env</code>) and start the console anew: “Ask Twilio…” then fills what is missing, and can be undone. "
        f"{_look_it_up(told.call_sid)}Or where the two are set:</p>"
    )
    st.code(f"{COMMAND} {told.call_sid}", language=None, wrap_lines=True)


def explain(view: str, total: int) -> None:
    """Above the list of stuck calls, where there is no account to ask: what they have in common, and the way out."""
    if view != "stuck" or not total or repair_twilio.can_ask():
        return
    st.html(
        '<p class="pb-line"><b class="pb-wait">!</b> How these calls ended only Twilio knows, and no account is set '
        "here. Set <code>TWILIO_ACCOUNT_SID</code> and <code>TWILIO_AUTH_TOKEN</code> to ask about all at once, "
        f"or run <code>{COMMAND} --view stuck</code> where they are set.</p>"
    )


def _why(told: Story) -> str:
    status = told.call.status or "unknown"
    if told.call.duration:
        lasted = formatting.duration(told.call.duration)
        return f"It lasted {lasted}, so it has ended, yet its status is “{status}”."
    if told.recordings:
        return f"It has a recording, so it has ended, yet its status is “{status}”."
    return f"Its status is “{status}”: the callback that says how it ended never came. Only Twilio knows."


def _link(told: Story) -> str:
    """What this means for its link: nothing, which has to be said where Unlink is the only button."""
    if told.call.lead_id is not None:
        return f"Its link to lead {told.call.lead_id} is not what is wrong: unlinking would not mend it."
    if told.call.set_aside:
        return "It is set aside, which does not mend its status; it stays on this list until its end is known."
    return "It can be linked as it is; set it aside if it is about no lead. Its status stays until Twilio is asked."


def _look_it_up(call_sid: str) -> str:
    address = console_address(call_sid)
    if address is None:
        return "Twilio cannot be asked about a SID of this form. "
    return (
        f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer" style="color:var(--pb-act)">'
        "Look at it in Twilio’s console</a>. "
    )
