"""Test calls: place one, watch every stage."""

import streamlit as st


def render() -> None:
    """The page."""
    st.title("Test calls", anchor=False)
