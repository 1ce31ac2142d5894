"""What a picture is drawn from: the style, the tiles of its view and what is laid over, as its caller may see them."""

from __future__ import annotations

import asyncio
import functools
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from geoserver import styling
from geoserver.api.pictures.framing import find_camera, find_place
from geoserver.api.pictures.marks import add_marks
from geoserver.api.pictures.shown import Drawn, Scene, Shown
from geoserver.api.pictures.words import build_words
from geoserver.api.tiles import build_parts
from geoserver.catalog.languages import in_language
from geoserver.database.summaries import summarise
from geoserver.drawing import LOCAL, MapOrder
from geoserver.drawing.camera import list_tiles, spread
from geoserver.drawing.native import adapt
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.filtering import build
from geoserver.kept import Made, Same
from geoserver.model import Bounds
from geoserver.tilesets import render_world
from geoserver.tiling import build_tilejson
from geoserver.turns import client_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import Request

    from geoserver.access import View
    from geoserver.api.pictures.asking import Picture
    from geoserver.api.pictures.shown import Turn
    from geoserver.api.pictures.studio import Studio
    from geoserver.api.tile_server import TileServer
    from geoserver.api.tiles import Part
    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus
    from geoserver.mapstates import Camera
    from geoserver.model import Layer, Tile
    from geoserver.questions import Questions

__all__ = ["compose", "find_drawn", "find_view", "finish"]

_AT_ONCE = 8  # tiles of a picture that are made side by side
_MOST_BYTES = 64 * 2**20  # of the tiles of one picture
_ADDRESS = re.compile(r"/(tiles|world)/([^/]+)/\{z\}/")
_ENDINGS = ("json", "png")


async def find_drawn(view: View, picture: Picture) -> Drawn:
    """The layers that a picture shows; raises NotFoundError for one that is not there for the caller."""
    loaded = await view.layers()
    data = [seen for seen in loaded if not seen[0].basemap]
    if picture.state.layers is None:
        on = [seen for seen in data if seen[0].visible] or data[:1]
    else:
        on = [await view.layer(layer_id) for layer_id in picture.state.layers]
    text = "".join(picture.state.filters.values()).casefold() + picture.state.area
    limits = view.catalog.city.limits
    named = limits if isinstance(limits, str) else ""
    drawn = Drawn(sorted(on, key=lambda seen: seen[0].id), loaded, named, "feature" in text, ())
    states = [item for layer_id in sorted(layer.id for layer in drawn.layers) for item in view.whole[layer_id]]
    return replace(drawn, made_of=(view.services.live.current, *states))


async def compose(request: Request, view: View, drawn: Drawn, picture: Picture) -> tuple[MapOrder, bool]:
    """The order, and whether what is made of it may be kept."""
    tiles: TileServer = request.app.state.tiles
    client = client_of(request.scope)
    shown = [await _ask(request, view, seen, picture, client) for seen in drawn.on]
    camera = await find_camera(view, drawn, shown, picture, _turns_of(request))
    style = await _find_style(request.app.state.studio, view, drawn, shown, picture)
    gathered = _Gathered(tiles, client, camera, picture.size)
    for source in style["sources"].values():
        gathered.add(source, await _find_parts(request, view, source, shown, client))
    files = await gathered.read()
    return await finish(view, drawn, Scene(shown, style, camera), picture, files), gathered.lasting


async def finish(view: View, drawn: Drawn, scene: Scene, picture: Picture, files: dict[str, bytes]) -> MapOrder:
    """The order of a picture whose tiles are there as `files`: with its words, marks, icons and letters."""
    style, camera = scene.style, scene.camera
    over = await asyncio.to_thread(build_words, view, drawn, scene, picture)
    await add_marks(view, style, picture)
    if style.pop("sprite", None):
        style["sprite"] = f"{LOCAL}{styling.SPRITE}"
        files |= await asyncio.to_thread(_list_sprites)
    style["glyphs"] = f"{LOCAL}fonts/{{fontstack}}/{{range}}.pbf"
    return MapOrder(
        style=orjson.dumps(adapt(style)),
        files=files,
        size=picture.size,
        ratio=picture.ratio,
        lon=camera.lon,
        lat=camera.lat,
        zoom=camera.zoom,
        over=over,
        format={"jpg": "jpeg"}.get(picture.ending, picture.ending),
    )


