"""``/api/queue``: calls to place, in the backend's shape."""

from typing import Any

from fastapi import APIRouter

from core.errors import BadInput
from core.http.api.problems import documented
from core.http.api.requests import Writer
from core.http.api.shapes import CallToPlace, Scheduled
from core.outbound.jobs import ScheduleRequest

router = APIRouter(tags=["queue"])


@router.post("/api/queue/schedule-call", responses=documented(404, 409))
def schedule_call(caller: Writer, body: CallToPlace) -> Scheduled:
    """Put a call into the queue; a worker dials it and links it to its lead."""
    if body.lead_id is not None:
        caller.app.leads.get(body.lead_id)
    if _has_nul(body.metadata):
        raise BadInput("metadata contains a NUL character: expected plain text.")
    request = ScheduleRequest(
        to=body.to,
        lead_id=body.lead_id,
        message=body.message,
        priority=body.priority,
        metadata=body.metadata or {},
        speak_first=body.speakFirst,
        initial_message=body.initialMessage,
        key=caller.request_id,
    )
    job = caller.app.queue.schedule(request)
    return Scheduled(jobId=job.job_id, data=dict(job.data or {}))


def _has_nul(value: Any) -> bool:
    """PostgreSQL keeps no NUL in a JSON text."""
    if isinstance(value, dict):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value
