"""Errors as screens: known ones say what to do next, unexpected ones get a reference to the server's log."""

import functools
import logging
import secrets
from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from core.access import SignedOut
from core.errors import BadInput, MigrationNeeded, NotFound, PatchbayError, Refused, Unavailable
from dashboard import formatting, identity, migrations, reads

log = logging.getLogger("patchbay.dashboard")
P = ParamSpec("P")


def guarded(body: Callable[P, None]) -> Callable[P, None]:
    """Show an error of ``body`` in its place instead of a traceback. For pages, fragments and dialogs alike.

    Each asks first whether somebody is still signed in: fragments and dialogs run without the shell.
    """

    @functools.wraps(body)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            identity.current_actor()
            body(*args, **kwargs)
        except SignedOut:
            st.rerun()  # the whole page, which then says so
        except PatchbayError as error:
            show(error, body.__name__)
        except Exception:
            _show_unexpected(body.__name__)

    return run


def show(error: PatchbayError, where: str = "here") -> None:
    """A known error: what went wrong, what to do next, and Retry where a retry can help.

    :param where: the part of the screen that it is about; it keeps the Retry buttons apart.
    """
    text = f"**{formatting.plain(formatting.sentence(error.message))}**"
    if error.hint:
        text += f"  \n{formatting.plain(error.hint)}"
    if isinstance(error, Unavailable):
        st.error(text, icon=":material/cloud_off:")
        _retry(where)
        if isinstance(error, MigrationNeeded):
            migrations.offer_missing()
    elif isinstance(error, BadInput | NotFound):
        st.warning(text, icon=":material/search_off:")
    else:
        icon = ":material/block:" if isinstance(error, Refused) else ":material/error:"
        st.error(text, icon=icon)


def show_signed_out() -> None:
    """Instead of everything else: the session ended, and the way back in."""
    signed_out = SignedOut()
    st.title("Patchbay", anchor=False)
    st.warning(f"**{signed_out.message}** {signed_out.hint}", icon=":material/lock:")
    st.html('<a href="/login" style="color:inherit">Sign in again</a>')


def _show_unexpected(where: str) -> None:
    reference = secrets.token_hex(4)
    log.exception("reference %s: unexpected error in %s", reference, where)
    st.error(
        "**Something went wrong here, and it is not your doing.** Nothing was half-written.  \n"
        f"Try again; if it stays, pass on the reference `{reference}`: the server's log has the details under it.",
        icon=":material/error:",
    )
    _retry(where)


def _retry(name: str) -> None:
    st.button("Retry", key=f"guard.retry.{name}", icon=":material/refresh:", on_click=reads.clear)
