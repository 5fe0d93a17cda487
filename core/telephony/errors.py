"""Errors of Twilio that people see. Nothing of Twilio's is imported here."""

from core.errors import Unavailable
from core.outbound.carrier import Retryable


class TwilioDown(Unavailable):
    """Twilio cannot be reached, or has an error of its own."""

    code = "twilio_down"


class TwilioSlow(TwilioDown):
    """Twilio did not answer in time."""

    code = "twilio_slow"


class TwilioBusy(Unavailable):
    """Twilio gets too many requests.

    :ivar retry_after: seconds to wait, where it said so.
    """

    code = "twilio_busy"

    def __init__(self, message: str, *, hint: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class TwilioCredentials(Unavailable):
    """Twilio does not accept the credentials, or they are not set."""

    code = "twilio_credentials"


class Throttled(Retryable):
    """Nothing was dialled: too many requests.

    :ivar retry_after: seconds to wait, where Twilio said so.
    """

    def __init__(self, message: str, *, code: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after
