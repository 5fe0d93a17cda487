"""The way into a console under test: the one-time link that it prints at start, as a person would follow it."""

import http.client
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Cookie:
    """What the browser keeps of a session."""

    name: str
    value: str

    @property
    def header(self) -> str:
        return f"{self.name}={self.value}"


def sign_in(url: str, said: Callable[[], str], seconds: float = 40) -> Cookie:
    """Follow the newest link that a server printed; it works once, so sign in once and share the cookie.

    :param url: the server's address, such as ``http://127.0.0.1:8501``.
    :param said: what the server has printed so far.
    """
    link = printed_link(said, seconds)
    place = urlsplit(url)
    assert place.hostname
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    connection.request("GET", link)
    answer = connection.getresponse()
    given = answer.getheader("set-cookie") or ""
    connection.close()
    assert answer.status == 303 and given, f"the link did not sign in: {answer.status}"
    name, _, value = given.partition(";")[0].partition("=")
    return Cookie(name, value)


def printed_link(said: Callable[[], str], seconds: float = 40) -> str:
    """Path and query of the newest link that a server printed, as soon as there is one."""
    end = time.monotonic() + seconds
    while not (links := re.findall(r"/login\?token=[A-Za-z0-9_-]+", said())):
        assert time.monotonic() < end, f"no sign-in link was printed:\n{said()}"
        time.sleep(0.05)
    return links[-1]
