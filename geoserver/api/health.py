"""Whether the process lives, whether it can serve, and what it has done: for supervisors and dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from geoserver.access import access_of
from geoserver.api.health_documents import Health, Readiness
from geoserver.api.identify import is_local
from geoserver.api.metrics import CONTENT_TYPE_LATEST
from geoserver.errors import ForbiddenError, NotFoundError, UnauthorizedError
from geoserver.model import ANY

if TYPE_CHECKING:
    from geoserver.api.metrics import Meter
    from geoserver.api.pictures.studio import Studio
    from geoserver.gate import Gate
    from geoserver.services import Services

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Is the process alive?", response_model=Health)
async def healthz() -> dict[str, str]:
    """Answers as long as the process runs; says nothing about the database."""
    return {"status": "alive"}


@router.get(
    "/readyz",
    summary="Can it serve?",
    response_model=Readiness,
    responses={503: {"description": "The database is away.", "model": Readiness}},
)
async def readyz(request: Request) -> JSONResponse:
    """200 when database and catalogue are fine, 503 when the database is away; to operators it names every problem."""
    services: Services = request.app.state.services
    body = _readiness(
        services, request.app.state.gate, request.app.state.studio, await request.app.state.misfits.find(services)
    )
    if not _is_operator(request):
        body = {"status": body["status"]}
    headers = {"Cache-Control": "no-store"}
    return JSONResponse(body, status_code=503 if services.database_problem else 200, headers=headers)


def _readiness(services: Services, gate: Gate, studio: Studio, closed: list[dict[str, str]]) -> dict[str, Any]:
    catalog = services.live.current
    found = [*catalog.problems, *services.rowless.problems]
    problems = [{"file": item.file, "key": item.key, "expected": item.expected} for item in found]
    served = services.loaded()
    missing = sorted(catalog.layers.keys() - {layer.id for layer, _ in served})
    outdated = [
        {"layer": layer_id, "changes": list(changes), "run": f"geoserver load {layer_id}"}
        for layer_id, changes in services.outdated().items()
    ]
    failing = [
        {"task": name, "problem": problem}
        for name, problem in sorted((services.keeper.problems | gate.problems).items())
    ]
    degraded = problems or missing or outdated or failing or closed
    return {
        "status": "unavailable" if services.database_problem else "degraded" if degraded else "ready",
        "database": services.database_problem or "ready",
        "layers": len(served),
        "notLoaded": missing,
        "preparing": [
            {"layer": layer.id, "done": round(status.preparing, 2)}
            for layer, status in served
            if status.preparing is not None
        ],
        "outdated": outdated,
        "problems": problems,
        "tasks": failing,
        "closed": closed,
        "search": services.search_note or "ready",
        "pictures": studio.pool.problem or "ready",
    }


@router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Counters and gauges of every worker in Prometheus' text format; for operators."""
    if not _is_operator(request):
        if request.app.state.settings.operated_by == "off":
            raise NotFoundError("page", "metrics", "another address: metrics are switched off here")
        if access_of(request.scope).kind == "nobody":
            raise UnauthorizedError("Metrics are for operators: this needs a key that may manage all layers.")
        raise ForbiddenError("Metrics are for operators: this needs a key that may manage all layers.")
    meter: Meter = request.app.state.meter
    return Response(meter.render(), media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _is_operator(request: Request) -> bool:
    """Whether the caller sees more than whether we can serve; see the setting."""
    operators = request.app.state.settings.operated_by
    if operators == "open" or (operators == "local" and is_local(request.scope)):
        return True
    access = access_of(request.scope)
    return (
        operators != "off"
        and not access.read_only
        and any("manage" in grant.may and ANY in grant.layers and not grant.rows for grant in access.grants)
    )
