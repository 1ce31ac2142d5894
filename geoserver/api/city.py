"""The city as the API tells it: whose map this is, in which languages, and where it opens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from geoserver.catalog.city_words import link_titles, offered_languages, speak
from geoserver.catalog.languages import page_words, read_phrases
from geoserver.grid import join
from geoserver.model import Bounds

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from geoserver.database.status import LayerStatus
    from geoserver.model import City, Layer

__all__ = ["build_city", "find_extent", "find_limits"]

_STRAY = 8  # times the middle one that a layer's extent may be before it is taken for stray rows


def build_city(
    city: City,
    loaded: Sequence[tuple[Layer, LayerStatus]],
    languages: Collection[str],
    base: str,
    *,
    signin: bool = False,
) -> dict[str, Any]:
    """The member `city` of `/api/layers`; `base` is the server's address, without a slash at the end.

    `loaded` are the layers that the reader may see; with `signin` there is a link to where one signs in.
    """
    spoken, titles = speak(city, languages), link_titles(languages)
    limits = find_limits(city, loaded)
    home = city.home or find_extent(loaded, limits)
    words = page_words(languages)
    datasets = {
        "rel": "datasets",
        "title": read_phrases(words.code)["all_datasets"],
        "href": f"{base}/layers?lang={words.code}",
    }
    link = {"rel": "signin", "title": words.signin, "href": f"{base}/signin"}
    return {
        "title": spoken.title,
        "tagline": spoken.tagline,
        "description": spoken.description,
        "publisher": spoken.publisher,
        "language": spoken.language or None,
        "languages": list(offered_languages(city)),
        "logo": f"{base}/logo?v={city.logo.digest}" if city.logo else None,
        "home": {
            "bounds": home.as_list() if home and not city.center else None,
            "camera": {"lon": city.center[0], "lat": city.center[1], "zoom": city.zoom} if city.center else None,
        },
        "limits": limits.as_list() if limits else None,
        "links": [
            datasets,
            *({"rel": name, "title": titles[name], "href": href} for name, href in spoken.links.items()),
            *([link] if signin else []),
        ],
    }


def find_limits(city: City, loaded: Sequence[tuple[Layer, LayerStatus]]) -> Bounds | None:
    """Outside of which rows are misplaced, where the city says so: by itself, or by a layer."""
    limits = city.limits
    if isinstance(limits, str):
        return next((status.bounds for layer, status in loaded if layer.id == limits), None)
    return limits


def find_extent(loaded: Sequence[tuple[Layer, LayerStatus]], limits: Bounds | None = None) -> Bounds | None:
    """Where the city is: the basemap's extent, which draws it; without one its limits, or else that of the data.

    Layers that a few misplaced rows have stretched are left out. None when nothing has a place.
    """
    placed = [
        (layer, status.bounds) for layer, status in loaded if status.bounds and status.bounds.west <= status.bounds.east
    ]
    base = [bounds for layer, bounds in placed if layer.basemap]
    extents = base or ([limits] if limits else [bounds for _, bounds in placed])
    if not extents:
        return None
    sizes = [math.hypot(each.east - each.west, each.north - each.south) for each in extents]
    most = _STRAY * sorted(sizes)[(len(sizes) - 1) // 2]
    found: Bounds | None = None
    for bounds, size in zip(extents, sizes, strict=True):
        if size <= most:
            found = join(found, bounds)
    return found
