"""Our own numbers: what a person says of one, carried out."""

import streamlit as st

from core.errors import PatchbayError
from dashboard import formatting, guard, identity, reads, state


def perform() -> None:
    """Carry out what was said of a number."""
    asked = state.take_own_number()
    if asked is None:
        return
    number, is_ours = asked
    try:
        identity.linking().confirm_own_number(number, is_ours)
    except PatchbayError as error:
        guard.show(error, "own_numbers")
        return
    finally:
        reads.clear()
    said = {True: "is ours", False: "is not ours", None: "is to be confirmed again"}[is_ours]
    words = f"{formatting.phone(number)} {said}. Its calls are judged anew."
    st.toast(formatting.plain(words), icon=":material/check:")
