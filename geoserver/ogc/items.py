"""Answers about features: the page and the feature as GeoJSON bytes, with the links that pygeoapi gives them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import orjson

from geoserver.database.keyset import LONGEST_CURSOR, render_cursor
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.model import Layer
    from geoserver.ogc.page import ItemsQuery, Page

__all__ = [
    "build_feature_links",
    "build_map_link",
    "build_page_links",
    "parse_feature",
    "point_on",
    "render_feature",
    "render_page",
]

GEOJSON = "application/geo+json"
_PAGING = ("cursor", "offset")


def render_page(page: Page, links: list[dict[str, str]]) -> bytes:
    """A FeatureCollection around features that are JSON already."""
    tail = {
        "numberMatched": page.matched,
        "numberReturned": len(page.features),
        "timeStamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "links": links,
    }
    features = ",".join(page.features).encode()
    return b'{"type":"FeatureCollection","features":[' + features + b"]," + orjson.dumps(tail)[1:]


def render_feature(text: str, links: list[dict[str, str]]) -> bytes:
    """A Feature with links."""
    return text.encode()[:-1] + b',"links":' + orjson.dumps(links) + b"}"


def parse_feature(text: str) -> dict[str, Any]:
    """A feature for people, to whom 3.0 is 3."""
    feature: dict[str, Any] = json.loads(
        text, parse_float=lambda number: int(number[:-2]) if number.endswith(".0") else float(number)
    )
    return feature


def build_page_links(
    base: str, layer: Layer, values: Mapping[str, str], *, query: ItemsQuery, page: Page, form: str
) -> list[dict[str, str]]:
    """self, alternate, next and collection; `values` is the query string, `form` the format of this answer."""
    items = f"{base}/collections/{layer.id}/items"
    same = {name: value for name, value in values.items() if name != "f"}
    links = _both_forms(items, same, form)
    if page.end is not None:
        cursor = render_cursor(page.end, layer.id, query.sort)
        if len(cursor) <= LONGEST_CURSOR:
            onward = {name: value for name, value in values.items() if name not in _PAGING} | {"cursor": cursor}
        else:
            onward = dict(values) | {"offset": str(query.offset + len(page.features))}
        kind = GEOJSON if form == "json" else "text/html"
        links.append({"rel": "next", "type": kind, "title": "Next page", "href": _address(items, onward)})
    links.append(_collection_link(base, layer))
    return links


def build_feature_links(
    base: str, layer: Layer, fid: str, values: Mapping[str, str], form: str
) -> list[dict[str, str]]:
    """self, alternate, root and collection."""
    same = {name: value for name, value in values.items() if name != "f"}
    return [
        *_both_forms(f"{base}/collections/{layer.id}/items/{quote(fid, safe='')}", same, form),
        {"rel": "root", "type": "application/json", "title": "Landing page", "href": base},
        _collection_link(base, layer),
    ]


def build_map_link(site: str, layer: Layer, values: Mapping[str, str]) -> str:
    """The viewer with this layer on, under the same filter: CQL2 text, shorthand and interval become one expression."""
    parts = (
        [f"({values['filter']})"]
        if values.get("filter-lang", "cql2-text") != "cql2-json" and "filter" in values
        else []
    )
    for name, item in layer.fields.items():
        if name in values:
            plain = FIELD_TYPES[item.type].kind in ("number", "boolean")
            value = values[name] if plain else "'" + values[name].replace("'", "''") + "'"
            parts.append(f"{name}={value}")
    query = {"layers": layer.id}
    if parts:
        query[f"filter.{layer.id}"] = " AND ".join(parts)
    return f"{site}/?{urlencode(query)}"


def point_on(geometry: dict[str, Any] | None) -> tuple[float, float] | None:
    """Longitude and latitude in the middle of a geometry's extent."""
    found = list(_positions((geometry or {}).get("coordinates", [])))
    if not found:
        return None
    xs, ys = [position[0] for position in found], [position[1] for position in found]
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2


def _positions(node: list[Any]) -> list[list[float]]:
    if node and isinstance(node[0], int | float):
        return [node]
    return [position for part in node for position in _positions(part)]


def _both_forms(address: str, values: Mapping[str, str], form: str) -> list[dict[str, str]]:
    forms = (("json", GEOJSON, "This document as GeoJSON"), ("html", "text/html", "This document as HTML"))
    return [
        {
            "rel": "self" if name == form else "alternate",
            "type": kind,
            "title": title,
            "href": _address(address, {"f": name, **values}),
        }
        for name, kind, title in forms
    ]


def _collection_link(base: str, layer: Layer) -> dict[str, str]:
    href = f"{base}/collections/{layer.id}"
    return {"rel": "collection", "type": "application/json", "title": layer.title, "href": href}


def _address(path: str, values: Mapping[str, str]) -> str:
    return f"{path}?{urlencode(values, safe=',:/')}" if values else path
