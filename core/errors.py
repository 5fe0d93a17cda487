"""The errors that Patchbay shows to people, as one tree.

::

    PatchbayError
    ├── BadInput                 exit 2   what was typed cannot be meant
    ├── NotFound                 exit 3   no such call, lead or event
    ├── Refused                  exit 4   understood, and not done
    │   ├── BelongsToAnotherLead          relink instead of link
    │   ├── Stale                         it changed since it was seen
    │   ├── NotAllowed                    a rule forbids it
    │   └── RequestIdReused               the id stands for another command
    └── Unavailable              exit 5   a service does not answer
        ├── DatabaseDown
        ├── MigrationNeeded               the schema is missing or old
        ├── TimedOut
        └── Busy                          somebody else is changing the same rows

Every message is one sentence fit for a person; ``hint`` says what to do next. Driver errors are turned into
these where the driver is known (``core.store``), always with ``raise … from``.
"""

from typing import Any, ClassVar


class PatchbayError(Exception):
    """Root of all errors that are meant for people.

    :param message: what went wrong, one sentence without a stack trace.
    :param hint: what to do next, or None.
    :param detail: machine-readable facts, e.g. for :class:`Stale` the facts as they are now.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None, detail: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.detail = detail


class BadInput(PatchbayError):
    """What was given cannot be meant: the message names the field, what was wrong and what is expected."""

    code = "bad_input"
    exit_code = 2


class NotFound(PatchbayError):
    """No such call, lead or link event."""

    code = "not_found"
    exit_code = 3


class Refused(PatchbayError):
    """The command was understood and not carried out; nothing was written."""

    code = "refused"
    exit_code = 4


class BelongsToAnotherLead(Refused):
    """The call is linked to another lead: relink it."""

    code = "belongs_to_another_lead"


class Stale(Refused):
    """Something changed since it was seen; ``detail`` holds the facts that differ, as they are now."""

    code = "stale"


class NotAllowed(Refused):
    """A rule forbids it, for instance setting a linked call aside."""

    code = "not_allowed"


class RequestIdReused(Refused):
    """The request id already stands for a command with other arguments."""

    code = "request_id_reused"


class Unavailable(PatchbayError):
    """A service that is needed does not answer or is not ready."""

    code = "unavailable"
    exit_code = 5


class DatabaseDown(Unavailable):
    """The database cannot be reached."""

    code = "database_down"


class MigrationNeeded(Unavailable):
    """The database lacks Patchbay's objects, or has old ones."""

    code = "migration_needed"


class TimedOut(Unavailable):
    """The database did not finish in time."""

    code = "timed_out"


class Busy(Unavailable):
    """Somebody else kept changing the same rows; nothing was written."""

    code = "busy"
