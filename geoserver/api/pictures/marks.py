"""Areas and places that are marked on a picture, as `web/src/area/marks.ts` draws them on the live map."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import mercantile
import numpy as np
import shapely
from shapely.geometry import mapping

from geoserver.filtering import Feature

if TYPE_CHECKING:
    from geoserver.access import View
    from geoserver.api.pictures.asking import Picture

__all__ = ["add_marks"]

_LONLAT = 4326
_STEPS = 64
_METRES = 111_320.0  # of a degree
_INK = {"light": "#17616a", "dark": "#6ec2c9"}
_HALO = {"light": "#ffffff", "dark": "#0d1416"}
_NAME = "marks"

type Position = tuple[float, float]


async def add_marks(view: View, style: dict[str, Any], picture: Picture) -> None:
    """Draw area and pin over all else; the area of a feature that is not there for the caller is not drawn."""
    area, pin = picture.state.area, picture.state.pin
    features = []
    if area and (shape := await _find_shape(view, area)):
        features.append(_feature("area", shape))
    if pin:
        lon, lat, *metres = (float(part) for part in pin.split(","))
        if metres:
            ring = _draw_circle((lon, lat), metres[0])
            features.append(_feature("around", {"type": "LineString", "coordinates": ring}))
        features.append(_feature("pin", {"type": "Point", "coordinates": (lon, lat)}))
    if features:
        style["sources"][_NAME] = {"type": "geojson", "data": {"type": "FeatureCollection", "features": features}}
        style["layers"] += _list_layers(_INK[picture.theme], _HALO[picture.theme])


def _feature(part: str, geometry: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"part": part}, "geometry": geometry}


async def _find_shape(view: View, area: str) -> dict[str, Any] | None:
    if area.startswith("feature:"):
        layer, _, fid = area.removeprefix("feature:").partition("/")
        found = await view.shape(Feature(layer, int(fid)), _LONLAT)
        if found is None:
            return None
        shape = shapely.from_wkb(found.wkb)
        told: dict[str, Any] = mapping(shape if found.srid == _LONLAT else shapely.transform(shape, _to_lonlat))
        return told
    if area.startswith("circle:"):
        lon, lat, metres = map(float, area.removeprefix("circle:").split(","))
        ring = _draw_circle((lon, lat), metres)
    else:
        corners = [[float(number) for number in corner.split(",")] for corner in area.split(";")]
        ring = _draw_box(*corners[0]) if len(corners) == 1 else [(lon, lat) for lon, lat in (*corners, corners[0])]
    return {"type": "Polygon", "coordinates": [ring]}


def _draw_circle(at: Position, metres: float) -> list[Position]:
    lon, lat = at
    wide = metres / (_METRES * max(math.cos(math.radians(lat)), 0.01))
    turns = [2 * math.pi * step / _STEPS for step in range(_STEPS + 1)]
    return [(lon + wide * math.cos(turn), lat + metres / _METRES * math.sin(turn)) for turn in turns]


def _draw_box(west: float, south: float, east: float, north: float) -> list[Position]:
    east += 360 * (east < west)
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def _to_lonlat(places: np.ndarray) -> np.ndarray:
    return np.array([mercantile.lnglat(x, y) for x, y in places]).reshape(-1, 2)


def _list_layers(ink: str, halo: str) -> list[dict[str, Any]]:
    def only(part: str, kind: str, paint: dict[str, Any], name: str) -> dict[str, Any]:
        rounded = {"layout": {"line-cap": "round", "line-join": "round"}} if name in ("area-halo", "area-line") else {}
        chosen = ["==", ["get", "part"], part]
        return {"id": f"mark-{name}", "type": kind, "source": _NAME, "filter": chosen, "paint": paint, **rounded}

    return [
        only("area", "fill", {"fill-color": ink, "fill-opacity": 0.07}, "area-fill"),
        only("area", "line", {"line-color": halo, "line-width": 6, "line-opacity": 0.85}, "area-halo"),
        only("area", "line", {"line-color": ink, "line-width": 2.5}, "area-line"),
        only("around", "line", {"line-color": ink, "line-width": 2, "line-dasharray": [2, 2]}, "around"),
        only(
            "pin",
            "circle",
            {"circle-radius": 9, "circle-color": ink, "circle-stroke-color": halo, "circle-stroke-width": 3},
            "pin-disc",
        ),
        only("pin", "circle", {"circle-radius": 3.5, "circle-color": halo}, "pin-dot"),
    ]
