"""What every endpoint needs of a request: the application, who asks, and the key that makes a repair happen once."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Request

from core import app as application
from core.access import Identity, need_writer
from core.app import App
from core.errors import NotAllowed
from core.http.api.shapes import LINE
from core.linking import Linking


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the application that answers.

    :ivar identity: as the gate found it; None only where no gate stands in front (this machine's own user).
    :ivar request_id: the header ``Idempotency-Key``: the same key again returns the same event.
    """

    app: App
    identity: Identity | None
    request_id: str | None

    @property
    def linking(self) -> Linking:
        """The links, in the name of whoever asks."""
        return self.app.linking if self.identity is None else self.app.linking.acting_as(self.identity)


def _caller(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(max_length=200, pattern=LINE, description="The same key again does a repair only once.")
    ] = None,
) -> Caller:
    identity = request.scope.get("patchbay.identity")
    try:
        need_writer(identity)  # the gate has asked already; a route that it does not guard must not be open
    except NotAllowed as error:
        raise HTTPException(403, error.message) from error
    return Caller(application.shared(), identity, idempotency_key)


def _reader(request: Request) -> Caller:
    return Caller(application.shared(), request.scope.get("patchbay.identity"), None)


Writer = Annotated[Caller, Depends(_caller)]
Reader = Annotated[Caller, Depends(_reader)]
