"""What a command answers."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """One JSON document, and the same for people."""

    document: Any
    text: str
