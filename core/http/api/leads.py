"""``/api/leads``: the backend's two endpoints, with its names and shapes."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query

from core.http.api.problems import documented
from core.http.api.requests import Reader
from core.http.api.shapes import LARGEST_EXACT, LINE, LeadsPage, Moment, One, Pagination
from core.leads import Sort

router = APIRouter(tags=["leads"])

LARGEST_PAGE = 100
Text = Annotated[str | None, Query(max_length=200, pattern=LINE)]


@router.get("/api/leads", responses=documented())
def list_leads(
    caller: Reader,
    limit: Annotated[int, Query(ge=1, le=LARGEST_EXACT, description="At most 100 are given.")] = 50,
    offset: Annotated[int, Query(ge=0, le=LARGEST_EXACT)] = 0,
    status: Text = None,
    priority: Text = None,
    source: Text = None,
    search: Annotated[
        str | None, Query(max_length=200, pattern=LINE, description="Part of name, e-mail, phone or company.")
    ] = None,
    dateFrom: Annotated[Moment | None, Query(description="Created at or after this time.")] = None,
    dateTo: Annotated[Moment | None, Query(description="Created at or before this time.")] = None,
    sortBy: Sort = "created_at",
    sortOrder: Literal["asc", "desc"] = "desc",
) -> LeadsPage:
    """Leads with their ``call_sid``, a page at a time."""
    size = min(limit, LARGEST_PAGE)
    rows, total = caller.app.leads.page(
        limit=size,
        offset=offset,
        sort=sortBy,
        descending=sortOrder == "desc",
        status=status,
        priority=priority,
        source=source,
        search=search,
        created_from=dateFrom,
        created_to=dateTo,
    )
    return LeadsPage(data=rows, pagination=_pagination(total, len(rows), size, offset))


@router.get("/api/leads/{lead_id}", responses=documented(404))
def one_lead(caller: Reader, lead_id: Annotated[int, Path(ge=1, le=LARGEST_EXACT)]) -> One:
    """A lead; its ``call_sid`` is its current call."""
    return One(data=_row(caller, lead_id))


def _row(caller: Reader, lead_id: int) -> dict[str, Any]:
    return dict(caller.app.leads.get(lead_id).row)


def _pagination(total: int, count: int, limit: int, offset: int) -> Pagination:
    return Pagination(
        total=total,
        count=count,
        limit=limit,
        offset=offset,
        currentPage=offset // limit + 1,
        totalPages=-(-total // limit),
        hasNextPage=offset + count < total and count > 0,
        hasPrevPage=offset > 0,
    )
