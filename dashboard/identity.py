"""Who is signed in, for everything on the screen. Asked anew at every run, so that an ended session stops there.

The gate in front of the server puts the session's key into a header that nobody else can set; without it (no gate, no
session) nobody is signed in. Commands go through :func:`linking`, which acts in that person's name.
"""

import streamlit as st

from core import app as console
from core.access import Identity, SignedOut
from core.http.gate_requests import SESSION_HEADER
from core.linking import Linking


def current_actor(*, touch: bool = False) -> Identity:
    """The signed-in person.

    :param touch: a person did something (a page's own run, not a part that refreshes by itself).
    :raises core.access.SignedOut: when nobody is, or not any more.
    :raises core.errors.Unavailable: when the database cannot be asked.
    """
    key = _session_key()
    found = console.shared_access().sessions.by_key(key, touch=touch) if key else None
    if found is None:
        raise SignedOut
    return found


def linking() -> Linking:
    """The links, for the signed-in person: their name is on every link event, a viewer's commands are refused."""
    shared = console.shared()
    return shared.linking.acting_as(current_actor(), shared.access.way_of(_session_key()))


def may_write() -> bool:
    """Whether the signed-in person may change links."""
    return current_actor().may_write


def _session_key() -> str | None:
    return st.context.headers.get(SESSION_HEADER)
