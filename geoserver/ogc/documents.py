"""The documents of the API: pygeoapi makes them from its configuration, we take out what we do not do and add the rest.

They depend on nothing in a request but the address, so that each is made once per state of the catalogue.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from pygeoapi import api as pygeoapi
from pygeoapi.api import API, APIRequest
from pygeoapi.api.itemtypes import get_collection_queryables

from geoserver.catalog.licences import find_licence
from geoserver.errors import GeoserverError
from geoserver.filtering import FUNCTIONS
from geoserver.ogc.config import unshield
from geoserver.ogc.provider import describe_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from geoserver.database.status import LayerStatus
    from geoserver.model import City, Layer

__all__ = [
    "CONFORMANCE",
    "build_collection",
    "build_collections",
    "build_conformance",
    "build_functions",
    "build_landing",
    "build_queryables",
    "build_schema",
]

_SPEC = "http://www.opengis.net/spec"
_REL = "http://www.opengis.net/def/rel/ogc/1.0"

CONFORMANCE = (
    f"{_SPEC}/ogcapi-common-1/1.0/conf/core",
    f"{_SPEC}/ogcapi-common-1/1.0/conf/html",
    f"{_SPEC}/ogcapi-common-1/1.0/conf/json",
    f"{_SPEC}/ogcapi-common-1/1.0/conf/landing-page",
    f"{_SPEC}/ogcapi-common-1/1.0/conf/oas30",
    f"{_SPEC}/ogcapi-common-2/1.0/conf/collections",
    f"{_SPEC}/ogcapi-features-1/1.0/conf/core",
    f"{_SPEC}/ogcapi-features-1/1.0/conf/geojson",
    f"{_SPEC}/ogcapi-features-1/1.0/conf/html",
    f"{_SPEC}/ogcapi-features-1/1.0/conf/oas30",
    f"{_SPEC}/ogcapi-features-2/1.0/conf/crs",
    f"{_SPEC}/ogcapi-features-3/1.0/conf/features-filter",
    f"{_SPEC}/ogcapi-features-3/1.0/conf/filter",
    f"{_SPEC}/ogcapi-features-3/1.0/conf/queryables",
    f"{_SPEC}/ogcapi-features-3/1.0/conf/queryables-query-parameters",
    f"{_SPEC}/ogcapi-features-5/1.0/conf/core-roles-features",
    f"{_SPEC}/ogcapi-features-5/1.0/conf/schemas",
    f"{_SPEC}/cql2/1.0/conf/accent-insensitive-comparison",
    f"{_SPEC}/cql2/1.0/conf/advanced-comparison-operators",
    f"{_SPEC}/cql2/1.0/conf/arithmetic",
    f"{_SPEC}/cql2/1.0/conf/basic-cql2",
    f"{_SPEC}/cql2/1.0/conf/basic-spatial-functions",
    f"{_SPEC}/cql2/1.0/conf/basic-spatial-functions-plus",
    f"{_SPEC}/cql2/1.0/conf/basic-spatial-operators",  # the name that QGIS looks for
    f"{_SPEC}/cql2/1.0/conf/case-insensitive-comparison",
    f"{_SPEC}/cql2/1.0/conf/cql2-json",
    f"{_SPEC}/cql2/1.0/conf/cql2-text",
    f"{_SPEC}/cql2/1.0/conf/functions",
    f"{_SPEC}/cql2/1.0/conf/property-property",
    f"{_SPEC}/cql2/1.0/conf/spatial-functions",
    f"{_SPEC}/cql2/1.0/conf/temporal-functions",
)

# What pygeoapi announces and we do not answer.
_DROPPED_RELATIONS = {f"{_REL}/processes", f"{_REL}/tiling-schemes", f"{_REL}/job-list"}
_DROPPED_TYPES = {"application/ld+json", "text/csv; charset=utf-8"}

# What a city's own pages are to an API (IANA's link relations).
_LINK_RELATIONS = {
    "imprint": "publisher",
    "contact": "author",
    "terms": "terms-of-service",
    "privacy": "privacy-policy",
    "accessibility": "help",
}

_GEOMETRY_FORMATS = {
    "POINT": "geometry-point",
    "MULTIPOINT": "geometry-multipoint",
    "LINESTRING": "geometry-linestring",
    "MULTILINESTRING": "geometry-multilinestring",
    "POLYGON": "geometry-polygon",
    "MULTIPOLYGON": "geometry-multipolygon",
    "GEOMETRYCOLLECTION": "geometry-geometrycollection",
}
_GEOMETRY_SCHEMAS = {
    "POINT": "Point",
    "MULTIPOINT": "MultiPoint",
    "LINESTRING": "LineString",
    "MULTILINESTRING": "MultiLineString",
    "POLYGON": "Polygon",
    "MULTIPOLYGON": "MultiPolygon",
    "GEOMETRYCOLLECTION": "GeometryCollection",
}


class DocumentError(GeoserverError):
    """pygeoapi could not make a document from its configuration; never a client's fault."""


