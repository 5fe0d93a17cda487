"""Credentials taken out of what jobs carry: the backend's automation puts a project's URL and key into its jobs."""

import re
from collections.abc import Mapping
from typing import Any

from core.linking.jobs import without_secrets

REDACTED = "[redacted]"
_NAMES = re.compile(
    r"key|token|secret|passw|credential|authori[sz]ation|jwt|supabase|dsn|connection|(^|_|[a-z])(url|sid)$",
    re.IGNORECASE,
)
"""Names of fields whose value is not shown. A Call SID is no secret, an account's is nobody's business here."""
_SHOWN_NAMES = re.compile(r"^(call|parent_?call|recording)_?sid$", re.IGNORECASE)


def redacted(value: Any) -> Any:
    """JSON values without credentials and addresses, at any depth."""
    if isinstance(value, Mapping):
        return {key: REDACTED if _hides(str(key), each) else redacted(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(each) for each in value]
    return without_secrets(value) if isinstance(value, str) else value


def _hides(name: str, value: Any) -> bool:
    return value not in (None, "") and bool(_NAMES.search(name)) and not _SHOWN_NAMES.search(name)
