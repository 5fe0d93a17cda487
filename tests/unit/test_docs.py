"""README tells the truth: every page, command and variable is named there, and nothing that does not exist."""

import re
from pathlib import Path

import pytest

from core.cli.parser import COMMANDS
from dashboard.links import PAGES

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
READ_VARIABLES = frozenset(
    re.findall(r'values(?:\.get\(|, )"([A-Z_]+)"', (ROOT / "core/settings.py").read_text(encoding="utf-8"))
)
NOT_FOR_PEOPLE = frozenset({"DISPLAY", "WAYLAND_DISPLAY", "PATCHBAY_OPEN_BROWSER"})
"""What the machine or the Makefile sets."""


def _section(title: str) -> str:
    return README.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.name)
def test_each_page_is_explained(page) -> None:
    assert f"| {page.title} |" in _section("Pages")


@pytest.mark.parametrize("name", sorted(words.name for words in COMMANDS))
def test_each_command_is_explained(name: str) -> None:
    assert f"`{name}`" in _section("Command line")


@pytest.mark.parametrize("name", sorted(READ_VARIABLES - NOT_FOR_PEOPLE))
def test_each_variable_is_explained(name: str) -> None:
    assert f"`{name}`" in _section("Configuration")
    assert name in (ROOT / ".env.example").read_text(encoding="utf-8")


def test_no_variable_is_explained_that_nobody_reads() -> None:
    explained = set(re.findall(r"^\| `([A-Z_]+)`", _section("Configuration"), flags=re.MULTILINE))
    assert explained <= READ_VARIABLES


def test_the_picture_is_there() -> None:
    for picture in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README):
        assert (ROOT / picture).is_file()
