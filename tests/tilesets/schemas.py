"""The sample city's basemap in other schemas than ours: PMTiles archives like those of Protomaps and others.

`write_archive(path, schema, tiles)`; layers and fields are those of the schemas' documents.
"""

from __future__ import annotations

import functools
import gzip
from typing import TYPE_CHECKING, Any

import geopandas
import mapbox_vector_tile
import mercantile
import numpy
import pandas
import shapely
from pmtiles.tile import Compression, TileType, zxy_to_tileid
from pmtiles.writer import Writer
from shapely import clip_by_rect
from shapely.geometry import box

from geoserver import assets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from geoserver.model import Tile

Row = tuple[str, dict[str, Any]]  # a layer of the schema, and what a feature of it says
EXTENT = 4096
FIRST = {"buildings": 13, "streets": 9, "parks": 9}  # zooms from which layers have anything
LAND_USE = ("farmland", "meadow", "orchard", "urban", "industrial", "airport", "runway")


def to_protomaps(layer: str, own: dict[str, Any]) -> Iterator[Row]:
    kind, name = own.get("class"), own.get("name")
    named = {"name": name} if name else {}
    match layer:
        case "ocean":
            yield "water", {"kind": "ocean"}
        case "land" if kind not in LAND_USE:
            yield "earth", {"kind": "earth"}
        case "land":
            kinds = {"urban": "residential", "orchard": "farmland", "airport": "aerodrome"}
            yield "landuse", {"kind": kinds.get(kind, kind)}
        case "parks":
            yield "landuse", {"kind": {"golf": "golf_course"}.get(kind, kind)}
        case "water":
            yield "water", {"kind": "river" if kind == "canal" else kind}
        case "streets":
            kinds = {"motorway": "highway", "primary": "major_road", "secondary": "major_road", "path": "path"}
            detail = {"path": "footway"}.get(kind, kind)
            yield "roads", {"kind": kinds.get(kind, "minor_road"), "kind_detail": detail} | named
        case "buildings":
            yield "buildings", {"kind": "building", "height": own.get("height")}
        case "places":
            yield from _to_protomaps_place(own, named)


def _to_protomaps_place(own: dict[str, Any], named: dict[str, Any]) -> Iterator[Row]:
    detail = own["class"]
    if own["kind"] in ("city", "village"):
        rank = 12 if detail == "city" else 5
        yield "places", {"kind": "locality", "kind_detail": detail, "population_rank": rank} | named
    elif own["kind"] in ("district", "suburb"):
        detail = {"district": "suburb"}.get(own["kind"], "neighbourhood")
        yield "places", {"kind": "neighbourhood", "kind_detail": detail} | named
    elif own["kind"] == "water":
        yield "water", {"kind": "ocean" if detail == "sea" else detail} | named
    elif own["kind"] == "island":
        yield "earth", {"kind": "island"} | named
    elif own["kind"] == "park":
        yield "pois", {"kind": "park"} | named


def to_openmaptiles(layer: str, own: dict[str, Any]) -> Iterator[Row]:  # noqa: C901, PLR0912 - a table
    kind, name = own.get("class"), own.get("name")
    named = {"name": name} if name else {}
    match layer:
        case "ocean":
            yield "water", {"class": "ocean"}
        case "land" if kind in ("urban", "industrial"):
            yield "landuse", {"class": "residential" if kind == "urban" else kind}
        case "land" if kind in ("farmland", "orchard"):
            yield "landcover", {"class": "farmland", "subclass": kind}
        case "land" if kind in ("airport", "runway"):
            yield "aeroway", {"class": "aerodrome" if kind == "airport" else kind}
        case "land" if kind == "meadow":
            yield "landcover", {"class": "grass", "subclass": "meadow"}
        case "parks" if kind in ("cemetery", "pitch", "playground"):
            yield "landuse", {"class": kind}
        case "parks":
            classes = {"forest": ("wood", "forest"), "beach": ("sand", "beach"), "golf": ("grass", "golf_course")}
            of, subclass = classes.get(kind or "", ("grass", kind))
            yield "landcover", {"class": of, "subclass": subclass}
        case "water":
            yield "water", {"class": "river" if kind in ("canal", "stream") else kind}
        case "streets":
            of = {"residential": "minor"}.get(kind or "", kind)
            yield "transportation", {"class": of}
            if name:
                yield "transportation_name", {"class": of} | named
        case "buildings":
            yield "building", {"render_height": own.get("height")}
        case "places" if own["kind"] in ("city", "village", "island", "district", "suburb"):
            of = {"district": "suburb", "suburb": "neighbourhood"}.get(own["kind"], own["kind"])
            yield "place", {"class": of, "rank": own["rank"]} | named
        case "places" if own["kind"] == "water":
            yield "water_name", {"class": "ocean" if own["class"] == "sea" else own["class"]} | named
        case "places" if own["kind"] == "park":
            yield "park", {"class": "park", "rank": own["rank"]} | named


