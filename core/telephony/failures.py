"""What goes wrong with Twilio, in our words.

Two readings of the same failure: asking something can be done again, so only :class:`core.errors.Unavailable` and its
like matter; dialling cannot, so there the question is whether a call may be under way (:mod:`core.outbound.carrier`).
"""

import ssl
from collections.abc import Iterator

import requests
from twilio.base.exceptions import TwilioException
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from core.errors import NotFound, PatchbayError, Refused
from core.outbound.carrier import DialError, Rejected, Retryable, Unknown
from core.telephony.codes import explain
from core.telephony.errors import Throttled, TwilioBusy, TwilioCredentials, TwilioDown, TwilioSlow
from core.telephony.transport import TooManyRequests

UNKNOWN = 20404
"""Twilio's code for "no such thing"; a bare 404 may be anybody's."""
STATUS_PAGE = "Look at status.twilio.com, and at this machine's way to the internet."
SETTLED_LATER = "It is not dialled again: a callback or Twilio's list of calls will tell."


FAILURES = (TooManyRequests, TwilioException, requests.exceptions.RequestException, ValueError, KeyError, TypeError)
"""Everything that a request by the SDK raises; the last three: an answer that is not what it should be."""


def when_asking(failure: Exception) -> PatchbayError:
    """The failure of a question, for people."""
    if isinstance(failure, TooManyRequests):
        said = explain(20429)
        return TwilioBusy(said.sentence, hint=said.remedy, retry_after=failure.retry_after)
    if isinstance(failure, requests.exceptions.ReadTimeout | requests.exceptions.ConnectTimeout):
        return TwilioSlow("Twilio does not answer in time.", hint=STATUS_PAGE)
    if isinstance(failure, requests.exceptions.RequestException):
        return TwilioDown("Twilio cannot be reached.", hint=STATUS_PAGE)
    status, code = _status(failure), _code(failure)
    said = explain(code, status)
    if status is None or status >= 500 or (status == 404 and code != UNKNOWN):
        return TwilioDown("Twilio gives no usable answer.", hint=STATUS_PAGE)
    if status in (401, 403):
        return TwilioCredentials(said.sentence, hint=said.remedy)
    if code == UNKNOWN:
        return NotFound(said.sentence, hint=said.remedy)
    return Refused(said.sentence, hint=said.remedy)


def when_dialling(failure: Exception) -> DialError:
    """The failure of dialling, by what it says of the call. Whatever is not certain is :class:`Unknown`."""
    if isinstance(failure, TooManyRequests):
        return Throttled(explain(20429).sentence, code=20429, retry_after=failure.retry_after)
    if isinstance(failure, requests.exceptions.RequestException):
        if _never_connected(failure):
            return Retryable("Twilio could not be reached.")
        if isinstance(failure, requests.exceptions.Timeout):
            return Unknown(f"Twilio did not answer in time. {SETTLED_LATER}")
        return Unknown(f"The connection to Twilio broke. {SETTLED_LATER}")
    status, code = _status(failure), _code(failure)
    if status is not None and 400 <= status < 500 and status != 408:
        return Rejected(explain(code, status).sentence, code=code)
    return Unknown(f"Twilio gave no usable answer. {SETTLED_LATER}", code=code)


def _never_connected(failure: requests.exceptions.RequestException) -> bool:
    """Was the request certainly never sent? Only the ways in which no connection comes about are known to be so."""
    if isinstance(failure, requests.exceptions.ConnectTimeout | requests.exceptions.InvalidURL):
        return True
    for cause in _causes(failure):
        if isinstance(cause, NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError):
            return True
    return False


def _causes(failure: BaseException) -> Iterator[BaseException]:
    """A failure and those that it wraps, in the libraries' several ways."""
    seen: list[BaseException] = []
    waiting: list[BaseException] = [failure]
    while waiting:
        one = waiting.pop()
        if any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        inner = [one.__cause__, one.reason if isinstance(one, MaxRetryError) else None, *one.args]
        waiting += [each for each in inner if isinstance(each, BaseException)]


def _status(failure: Exception) -> int | None:
    """The HTTP status of an answer that was an error; None where there was no answer that makes sense.

    Reading a list raises an error whose second argument is the answer.
    """
    if isinstance(failure, TwilioException):
        answer = failure.args[1] if len(failure.args) > 1 else None
        for found in (getattr(failure, "status", None), getattr(answer, "status_code", None)):
            if isinstance(found, int):
                return found
    return None


def _code(failure: Exception) -> int | None:
    """Twilio's own code. Where it gave none the SDK puts the HTTP status there."""
    found = getattr(failure, "code", None)
    return found if isinstance(found, int) and found >= 1000 else None
