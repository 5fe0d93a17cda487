"""Contrast: every text colour on every ground it stands on reaches 4.5 to 1, in both themes (WCAG 2, level AA)."""

import re
import tomllib
from itertools import product

import pytest

from dashboard import charts, shell
from tests.ui.conftest import ROOT

THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
PAIRS = re.findall(r"--pb-([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", shell.STYLE.read_text())
MEANINGS = ("ok", "wait", "bad", "act", "muted")


def luminance(colour: str) -> float:
    parts = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("theme", "column"), [("light", 1), ("dark", 2)])
def test_text_can_be_read(theme: str, column: int) -> None:
    colours = {pair[0]: pair[column] for pair in PAIRS}
    page, panel = THEME[theme]["backgroundColor"], THEME[theme]["secondaryBackgroundColor"]
    texts = [*(colours[name] for name in MEANINGS), THEME[theme]["textColor"], THEME[theme]["linkColor"]]
    weak = [(text, ground) for text, ground in product(texts, (page, panel)) if contrast(text, ground) < 4.5]
    weak += [(name, "its chip") for name in MEANINGS[:4] if contrast(colours[name], colours[f"{name}-soft"]) < 4.5]
    assert not weak


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chart_words_can_be_read_and_parts_can_be_seen(theme: str) -> None:
    page, colours = THEME[theme]["backgroundColor"], charts.COLOURS[theme]
    assert contrast(colours["text"], page) >= 4.5
    assert all(contrast(colours[part], page) >= 3 for part in ("current", "history", "unlinked"))


def test_a_primary_button_can_be_read() -> None:
    assert all(contrast("#ffffff", THEME[theme]["primaryColor"]) >= 4.5 for theme in ("light", "dark"))


def test_the_style_asks_nothing_of_an_outside_host() -> None:
    assert not re.search(r"url\(|@import|https?:", shell.STYLE.read_text())
