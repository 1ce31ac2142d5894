"""Rows by their names: places, streets and addresses of the basemap, and features of the city's own layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from geoserver.api.finding.asked import NO_FIT
from geoserver.catalog.labels import list_fields, title_feature
from geoserver.catalog.languages import in_language
from geoserver.catalog.searched import has_addresses, list_searched
from geoserver.database import finding
from geoserver.database.finding import Found, Term, Wanted, escape
from geoserver.database.places import find_nearest
from geoserver.filtering import build
from geoserver.folding import fold, is_like

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geoserver.api.finding.asked import Asked
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["find_features", "find_places"]

type Seen = tuple[Layer, LayerStatus]
type Box = tuple[float, float, float, float]

_FEW = 3  # found as they are typed; below it, mistakes are forgiven
_MOST_WORDS = 3  # that a mistyped word may have been
_LEAST = 4  # letters of a word that may be mistyped
_NEAR = 0.004  # degrees between pieces of one street, about 400 m
_SETTLEMENTS = ("city", "town", "village", "district", "suburb")


@dataclass(slots=True)
class _Hit:
    """Something of a name; a street is in pieces."""

    found: Found
    title: str
    kind: str | None
    box: Box
    rank: tuple[int, ...]
    near: str | None = None
    text: str | None = None

    @property
    def layer(self) -> Layer:
        return self.found.wanted.layer


async def find_places(database: Database, seen: Sequence[Seen], asked: Asked) -> tuple[list[dict[str, Any]], bool]:
    """What of the basemap is called so, the best first; and whether that is all."""
    layers = _list_basemap(seen)
    order = {layer.id: at for at, (layer, _) in enumerate(layers)}
    wanted = [one for seen in layers if (one := _want_place(*seen, asked)) is not None]
    rows, whole = await _find(database, wanted, asked)
    hits = [hit for row in rows if (hit := _as_place(row, asked, order)) is not None]
    best = sorted(_join_pieces(hits), key=lambda one: one.rank)[: asked.most]
    await _say_where(database, layers, best)
    points = await _find_points(database, best)
    return [
        {
            "title": hit.title,
            "near": hit.near,
            "kind": hit.kind,
            "layer": hit.layer.id,
            "id": hit.found.fid,
            "at": at,
            "bounds": hit.box,
        }
        for hit, at in zip(best, points, strict=True)
    ], whole


async def find_features(database: Database, seen: Sequence[Seen], asked: Asked) -> tuple[list[dict[str, Any]], bool]:
    """Features of layers by their searched fields and titles, the best first; and whether that is all."""
    spoken = {layer.id: in_language(layer, asked.languages) for layer, _ in seen}
    own = sorted((one for one in seen if not one[0].basemap and list_searched(one[0])), key=lambda one: one[1].rows)
    wanted = [_want_feature(layer, status, spoken[layer.id], asked) for layer, status in own]
    rows, whole = await _find(database, wanted, asked)
    best = sorted((_as_feature(row, spoken[row.wanted.layer.id], asked) for row in rows), key=lambda one: one.rank)
    best = best[: asked.most]
    points = await _find_points(database, best)
    return [
        {
            "layer": hit.layer.id,
            "layer_title": spoken[hit.layer.id].title,
            "id": hit.found.fid,
            "title": hit.title,
            "text": hit.text,
            "at": at,
            "bounds": hit.box,
        }
        for hit, at in zip(best, points, strict=True)
    ], whole


async def _find(database: Database, wanted: Sequence[Wanted], asked: Asked) -> tuple[list[Found], bool]:
    """Rows with all words; where they are few, also those whose words are nearly the same."""
    if not wanted or not asked.words:
        return [], True
    rows, whole = await finding.find_texts(database, wanted, asked.at)
    if len(rows) >= _FEW:
        return rows, whole
    typed = [word for word in asked.words if len(word) >= _LEAST and word.isalpha()]
    if not typed:
        return rows, whole
    similar = await finding.find_similar(database, [one.layer.id for one in wanted], typed)
    mended = [again for one in wanted if (again := _mend(one, similar)) is not None]
    more, complete = await finding.find_texts(database, mended, asked.at) if mended else ([], True)
    known = {(row.wanted.layer.id, row.fid) for row in rows}
    return [*rows, *(row for row in more if (row.wanted.layer.id, row.fid) not in known)], whole and complete


def _mend(wanted: Wanted, similar: Iterable[tuple[str, str, str]]) -> Wanted | None:
    """With the words that mistyped ones may have been; None where there are none."""
    words: dict[str, list[tuple[int, int, str]]] = {}
    for layer_id, typed, word in similar:
        if layer_id == wanted.layer.id and (mistakes := is_like(typed, word)):
            words.setdefault(f"%{escape(typed)}%", []).append((mistakes, abs(len(word) - len(typed)), word))
    if not words:
        return None
    terms = []
    for term in wanted.terms:
        best = sorted(words.get(term.patterns[0], []))[:_MOST_WORDS]
        terms.append(replace(term, patterns=(*term.patterns, *(f"%{word}%" for _, _, word in best))))
    return replace(wanted, terms=terms)


# -- places -----------------------------------------------------------------------------------------------------------


def _list_basemap(seen: Sequence[Seen]) -> list[Seen]:
    """Layers of the basemap that have names or house numbers; points come before lines."""
    named = [
        (layer, status)
        for layer, status in seen
        if layer.basemap and layer.has_rows and ("name" in layer.fields or has_addresses(layer))
        if layer.geometry != "polygons"  # names of areas are among the places
    ]
    return sorted(named, key=lambda one: (has_addresses(one[0]), one[0].geometry != "points", one[0].id != "places"))


def _want_place(layer: Layer, status: LayerStatus, asked: Asked) -> Wanted | None:
    if has_addresses(layer):
        street, number = _split_number(asked.words)
        if not street or not number:
            return None
        terms = [Term(["street"], [f"%{escape(word)}%"]) for word in street]
        terms.append(Term(["number"], [f"{escape(number)}%"]))
        return Wanted(layer, build(layer, status), ["street"], ["number", "street"], terms, " ".join(street))
    names = [name for name in list_searched(layer) if name not in ("number", "street")]
    terms = [Term(names, [f"%{escape(word)}%"]) for word in asked.words]
    columns = list(dict.fromkeys(["name", *_own_name(layer, asked), *_kind(layer)]))
    return Wanted(layer, build(layer, status), names, columns, terms, asked.phrase)


def _own_name(layer: Layer, asked: Asked) -> list[str]:
    return [f"name_{tag}" for tag in asked.languages if f"name_{tag}" in layer.fields][:1]


def _kind(layer: Layer) -> list[str]:
    return [name for name in ("kind", "class") if name in layer.fields][:1]


def _as_place(row: Found, asked: Asked, order: dict[str, int]) -> _Hit | None:
    """In the reader's language, unless only the local name is called so."""
    layer, values = row.wanted.layer, row.values
    place = (order[layer.id], asked.distance(*_middle(row.box)))
    if has_addresses(layer):
        number, street = values["number"] or "", values["street"] or ""
        exact = fold(number) == _split_number(asked.words)[1]
        return _Hit(row, f"{street} {number}", "address", row.box, (0 if exact else 1, *place, len(street)))
    name = values["name"]
    if not name:
        return None
    own = next((values[column] for column in _own_name(layer, asked) if values[column]), name)
    fits = {text: asked.fit(fold(text), similar=True) for text in (own, name)}
    title = min(fits, key=lambda text: fits[text])
    kind = next((values[column] for column in _kind(layer)), None)
    return _Hit(row, title, kind, row.box, (fits[title], *place, len(title)))


