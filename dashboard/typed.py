"""What people type and paste. Streamlit's own ``max_chars`` drops a longer paste without a word, so no field has it:
any text is taken, and one that is too long is said to be, by name and length, while it stands there to be shortened.
"""

from typing import Any

import streamlit as st

from core.linking.fields import REASON_LENGTH
from core.model import call_sid as sids
from dashboard import formatting, state

LONGEST_PASTE = 1_000_000
"""Characters of a log that are looked through for Call SIDs."""
LONGEST_IN_ADDRESS = 1000
"""A longer text would make an address that servers refuse after a reload."""


def too_long(name: str, text: str | None, longest: int) -> str | None:
    """What is said of a text that does not fit, or None.

    :param name: of the field, as its label says.
    """
    length = len((text or "").strip())
    if length <= longest:
        return None
    return f"{name} has {length:,} characters, and at most {longest:,} fit: shorten it by {length - longest:,}."


def fits(name: str, text: str | None, longest: int) -> bool:
    """Whether a text fits; else it is said beside the field."""
    problem = too_long(name, text, longest)
    if problem:
        st.warning(formatting.plain(problem), icon=":material/edit:")
    return problem is None


def reason(key: str, **options: Any) -> bool:
    """The field for why something is done, and whether what stands in it fits."""
    text = st.text_input("Reason (optional)", key=key, **options)
    return fits("The reason", text, REASON_LENGTH)


def reason_fits(key: str) -> bool:
    """Whether a reason fits, asked before its field is shown."""
    return too_long("The reason", state.value(key), REASON_LENGTH) is None


def meant(text: str | None, longest: int) -> str:
    """What is searched for: a paste that is too long to be meant word by word stands for the one Call SID in it."""
    wanted = (text or "").strip()
    if len(wanted) <= longest:
        return wanted
    named = sids.find(wanted[:LONGEST_PASTE])
    return named[0] if len(named) == 1 else wanted


def for_address(text: str) -> str:
    """A search as it stands in the address: of a long paste the Call SIDs that it names, as many as there is room."""
    if len(text) <= LONGEST_IN_ADDRESS:
        return text
    named = " ".join(sids.find(text[:LONGEST_PASTE]))
    return named[:LONGEST_IN_ADDRESS].rpartition(" ")[0] if len(named) > LONGEST_IN_ADDRESS else named
