"""The command line before any database: its grammar, its errors, its exit codes. DATABASE_URL leads nowhere here."""

import json
import subprocess
import sys
from typing import Any

import pytest

from core import cli
from core.cli import handlers, main, upkeep
from core.cli.parser import COMMANDS, parse, wants_json


@pytest.fixture(autouse=True)
def no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever asked the database would end with exit code 5."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    for name in ("SUPABASE_URL", "SUPABASE_KEY", "SUPABASE_SERVICE_ROLE_KEY", "PATCHBAY_DEBUG", "OWN_NUMBERS"):
        monkeypatch.delenv(name, raising=False)


BAD = [
    ("link", "CA1", "abc"),
    ("link", "CA1", "1e9"),
    ("link", "CA1", "٣"),
    ("link", "CA1", "99999999999999999999"),
    ("link", "CA1", "-1"),
    ("link", "CA1", "🙂"),
    ("link", "", "1"),
    ("link", "x" * 51, "1"),
    ("link", "CA\x1b[31m", "1"),
    ("link", "CA1"),
    ("link", "CA1", "1", "2"),
    ("link", "CA1", "1", "--expect-lead", "x"),
    ("link", "CA1", "1", "--reason", "x" * 2001),
    ("link", "CA1", "1", "--reason", " "),
    ("link", "CA1", "1", "--request-id", "x" * 201),
    ("link", "CA1", "1", "--actor", ""),
    ("unlink", "CA1", "--current"),
    ("undo",),
    ("undo", "abc"),
    ("undo", "1", "--batch", "1b4e28ba-2fa1-4c1e-9f3b-0c8e6f1f2a77"),
    ("undo", "--batch", "nonsense"),
    ("activity", "--lead", "x"),
    ("activity", "--limit", "0"),
    ("activity", "--batch", "'; drop table leads; --"),
    ("unlinked", "--cause", "nonsense"),
    ("unlinked", "--view", "nonsense"),
    ("unlinked", "--direction", "sideways"),
    ("unlinked", "--limit", "0"),
    ("unlinked", "--limit", "10001"),
    ("unlinked", "--limit", "ten"),
    ("unlinked", "--after", "nonsense"),
    ("unlinked", "--number", "call me"),
    ("unlinked", "--text", ""),
    ("unlinked", "--since", "yesterday"),
    ("unlinked", "--since", "2026-03-02", "--until", "2026-03-01"),
    ("lookup", ""),
    ("lookup", " \n "),
    ("lookup", "\0"),
    ("lookup", "x" * 10_000),
    ("lookup",),
    ("candidates", ""),
    ("nonsense",),
    (),
    ("overview", "--nonsense"),
    ("overview", "extra"),
]


@pytest.mark.parametrize("words", BAD, ids=lambda words: " ".join(words)[:40] or "nothing")
def test_bad_input_is_named_before_anything_is_looked_up(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert len(told.err.splitlines()) == 1
    assert told.out == ""
    assert main([*words, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == "bad_input"


def test_a_database_that_is_down_is_exit_code_5_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["overview", "--json"]) == 5
    told = capsys.readouterr()
    assert json.loads(told.out)["error"]["code"] == "database_down"
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize("words", [("--json", "overview"), ("overview", "--json")])
def test_json_may_stand_before_and_after_the_command(words: tuple[str, ...]) -> None:
    assert parse(words).json is True


def test_after_two_dashes_json_is_a_text() -> None:
    assert not wants_json(["lookup", "--", "--json"])
    assert parse(["lookup", "--", "--json"]).text == ["--json"]


def test_options_are_never_guessed_from_their_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["overview", "--js"]) == 2
    assert "unrecognized" in capsys.readouterr().err.lower()


@pytest.mark.parametrize("name", [words.name for words in COMMANDS])
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert name in capsys.readouterr().out


def test_every_command_has_its_handler() -> None:
    assert sorted([*handlers.HANDLERS, *upkeep.HANDLERS]) == sorted(words.name for words in COMMANDS)


def test_what_nobody_expected_is_one_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_words: Any) -> Any:
        raise ZeroDivisionError("over\nthe edge")

    monkeypatch.setattr(cli, "_answer", fail)
    assert main(["overview", "--json"]) == 1
    told = capsys.readouterr()
    assert "ZeroDivisionError: over the edge" in told.err
    assert "Traceback" not in told.err
    assert json.loads(told.out)["error"]["code"] == "error"
    monkeypatch.setenv("PATCHBAY_DEBUG", "1")
    assert main(["overview"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_words: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_answer", interrupt)
    assert main(["overview"]) == 130
    assert capsys.readouterr() == ("", "")


def test_the_migrations_are_printed_as_one_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--print"]) == 0
    assert "create table if not exists public.calls" in capsys.readouterr().out


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = [sys.executable, "-m", "core", "migrate", "--print"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait(20)


def test_an_ascii_terminal_gets_escapes_instead_of_an_error() -> None:
    env = {"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}
    command = [sys.executable, "-m", "core", "link", "CA1", "🙂", "--json"]
    done = subprocess.run(command, capture_output=True, env=env, check=False, timeout=30)
    assert done.returncode == 2
    assert b"\\U0001f642" in done.stdout
    assert done.stderr.startswith(b"error: ")
