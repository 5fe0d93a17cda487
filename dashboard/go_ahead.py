"""The primary button under a preview: it begins work that goes on in the background."""

import streamlit as st

from core.access.identity import VIEWERS_READ
from dashboard import identity, state, typed


def asked(order: str, reason: str | None = None) -> bool:
    """Whether the button was pressed by somebody who may, with a reason that fits.

    :param order: where the press is kept until the next run.
    :param reason: the key of the reason's field, where there is one.
    """
    return bool(state.value(order)) and identity.may_write() and (reason is None or typed.reason_fits(reason))


def button(label: str, *, key: str, order: str, icon: str, says: str, fits: bool = True) -> None:
    """The button.

    :param key: the widget's key.
    :param order: where the press is kept, see :func:`asked`.
    :param says: what those who may press it should know.
    :param fits: whether the reason does.
    """
    barred = not identity.may_write()
    st.button(
        label,
        key=key,
        type="primary",
        icon=icon,
        on_click=state.set_value,
        args=(order, True),
        disabled=barred or not fits,
        help=VIEWERS_READ if barred else says,
    )
