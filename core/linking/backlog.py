"""Whether a page or a command should judge what waits before it goes on, or leave it to the background."""

from core.linking import judge
from core.settings import Settings
from core.store.gateway import Gateway


def is_short(gateway: Gateway, settings: Settings, most: int) -> bool:
    """Does something wait for the judge, and so little that judging it now is worth the wait? One bounded read.

    Where thousands wait, judging a few of them makes no figure right; and of a large database every call is queued
    anew when the rules changed, which takes a minute that nobody should spend waiting for a page.
    """
    state = gateway.call("judging_state", p_most=most + 1)
    if state["fingerprint"] != judge.fingerprint(settings):
        return not state["large"]
    waiting: int = state["waiting"]
    return 0 < waiting <= most
