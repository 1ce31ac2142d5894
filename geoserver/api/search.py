"""`/api/search`: places, streets and addresses of the basemap by their names."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request, Response

from geoserver.api import params
from geoserver.api.answers import UNCHANGED, answer
from geoserver.api.schemas import Places
from geoserver.database.places import find_named, find_nearest
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.filtering import build
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geoserver.access import View
    from geoserver.database.places import Named
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.questions import Questions
    from geoserver.services import Services

router = APIRouter(prefix="/api/search", tags=["search"], responses=UNCHANGED)

SHORTEST, LONGEST = 2, 100  # characters of what is looked for
MOST_WORDS = 8
MOST_READ = 300  # rows of a layer
_NEAR = 0.004  # degrees between pieces of one street, about 400 m
_SETTLEMENTS = ("city", "town", "village", "district", "suburb")
_MARKS = re.compile(r"[\u0300-\u036f]")

type Box = tuple[float, float, float, float]

Looked = Annotated[
    str | None,
    Query(
        description=f"{SHORTEST} to {LONGEST} characters; each of the words must be in the name, whatever its capitals"
        " and accents. A number beside a street finds the house.",
        examples=["river street 12"],
    ),
]


@dataclass(slots=True)
class _Found:
    """Something of a name; a street is in pieces."""

    layer: Layer
    title: str
    kind: str | None
    at: tuple[float, float]
    box: Box
    id: int
    rank: tuple[int, ...]
    near: str | None = field(default=None)


@router.get("", summary="Places, streets and addresses", response_model=Places)
async def search(
    request: Request, q: Looked = None, limit: params.Limit = None, *, lang: params.Lang = None
) -> Response:
    """What of the basemap is called so, the best first; at most `limit` (10 by default, 50 at most).

    Names are those of rows: what stands in the tiles of a ready-made basemap is not found.
    """
    params.read_parameters(request, ("q", "limit", "lang"))
    words = _parse_words(q)
    most = params.parse_limit(limit, 10, 50)
    languages, vary = params.read_languages(request, lang)
    view = params.view_of(request)
    layers = await _list_searched(view)
    services: Services = request.app.state.services
    questions: Questions = request.app.state.questions
    async with questions.costly.turn(client_of(request.scope)):
        found: list[_Found] = []
        for order, asked in enumerate(layers):
            found += await _search_layer(services, asked, words, languages, order)
        best = sorted(_join_pieces(found), key=lambda one: one.rank)[:most]
        await _say_where(services, layers, best)
    body = [
        {
            "title": one.title,
            "near": one.near,
            "kind": one.kind,
            "layer": one.layer.id,
            "id": one.id,
            "at": one.at,
            "bounds": one.box,
        }
        for one in best
    ]
    return answer(request, view, {"places": body}, vary=vary)


def _parse_words(text: str | None) -> list[str]:
    """The words that are looked for, folded; raises BadParameterError."""
    words = _fold(text or "").replace(",", " ").split()
    if not SHORTEST <= len((text or "").strip()) <= LONGEST or not 0 < len(words) <= MOST_WORDS or "\0" in (text or ""):
        expected = f"{SHORTEST} to {LONGEST} characters, in at most {MOST_WORDS} words"
        raise BadParameterError("q", text or "", expected)
    return words


def _fold(text: str) -> str:
    """Without capitals and accents."""
    return _MARKS.sub("", unicodedata.normalize("NFD", text.casefold()))


async def _list_searched(view: View) -> list[tuple[Layer, LayerStatus]]:
    """Layers of the basemap that have names or house numbers, as the caller sees them; points come before lines."""
    await view.ready()
    wanted = [
        layer.id
        for layer in view.catalog.layers.values()
        if layer.basemap and layer.has_rows and ("name" in layer.fields or _has_numbers(layer))
    ]
    found = []
    for layer_id in wanted:
        try:
            found.append(await view.layer(layer_id))
        except NotFoundError:  # it is not loaded
            continue
    named = [one for one in found if one[0].geometry != "polygons"]  # names of areas are among the places
    return sorted(named, key=lambda one: (_has_numbers(one[0]), one[0].geometry != "points", one[0].id != "places"))


def _has_numbers(layer: Layer) -> bool:
    return {"number", "street"} <= layer.fields.keys()


async def _search_layer(
    services: Services, asked: tuple[Layer, LayerStatus], words: Sequence[str], languages: Iterable[str], order: int
) -> list[_Found]:
    layer, status = asked
    if _has_numbers(layer):
        street, number = _split_number(words)
        if not number or not street:
            return []
        conditions = [*(_like(["street"], f"%{_escape(word)}%") for word in street)]
        conditions.append(_like(["number"], f"{_escape(number)}%"))
        columns = ["number", "street"]
    else:
        own = next((f"name_{tag}" for tag in languages if f"name_{tag}" in layer.fields), "name")
        names = [name for name in layer.fields if name == "name" or name.startswith("name_")]
        conditions = [_like(names, f"%{_escape(word)}%") for word in words]
        kind = next((name for name in ("kind", "class") if name in layer.fields), "name")
        columns = ["name", own, kind]
    where = build(layer, status, filter=" AND ".join(conditions))
    rows = await find_named(services.database, layer, where, columns, MOST_READ)
    if _has_numbers(layer):
        return [_as_address(layer, row, words, order) for row in rows]
    return [_as_place(layer, row, words, order) for row in rows if row.texts[0]]


def _as_address(layer: Layer, row: Named, words: Sequence[str], order: int) -> _Found:
    number, street = row.texts[0] or "", row.texts[1] or ""
    exact = _fold(number) == _split_number(words)[1]
    return _Found(
        layer, f"{street} {number}", "address", row.at, row.box, row.fid, (0 if exact else 1, order, len(street))
    )


def _as_place(layer: Layer, row: Named, words: Sequence[str], order: int) -> _Found:
    """In the reader's language, unless only the local name is called so."""
    name, own, kind = row.texts
    fits = {text: _fit(words, text) for text in (own, name) if text}
    title = min(fits, key=lambda text: fits[text])
    rank = (fits[title], order, len(title))
    return _Found(layer, title, kind if kind != name else None, row.at, row.box, row.fid, rank)


