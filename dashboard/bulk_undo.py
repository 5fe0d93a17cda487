"""Undo of a whole batch from wherever it is shown: a small one in the dialog, a large one on a page of its own."""

import streamlit as st

from core.access.identity import VIEWERS_READ
from dashboard import identity, links, state

LARGE = 200
"""A batch of so many changes takes seconds: it is undone in the background, with its progress and a way to stop."""
HELP = "One undo for all of it; what moved on since is skipped and listed"


def button(batch_id: str, size: int, *, key: str, label: str = "Undo this batch…") -> None:
    """The button, or for a large batch the link.

    :param size: how many changes the undo may take back, as far as that is known.
    :param key: the widget's key.
    """
    barred = not identity.may_write()
    if size >= LARGE and not barred:
        links.show(label, links.activity(batch=batch_id, undo="all"), icon=":material/undo:", help=HELP)
        return
    st.button(
        label,
        key=key,
        icon=":material/undo:",
        on_click=state.open_dialog,
        args=("undo_batch", "", None, None, batch_id),
        disabled=barred,
        help=VIEWERS_READ if barred else HELP,
    )
