"""TileJSON says what a map must know, for one layer and for several."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import shapely
from known_shapes import Shapes

from geoserver.database.status import LayerStatus
from geoserver.model import Bounds
from geoserver.tiling import build_tilejson
from geoserver.tiling.tilejson import join_bounds


def test_a_layers_document_has_bounds_zooms_fields_and_an_absolute_address(shapes: Shapes) -> None:
    shapes.make("benches", "points", [shapely.Point(-28, 45), shapely.Point(-29, 46)])
    fields = dict(shapes.layers["benches"].fields)
    fields["weight"] = replace(fields["weight"], unit="kg", description="Weighed empty.")
    layer = replace(shapes.layers["benches"], fields=fields, minzoom=3, maxzoom=15, attribution="A", description="D")
    document = build_tilejson(shapes.catalog, [(layer, shapes.statuses["benches"])], "https://maps.example.org/", "")
    assert document["tilejson"] == "3.0.0"
    assert document["tiles"] == ["https://maps.example.org/tiles/benches/{z}/{x}/{y}.mvt"]
    assert document["bounds"] == [-29, 45, -28, 46]
    assert document["center"] == [-28.5, 45.5, 12]
    assert (document["minzoom"], document["maxzoom"]) == (3, 15)
    assert (document["attribution"], document["description"], document["features_from"]) == ("A", "D", 0)
    (vector_layer,) = document["vector_layers"]
    assert vector_layer["id"] == "benches"
    assert vector_layer["fields"]["weight"] == "Weight. Weighed empty. Number, in kg."
    assert vector_layer["fields"]["at"] == "At. Timestamp as ISO 8601 text in UTC."
    assert "secret" not in vector_layer["fields"]


def test_several_layers_share_one_document(shapes: Shapes) -> None:
    shapes.make(
        "roads", "lines", [shapely.LineString([(0, 0), (0.01, 0.01)]), shapely.Point(1, 1).buffer(0.1).exterior]
    )
    shapes.make("shops", "points", [shapely.Point(2, 5)])
    layers = [(shapes.layers[name], shapes.statuses[name]) for name in ("roads", "shops")]
    document = build_tilejson(shapes.catalog, layers, "http://127.0.0.1:8000", "datetime=2024")
    assert document["tiles"] == ["http://127.0.0.1:8000/tiles/roads,shops/{z}/{x}/{y}.mvt?datetime=2024"]
    roads, bins, shops = document["vector_layers"]
    assert (roads["id"], bins["id"], shops["id"]) == ("roads", "roads:bins", "shops")
    assert document["bounds"] == [0, 0, 2, 5]
    assert document["features_from"] == roads["features_from"] == bins["maxzoom"] > shops["features_from"] == 0
    assert (bins["bins_of"], bins["facet"], bins["values"]) == ("roads", None, [])
    assert bins["fields"].keys() == {"count", "length", "first", "last"}


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        ([], Bounds(-180, -85.0511287798066, 180, 85.0511287798066)),
        ([Bounds(1, 2, 3, 4), Bounds(-1, 3, 2, 9)], Bounds(-1, 2, 3, 9)),
        ([Bounds(170, -20, -170, -10)], Bounds(-180, -20, 180, -10)),
    ],
)
def test_bounds_are_joined_and_never_cross_the_antimeridian(parts: list[Bounds], joined: Bounds) -> None:
    assert join_bounds(parts) == joined


def test_an_empty_layer_is_shown_as_the_world(shapes: Shapes) -> None:
    shapes.make("void", "points", [])
    status = LayerStatus("void", 1, 0, 0, 0, None, 4326, "POINT", datetime.now(UTC), 0.0)
    document = build_tilejson(shapes.catalog, [(shapes.layers["void"], status)], "http://127.0.0.1")
    assert document["bounds"][0] == -180
    assert document["center"][:2] == [0, 0]
