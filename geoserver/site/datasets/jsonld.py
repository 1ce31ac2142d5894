"""schema.org's `Dataset` and `DataCatalog`, by which search engines for data find what is here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from geoserver.catalog.licences import find_licence
from geoserver.database.summaries import show_range

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geoserver.formats.listing import Download
    from geoserver.model import City, Layer
    from geoserver.site.datasets.known import Known

__all__ = ["build_data_catalog", "build_dataset", "render_json"]

_CONTEXT = "https://schema.org"
_SHORTEST, _LONGEST = 50, 5_000  # characters of a description, as Google wants them


def render_json(document: dict[str, Any]) -> str:
    """As it may stand inside a page: no text can end the block, for within JSON a `<` stands in strings only."""
    return orjson.dumps(document, option=orjson.OPT_UTC_Z).replace(b"<", b"\\u003c").decode()


def build_dataset(known: Known, city: City, site: str, downloads: Iterable[Download]) -> dict[str, Any]:
    """One dataset with its distributions; layer and city in the reader's language."""
    layer, status = known.layer, known.status
    url = f"{site}/layers/{layer.id}"
    publisher = {"@type": "Organization", "name": city.publisher or city.title, "url": f"{site}/"}
    document = {
        "@context": _CONTEXT,
        "@type": "Dataset",
        "@id": url,
        "url": url,
        "identifier": layer.id,
        "name": layer.title,
        "description": _describe(layer),
        "inLanguage": layer.spoken,
        "keywords": [*layer.keywords, layer.theme] if layer.theme else [*layer.keywords],
        "license": _build_licence(layer, city),
        "creator": {"@type": "Organization", "name": layer.attribution} if layer.attribution else publisher,
        "publisher": publisher,
        "dateModified": status.changed_at,
        "version": status.changed_at.date().isoformat(),
        "temporalCoverage": _find_period(known),
        "spatialCoverage": _build_place(known),
        "variableMeasured": [_build_variable(known, name) for name in layer.fields],
        "image": f"{site}/layers/{layer.id}/map.png" if known.status.bounds else None,
        "includedInDataCatalog": {"@type": "DataCatalog", "name": city.title, "url": f"{site}/layers"},
        "distribution": [*map(_build_download, downloads), *_list_services(layer, site)],
    }
    return {name: value for name, value in document.items() if value}


def build_data_catalog(city: City, site: str, layers: Iterable[Layer]) -> dict[str, Any]:
    """The catalogue, which names its datasets; each tells of itself on its own page."""
    document = {
        "@context": _CONTEXT,
        "@type": "DataCatalog",
        "@id": f"{site}/layers",
        "url": f"{site}/layers",
        "name": city.title,
        "description": city.description or city.tagline,
        "inLanguage": city.language,
        "publisher": {"@type": "Organization", "name": city.publisher or city.title, "url": f"{site}/"},
        "dataset": [{"@id": f"{site}/layers/{layer.id}"} for layer in layers],
    }
    return {name: value for name, value in document.items() if value}


def _describe(layer: Layer) -> str:
    """The description, as long as search engines for data want one: where it is too short, with what else is said."""
    text = layer.description or layer.title
    if len(text) < _SHORTEST:
        fields = ", ".join(item.title for item in layer.fields.values())
        parts = [layer.title, layer.description, fields, layer.attribution]
        text = ". ".join(part.strip().rstrip(".") for part in parts if part) + "."
    return text[:_LONGEST]


def _build_licence(layer: Layer, city: City) -> str | dict[str, Any]:
    licence = find_licence(layer.license)
    found = {"@type": "CreativeWork", "name": licence.title, "url": city.links.get("terms")}
    return licence.url or {name: value for name, value in found.items() if value}


def _find_period(known: Known) -> str:
    extent = known.ranges.get(known.layer.time)
    if extent is None or known.layer.readings:  # of measurements the layer has the latest ones alone
        return ""
    ends = show_range(known.layer.fields[known.layer.time], extent)
    return f"{ends['min']}/{ends['max']}"


def _build_place(known: Known) -> dict[str, Any] | None:
    if (box := known.status.bounds) is None:
        return None
    shape = {"@type": "GeoShape", "box": f"{box.south:.6f} {box.west:.6f} {box.north:.6f} {box.east:.6f}"}
    return {"@type": "Place", "geo": shape}


def _build_variable(known: Known, name: str) -> dict[str, Any]:
    item = known.layer.fields[name]
    found = {"@type": "PropertyValue", "name": name, "description": item.title, "unitText": item.unit}
    if item.description:
        found["description"] = f"{item.title}: {item.description}"
    extent = known.ranges.get(name)
    ends = show_range(item, extent) if extent and item.type in ("integer", "number") else {}
    numbers = {"minValue": ends.get("min"), "maxValue": ends.get("max")}
    return {key: value for key, value in {**found, **numbers}.items() if value not in (None, "")}


def _build_download(download: Download) -> dict[str, Any]:
    found = {
        "@type": "DataDownload",
        "name": download.title,
        "encodingFormat": download.media_type,
        "contentUrl": download.href,
        "contentSize": f"{download.bytes} B" if download.bytes else None,
    }
    return {name: value for name, value in found.items() if value}


def _list_services(layer: Layer, site: str) -> list[dict[str, Any]]:
    """What can be had of it by asking for a part."""
    tiles = ("Vector tiles (TileJSON)", "application/json", f"{site}/tiles/{layer.id}.json")
    items = ("GeoJSON (OGC API Features)", "application/geo+json", f"{site}/ogc/collections/{layer.id}/items")
    return [
        {"@type": "DataDownload", "name": name, "encodingFormat": media_type, "contentUrl": url}
        for name, media_type, url in ([items, tiles] if layer.has_rows else [tiles])
    ]
