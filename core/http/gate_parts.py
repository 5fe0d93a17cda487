"""Sign-in, put together: the gate, its pages, and what is printed at start."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.middleware import Middleware
from starlette.routing import Route

from core.access import Access
from core.http.gate import NO_PATHS, SessionGate
from core.http.gate_requests import Door
from core.http.login import LoginPages
from core.http.login_link import Doorman
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a server needs to have a door.

    :ivar routes: the sign-in pages.
    :ivar gate: to be placed right behind the host guard, before everything else.
    :ivar doorman: to be started with the server and stopped with it.
    """

    routes: list[Route]
    gate: Middleware
    doorman: Doorman


def sign_in(
    settings: Settings,
    access: Callable[[], Access],
    *,
    pages: Sequence[Path] = (),
    signed: Mapping[str, frozenset[str]] = NO_PATHS,
    say: Callable[[str], None] | None = None,
) -> SignIn:
    """The door that the settings ask for.

    :param access: gives the ways in; asked at every request, may raise errors of :mod:`core.errors`.
    :param pages: the files whose inline scripts may run in the console's pages.
    :param signed: paths that prove by themselves who calls them.
    :param say: where the one-time link is printed; stdout when it is None.
    """
    door = Door(settings)
    doorman = Doorman(access, settings, say=say)
    return SignIn(
        LoginPages(access, door, doorman).routes(),
        Middleware(SessionGate, access=access, door=door, signed=signed, pages=pages),
        doorman,
    )
