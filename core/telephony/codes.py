"""Twilio's error codes in words: what went wrong, and what to do. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explained:
    """One error for people.

    :ivar sentence: what went wrong.
    :ivar remedy: what to do next.
    """

    sentence: str
    remedy: str


CREDENTIALS = Explained(
    "Twilio does not accept the credentials.",
    "Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN: both are on the start page of the Twilio console.",
)
BAD_NUMBER = "Check the number: plus sign, country code and subscriber number, such as +14155550123."
PERMISSIONS = "Allow the country in the Twilio console: Voice, Settings, Geo permissions."

CODES: Mapping[int, Explained] = {
    20003: CREDENTIALS,
    20005: Explained("The Twilio account is suspended or closed.", "See the Twilio console: its balance or its state."),
    20008: Explained("Twilio's test credentials cannot do this.", "Use the account's live credentials."),
    20404: Explained("Twilio knows nothing of it.", "It belongs to another Twilio account, or Twilio deleted it."),
    20429: Explained("Twilio gets too many requests.", "Wait a moment; the same request works later."),
    20500: Explained("Twilio has an error of its own.", "Look at status.twilio.com and try again later."),
    20503: Explained("Twilio is not available.", "Look at status.twilio.com and try again later."),
    21201: Explained("No number to call was given.", BAD_NUMBER),
    21203: Explained("Twilio refuses to call this number.", "Numbers of emergency services cannot be called."),
    21205: Explained(
        "Twilio does not accept the address that it would ask what to say.",
        "Check PUBLIC_URL: Twilio has to reach it from outside by https.",
    ),
    21210: Explained(
        "The calling number is not verified for this Twilio account.",
        "Set TWILIO_PHONE_NUMBER to a number that this account owns or has verified.",
    ),
    21211: Explained("The number to call is not valid.", BAD_NUMBER),
    21212: Explained(
        "The calling number is not valid.", "Set TWILIO_PHONE_NUMBER to a number of the account, such as +14155550000."
    ),
    21213: Explained("No calling number is set.", "Set TWILIO_PHONE_NUMBER to a number of the account."),
    21214: Explained("The number to call cannot be reached.", "Check the number, or call it by hand once."),
    21215: Explained("The Twilio account may not call this country or region.", PERMISSIONS),
    21216: Explained("Twilio does not allow calls to this number.", "The number is blocked: use another one."),
    21217: Explained("The number to call does not seem to be one.", BAD_NUMBER),
    21218: Explained("Twilio does not know the application.", "Check what the call was created with."),
    21219: Explained(
        "A trial account calls verified numbers only.",
        "Verify the number in the console, or upgrade the account.",
    ),
    21220: Explained("The call has ended already.", "Nothing is left to change."),
    21609: Explained("Twilio does not accept the callback address.", "Check PUBLIC_URL: https and a public host name."),
    21626: Explained("Twilio does not know a callback event.", "Tell whoever maintains this program."),
    10001: Explained("The Twilio account is not active.", "See the Twilio console: its balance or its state."),
    10004: Explained("Too many calls are under way for this account.", "Wait until some have ended."),
    11200: Explained(
        "Twilio got no usable answer from PUBLIC_URL.", "See that the server runs and is reachable from outside."
    ),
    13224: Explained("Twilio cannot call this number.", BAD_NUMBER),
    13227: Explained("The Twilio account may not call this country or region.", PERMISSIONS),
    32205: Explained("The Twilio account may not call this country or region.", PERMISSIONS),
}


def explain(code: int | None, status: int | None = None) -> Explained:
    """A Twilio error in words.

    :param code: Twilio's own code, e.g. 21211; None where it gave none.
    :param status: the HTTP status of the answer.
    """
    if code is not None and code in CODES:
        return CODES[code]
    if status == 401:
        return CREDENTIALS
    if status == 403:
        return Explained("Twilio does not allow this account to do that.", "See its permissions in the console.")
    if status == 404:
        return CODES[20404]
    if status == 429:
        return CODES[20429]
    if status is not None and status >= 500:
        return CODES[20500]
    where = f" See https://www.twilio.com/docs/errors/{code}." if code else ""
    named = f" (error {code})" if code else ""
    return Explained(f"Twilio refused the request{named}.", f"See the Twilio console's error log.{where}")
