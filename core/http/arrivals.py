"""What comes in from the telephone network, put together: webhooks, where they save, and what writes it later."""

from starlette.routing import BaseRoute

from core import app as application
from core.http.media_streams import MediaStreams
from core.http.webhooks import Webhooks
from core.inbound.auto_link import AutoLink
from core.inbound.backlog import backlog_of
from core.inbound.inbox import Inbox, Replaying
from core.inbound.voice import Voice
from core.linking import Linking
from core.settings import Settings
from core.store.gateway import Gateway
from core.telephony.signatures import Signatures

SPEAKING_MODULES = ("openai.resources.realtime.realtime", "openai.types.realtime", "websockets.asyncio.client")


class Arrivals:
    """The inbound side of one server. Nothing connects before the first request.

    :param settings: TWILIO_AUTH_TOKEN, PUBLIC_URL, the data folder and which database is meant.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._backlog = backlog_of(settings)
        self.auto_link = AutoLink(_ways)
        self.inbox = Inbox(lambda: application.shared().gateway, self._backlog, saved=self.auto_link.saved)

    @property
    def warm(self) -> tuple[str, ...]:
        """Modules to import before the first call: they would keep every other caller waiting for a second."""
        return SPEAKING_MODULES if self._settings.openai_api_key else ()

    def routes(self) -> list[BaseRoute]:
        """Twilio's paths."""
        settings = self._settings
        signatures = Signatures(settings.twilio_auth_token, settings.public_url)
        speaker = _voice(settings)
        webhooks = Webhooks(lambda: self.inbox, signatures, settings.public_url, speaks=speaker is not None)
        return [*webhooks.routes(), *MediaStreams(lambda: self.inbox, signatures, speaker).routes()]

    def replaying(self) -> Replaying:
        """What writes the backlog; to be started with the server and stopped with it."""
        return Replaying(self.inbox)


def _ways() -> tuple[Linking, Gateway]:
    app = application.shared()
    return app.linking, app.gateway


def _voice(settings: Settings) -> Voice | None:
    if settings.openai_api_key is None:
        return None
    chosen = {
        "model": settings.realtime_model,
        "voice": settings.realtime_voice,
        "transcription_model": settings.transcription_model,
        "instructions": settings.realtime_instructions,
    }
    return Voice(
        settings.openai_api_key, settings.openai_base_url, **{name: text for name, text in chosen.items() if text}
    )
