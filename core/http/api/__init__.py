"""The HTTP API: the integration guide's endpoints and the repairs, described by OpenAPI at ``/docs``.

:func:`api_routes` gives the routes that the server puts beside the console, behind the same door.
"""

from core.http.api.application import api_routes

__all__ = ["api_routes"]
