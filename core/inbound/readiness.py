"""The System page's line about inbound calls: is what they need set, and does anything wait on disk?"""

from core.inbound.backlog import backlog_of
from core.linking.results import Check
from core.settings import Settings

NAME = "inbound calls"


def check(settings: Settings) -> Check:
    """Whether calls can come in. An installation without a Twilio secret takes none, which is no fault. Asks nobody."""
    waiting = backlog_of(settings).count()
    if waiting:
        words = f"{waiting:,} callbacks or spoken lines wait on disk until the database takes them."
        return Check(NAME, False, words, "Nothing, if it goes down by itself; else look at the server's log.")
    if settings.twilio_auth_token is None:
        return Check(
            NAME, True, "TWILIO_AUTH_TOKEN is not set: nothing that Twilio sends is taken. Nothing waits on disk."
        )
    speaks = (
        "callers are spoken with" if settings.openai_api_key else "OPENAI_API_KEY is not set: callers hear an apology"
    )
    return Check(NAME, True, f"Twilio's signature is checked; {speaks}. Nothing waits on disk.")