def to_shortbread(layer: str, own: dict[str, Any]) -> Iterator[Row]:  # noqa: C901 - a table
    kind, name = own.get("class"), own.get("name")
    named = {"name": name} if name else {}
    match layer:
        case "ocean":
            yield "ocean", {}
        case "land" if kind in ("airport", "runway"):
            yield "street_polygons", {"kind": "runway"}
        case "land" if kind in LAND_USE:
            yield "land", {"kind": "residential" if kind == "urban" else kind}
        case "parks":
            yield "land", {"kind": {"golf": "golf_course", "pitch": "playground"}.get(kind or "", kind)}
        case "water":
            yield "water_polygons", {"kind": kind if kind in ("river", "canal") else "water"}
        case "streets":
            of = {"path": "footway"}.get(kind or "", kind)
            yield "streets", {"kind": of, "rail": False, "tunnel": False, "bridge": bool(own.get("bridge"))}
            if name:
                yield "street_labels", {"kind": of} | named
        case "buildings":
            yield "buildings", {"dummy": 1}
        case "places" if own["kind"] in ("city", "village", "island", "district", "suburb"):
            of = {"district": "suburb", "suburb": "neighbourhood"}.get(own["kind"], own["kind"])
            yield "place_labels", {"kind": of, "population": own.get("population")} | named
        case "places" if own["kind"] == "water":
            yield "water_polygons_labels", {"kind": "water"} | named


def to_protomaps_3(layer: str, own: dict[str, Any]) -> Iterator[Row]:
    """As version 4 has it, with older names: its helpers begin with `pmap:`, and what grows is a layer apart."""
    for name, said in to_protomaps(layer, own):
        kind = said["kind"]
        older = {key if key in ("name", "height") else f"pmap:{key}": value for key, value in said.items()}
        match name:
            case "roads":
                medium = own.get("class") == "secondary"
                yield "roads", older | {"pmap:kind": "medium_road" if medium else kind, "pmap:level": 0}
            case "landuse" if kind in ("forest", "park", "beach"):
                yield "natural", older | {"pmap:kind": {"forest": "wood", "park": "grass"}.get(kind, kind)}
            case "water" if "name" in said:
                yield "physical_point", older
            case _:
                yield name, older


SCHEMAS: dict[str, Callable[[str, dict[str, Any]], Iterator[Row]]] = {
    "protomaps": to_protomaps,
    "protomaps-3": to_protomaps_3,
    "openmaptiles": to_openmaptiles,
    "shortbread": to_shortbread,
}


@functools.cache
def read_base() -> dict[str, geopandas.GeoDataFrame]:
    """The layers of the sample city's basemap in Web Mercator."""
    path = assets.root("data-samples") / "base.gpkg"
    names = ("land", "parks", "water", "buildings", "streets", "places")
    return {name: geopandas.read_file(path, layer=name).to_crs(3857) for name in names}


def list_rows(bounds: tuple[float, float, float, float], zoom: int) -> Iterator[tuple[str, dict[str, Any], Any]]:
    """Layer, fields and shape of what lies in a rectangle, the sea as well."""
    area = box(*bounds)
    land = read_base()["land"]
    islands = land[~land["class"].isin(LAND_USE)]
    yield "ocean", {}, area.difference(islands.cx[bounds[0] : bounds[2], bounds[1] : bounds[3]].union_all())
    for name, rows in read_base().items():
        if zoom < FIRST.get(name, 0):
            continue
        for row in rows.cx[bounds[0] : bounds[2], bounds[1] : bounds[3]].itertuples(index=False):
            own = {key: value for key, value in row._asdict().items() if key != "geometry" and pandas.notna(value)}
            own["class"] = row[0] if name != "places" else row[1]
            yield name, {key: value for key, value in own.items() if value is not None}, row.geometry


def render(schema: str, tile: Tile, extra: Iterable[tuple[str, dict[str, Any], Any]] = ()) -> dict[str, list[Any]]:
    """Features by layer, cut to the tile with some room around it."""
    left, bottom, right, top = mercantile.xy_bounds(tile.x, tile.y, tile.z)
    room = (right - left) / 32
    steps = EXTENT / (right - left)
    bounds = (left - room, bottom - room, right + room, top + room)
    layers: dict[str, list[Any]] = {}
    rows = [(each, shape) for name, own, shape in list_rows(bounds, tile.z) for each in SCHEMAS[schema](name, own)]
    for (layer, said), shape in [*rows, *(((layer, said), shape) for layer, said, shape in extra)]:
        cut = clip_by_rect(shape, *bounds)
        cut = shapely.transform(cut, lambda at: numpy.round((at - (left, top)) * (steps, -steps)))
        if not cut.is_empty and cut.is_valid:
            fields = {key: value for key, value in said.items() if value is not None}
            layers.setdefault(layer, []).append({"geometry": cut, "properties": fields})
    return layers


def write_archive(path: Path, schema: str, tiles: Iterable[Tile], extra: Iterable[Any] = (), **metadata: Any) -> Path:
    """An archive of the sample city in a schema; `extra` are features of the schema itself: layer, fields, shape."""
    found: dict[str, dict[str, str]] = {}
    packed = {}
    for tile in tiles:
        layers = render(schema, tile, extra)
        for name, features in layers.items():
            keys = {key for feature in features for key in feature["properties"]}
            found.setdefault(name, {}).update(dict.fromkeys(sorted(keys), "String"))
        body = mapbox_vector_tile.encode(
            [{"name": name, "features": features} for name, features in layers.items()],
            default_options={"extents": EXTENT, "y_coord_down": True},
        )
        packed[zxy_to_tileid(tile.z, tile.x, tile.y)] = gzip.compress(body)
    with path.open("wb") as file:
        writer = Writer(file)
        for tile_id in sorted(packed):
            writer.write_tile(tile_id, packed[tile_id])
        header = {"tile_type": TileType.MVT, "tile_compression": Compression.GZIP}
        place = {"min_lon_e7": -290000000, "max_lon_e7": -282000000, "min_lat_e7": 449000000, "max_lat_e7": 455000000}
        vector_layers = [{"id": name, "fields": fields} for name, fields in found.items()]
        writer.finalize(header | place, {"vector_layers": vector_layers} | metadata)
    return path
