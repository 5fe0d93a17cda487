"""The integration guide's ``ConversationTranscript`` model."""

from core.linking import fields
from core.model.rows import all_in_utc
from core.store.gateway import Gateway, Row


class Transcripts:
    """What was said in calls."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def find_by_call_sid(self, call_sid: str) -> list[Row]:
        """A call's turns in speaking order, each with ``role`` (``user`` or ``assistant``) and ``content``.

        Both of the backend's shapes are read: ``role`` with ``content``, and ``speaker`` with ``message``.

        :return: the whole rows; empty when nothing was said or there is no such call.
        """
        story = self._gateway.call("call_story", p_call_sid=fields.call_sid(call_sid))
        return list(all_in_utc(story.get("transcripts"))) if story else []
