"""TwiML: what Twilio is told to do with a call. Either a media stream, or an apology."""

from collections.abc import Mapping

from twilio.twiml.voice_response import Connect, VoiceResponse

APOLOGY = "We are sorry, nobody can take this call right now. Please try again later. Goodbye."
LONGEST_PARAMETER = 500
"""Twilio takes names and values of up to 500 characters together."""


def stream(url: str, parameters: Mapping[str, str]) -> str:
    """Connect the call to a media stream; an apology follows, should the stream end before the caller hangs up.

    :param url: ``wss://host/media-stream``; Twilio drops a query string, so everything goes into parameters.
    :param parameters: names and values that the stream's ``start`` message brings back; blank ones are left out.
    """
    response, connect = VoiceResponse(), Connect()
    medium = connect.stream(url=url)
    for name, value in parameters.items():
        if value:
            medium.parameter(name=name, value=value[: LONGEST_PARAMETER - len(name)])
    response.append(connect)
    response.say(APOLOGY)
    return str(response)


def apology() -> str:
    """Say that nobody is there, and hang up."""
    response = VoiceResponse()
    response.say(APOLOGY)
    response.hangup()
    return str(response)
