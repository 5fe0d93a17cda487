"""How callers are spoken with: the settings of an OpenAI Realtime session for telephone audio."""

from dataclasses import dataclass
from typing import Any

MODEL = "gpt-realtime-2.1"
VOICE = "marin"
TRANSCRIPTION_MODEL = "gpt-transcribe"
INSTRUCTIONS = "You are a friendly agent on the telephone. Answer briefly, in the caller's language."
GREETING = "Hello! How can I help you today?"
MU_LAW = {"type": "audio/pcmu"}
"""G.711 μ-law at 8 kHz, which Twilio's streams carry: it goes through as it is, in both directions."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks.

    :ivar api_key: OpenAI's; left out of ``repr``.
    :ivar base_url: another server than OpenAI's, or None.
    """

    api_key: str
    base_url: str | None = None
    model: str = MODEL
    voice: str = VOICE
    transcription_model: str = TRANSCRIPTION_MODEL
    instructions: str = INSTRUCTIONS

    def __repr__(self) -> str:
        return f"Voice(model={self.model!r}, voice={self.voice!r})"

    def session(self) -> dict[str, Any]:
        """The body of ``session.update``: audio both ways, both sides transcribed, the caller may interrupt."""
        return {
            "type": "realtime",
            "output_modalities": ["audio"],
            "instructions": self.instructions,
            "audio": {
                "input": {
                    "format": MU_LAW,
                    "transcription": {"model": self.transcription_model},
                    "turn_detection": {"type": "server_vad", "create_response": True, "interrupt_response": True},
                },
                "output": {"format": MU_LAW, "voice": self.voice},
            },
        }


def first_words(message: str) -> dict[str, Any]:
    """The body of ``response.create`` that opens a conversation with these words."""
    return {"instructions": f"Say exactly this to the caller, and nothing else: {message}"}