async def find_view(request: Request, view: View, drawn: Drawn, picture: Picture) -> dict[str, list[float] | None]:
    """Where a map opens that says no place: `bounds` to fit into it, or a `camera` of longitude, latitude and zoom."""
    client = client_of(request.scope)
    shown = [await _ask(request, view, seen, picture, client) for seen in drawn.on]
    place = await find_place(view, drawn, shown, picture, _turns_of(request))
    if isinstance(place, Bounds):
        return {"bounds": spread(place).as_list(), "camera": None}
    return {"bounds": None, "camera": [place.lon, place.lat, place.zoom] if place else None}


async def _ask(request: Request, view: View, seen: tuple[Layer, LayerStatus], picture: Picture, client: str) -> Shown:
    """A layer under all that narrows it; raises BadParameterError that names the picture's parameter."""
    layer, _ = seen
    question = picture.state.question(layer) if layer.has_rows else ""
    query = f"filter={quote(question, safe='')}" if question else ""
    tiles: TileServer = request.app.state.tiles
    try:
        (part,) = await build_parts(view, request.app.state.questions, client, layer.id, query)
        plan = await tiles.find_plan(part, client)
    except BadParameterError as error:
        if error.parameter != "filter":
            raise
        own = picture.state.filters.get(layer.id)
        name = f"filter.{layer.id}" if own else "area" if picture.state.area else "time"
        raise BadParameterError(name, own or error.value, error.expected) from error
    start = part.features_from if plan is None else min(plan, part.status.plan.features_from)
    count = await _count(view, part, _turns_of(request)) if picture.legend and query else None
    return Shown(replace(part, features_from=start), query, plan, count)


def _turns_of(request: Request) -> Turn:
    questions: Questions = request.app.state.questions
    return functools.partial(questions.turn, client_of(request.scope))


async def _count(view: View, part: Part, turn: Turn) -> int:
    """Rows that are left, as the page's summaries count them, and from the same memory."""
    layer, status = part.layer, part.status
    async with turn(part.asked):
        found = await summarise(view.services.database, layer, status, part.where, (), whole=build(layer, status))
    return int(found["count"])


async def _find_style(
    studio: Studio, view: View, drawn: Drawn, shown: Sequence[Shown], picture: Picture
) -> dict[str, Any]:
    """As `/styles/{name}.json` makes it for the page, with addresses that begin at the root."""
    starts = {
        one.part.layer.id: one.plan
        for one in shown
        if one.plan is not None and one.plan != one.part.status.plan.features_from
    }

    async def make() -> Made:
        return Made(await asyncio.to_thread(_render_style, view.catalog, drawn, picture, starts))

    looks = (view.of(drawn.layers).scope, picture.theme, picture.languages, tuple(starts.items()))
    ids = tuple(layer.id for layer, _ in drawn.on)
    body, _ = await studio.styles.get((Same(drawn.made_of), (ids, *looks)), make)
    style: dict[str, Any] = orjson.loads(body)
    return style


def _render_style(catalog: Catalog, drawn: Drawn, picture: Picture, starts: Mapping[str, int]) -> bytes:
    served = {layer.id: status for layer, status in drawn.loaded}
    ids = [layer.id for layer, _ in drawn.on]
    style = styling.build_style(catalog, served, picture.theme, "", ids, features_from=starts)
    languages = picture.languages
    spoken = {key: in_language(layer, languages) for key, layer in catalog.layers.items()}
    styling.translate_style(style, picture.theme, spoken)
    styling.translate_labels(style, languages, catalog, served)
    return orjson.dumps(style)


