"""Layers of known shapes, and what shapely and mercantile say a tile of them should hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import psycopg
import pytest
import shapely
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Json
from pyproj import Transformer

from geoserver.catalog import Catalog, read_catalog
from geoserver.database.pool import Database
from geoserver.database.status import LayerStatus, read_statuses
from geoserver.filtering import build
from geoserver.model import Field, Layer, Tile
from geoserver.settings import Settings
from geoserver.tiling import prepare, render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shapely.geometry.base import BaseGeometry

EXTENT = 4096
BUFFER = 64
TO_MERCATOR = Transformer.from_crs("OGC:CRS84", "EPSG:3857", always_xy=True)
FIELDS = {
    "name": Field("name", "Name", "text"),
    "size": Field("size", "Size", "integer"),
    "weight": Field("weight", "Weight", "number"),
    "good": Field("good", "Good", "boolean"),
    "day": Field("day", "Day", "date"),
    "at": Field("at", "At", "timestamp"),
    "secret": Field("secret", "Secret", "text"),
}
COLUMNS = (
    "name text, size bigint, weight double precision, good boolean, day date, at timestamptz, secret text,"
    " fid bigint PRIMARY KEY"
)


@dataclass(repr=False)
class Shapes:
    """Makes layers in one database and renders tiles of them; features are numbered from 1 in the order given."""

    url: str
    catalog: Catalog
    runner: asyncio.Runner
    database: Database
    layers: dict[str, Layer] = field(default_factory=dict)
    statuses: dict[str, LayerStatus] = field(default_factory=dict)
    shapes: dict[str, list[BaseGeometry]] = field(default_factory=dict)

    def make(
        self,
        layer_id: str,
        kind: str,
        shapes: list[BaseGeometry],
        rows: list[Mapping[str, Any]] | None = None,
        heavy: int | None = None,
        **keys: Any,
    ) -> str:
        """Write a layer of lon/lat shapes, with properties where `rows` gives them; gives its id.

        Tiles with more than `heavy` features are kept ready; `keys` are further ones of the layer.
        """
        layer = Layer(
            id=layer_id,
            title=layer_id,
            description="",
            theme="",
            license="CC0-1.0",
            attribution="",
            source="",
            kind=kind,
            file=Path("none.toml"),
            fields=FIELDS,
            time="at",
            maxzoom=22,
            tile_fields=tuple(name for name in FIELDS if name != "secret"),
        )
        layer = replace(layer, **keys)
        with psycopg.connect(self.url, options="-c timezone=UTC -c search_path=public") as connection:
            self._write(connection, layer, shapes, rows or [{}] * len(shapes))
            self._prepare(connection, layer, heavy)
        self.layers[layer_id] = layer
        self.shapes[layer_id] = shapes
        self.refresh()
        return layer_id

    @staticmethod
    def _write(
        connection: psycopg.Connection, layer: Layer, shapes: list[BaseGeometry], rows: list[Mapping[str, Any]]
    ) -> None:
        table = Identifier("layers", layer.table)
        connection.execute(
            SQL(
                "CREATE TABLE {} (" + COLUMNS + ", geom geometry(Geometry, 4326), geom_3857 geometry(Geometry, 3857)"
                " GENERATED ALWAYS AS (geoserver.to_3857(geom)) STORED, visible_from smallint"
                " GENERATED ALWAYS AS (geoserver.visible_from(geoserver.to_3857(geom))) STORED)"
            ).format(table)
        )
        insert = SQL(
            "INSERT INTO {table} (fid, name, size, weight, good, day, at, secret, geom)"
            " SELECT %s, name, size, weight, good, day, at, secret, ST_GeomFromWKB(%s, 4326)"
            " FROM json_populate_record(NULL::{table}, %s)"
        ).format(table=table)
        with connection.cursor() as cursor:
            values = [(fid, shape.wkb, Json(row)) for fid, (shape, row) in enumerate(zip(shapes, rows, strict=True), 1)]
            cursor.executemany(insert, values)
        connection.execute(SQL("CREATE INDEX ON {} USING gist (geom_3857)").format(table))
        connection.execute(
            SQL(
                "INSERT INTO geoserver.layers (id, version, rows, west, south, east, north, srid, geometry_type,"
                " source, fingerprint) SELECT %s, 1, size, ST_XMin(box), ST_YMin(box), ST_XMax(box), ST_YMax(box),"
                " 4326, 'GEOMETRY', '', '' FROM (SELECT count(*) AS size, ST_Extent(geom) AS box FROM {table}) AS one"
            ).format(table=table),
            [layer.id],
        )

    def _prepare(self, connection: psycopg.Connection, layer: Layer, heavy: int | None) -> None:
        """What a load does beside storing the rows."""
        recipes = self.catalog.recipes
        connection.execute("SELECT geoserver.follow_edits(%s::regclass, %s)", [f"layers.{layer.table}", layer.id])
        prepared = prepare(connection, layer, recipes, geometry_type="GEOMETRY", table=layer.table, heavy=heavy)
        connection.execute("UPDATE geoserver.layers SET plan = %s WHERE id = %s", [Json(prepared.plan), layer.id])

    def render(self, layer_id: str, tile: Tile, features_from: int | None = None, **question: Any) -> bytes:
        """The bytes of a tile, by another plan than the layer's own if one is given; `question` goes to the filter."""
        layer, status = self.layers[layer_id], self.statuses[layer_id]
        where = build(layer, status, **question)
        options = {"where": where, "features_from": features_from}
        return self.runner.run(render(self.database, self.catalog, layer, status, tile, **options))

    def refresh(self) -> None:
        """Read again what the database says of the layers, as a server does when it is told of a change."""
        self.statuses = self.runner.run(read_statuses(self.database))

    def decode(self, layer_id: str, tile: Tile, **question: Any) -> dict[int, dict[str, Any]]:
        """Features of a tile by id: geometry in tile coordinates (y down, 0 to 4096) and properties."""
        decoded = self.decode_layers(layer_id, tile, **question)
        if layer_id not in decoded:
            return {}
        assert decoded[layer_id]["extent"] == EXTENT
        features = decoded[layer_id]["features"]
        found = {feature["id"]: feature for feature in features}
        assert len(found) == len(features), "a feature stands twice in one tile"
        return found

    def bins(self, layer_id: str, tile: Tile, **question: Any) -> list[dict[str, Any]]:
        """Properties of the bins that count what is not drawn, each with its `place`: column, row and cells across."""
        found = self.decode_layers(layer_id, tile, **question).get(f"{layer_id}:bins", {"features": [], "extent": 0})
        return [
            item["properties"] | {"place": (*item["geometry"]["coordinates"][0][1], found["extent"])}
            for item in found["features"]
        ]

    def decode_layers(self, layer_id: str, tile: Tile, **question: Any) -> dict[str, Any]:
        body = self.render(layer_id, tile, **question)
        decoded = mapbox_vector_tile.decode(body, default_options={"y_coord_down": True}) if body else {}
        assert decoded.keys() <= {layer_id, f"{layer_id}:bins"}
        return dict(decoded)

    def expect(self, layer_id: str, tile: Tile, buffer: float = BUFFER) -> dict[int, BaseGeometry]:
        """Features that touch the tile with its buffer, cut to it, in tile coordinates that are not rounded."""
        box = shapely.box(-buffer, -buffer, EXTENT + buffer, EXTENT + buffer)
        projected = {fid: to_tile(shape, tile) for fid, shape in enumerate(self.shapes[layer_id], 1)}
        cut = {fid: shape.intersection(box) for fid, shape in projected.items() if shape.intersects(box)}
        return {fid: shape for fid, shape in cut.items() if not shape.is_empty}


def to_tile(shape: BaseGeometry, tile: Tile) -> BaseGeometry:
    """A lon/lat shape in the coordinates of a tile: 0 to 4096, y down."""
    left, bottom, right, top = mercantile.xy_bounds(tile.x, tile.y, tile.z)
    projected = shapely.transform(shape, TO_MERCATOR.transform, interleaved=False)
    return shapely.transform(
        projected,
        lambda x, y: ((x - left) / (right - left) * EXTENT, (top - y) / (top - bottom) * EXTENT),
        interleaved=False,
    )


def tile_of(lon: float, lat: float, zoom: int) -> Tile:
    found = mercantile.tile(lon, lat, zoom)
    return Tile(found.z, found.x, found.y)


@pytest.fixture(scope="session")
def shapes(make_database: Callable[..., str], empty_template: str) -> Iterator[Shapes]:
    url = make_database(template=empty_template)
    settings = Settings(workspace=Path("nowhere"), database_url=url)
    with asyncio.Runner() as runner:
        database = Database(url, settings)
        runner.run(database.open())
        try:
            yield Shapes(url, read_catalog(settings), runner, database)
        finally:
            runner.run(database.close())
