"""HTTP: what the server answers beside Streamlit's pages."""