def _split_number(words: Sequence[str]) -> tuple[Sequence[str], str]:
    """The street's words and the number of a house, which stands behind them or before."""
    if words and words[-1][0].isdigit():
        return words[:-1], words[-1]
    return (words[1:], words[0]) if words and words[0][0].isdigit() else (words, "")


def _join_pieces(hits: Iterable[_Hit]) -> list[_Hit]:
    """One for all pieces of a street, and for what is told twice: those of a name whose boxes are near each other."""
    kept: dict[str, list[_Hit]] = {}
    for one in sorted(hits, key=lambda one: (one.rank, one.box)):
        same = kept.setdefault(fold(one.title), [])
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


async def _say_where(database: Database, layers: Sequence[Seen], found: Sequence[_Hit]) -> None:
    """Beside what is found, the settlement or quarter that it is in: streets of one name are many."""
    wanted = [one for one in found if one.kind not in _SETTLEMENTS]
    for layer, status in layers:
        if layer.geometry == "points" and {"kind", "name"} <= layer.fields.keys() and layer.id == "places" and wanted:
            kinds = ", ".join(f"'{kind}'" for kind in _SETTLEMENTS)
            where = build(layer, status, filter=f"kind IN ({kinds}) AND name IS NOT NULL")
            names = await find_nearest(database, layer, where, "name", [_middle(one.found.box) for one in wanted])
            for one, name in zip(wanted, names, strict=True):
                one.near = name if name != one.title else None


# -- features ---------------------------------------------------------------------------------------------------------


def _want_feature(layer: Layer, status: LayerStatus, spoken: Layer, asked: Asked) -> Wanted:
    names = list_searched(layer)
    terms = [Term(names, [f"%{escape(word)}%"]) for word in asked.words]
    titling = [name for name in list_fields(spoken.label) if name in layer.fields]
    return Wanted(layer, build(layer, status), names, list(dict.fromkeys([*titling, *names])), terms, asked.phrase)


def _as_feature(row: Found, spoken: Layer, asked: Asked) -> _Hit:
    """Titled by its label; beside it the text by which it was found, where that is another."""
    names = row.wanted.names
    texts = [str(row.values[name]) for name in names if row.values[name]]
    best = min(texts, key=lambda text: asked.fit(fold(text), similar=True), default="")
    title = title_feature(spoken, row.values) or best
    how = min(asked.fit(fold(text), similar=True) for text in (title, best))
    how = min(how, NO_FIT - 1)
    rank = (how, asked.distance(*_middle(row.box)), len(title), row.fid)
    return _Hit(row, title, None, row.box, rank, text=best if fold(best) not in fold(title) else None)


# -- both -------------------------------------------------------------------------------------------------------------


def _middle(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


async def _find_points(database: Database, hits: Sequence[_Hit]) -> list[tuple[float, float]]:
    """A point on each: of what has a size, one that lies on it."""
    sizeable = {hit.layer.id: hit.found.wanted for hit in hits if hit.found.box[:2] != hit.found.box[2:]}
    points: dict[tuple[str, int], tuple[float, float]] = {}
    for layer_id, wanted in sizeable.items():
        fids = [hit.found.fid for hit in hits if hit.layer.id == layer_id]
        found = await finding.find_points(database, wanted, fids)
        points |= {(layer_id, fid): at for fid, at in found.items()}
    return [points.get((hit.layer.id, hit.found.fid), _middle(hit.found.box)) for hit in hits]
