"""The one entry point: page script when Streamlit runs it, ASGI application when a server imports it.

``streamlit run streamlit_app.py`` · ``uvicorn streamlit_app:app`` · ``python streamlit_app.py``
"""

import sys
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if get_script_run_ctx(suppress_warning=True) is None:  # imported by the server
    from streamlit.runtime.pages_manager import PagesManager

    from core.errors import PatchbayError
    from core.http import server_parts

    if hasattr(PagesManager, "uses_pages_directory"):
        PagesManager.uses_pages_directory = False  # pages/ holds folders with a render(), not page scripts
    try:
        parts = server_parts(
            warm=("pandas", "pyarrow", "plotly.graph_objects", "dashboard.shell"),
            pages=(
                Path(st.__file__).with_name("static") / "index.html",
                Path(__file__).with_name("dashboard") / "search_focus.html",
            ),
        )
    except PatchbayError as error:
        sys.exit(f"error: {error.message}")
    app = st.App(__file__, **parts)
    if __name__ == "__main__":
        app.run()
else:  # run as the page script
    from dashboard import shell

    shell.run()
