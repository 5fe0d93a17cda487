"""The two charts of the overview, as plotly figures. Pure: rows in, figure out; colours follow the viewer's theme."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard import formatting

SERIES = (("current", "Current", ""), ("history", "History", "."), ("unlinked", "Unlinked", "/"))
"""Column, words and pattern: the pattern tells the parts apart where colours do not."""
COLOURS: Mapping[str, Mapping[str, str]] = {
    "light": {"current": "#1a7f37", "history": "#8c959f", "unlinked": "#bf8700", "text": "#3d444d", "grid": "#e4e8ec"},
    "dark": {"current": "#3fb950", "history": "#6e7681", "unlinked": "#d29922", "text": "#c3cbd4", "grid": "#2b3138"},
}
HEIGHT = 260


def day_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Rows of calls per day as a table with a ``day`` of type date and whole numbers."""
    table = pd.DataFrame(list(rows), columns=["day", "current", "history", "unlinked", "set_aside"])
    table["day"] = pd.to_datetime(table["day"]).dt.date
    counts = ["current", "history", "unlinked", "set_aside"]
    table[counts] = table[counts].fillna(0).astype(int)
    return table


def per_day(table: pd.DataFrame, theme: str) -> go.Figure:
    """Stacked bars: current, history, unlinked."""
    colours = COLOURS[theme]
    figure = go.Figure()
    for column, words, pattern in SERIES:
        figure.add_bar(
            x=table["day"],
            y=table[column],
            name=words,
            marker={
                "color": colours[column],
                "line": {"width": 0},
                "pattern": {"shape": pattern, "size": 4, "solidity": 0.25},
            },
            hovertemplate="%{y:,} " + words.lower() + "<extra></extra>",
        )
    figure.update_layout(barmode="stack", hovermode="x unified", bargap=0.18, **layout(colours))
    figure.update_xaxes(
        showgrid=False,
        fixedrange=True,
        tickformat="%-d %b",
        hoverformat="%a %-d %b %Y",
        tickfont_color=colours["text"],
    )
    figure.update_yaxes(
        gridcolor=colours["grid"], fixedrange=True, tickformat=",d", rangemode="tozero", tickfont_color=colours["text"]
    )
    return figure


def cause_table(counts: Mapping[str, int]) -> pd.DataFrame:
    """Causes with at least one call, the most frequent first."""
    rows = [(cause, formatting.words(cause), number) for cause, number in counts.items() if number]
    return pd.DataFrame(sorted(rows, key=lambda row: (-row[2], row[1])), columns=["cause", "words", "calls"])


def by_cause(table: pd.DataFrame, theme: str) -> go.Figure:
    """Horizontal bars, the most frequent cause on top."""
    colours = COLOURS[theme]
    figure = go.Figure()
    figure.add_bar(
        x=table["calls"],
        y=table["words"],
        customdata=table["cause"],
        orientation="h",
        text=table["calls"].map("{:,}".format),
        textposition="outside",
        cliponaxis=False,
        marker={"color": colours["unlinked"], "line": {"width": 0}},
        hovertemplate="%{y}: %{x:,} calls<extra></extra>",
    )
    figure.update_layout(bargap=0.28, showlegend=False, **layout(colours))
    figure.update_xaxes(visible=False, fixedrange=True)
    figure.update_yaxes(
        autorange="reversed", fixedrange=True, ticksuffix="  ", automargin=True, tickfont_color=colours["text"]
    )
    return figure


def layout(colours: Mapping[str, str], *, height: int = HEIGHT) -> dict[str, Any]:
    """What every chart has in common.

    :param height: in pixels.
    """
    return {
        "height": height,
        "margin": {"l": 4, "r": 34, "t": 26, "b": 4},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 12, "color": colours["text"]},
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.02,
            "yanchor": "bottom",
            "xanchor": "left",
            "title": None,
            "traceorder": "normal",
        },
        "dragmode": False,
        "clickmode": "event+select",
    }
