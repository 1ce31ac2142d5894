"""Many tiles by one statement are the tiles that are made one by one."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import mercantile
import pytest
import shapely
from random_rows import SIDE, SOUTH, WEST, draw_row, draw_shape

from geoserver.filtering import Where
from geoserver.model import Tile, ZoomPlan
from geoserver.tiling import find_occupied, render, render_several

if TYPE_CHECKING:
    from known_shapes import Shapes

ZOOMS = range(13, 18)
EVERYTHING = Where(asked=False)


def list_tiles(zoom: int) -> list[Tile]:
    """Those that touch the random rows, and some beside them; a hundred of them."""
    found = mercantile.tiles(WEST - 0.02, SOUTH - 0.02, WEST + SIDE + 0.02, SOUTH + SIDE + 0.02, [zoom])
    tiles = [Tile(tile.z, tile.x, tile.y) for tile in found]
    return random.Random(zoom).sample(tiles, min(100, len(tiles)))


@pytest.mark.parametrize("features_from", [0, 12, 15])
@pytest.mark.parametrize("kind", ["points", "lines", "polygons"])
def test_tiles_that_are_made_together_are_those_made_alone_to_the_byte(
    shapes: Shapes, kind: str, features_from: int
) -> None:
    draw = random.Random(f"{kind} {features_from}")
    layer_id = f"several_{kind}_{features_from}"
    shapes.make(layer_id, kind, [draw_shape(draw, kind) for _ in range(700)], [draw_row(draw) for _ in range(700)])
    layer, status = shapes.layers[layer_id], shapes.statuses[layer_id]
    shown = -1 if kind == "points" else 11
    zooms = tuple(ZoomPlan(shown, 64) for _ in range(features_from))
    plan = replace(status.plan, features_from=features_from, zooms=zooms, block=-1, prebuilt=-1)
    status = replace(status, plan=plan)
    held = 0
    for zoom in ZOOMS:
        tiles = list_tiles(zoom)
        made = shapes.runner.run(render_several(shapes.database, shapes.catalog, layer, status, tiles))
        assert list(made) == tiles
        for tile in tiles:
            alone = render(shapes.database, shapes.catalog, layer, status, tile, where=EVERYTHING)
            assert made[tile] == shapes.runner.run(alone), tile
        held += sum(map(bool, made.values()))
    assert held > 50


def test_a_tile_is_occupied_where_a_row_touches_it_or_is_just_beyond_its_edge(shapes: Shapes) -> None:
    draw = random.Random("occupied")
    shapes.make("occupied", "polygons", [draw_shape(draw, "polygons") for _ in range(60)])
    for zoom in ZOOMS:
        tiles = list_tiles(zoom)
        found = shapes.runner.run(find_occupied(shapes.database, shapes.layers["occupied"], tiles))
        assert {tile for tile in tiles if shapes.expect("occupied", tile, buffer=127)} <= found
        assert found <= {tile for tile in tiles if shapes.expect("occupied", tile, buffer=129)}


def test_a_tile_within_the_box_around_a_shape_is_not_occupied_where_the_shape_is_not(shapes: Shapes) -> None:
    """As around two islands far from each other, which are one feature: no tile of the sea between them is made."""
    far = shapely.MultiPolygon([shapely.box(lon, 10, lon + 1, 11) for lon in (-170, 170)])
    shapes.make("far", "polygons", [far])
    tiles = [Tile(tile.z, tile.x, tile.y) for tile in mercantile.tiles(-179, 8, 179, 13, [7])]
    found = shapes.runner.run(find_occupied(shapes.database, shapes.layers["far"], tiles))
    assert {tile.x for tile in found} == {mercantile.tile(lon, 10, 7).x for lon in (-170, -169, 170, 171)}
    assert len(tiles) > 200