def _fit(words: Sequence[str], text: str) -> int:
    """0 for the name itself, then names that begin so, those with such words, with such letters, and without them: the
    name in another language has them.
    """
    folded, looked = _fold(text), " ".join(words)
    if folded == looked:
        return 0
    if folded.startswith(looked):
        return 1
    starts = re.split(r"[^\w]+", folded)
    if all(any(start.startswith(word) for start in starts) for word in words):
        return 2
    return 3 if all(word in folded for word in words) else 4


def _split_number(words: Sequence[str]) -> tuple[Sequence[str], str]:
    """The street's words and the number of a house, which stands behind them or before."""
    if words[-1][0].isdigit():
        return words[:-1], words[-1]
    return (words[1:], words[0]) if words[0][0].isdigit() else (words, "")


def _escape(word: str) -> str:
    return re.sub(r"([%_\\])", r"\\\1", word).replace("'", "''")


def _like(names: Sequence[str], pattern: str) -> str:
    """CQL2 text: one of these fields is like that, whatever its capitals and accents."""
    parts = (f"CASEI(ACCENTI({name})) LIKE CASEI(ACCENTI('{pattern}'))" for name in names)
    return f"({' OR '.join(parts)})"


def _join_pieces(found: Iterable[_Found]) -> list[_Found]:
    """One for all pieces of a street, and for what is told twice: those of a name whose boxes are near each other."""
    kept: dict[str, list[_Found]] = {}
    for one in sorted(found, key=lambda one: (one.rank, one.box)):
        same = kept.setdefault(_fold(one.title), [])
        joined = [other for other in same if _is_near(one.box, other.box)]
        if not joined:
            same.append(one)
            continue
        first, *rest = joined
        boxes = [one.box, *(other.box for other in joined)]
        first.box = (
            min(box[0] for box in boxes),
            min(box[1] for box in boxes),
            max(box[2] for box in boxes),
            max(box[3] for box in boxes),
        )
        same[:] = [other for other in same if all(other is not each for each in rest)]
    return [one for same in kept.values() for one in same]


def _is_near(one: Box, other: Box) -> bool:
    across = one[0] - _NEAR <= other[2] and other[0] - _NEAR <= one[2]
    return across and one[1] - _NEAR <= other[3] and other[1] - _NEAR <= one[3]


async def _say_where(services: Services, layers: Sequence[tuple[Layer, LayerStatus]], found: Sequence[_Found]) -> None:
    """Beside what is found, the settlement or quarter that it is in: streets of one name are many."""
    wanted = [one for one in found if one.kind not in _SETTLEMENTS]
    for layer, status in layers:
        if layer.geometry == "points" and {"kind", "name"} <= layer.fields.keys() and layer.id == "places" and wanted:
            kinds = ", ".join(f"'{kind}'" for kind in _SETTLEMENTS)
            where = build(layer, status, filter=f"kind IN ({kinds}) AND name IS NOT NULL")
            names = await find_nearest(services.database, layer, where, "name", [one.at for one in wanted])
            for one, name in zip(wanted, names, strict=True):
                one.near = name if name != one.title else None