class _NoRequest:
    """What pygeoapi reads of a request: nothing, so that no client's words reach its documents."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        self.query_params: dict[str, str] = {}
        self.scope = {"path": "/"}


def build_landing(api: API, city: City) -> dict[str, Any]:
    """The landing page, with whose data it is and the city's own pages about that."""
    document = _ask(pygeoapi.landing_page, api)
    document["links"] = _keep_links(document["links"]) + [
        {"rel": _LINK_RELATIONS[name], "href": href, "title": name.capitalize()} for name, href in city.links.items()
    ]
    document["links"] += [
        {"rel": f"{_REL}/functions", "type": kind, "title": title, "href": f"{api.base_url}/functions?f={form}"}
        for kind, title, form in (
            ("application/json", "Functions of filters", "json"),
            ("text/html", "Functions of filters, as HTML", "html"),
        )
    ]
    if city.publisher:
        document["attribution"] = city.publisher
    return document


def build_conformance(api: API) -> dict[str, Any]:
    """The conformance classes: pygeoapi's list knows neither our filters nor that nothing can be edited."""
    return _ask(pygeoapi.conformance, api) | {"conformsTo": sorted(CONFORMANCE)}


def build_functions() -> dict[str, Any]:
    """What a filter may call beside the operators of CQL2 (the resource "functions" of OGC API Features part 3)."""
    return {
        "functions": [
            {
                "name": name.upper(),
                "description": function.description,
                "arguments": [
                    {"title": title, "description": description, "type": [kind]}
                    for title, kind, description in function.arguments
                ],
                "returns": ["geometry"],
            }
            for name, function in FUNCTIONS.items()
        ]
    }


def build_collections(api: API) -> dict[str, Any]:
    """The list of collections, without any."""
    document = _ask(pygeoapi.describe_collections, api)
    document["links"] = _keep_links(document["links"])
    return document


def build_collection(api: API, layer: Layer) -> dict[str, Any]:
    """One collection."""
    return _amend_collection(_ask(pygeoapi.describe_collections, api, layer.id), layer)


def build_schema(api: API, layer: Layer, status: LayerStatus) -> dict[str, Any]:
    """JSON Schema of the features' properties (OGC API Features part 5)."""
    return _amend_schema(_ask(pygeoapi.get_collection_schema, api, layer.id), layer, status)


def build_queryables(api: API, layer: Layer, status: LayerStatus) -> dict[str, Any]:
    """JSON Schema of what a filter may name; a name that is not in it is refused."""
    document = _ask(get_collection_queryables, api, layer.id)
    amended = _amend_schema(document, layer, status) | {"additionalProperties": False}
    forms = ", ".join(function.written for function in FUNCTIONS.values())
    amended["properties"]["geometry"]["description"] = f"Compared with well-known text, BBOX, {forms}."
    return amended


def _ask(function: Callable[..., Any], api: API, *args: str) -> dict[str, Any]:
    """pygeoapi's answer as a document; raises DocumentError where it has none."""
    _, status, content = function(api, APIRequest(_NoRequest(), api.locales), *args)
    if status != 200:  # noqa: PLR2004 - HTTP
        raise DocumentError(f"pygeoapi: {content}")
    document: dict[str, Any] = orjson.loads(unshield(content))
    return document


def _keep_links(links: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [link for link in links if link["rel"] not in _DROPPED_RELATIONS and link.get("type") not in _DROPPED_TYPES]


def _amend_collection(document: dict[str, Any], layer: Layer) -> dict[str, Any]:
    links = [_open_items(link) for link in _keep_links(document["links"])]
    schema = next(link for link in links if link["rel"] == f"{_REL}/schema" and link["type"] != "text/html")
    links.append(schema | {"rel": "[ogc-rel:schema]"})
    if href := find_licence(layer.license).url:
        links.append({"rel": "license", "type": "text/html", "title": layer.license, "href": href})
    document["links"] = links
    if layer.attribution:
        document["attribution"] = layer.attribution
    document["license"] = layer.license
    return document


def _open_items(link: dict[str, Any]) -> dict[str, Any]:
    """The link to the features without `?f=json`: GDAL makes the address of one feature by putting `/ID` behind it."""
    if link["rel"] == "items" and link["type"] == "application/geo+json":
        return link | {"href": link["href"].removesuffix("?f=json")}
    return link


def _amend_schema(document: dict[str, Any], layer: Layer, status: LayerStatus) -> dict[str, Any]:
    properties = document["properties"]
    kind = status.geometry_type.upper()
    geometry: dict[str, Any] = {
        "title": "Geometry",
        "x-ogc-role": "primary-geometry",
        "format": _GEOMETRY_FORMATS.get(kind, "geometry-any"),
    }
    # QGIS knows a geometry among the queryables by this reference.
    geometry["$ref"] = f"https://geojson.org/schema/{_GEOMETRY_SCHEMAS.get(kind, 'Geometry')}.json"
    properties["geometry"] = geometry
    for position, item in enumerate(layer.listed_fields, start=1):
        roles = {key: value for key, value in properties[item.name].items() if key == "x-ogc-role"}
        properties[item.name] = describe_field(item) | roles | {"x-ogc-propertySeq": position}
    document["description"] = layer.description or layer.title
    return document
