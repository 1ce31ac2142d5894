"""Recipes: how a text becomes a statement, and how `check` tells of one that does not run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
import shapely
from known_shapes import Shapes
from psycopg.sql import SQL
from typer.testing import CliRunner

from geoserver import assets
from geoserver.catalog import Catalog
from geoserver.cli import app
from geoserver.grid import MERCATOR_HALF
from geoserver.model import Tile
from geoserver.tiling import check
from geoserver.tiling.bins import find_bins
from geoserver.tiling.recipes import build_statement, pixel_metres

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def problems_of(shapes: Shapes, recipes: Mapping[str, str], *layers: str) -> list[str]:
    chosen = {name: shapes.layers[name] for name in layers}
    return [str(problem) for problem in check(shapes.url, Catalog(chosen, {}, recipes))]


def test_every_recipe_of_ours_runs_on_every_type_of_column(shapes: Shapes) -> None:
    assert {"points", "lines", "polygons"} <= shapes.catalog.recipes.keys()
    assert problems_of(shapes, shapes.catalog.recipes) == []


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("SELECT ST_AsMVT(q) FROM (SELECT 1 FRM {table}) q", "syntax error"),
        ("SELECT ST_AsMVT(q) FROM (SELECT fid, colour FROM {table}) q", 'column "colour" does not exist'),
        ("SELECT ST_AsMVT(q) FROM (SELECT fid FROM {tabel}) q", "no such placeholder: {tabel}"),
        ("SELECT count(*) FROM {table}", "a SELECT of one bytea"),
        ("SELECT 'a'::bytea, 'b'::bytea", "a SELECT of one bytea"),
        ("SELECT %(zoom)s::text::bytea", "zoom"),
        ("SELECT 'a'::bytea WHERE 7 % 2 = 1", "%"),
        ("", "EMPTY_QUERY"),
    ],
)
def test_a_recipe_that_does_not_run_is_named_with_the_reason(shapes: Shapes, recipe: str, expected: str) -> None:
    (problem,) = problems_of(shapes, {"broken": recipe, "points": shapes.catalog.recipes["points"]})
    assert problem.startswith("tiles/broken.sql: ")
    assert expected in problem


def test_a_recipe_cannot_change_anything_while_it_is_checked(shapes: Shapes) -> None:
    shapes.make("kept", "wild", [shapely.Point(1, 1)])
    problems_of(shapes, {"wild": "DELETE FROM {table} RETURNING NULL::bytea"}, "kept")
    shapes.layers["kept"] = replace(shapes.layers["kept"], kind="points")
    assert shapes.decode("kept", Tile(0, 0, 0)).keys() == {1}


def test_a_layer_whose_table_lacks_a_field_is_named_by_its_file(shapes: Shapes) -> None:
    shapes.make("older", "points", [shapely.Point(1, 1)])
    layer = shapes.layers["older"]
    fields = dict(layer.fields) | {"novel": replace(layer.fields["name"], name="novel")}
    shapes.layers["older"] = replace(layer, fields=fields, tile_fields=("novel",))
    (problem,) = problems_of(shapes, shapes.catalog.recipes, "older")
    assert problem.startswith("none.toml: fields.novel: it is not loaded; run: geoserver load older")
    assert "novel" in problem


def test_a_layer_that_is_not_loaded_yet_is_no_problem(shapes: Shapes) -> None:
    shapes.make("parent", "points", [])
    shapes.layers["unborn"] = replace(shapes.layers["parent"], id="unborn")
    assert problems_of(shapes, shapes.catalog.recipes, "unborn") == []


def test_names_and_the_layers_id_are_quoted_and_comments_stay_at_home(shapes: Shapes) -> None:
    shapes.make("plain", "points", [])
    layer = shapes.layers["plain"]
    odd = replace(layer, id="o'dd", fields={'a"b': replace(layer.fields["name"], name='a"b')}, tile_fields=('a"b',))
    text = build_statement(shapes.catalog.recipes["points"], odd, SQL("TRUE")).as_string(None)
    assert '"a""b"' in text
    assert '"layers"."o\'dd"' in text
    assert "'o''dd'" in text
    assert "--" not in text


def test_a_recipe_says_which_bins_stand_beside_its_features(shapes: Shapes) -> None:
    assert {name: find_bins(shapes.catalog.recipes[name]) for name in ("points", "lines", "polygons")} == {
        "points": "points",
        "lines": "lines",
        "polygons": "polygons",
    }
    assert find_bins("SELECT 1") == ""


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [("SELECT 1", "a SELECT of one bytea"), ("SELECT ST_AsMVT(q) FROM ({cell}) q", "no such placeholder: {cell}")],
)
def test_a_recipe_for_bins_that_does_not_run_is_named_with_the_reason(
    shapes: Shapes, recipe: str, expected: str
) -> None:
    (problem,) = problems_of(shapes, {"points": shapes.catalog.recipes["points"], "bins": recipe})
    assert problem.startswith("tiles/bins.sql: ")
    assert expected in problem


def test_a_pixel_is_a_512th_of_a_tile() -> None:
    assert pixel_metres(0) == 2 * MERCATOR_HALF / 512
    assert pixel_metres(3) == pixel_metres(0) / 8


def test_a_workspaces_recipe_is_used_when_its_sample_layers_are_planned(
    tmp_path: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiles").mkdir()
    ours = (assets.root("tiles") / "polygons.sql").read_text(encoding="utf-8")
    (tmp_path / "tiles" / "polygons.sql").write_text(ours.replace("-- bins: polygons\n", ""), encoding="utf-8")
    monkeypatch.setenv("DATABASE_URL", empty_database)
    monkeypatch.setenv("GEOSERVER_SAMPLES", "true")
    made = CliRunner().invoke(app, ["load", "districts", "--workspace", str(tmp_path)])
    assert made.exit_code == 0, made.output
    with psycopg.connect(empty_database) as connection:
        row = connection.execute("SELECT rows > 0, plan FROM geoserver.layers WHERE id = 'districts'").fetchone()
    assert row == (True, {})  # nothing is counted in bins where the recipe names none