async def _find_parts(
    request: Request, view: View, source: dict[str, Any], shown: Sequence[Shown], client: str
) -> list[Part]:
    """What the tiles of a source are made of; its TileJSON is told in place."""
    if "url" in source:
        layer_id = source.pop("url").rpartition("/")[2].removesuffix(".json")
        one = next((one for one in shown if one.part.layer.id == layer_id), None)
        part = one.part if one else (await build_parts(view, request.app.state.questions, client, layer_id, ""))[0]
        found = build_tilejson(view.catalog, [(part.layer, part.status)], "")
        least, most = source.get("minzoom", 0), source.get("maxzoom", found["maxzoom"])
        source |= {"tiles": found["tiles"], "minzoom": max(found["minzoom"], least)}
        source |= {"maxzoom": min(found["maxzoom"], most), "bounds": found["bounds"]}
        return [part]
    address = _ADDRESS.match("".join(source.get("tiles", ())[:1]))
    if address is None or address[1] == "world":
        return []
    return await build_parts(view, request.app.state.questions, client, address[2], "")


class _Gathered:
    """The tiles of a view, of all sources, as files of the order."""

    def __init__(self, tiles: TileServer, client: str, camera: Camera, size: tuple[int, int]) -> None:
        self._tiles = tiles
        self._client = client
        self._camera = camera
        self._size = size
        self._wanted: list[tuple[str, list[Part] | str, Tile]] = []
        self._sources = 0
        self.lasting = True

    def add(self, source: dict[str, Any], parts: list[Part]) -> None:
        """Note what of a source is needed, and let the style look for it among the files."""
        address = _ADDRESS.match("".join(source.get("tiles", ())[:1]))
        if address is None:  # a source that is no tiles of ours holds its data itself
            return
        self._sources += 1
        number = self._sources
        across = source.get("tileSize", 512)
        zooms = source.get("minzoom", 0), source.get("maxzoom", 22)
        made_of: list[Part] | str = parts or address[2]
        for tile in list_tiles(self._camera, self._size, zooms, across):
            self._wanted.append((f"{number}-{tile.z}-{tile.x}-{tile.y}", made_of, tile))
        source["tiles"] = [f"{LOCAL}{number}-{{z}}-{{x}}-{{y}}"]

    async def read(self) -> dict[str, bytes]:
        """All of them. Raises BadParameterError where they are too much for one picture, and what tiles raise."""
        places, room = asyncio.Semaphore(_AT_ONCE), _MOST_BYTES
        files: dict[str, bytes] = {}

        async def fetch(name: str, made_of: list[Part] | str, tile: Tile) -> None:
            nonlocal room
            async with places:
                body = files[name] = await self._read_one(made_of, tile)
            room -= len(body)
            if room < 0:
                raise BadParameterError(
                    "layers", "", "fewer layers, or a smaller picture: this one takes too many tiles"
                )

        try:
            async with asyncio.TaskGroup() as group:
                for wanted in self._wanted:
                    group.create_task(fetch(*wanted))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return files

    async def _read_one(self, made_of: list[Part] | str, tile: Tile) -> bytes:
        if isinstance(made_of, str):
            try:
                return await asyncio.to_thread(render_world, made_of, tile)
            except NotFoundError:  # the viewer is not built
                return b""
        found = await self._tiles.read(made_of, tile, self._client)
        self.lasting &= not found.stale
        return found.entry.read_body()


def _list_sprites() -> Mapping[str, bytes]:
    files: dict[str, bytes] = {}
    for ratio, suffix in ((1, ""), (2, "@2x")):
        made = styling.build_sprite(ratio)
        files |= {f"{styling.SPRITE}{suffix}.json": made.places, f"{styling.SPRITE}{suffix}.png": made.picture}
    return files
