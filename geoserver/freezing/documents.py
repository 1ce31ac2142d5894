"""The documents of a frozen map: our own answers, with counts of what was frozen and addresses within its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geoserver.catalog.licences import find_licence
from geoserver.database import summaries
from geoserver.filtering import Where
from geoserver.freezing.tiles import WORLD, WORLD_LAST
from geoserver.styling import narrow_legend
from geoserver.tiling import build_tilejson

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from geoserver.catalog import Catalog
    from geoserver.database.pool import Database
    from geoserver.freezing.order import Frozen, Order

__all__ = ["ARCHIVE", "TILES", "build_citation", "build_tilejsons", "fit_style", "gather_languages"]

ARCHIVE = "data/tiles.pmtiles"
TILES = f"pmtiles://{ARCHIVE}/{{z}}/{{x}}/{{y}}"
_EVERYTHING = Where(asked=False)
# What only the living server can give.
_LIVE = ("downloads", "links", "live", "rejected", "tiles")


async def gather_languages(
    order: Order, database: Database, frozen: Sequence[Frozen], stamp: str
) -> dict[str, dict[str, Any]]:
    """By language the list of layers, and all of each; with counts, choices and ranges of the rows that are kept."""
    found: dict[str, dict[str, Any]] = {}
    counts = {one.layer.id: await _count(database, one) for one in frozen}
    for language in order.languages:
        catalogue = await order.ask("api/layers", language)
        if catalogue is None:
            continue
        details = {one.layer.id: await order.ask(f"api/layers/{one.layer.id}", language) for one in frozen}
        logo = next(iter(order.pictures), None)
        city = _relative(catalogue["city"], order.site) | {"logo": logo}
        listed = {entry["id"]: entry for entry in catalogue["layers"]}
        found[language] = {
            "city": city,
            "layers": [_fit(listed[one.layer.id], one, {}, stamp) for one in frozen if one.layer.id in listed],
            "details": {
                one.layer.id: _fit(detail, one, counts[one.layer.id], stamp)
                for one in frozen
                if (detail := details[one.layer.id]) is not None
            },
        }
    return found


def _fit(entry: Mapping[str, Any], one: Frozen, counts: Mapping[str, Mapping[str, Any]], stamp: str) -> dict[str, Any]:
    """An answer about a layer, of the rows that are kept."""
    made = {name: value for name, value in entry.items() if name not in _LIVE} | {"links": [], "version": stamp}
    made |= {"rejected": 0, "tiles": "ready"}
    if one.layer.has_rows:
        bounds = one.status.bounds
        made |= {"count": one.status.rows, "bounds": bounds.as_list() if bounds else None}
        made["features_from"] = one.status.plan.features_from
    if "fields" in entry:
        made["downloads"] = []
        made["fields"] = [_fit_field(field, counts.get(field["name"], {})) for field in entry["fields"]]
        made["legend"] = _fit_legend(entry["legend"], made["fields"], counts)
    return made


def _fit_legend(
    entries: Sequence[Mapping[str, Any]],
    fields: Sequence[Mapping[str, Any]],
    counts: Mapping[str, Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
    """The classes of which there are rows; all of them where that is not known, or there are none."""
    left = {
        field["title"]: {row["value"] for row in counts[field["name"]]["choices"]}
        for field in fields
        if "choices" in counts.get(field["name"], {})
    }
    return narrow_legend(entries, left) or list(entries)


def _fit_field(field: Mapping[str, Any], counts: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(field) | {name: value for name, value in counts.items() if name in field}
    if "choices" in counts and "choices" in field:
        labels = {choice["value"]: choice["label"] for choice in field["choices"]} | field["labels"]
        made["choices"] = [
            {"value": row["value"], "label": _label(labels, row["value"]), "count": row["count"]}
            for row in counts["choices"]
        ]
    return made


def _label(labels: Mapping[Any, str], value: object) -> str:
    """As the API says it."""
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return labels.get(value) or labels.get(text, text)


async def _count(database: Database, one: Frozen) -> dict[str, dict[str, Any]]:
    """Choices with counts, and ranges, by field."""
    if not one.layer.has_rows:
        return {}
    fields = one.layer.listed_fields
    by_choice = [item for item in fields if item.filter == "choice"]
    by_range = [item for item in fields if item.filter == "range"]
    choices = await summaries.read_choices(database, one.layer, one.status, by_choice, _EVERYTHING)
    ranges = await summaries.read_ranges(database, one.layer, one.status, by_range, _EVERYTHING)
    found: dict[str, dict[str, Any]] = {name: {"choices": rows} for name, rows in choices.items()}
    for item in by_range:
        found.setdefault(item.name, {}).update(summaries.show_range(item, ranges[item.name]))
    return found


def build_tilejsons(catalog: Catalog, frozen: Sequence[Frozen], last: int) -> dict[str, Any]:
    """TileJSON by layer; its tiles are those of the archive, down to the zoom `last`."""
    made = {}
    for one in frozen:
        document = build_tilejson(catalog, [(one.layer, one.status)], "")
        document |= {"tiles": [TILES], "maxzoom": min(document["maxzoom"], last)}
        for entry in document["vector_layers"]:
            entry["maxzoom"] = min(entry.get("maxzoom", last), last)
        made[one.layer.id] = document
    return made


def fit_style(style: Mapping[str, Any], site: str, data: Mapping[str, Any], base_last: int) -> dict[str, Any]:
    """A style over the archive: one address of tiles for all sources, each to its own last zoom, and relative ones for
    letters and icons. `data` are TileJSON documents by layer.
    """
    made: dict[str, Any] = _relative(dict(style), site)
    sources: dict[str, Any] = {}
    for name, source in made["sources"].items():
        own = {key: source[key] for key in ("attribution", "bounds") if key in source}
        last = WORLD_LAST if name in ("world", *WORLD) else base_last
        own |= {"minzoom": source.get("minzoom", 0), "maxzoom": last}
        if (told := data.get(name)) is not None:
            own = {key: told[key] for key in ("attribution", "bounds", "minzoom", "maxzoom") if told.get(key)}
        sources[name] = {"type": "vector", "tiles": [TILES], **own}
    made["sources"] = sources
    for layer in made["layers"]:
        if layer.get("source") in ("world", *WORLD):
            layer["source-layer"] = f"world:{layer['source-layer']}"
    return made


def build_citation(order: Order, frozen: Sequence[Frozen], moment: datetime) -> str:
    """A line for people: what it is, whose, from when, how many, under which licence and where."""
    city = order.catalog.city
    whose = city.publisher or city.title or ", ".join(dict.fromkeys(one.layer.attribution for one in frozen))
    counts = ", ".join(f"{one.layer.title}: {one.status.rows:,}" for one in frozen if one.layer.has_rows)
    licences = ", ".join(dict.fromkeys(find_licence(one.layer.license).title for one in frozen if one.layer.license))
    parts = [f"{whose} ({moment.year}): {order.title}", f"{moment:%Y-%m-%d}", counts, licences, order.address]
    return ". ".join(part for part in parts if part)


def _relative(document: Any, site: str) -> Any:
    """The same with addresses of this server's letters, icons and pictures as they lie in the folder."""
    if isinstance(document, dict):
        return {name: _relative(value, site) for name, value in document.items()}
    if isinstance(document, list):
        return [_relative(value, site) for value in document]
    if isinstance(document, str):
        for part in ("fonts/", "sprites/"):
            if document.startswith(f"{site}/{part}"):
                return document.removeprefix(f"{site}/")
    return document
