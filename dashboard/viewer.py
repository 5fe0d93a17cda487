"""The person in front of the screen: time zone and theme, as the browser tells them."""

from typing import Literal
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import formatting


def zone() -> ZoneInfo:
    """The viewer's time zone."""
    return formatting.zone_of(st.context.timezone)


def theme() -> Literal["light", "dark"]:
    """The theme that the viewer sees."""
    return "dark" if getattr(st.context.theme, "type", None) == "dark" else "light"
