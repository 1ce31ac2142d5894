"""pygeoapi's OpenAPI document, made true: what we answer and nothing else, and complete in itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geoserver.filtering import LANGUAGES
from geoserver.ogc.crs import list_crs
from geoserver.ogc.provider import describe_field

if TYPE_CHECKING:
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["RESERVED", "amend_openapi"]

# Query parameters of `items` that are not fields.
RESERVED = (
    "f",
    "lang",
    "limit",
    "offset",
    "cursor",
    "bbox",
    "bbox-crs",
    "crs",
    "datetime",
    "filter",
    "filter-lang",
    "filter-crs",
    "properties",
    "sortby",
    "skipGeometry",
    "resulttype",
)
_METHODS = {"get"}  # collections are read-only
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}}


def amend_openapi(
    document: dict[str, Any], loaded: list[tuple[Layer, LayerStatus]], limits: dict[str, Any]
) -> dict[str, Any]:
    """The document with our parameters, our errors and no reference that leads out of it."""
    components = document["components"]
    components["parameters"] = _build_parameters(limits)
    components["responses"] = _build_responses()
    components["schemas"] = _SCHEMAS
    document["paths"]["/functions"] = {"get": _FUNCTIONS}
    document["paths"] = {
        path: {method: _amend_operation(path, operation) for method, operation in item.items() if method in _METHODS}
        for path, item in document["paths"].items()
    }
    for layer, status in loaded:
        items = document["paths"].get(f"/collections/{layer.id}/items")
        if items is not None:
            items["get"]["parameters"] = _item_parameters(layer, status)
            items["get"]["responses"] = _responses("Features")
        item = document["paths"].get(f"/collections/{layer.id}/items/{{featureId}}")
        if item is not None:
            item["get"]["parameters"] = [_reference("parameters", name) for name in ("featureId", "crs", "f", "lang")]
            item["get"]["responses"] = _responses("Feature", missing=True)
    return document


def _amend_operation(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """Every document: the same two parameters, and responses that are defined here."""
    kinds = {"schema": "Schema", "queryables": "Schema", "openapi": "Definition"}
    return operation | {
        "parameters": [_reference("parameters", "f"), _reference("parameters", "lang")],
        "responses": _responses(kinds.get(path.rsplit("/", 1)[-1], "Document"), missing=True),
    }


def _item_parameters(layer: Layer, status: LayerStatus) -> list[dict[str, Any]]:
    shared = [
        _reference("parameters", name)
        for name in RESERVED
        if name not in ("properties", "sortby", "crs", "bbox-crs", "filter-crs")
    ]
    known = {"type": "string", "format": "uri", "enum": list(list_crs(status))}
    names = list(layer.fields)
    signed = [sign + name for name in names for sign in ("", "+", "-")]
    own = [
        _parameter("crs", "CRS of the answer.", known),
        _parameter("bbox-crs", "CRS of `bbox`; CRS84 if absent.", known),
        _parameter("filter-crs", "CRS of the geometries in `filter`; CRS84 if absent.", known),
        _parameter("properties", "The fields to answer with; all if absent.", _list_of(names)),
        _parameter("sortby", "Fields to sort by, each after + or -.", _list_of(signed)),
    ]
    fields = [
        _parameter(item.name, f"Only features whose {item.title} is this.", describe_field(item))
        for item in layer.listed_fields
        if item.name not in RESERVED
    ]
    return [*shared, *own, *fields]


def _build_parameters(limits: dict[str, Any]) -> dict[str, Any]:
    number: dict[str, Any] = {"type": "integer", "minimum": 0, "default": 0}
    limit = {"type": "integer", "minimum": 1, "maximum": limits["max_items"], "default": limits["default_items"]}
    box = {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}}
    uri = {"type": "string", "format": "uri"}
    text = {"type": "string"}
    query: dict[str, tuple[str, dict[str, Any]]] = {
        "f": ("Format of the answer.", {"type": "string", "enum": ["json", "html"], "default": "json"}),
        "lang": ("Language of the answer; there is one so far.", {"type": "string", "default": "en-US"}),
        "limit": ("How many features at most on a page; a larger number than the maximum means the maximum.", limit),
        "offset": ("How many features to pass over; for long ways follow the `next` links instead.", number),
        "cursor": ("Where the page begins; taken from a `next` link.", text),
        "bbox": ("Only features that touch this box: west,south,east,north.", box),
        "bbox-crs": ("CRS of `bbox`.", uri),
        "crs": ("CRS of the answer.", uri),
        "datetime": ("Only features of this instant or interval; `..` leaves an end open.", text),
        "filter": ("Only features that match this CQL2 expression.", text),
        "filter-lang": (
            "Language of `filter`; `cql-text` is another name of `cql2-text`.",
            {"type": "string", "enum": list(LANGUAGES), "default": "cql2-text"},
        ),
        "filter-crs": ("CRS of the geometries in `filter`.", uri),
        "properties": ("The fields to answer with.", {"type": "array", "items": text}),
        "sortby": ("Fields to sort by, each after + or -.", {"type": "array", "items": text}),
        "skipGeometry": ("Leave the geometries out.", {"type": "boolean", "default": False}),
        "resulttype": ("`hits` only counts.", {"type": "string", "enum": ["results", "hits"], "default": "results"}),
    }
    built = {name: _parameter(name, words, schema) for name, (words, schema) in query.items()}
    built["featureId"] = {
        "name": "featureId",
        "in": "path",
        "required": True,
        "description": "Id of a feature.",
        "schema": {"type": "integer"},
    }
    return built


def _build_responses() -> dict[str, Any]:
    geojson = {"$ref": "#/components/schemas/featureCollection"}
    feature = {"$ref": "#/components/schemas/feature"}
    html = {"schema": {"type": "string"}}
    return {
        "Document": {
            "description": "The document.",
            "content": {"application/json": {"schema": {"type": "object"}}, "text/html": html},
        },
        "Schema": {
            "description": "A JSON Schema.",
            "content": {"application/schema+json": {"schema": {"type": "object"}}, "text/html": html},
        },
        "Definition": {
            "description": "This document.",
            "content": {
                "application/vnd.oai.openapi+json;version=3.0": {"schema": {"type": "object"}},
                "text/html": html,
            },
        },
        "Features": {
            "description": "A page of features.",
            "content": {"application/geo+json": {"schema": geojson}, "text/html": html},
        },
        "Feature": {
            "description": "One feature.",
            "content": {"application/geo+json": {"schema": feature}, "text/html": html},
        },
        "NotModified": {"description": "The client has this state already: it sent its ETag in If-None-Match."},
        "InvalidParameter": {
            "description": "A parameter is wrong; the answer says which, and what was expected.",
            "content": _PROBLEM,
        },
        "NotFound": {"description": "There is no such thing.", "content": _PROBLEM},
        "Unavailable": {
            "description": "The database is away or the query took too long; try again after Retry-After seconds.",
            "content": _PROBLEM,
        },
    }


def _responses(success: str, *, missing: bool = False) -> dict[str, Any]:
    found = {"200": _reference("responses", success), "304": _reference("responses", "NotModified")}
    found |= {"400": _reference("responses", "InvalidParameter")}
    if missing:
        found["404"] = _reference("responses", "NotFound")
    return found | {"503": _reference("responses", "Unavailable")}


def _reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "required": False,
        "schema": schema,
        "style": "form",
        "explode": False,
    }


def _list_of(values: list[str]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string", "enum": values}} if values else {"type": "array", "items": {}}


_FUNCTIONS = {"summary": "Functions that a filter may call", "tags": ["server"], "operationId": "getFunctions"}
_LINKS = {"type": "array", "items": {"$ref": "#/components/schemas/link"}}
_SCHEMAS: dict[str, Any] = {
    "link": {
        "type": "object",
        "required": ["href", "rel"],
        "properties": {name: {"type": "string"} for name in ("href", "rel", "type", "title", "hreflang")},
    },
    "feature": {
        "type": "object",
        "required": ["type", "geometry", "properties"],
        "properties": {
            "type": {"type": "string", "enum": ["Feature"]},
            "id": {"type": "integer"},
            "geometry": {"type": "object", "nullable": True},
            "properties": {"type": "object", "nullable": True},
            "links": _LINKS,
        },
    },
    "featureCollection": {
        "type": "object",
        "required": ["type", "features"],
        "properties": {
            "type": {"type": "string", "enum": ["FeatureCollection"]},
            "features": {"type": "array", "items": {"$ref": "#/components/schemas/feature"}},
            "links": _LINKS,
            "timeStamp": {"type": "string", "format": "date-time"},
            "numberMatched": {"type": "integer", "minimum": 0},
            "numberReturned": {"type": "integer", "minimum": 0},
        },
    },
    "problem": {
        "type": "object",
        "required": ["title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "parameter": {"type": "string"},
            "value": {"type": "string"},
            "expected": {"type": "string"},
        },
    },
}
