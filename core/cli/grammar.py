"""What the command line's grammar is made of: commands, their arguments, and argparse that answers in our errors."""

import argparse
from dataclasses import dataclass
from typing import Any, NoReturn

from core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command.

    :ivar name: as it is typed: ``--limit``, or a place's name.
    :ivar says: what it means, for ``--help``.
    :ivar how: what argparse has to know besides.
    """

    name: str
    says: str
    how: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CommandWords:
    """One command: what it does and which arguments it takes."""

    name: str
    says: str
    arguments: tuple[Argument, ...]


def command(name: str, says: str, *arguments: Argument) -> CommandWords:
    """A command with its arguments, in the order in which ``--help`` lists them."""
    return CommandWords(name, says, arguments)


def option(name: str, says: str, metavar: str | None = None) -> Argument:
    """``--name VALUE``; None where it is not given.

    :param metavar: what stands for the value in ``--help``; None: the name in capitals.
    """
    return Argument(name, says, {"metavar": metavar})


def flag(name: str, says: str) -> Argument:
    """``--name``, which is given or not."""
    return Argument(name, says, {"action": "store_true"})


def place(name: str, says: str, metavar: str) -> Argument:
    """A word that has to stand there."""
    return Argument(name, says, {"metavar": metavar})


def maybe(name: str, says: str, metavar: str) -> Argument:
    """A word that may be left out."""
    return Argument(name, says, {"metavar": metavar, "nargs": "?"})


def many(name: str, says: str, metavar: str) -> Argument:
    """Every word from here on, one at least: text with blanks needs no quotes."""
    return Argument(name, says, {"metavar": metavar, "nargs": "+"})


def paged(things: str, default: int = 50) -> tuple[Argument, Argument]:
    """``--limit`` and ``--after`` of a list that has pages."""
    return limit(things, default), option("--after", "the cursor of the page before", "CURSOR")


def limit(things: str, default: int = 50) -> Argument:
    """``--limit``, of which the command knows the default."""
    return option("--limit", f"{things} (default {default})", "N")


class Words(argparse.ArgumentParser):
    """argparse that raises our error instead of printing usage and leaving."""

    def error(self, message: str) -> NoReturn:
        """Every complaint of argparse is bad input."""
        raise BadInput(f"{message[:1].upper()}{message[1:]}.".replace("..", "."), hint=f"See: {self.prog} --help")

    def take(self, arguments: tuple[Argument, ...]) -> None:
        """Know these arguments, and ``--json``, which every command knows."""
        self.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON document on stdout"
        )
        for each in arguments:
            self.add_argument(each.name, help=each.says, **each.how)
