"""The picture of a frozen map: of its own tiles and counts, whatever its layers have become since."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from geoserver.api.pictures.asking import Picture
from geoserver.api.pictures.scene import finish
from geoserver.api.pictures.shown import Drawn, Scene, Shown
from geoserver.api.tiles import Part
from geoserver.catalog.languages import parse_language
from geoserver.drawing import LOCAL
from geoserver.drawing.camera import fit, list_tiles
from geoserver.freezing import read_tiles
from geoserver.mapstates import Camera
from geoserver.questions import Asked

if TYPE_CHECKING:
    from geoserver.access import View
    from geoserver.api.pictures.studio import Studio
    from geoserver.freezing import Frozen, Sight
    from geoserver.mapstates import MapState
    from geoserver.model import Tile

__all__ = ["draw_frozen"]

_DEEPEST = 22


async def draw_frozen(
    studio: Studio, view: View, sight: Sight, state: MapState, *, size: tuple[int, int], language: str
) -> bytes:
    """PNG with the legend; `size` is in pixels. Raises UnavailableError, OSError where the archive cannot be read."""
    camera = sight.place if isinstance(sight.place, Camera) else fit(sight.place, size)
    picture = Picture(
        theme=state.base or "light",
        camera=camera,
        size=size,
        ratio=1,
        ending="png",
        state=replace(state, language=language),
        languages=parse_language(language),
        legend=True,
    )
    style: dict[str, Any] = orjson.loads(orjson.dumps(sight.style))
    files = await asyncio.to_thread(_lay_out_tiles, style, sight, picture)
    shown = [_show(one) for one in sight.frozen]
    loaded = [(one.layer, one.status) for one in sight.frozen]
    drawn = Drawn(loaded, loaded, limits="", elsewhere=False, made_of=())
    await view.ready()
    order = await finish(view, drawn, Scene(shown, style, camera), picture, files)
    return await studio.pool.draw("maps", order)


def _show(one: Frozen) -> Shown:
    """With its count where something narrows it, as the legend of a live picture has it."""
    part = Part(one.layer, one.status, Asked(one.where), one.status.plan.features_from, whole=(one.layer, one.status))
    narrowed = one.where.asked
    return Shown(part, "filter" if narrowed else "", None, one.status.rows if narrowed else None)


def _lay_out_tiles(style: dict[str, Any], sight: Sight, picture: Picture) -> dict[str, bytes]:
    """Those of the view as files, which the style is told to look for; all sources have the same ones. In a thread."""
    assert picture.camera is not None  # noqa: S101 - it has just been given one
    wanted: dict[Tile, str] = {}
    for source in style["sources"].values():
        zooms = source.get("minzoom", 0), source.get("maxzoom", _DEEPEST)
        wanted |= {tile: f"{tile.z}-{tile.x}-{tile.y}" for tile in list_tiles(picture.camera, picture.size, zooms)}
        source["tiles"] = [f"{LOCAL}{{z}}-{{x}}-{{y}}"]
    return {wanted[tile]: body for tile, body in read_tiles(sight.archive, wanted).items()}
