"""The person in front of the screen: time zone and theme, as the browser tells them."""

from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import formatting


def zone() -> ZoneInfo:
    """The viewer's time zone."""
    return formatting.zone_of(st.context.timezone)


def address(path: str) -> str | None:
    """A path of the console as a whole address, as the viewer's browser reaches it; None when that is unknown."""
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme}://{parts.netloc}{path}" if parts.netloc else None


def theme() -> Literal["light", "dark"]:
    """The theme that the viewer sees."""
    return "dark" if getattr(st.context.theme, "type", None) == "dark" else "light"
