"""`/api/search`: one box for layers, values, places, streets, addresses, features and coordinates."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from geoserver.api import params
from geoserver.api.answers import UNCHANGED, answer
from geoserver.api.finding.asked import MOST_WORDS, SHORTEST, parse_asked
from geoserver.api.finding.rows import find_features, find_places
from geoserver.api.finding.words import find_layers, find_values
from geoserver.api.schemas import Searched
from geoserver.coordinates import Spot, parse_spots
from geoserver.errors import BadParameterError
from geoserver.grid import join
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geoserver.api.finding.asked import Asked
    from geoserver.api.finding.words import Lexicon
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.questions import Questions
    from geoserver.services import Services

router = APIRouter(prefix="/api/search", tags=["search"], responses=UNCHANGED)

PARTS = ("at", "layers", "values", "places", "features")
_MEMORY = ("at", "layers", "values")  # answered without asking for rows
_DEFAULT, _MOST = 10, 50

type Seen = tuple[Layer, LayerStatus]

Looked = Annotated[
    str | None,
    Query(
        description=f"{SHORTEST} characters or more, at most {MOST_WORDS} words; each of them must be found, whatever"
        " its capitals and accents, and where little is, with a mistake or two. A number beside a street finds the"
        " house. Or coordinates.",
        examples=["river street 12", "burglary", "48.85, 2.29"],
    ),
]
At = Annotated[
    str | None, Query(description="Where the map stands: lon,lat. What is near comes first.", examples=["-28.6,45.2"])
]
Parts = Annotated[
    str | None,
    Query(
        description=f"Parts of the answer, with commas between: {', '.join(PARTS)}; all of them if absent. The first"
        " three are quick, so that others need not hold them up.",
        examples=["layers,values"],
    ),
]


@router.get("", summary="Layers, values, places, addresses, features and coordinates", response_model=Searched)
async def search(
    request: Request,
    q: Looked = None,
    limit: params.Limit = None,
    *,
    lang: params.Lang = None,
    at: At = None,
    parts: Parts = None,
) -> Response:
    """What is called so, in each part the best first, and of equals the nearest; at most `limit` of each (10, 50).

    Exact names come before those that begin so, have such words, such letters, or words that are nearly the same.
    Names are those of rows: what stands in the tiles of a ready-made basemap is not found.
    """
    params.read_parameters(request, ("q", "limit", "lang", "at", "parts"))
    wanted = _parse_parts(parts)
    most = params.parse_limit(limit, _DEFAULT, _MOST)
    near = _parse_at(at)
    languages, vary = params.read_languages(request, lang)
    view = params.view_of(request)
    await view.ready()
    seen = await view.layers()
    spots = await _find_spots(q or "", seen, languages, near) if "at" in wanted else []
    asked = parse_asked(q, languages, near, most, numbers=bool(spots))
    body: dict[str, Any] = {"at": [_show(spot) for spot in spots]} if "at" in wanted else {}
    found, incomplete = await _find(request, seen, asked, wanted)
    return answer(request, view, body | found | {"incomplete": incomplete}, vary=vary)


async def _find(
    request: Request, seen: list[Seen], asked: Asked, wanted: Iterable[str]
) -> tuple[dict[str, Any], list[str]]:
    """The other parts by name, and names of those that are not whole."""
    services: Services = request.app.state.services
    questions: Questions = request.app.state.questions
    lexicon: Lexicon = request.app.state.lexicon
    found: dict[str, Any] = {}
    whole: dict[str, bool] = {}
    if not asked.words:
        return {part: [] for part in wanted if part != "at"}, []
    for part in wanted:
        if part == "layers":
            found[part] = find_layers(lexicon, seen, asked)
        elif part == "values":
            found[part], whole[part] = await find_values(lexicon, seen, asked)
        elif part in ("places", "features"):
            find = find_places if part == "places" else find_features
            async with questions.searching.turn(client_of(request.scope)):
                found[part], whole[part] = await find(services.database, seen, asked)
    return found, [part for part, complete in whole.items() if not complete]


async def _find_spots(
    text: str, seen: list[Seen], languages: tuple[str, ...], near: tuple[float, float] | None
) -> list[Spot]:
    """Where coordinates are; by the bounds of what the caller sees, two numbers in either order are told apart."""
    if sum(sign.isdigit() for sign in text) < 2:  # noqa: PLR2004 - a pair
        return []
    bounds = None
    for _, status in [one for one in seen if not one[0].basemap] or seen:
        bounds = join(bounds, status.bounds) if status.bounds else bounds
    crs = dict.fromkeys(status.srid for _, status in seen if status.srid not in (0, 4326, 3857))
    box = (bounds.west, bounds.south, bounds.east, bounds.north) if bounds else None
    if near is None and bounds:
        near = (bounds.west + bounds.east) / 2, (bounds.south + bounds.north) / 2
    language = languages[0] if languages else ""
    # A reference system that is met for the first time takes a while.
    return await asyncio.to_thread(parse_spots, text, box=box, crs=crs, near=near, language=language)


def _show(spot: Spot) -> dict[str, Any]:
    return {"title": f"{spot.lat:.5f}, {spot.lon:.5f}", "kind": spot.kind, "at": (spot.lon, spot.lat)}


def _parse_parts(text: str | None) -> tuple[str, ...]:
    """Names of parts, each once."""
    if text is None:
        return PARTS
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in PARTS:
            raise BadParameterError("parts", name, f"parts of the answer: {', '.join(PARTS)}")
    return names


def _parse_at(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    found = re.fullmatch(r"\s*([+-]?\d{1,3}(?:\.\d{1,20})?)\s*,\s*([+-]?\d{1,3}(?:\.\d{1,20})?)\s*", text, re.ASCII)
    lon, lat = (float(found[1]), float(found[2])) if found else (999.0, 999.0)
    if not (abs(lon) <= 360 and abs(lat) <= 90):  # noqa: PLR2004 - a map may have gone round the earth
        raise BadParameterError("at", text, "longitude and latitude in degrees, as 2.29,48.85")
    return lon, lat
