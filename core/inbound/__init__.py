"""What the telephone network tells us, callbacks and words, saved as the backend saves them, without its races."""

from core.inbound.callbacks import SavedEvent, StatusCallback, save_callback, settle_attempt
from core.inbound.transcripts import SavedLine, save_line

__all__ = ["SavedEvent", "SavedLine", "StatusCallback", "save_callback", "save_line", "settle_attempt"]
