"""`/api/layers/{id}/rows`: where rows stand among those that a filter leaves, in an order.

Rows themselves come from the items of OGC API; what is told here lets a table begin to read them anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import orjson
from fastapi import APIRouter, Query, Request, Response

from geoserver.api import params
from geoserver.api.answers import UNCHANGED, answer, unchanged
from geoserver.api.row_documents import RowMarks, RowPlace
from geoserver.database.keyset import parse_sortby, sign
from geoserver.database.rows import Order, find_row, read_marks
from geoserver.errors import BadParameterError
from geoserver.etags import build_etag
from geoserver.kept import Kept, Made
from geoserver.turns import client_of

if TYPE_CHECKING:
    from geoserver.database.keyset import SortKey
    from geoserver.model import Layer
    from geoserver.questions import Questions
    from geoserver.services import Services

router = APIRouter(prefix="/api/layers/{layer_id}/rows", tags=["layers"], responses=UNCHANGED)

USUAL, LEAST, MOST = 1_000, 100, 1_000_000  # rows from one mark to the next

SortBy = Annotated[
    str | None,
    Query(
        description="Fields to sort by, each with + or - before it, as for the items of OGC API; without it rows are in"
        " the order of their ids.",
        examples=["-reported_at"],
    ),
]
Every = Annotated[
    str | None,
    Query(
        description=f"Rows from one cursor to the next, {LEAST} to {MOST:,}; {USUAL:,} by default. Where that would"
        " be too many cursors they are twice as far apart, or twice that again.",
        examples=["1000"],
    ),
]


@router.get("/marks", summary="Where to begin to read", response_model=RowMarks, dependencies=params.FILTERS)
async def read_row_marks(
    request: Request, layer_id: params.LayerId, sortby: SortBy = None, every: Every = None
) -> Response:
    """Cursors at evenly spaced rows under a filter, in an order.

    With one as `cursor`, and the same filter and `sortby`, `/ogc/collections/{layer_id}/items` begins to read there.
    """
    view = params.view_of(request)
    layer, status = await params.find_rows(view, layer_id)
    sort, apart = _parse_sort(layer, sortby), _parse_every(every)
    asked = await params.read_question(request, view, layer, status, also=("sortby", "every"))
    where = asked.where
    scope = [layer.scope] if layer.scope else []
    order = (sign(sort), [key.field.type for key in sort], apart)
    etag = build_etag("marks", layer.id, status.version, status.loaded_at, where.canonical, *order, *scope)
    if (same := unchanged(request, view, etag)) is not None:
        return same
    services: Services = request.app.state.services
    questions: Questions = request.app.state.questions

    async def make() -> Made:
        # All rows are put in order, whether or not a filter leaves some of them out.
        async with questions.costly.turn(client_of(request.scope)):
            marks = await read_marks(services.database, Order(layer, where, sort), status, apart)
        told = {"layer": layer.id, "count": marks.count, "every": marks.every, "cursors": marks.cursors}
        return Made(orjson.dumps(told))

    computed: Kept[str] = request.app.state.computed
    body, _ = await computed.get(etag, make)
    return answer(request, view, orjson.Fragment(body), etag=etag)


@router.get("/{fid}", summary="Where a feature stands", response_model=RowPlace, dependencies=params.FILTERS)
async def read_row_place(
    request: Request, layer_id: params.LayerId, fid: params.FeatureId, sortby: SortBy = None
) -> Response:
    """How many rows stand before a feature among those that a filter leaves, in an order."""
    view = params.view_of(request)
    layer, status = await params.find_rows(view, layer_id)
    sort, number = _parse_sort(layer, sortby), params.parse_feature_id(layer, fid)
    asked = await params.read_question(request, view, layer, status, also=("sortby",))
    services: Services = request.app.state.services
    questions: Questions = request.app.state.questions
    async with questions.costly.turn(client_of(request.scope)):
        row, count = await find_row(services.database, Order(layer, asked.where, sort), number)
    return answer(request, view, {"layer": layer.id, "fid": number, "count": count, "row": row})


def _parse_sort(layer: Layer, text: str | None) -> tuple[SortKey, ...]:
    return parse_sortby(text, layer.fields) if text is not None else ()


def _parse_every(text: str | None) -> int:
    if text is None:
        return USUAL
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MOST)) and LEAST <= int(text) <= MOST):
        raise BadParameterError("every", text, f"a whole number from {LEAST} to {MOST:,}")
    return int(text)
