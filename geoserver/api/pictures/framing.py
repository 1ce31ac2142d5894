"""Where a picture looks that says nothing of it: at what filters leave, else at the city's home."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.api.city import find_extent, find_limits
from geoserver.database.extents import read_bounds
from geoserver.drawing.camera import clip, fit
from geoserver.grid import join
from geoserver.mapstates import Camera
from geoserver.model import Bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.access import View
    from geoserver.api.pictures.asking import Picture
    from geoserver.api.pictures.shown import Drawn, Shown, Turn

__all__ = ["find_camera", "find_place"]

_WORLD = Camera(0.5, 20, 0)


async def find_camera(view: View, drawn: Drawn, shown: Sequence[Shown], picture: Picture, turn: Turn) -> Camera:
    """The stated one; else the one of `find_place`, fitted into the picture. Raises UnavailableError."""
    if picture.camera is not None:
        return picture.camera
    place = await find_place(view, drawn, shown, picture, turn)
    return fit(place, picture.size) if isinstance(place, Bounds) else place or _WORLD


async def find_place(
    view: View, drawn: Drawn, shown: Sequence[Shown], picture: Picture, turn: Turn
) -> Bounds | Camera | None:
    """What a map that says no place looks at: all that is left of layers that something narrows, or the places that
    are marked, or the city. None where nothing has a place. Raises UnavailableError.
    """
    city = view.catalog.city
    limits = find_limits(city, drawn.told)
    found: Bounds | None = None
    for one in shown:
        if one.narrowed and one.part.layer.has_rows:
            part = one.part
            async with turn(part.asked):
                bounds = await read_bounds(view.services.database, part.layer, part.status.srid, part.where)
            found = join(found, clip(bounds, limits)) if bounds else found
    marked = [place for place in (picture.marker, _parse_pin(picture.state.pin)) if place]
    if found is None or picture.marker:
        for lon, lat in marked:
            found = join(found, Bounds(lon, lat, lon, lat))
    if found is not None:
        return found
    if city.center:
        return Camera(city.zoom, city.center[1], city.center[0])
    return city.home or find_extent(drawn.told, limits)


def _parse_pin(pin: str) -> tuple[float, float] | None:
    if not pin:
        return None
    lon, lat, *_ = pin.split(",")
    return float(lon), float(lat)
