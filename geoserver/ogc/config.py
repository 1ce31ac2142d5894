"""The catalogue and what is loaded of it, as pygeoapi's configuration and OpenAPI document."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
from typing import TYPE_CHECKING, Any

from pygeoapi.api import API
from pygeoapi.openapi import get_oas_30
from pygeoapi.plugin import load_plugin

from geoserver.catalog.labels import list_fields
from geoserver.model import City
from geoserver.ogc.crs import CRS84, list_crs, storage_crs
from geoserver.ogc.openapi import amend_openapi
from geoserver.ogc.provider import PROVIDER, PostgisProvider, ServedLayer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.settings import Settings

type Loaded = list[tuple[Layer, LayerStatus]]
type Times = tuple[datetime, datetime]

__all__ = ["DEFAULT_LIMIT", "build_api", "build_config", "build_definition", "build_provider", "shield", "unshield"]

DEFAULT_LIMIT = 100
_TITLE = "City open data: OGC API Features"
_DESCRIPTION = "Every layer of this server as features, filtered on the server, in the CRS you ask for."
_NOBODY = City()
_WORLD = [-180.0, -90.0, 180.0, 90.0]


def build_api(
    loaded: Loaded,
    database: Database,
    settings: Settings,
    url: str,
    *,
    times: Mapping[str, Times] | None = None,
    city: City = _NOBODY,
) -> API:
    """A pygeoapi API for these layers, answering under `url`; `times` are first and last by layer id.

    It knows no OpenAPI document: that is made when somebody asks for it (`build_definition`).
    """
    with _logging_untouched():
        # pygeoapi writes into the configuration that it is given.
        return API(copy.deepcopy(build_config(loaded, database, settings, url, times=times, city=city)), {})


def build_definition(
    loaded: Loaded, database: Database, settings: Settings, url: str, city: City = _NOBODY
) -> dict[str, Any]:
    """The OpenAPI document of an API with these layers."""
    config = build_config(loaded, database, settings, url, city=city)
    with _logging_untouched():
        document = get_oas_30(copy.deepcopy(config), fail_on_invalid_collection=False)
    return amend_openapi(json.loads(unshield(json.dumps(document))), loaded, config["server"]["limits"])


def build_provider(source: ServedLayer) -> PostgisProvider:
    """The provider that the configuration names for a layer."""
    found: PostgisProvider = load_plugin("provider", _build_provider(source))
    return found


def build_config(
    loaded: Loaded,
    database: Database,
    settings: Settings,
    url: str,
    *,
    times: Mapping[str, Times] | None = None,
    city: City = _NOBODY,
) -> dict[str, Any]:
    """pygeoapi's configuration. Words of the catalogue are shielded (see `shield`)."""
    times = times or {}
    limit = settings.max_items
    return {
        "server": {
            "url": url,
            "mimetype": "application/json; charset=UTF-8",
            "encoding": "utf-8",
            "languages": ["en-US"],
            "pretty_print": False,
            "limits": {"default_items": min(DEFAULT_LIMIT, limit), "max_items": limit, "on_exceed": "throttle"},
            "map": {"url": "", "attribution": ""},
        },
        "logging": {"level": "ERROR"},
        "metadata": _build_metadata(url, city),
        "resources": {
            layer.id: _build_resource(
                ServedLayer(database, layer, status), url.removesuffix("/ogc"), times.get(layer.id)
            )
            for layer, status in loaded
        },
    }


def shield(text: str) -> str:
    """Put private-use characters in place of < and >, which pygeoapi would write into JSON as HTML entities."""
    return text.replace("<", "\ue000").replace(">", "\ue001")


def unshield(json_text: str) -> str:
    """Undo `shield` in a JSON text that pygeoapi made."""
    return json_text.replace("\\ue000", "<").replace("\\ue001", ">")


def _build_metadata(url: str, city: City) -> dict[str, Any]:
    site = url.removesuffix("ogc")
    publisher = {"name": shield(city.publisher or city.title or "This server"), "url": site}
    contact = city.links.get("contact", "")
    reached = {"email": contact.removeprefix("mailto:")} if contact.startswith("mailto:") else {"url": contact or site}
    return {
        "identification": {
            "title": shield(f"{city.title}: OGC API Features" if city.title else _TITLE),
            "description": shield(city.description or _DESCRIPTION),
            "keywords": ["open data", "geodata"],
            "keywords_type": "theme",
            "terms_of_service": city.links.get("terms", url),
            "url": site,
        },
        "license": {"name": "Each collection names its own", "url": f"{url}/collections"},
        "provider": publisher | reached,
        "contact": publisher | reached,
    }


def _build_resource(source: ServedLayer, site: str, times: Times | None) -> dict[str, Any]:
    layer, status = source.layer, source.status
    bounds = status.bounds.as_list() if status.bounds else _WORLD
    extents: dict[str, Any] = {"spatial": {"bbox": bounds, "crs": CRS84.uri}}
    if times is not None:
        extents["temporal"] = {"begin": times[0], "end": times[1]}
    return {
        "type": "collection",
        "title": shield(layer.title),
        "description": shield(layer.description or layer.title),
        "keywords": [shield(word) for word in layer.keywords],
        "links": _build_links(layer, site),
        "extents": extents,
        "providers": [_build_provider(source)],
    }


def _build_provider(source: ServedLayer) -> dict[str, Any]:
    layer, status = source.layer, source.status
    return {
        "type": "feature",
        "name": PROVIDER,
        "data": source,
        "id_field": "fid",
        "geom_field": "geometry",
        "title_field": next(iter(list_fields(layer.label)), None),
        "time_field": layer.time or None,
        "crs": list(list_crs(status)),
        "storage_crs": storage_crs(status).uri,
    }


def _build_links(layer: Layer, site: str) -> list[dict[str, str]]:
    links = [
        {
            "rel": "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector",
            "type": "application/json",
            "title": "Vector tiles (TileJSON)",
            "href": f"{site}/tiles/{layer.id}.json",
        }
    ]
    if not layer.basemap:
        page = {"rel": "alternate", "type": "text/html", "title": "On the map", "href": f"{site}/?layers={layer.id}"}
        links.append(page)
        about = f"{site}/layers/{layer.id}"
        links.append({"rel": "describedby", "type": "text/html", "title": "About this dataset", "href": about})
    return links


@contextlib.contextmanager
def _logging_untouched() -> Iterator[None]:
    """pygeoapi sets up the root logger when an API is made; logging is the program's business, not a library's."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
