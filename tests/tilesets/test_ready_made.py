"""Ready-made basemaps: archives in schemas of others, drawn by our styles."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import mercantile
import pytest
from fastapi.testclient import TestClient
from schemas import SCHEMAS, write_archive
from shapely.geometry import Point

from geoserver import styling
from geoserver.app import create_app
from geoserver.catalog import LiveCatalog, read_catalog
from geoserver.catalog.languages import page_languages
from geoserver.catalog.schemas import read_schemas
from geoserver.check import check_files
from geoserver.model import Tile, TilePlan
from geoserver.settings import Settings
from geoserver.styling.expressions import fields_in
from geoserver.styling.ready_made import redraw

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
VALIDATOR = ROOT / "web/node_modules/.bin/gl-style-validate"
LAYER = """
title = "Ground"
license = "ODbL-1.0"
source = "data/city.pmtiles"
kind = "tiles"
basemap = true
"""
TILE = Tile(14, *mercantile.tile(-28.6, 45.2, 14)[:2])
OURS = {"class", "rank", "kind", "level", "number"}  # fields of ours that no schema has under that name with our values
THEIRS = {
    "protomaps": {"kind"},
    "protomaps-3": set(),
    "openmaptiles": {"class", "rank"},
    "shortbread": {"kind", "number"},
}  # but these

DRAW = "title = 'x'\nlayers = ['a']\n[[draw.streets]]\nlayer = 'a'\n"


def make_workspace(folder: Path, schema: str, layer: str = LAYER, extra: Any = (), **metadata: Any) -> Settings:
    (folder / "layers").mkdir()
    (folder / "data").mkdir()
    write_archive(folder / "data" / "city.pmtiles", schema, [TILE], extra, **metadata)
    (folder / "layers" / "ground.toml").write_text(layer)
    return Settings(workspace=folder, database_url=None)


@pytest.fixture(scope="module", params=SCHEMAS)
def ground(request: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Settings]:
    return request.param, make_workspace(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def ask(city_database: str) -> Callable[..., dict[str, Any]]:
    """A document of a server over a workspace."""

    def ask(settings: Settings, address: str) -> dict[str, Any]:
        with TestClient(create_app(settings, city_database), raise_server_exceptions=False) as running:
            answer: dict[str, Any] = running.get(address).json()
            return answer

    return ask


@pytest.mark.parametrize("base", ["light", "dark"])
def test_our_styles_draw_its_layers_and_stay_valid(
    ground: tuple[str, Settings], ask: Callable[..., dict[str, Any]], base: str, tmp_path: Path
) -> None:
    schema, settings = ground
    style = ask(settings, f"/styles/{base}.json")
    assert style["sources"]["base"]["tiles"] == ["http://testserver/tiles/ground/{z}/{x}/{y}.mvt"]
    assert (style["sources"]["base"]["minzoom"], style["sources"]["base"]["maxzoom"]) == (14, 14)
    assert "OpenStreetMap" in style["sources"]["base"]["attribution"]
    drawn = [item for item in style["layers"] if item.get("source") == "base"]
    ids = {item["id"].partition(":")[0] for item in drawn}
    assert {"built-up", "park", "water", "street-primary", "street-path", "label-street-major", "label-city"} <= ids
    parts = {part.layer for parts in read_catalog(settings).schemas[schema].draw.values() for part in parts}
    assert {item["source-layer"] for item in drawn} <= parts
    (tmp_path / "style.json").write_text(json.dumps(style))
    done = subprocess.run([VALIDATOR, tmp_path / "style.json"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("schema", SCHEMAS)
def test_no_field_of_ours_is_read_that_it_does_not_have(schema: str) -> None:
    for item in redraw_all(schema, read_light()):
        read = fields_in([item.get(key) for key in ("filter", "paint", "layout")])
        assert read & OURS <= THEIRS[schema], item["id"]


@pytest.mark.parametrize(
    ("schema", "label", "layer"),
    [
        ("openmaptiles", "label-nature", "mountain_peak"),
        ("openmaptiles", "label-spot", "aerodrome_label"),
        ("shortbread", "label-water", "water_polygons_labels"),
    ],
)
def test_what_is_one_thing_alone_is_drawn_whatever_its_own_fields_say(schema: str, label: str, layer: str) -> None:
    drawn = [item for item in redraw_all(schema, read_light()) if item["source-layer"] == layer]
    [item] = [item for item in drawn if item["id"].partition(":")[0] == label]
    assert "filter" not in item


@pytest.mark.parametrize("asked", [[">=", ["zoom"], 12], ["==", ["geometry-type"], "Point"]])
def test_what_a_filter_asks_beside_fields_is_asked_of_other_tiles_too(asked: list[Any]) -> None:
    item = {"id": "a", "type": "symbol", "source": "base", "source-layer": "places", "filter": asked}
    drawn = redraw_all("openmaptiles", [item])
    assert {"water_name", "park", "place"} <= {each["source-layer"] for each in drawn}
    for each in drawn:
        assert asked in (each["filter"], each["filter"][-1]), each["source-layer"]


def read_light() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads((ROOT / "styles" / "light.json").read_text())["layers"]
    return items


def redraw_all(schema: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Layers of a style over an archive that has every layer of a schema."""
    found = read_schemas(ROOT, [])[schema]
    layers = [{"id": part.layer, "fields": {}} for parts in found.draw.values() for part in parts]
    status: Any = SimpleNamespace(archive=SimpleNamespace(metadata={"vector_layers": layers}))
    ready: Any = SimpleNamespace(schema=found, status=status)
    return [item for item in redraw(items, "base", ready) if item.get("source") == "base"]


def test_data_lies_at_the_same_place_among_its_layers(
    ground: tuple[str, Settings], ask: Callable[..., dict[str, Any]]
) -> None:
    _, settings = ground
    settings = settings.model_copy(update={"samples": True})
    style = ask(settings, "/styles/light.json?layers=crime,districts")
    ids = [item["id"] for item in style["layers"]]
    assert style["sources"]["base"]["tiles"] == ["http://testserver/tiles/ground/{z}/{x}/{y}.mvt"]
    assert ids.index("park") < ids.index("districts") < ids.index("water") < ids.index("street-path")
    assert ids.index("street-motorway") < ids.index("crime") < ids.index("label-city")


def test_the_schema_is_found_by_its_layers_and_said(ground: tuple[str, Settings]) -> None:
    schema, settings = ground
    catalog = read_catalog(settings)
    assert [str(problem) for problem in [*check_files(settings, catalog), *styling.check(catalog)]] == []
    said = styling.describe_basemap(catalog)
    assert said.startswith(f"Basemap: data/city.pmtiles in the {catalog.schemas[schema].title} schema")


def test_an_archive_in_another_schema_than_its_file_says_is_told_and_drawn_as_what_it_is(
    tmp_path: Path, ask: Callable[..., dict[str, Any]]
) -> None:
    layer = LAYER.replace("basemap = true", 'basemap = "openmaptiles"')
    settings = make_workspace(tmp_path, "shortbread", layer)
    (problem,) = styling.check(read_catalog(settings))
    assert problem.key == "basemap"
    assert "did you mean 'shortbread'" in problem.expected
    style = ask(settings, "/styles/light.json")
    assert any(item.get("source-layer") == "place_labels" for item in style["layers"])


@pytest.mark.parametrize(
    ("value", "words"),
    [('"protomap"', "did you mean 'protomaps'"), ("1", "got 1"), ('"../light"', "a schema in styles/schemas/")],
)
def test_a_schema_that_is_not_there_is_named_with_those_there_are(tmp_path: Path, value: str, words: str) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "ground.toml").write_text(LAYER.replace("true", value))
    (problem,) = read_catalog(Settings(workspace=tmp_path, database_url=None)).problems
    assert problem.key.startswith("basemap")
    assert words in problem.expected


def test_a_schema_needs_an_archive(tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    text = LAYER.replace("true", '"protomaps"').replace('"tiles"', '"lines"').replace(".pmtiles", ".gpkg")
    (tmp_path / "layers" / "ground.toml").write_text(text)
    (problem,) = read_catalog(Settings(workspace=tmp_path, database_url=None)).problems
    assert (problem.key, "archive of tiles" in problem.expected) == ("basemap", True)


def test_a_workspace_brings_a_schema_of_its_own_in_one_file(tmp_path: Path, ask: Callable[..., dict[str, Any]]) -> None:
    layer = LAYER.replace("basemap = true", 'basemap = "mine"')
    settings = make_workspace(tmp_path, "shortbread", layer)
    (tmp_path / "styles" / "schemas").mkdir(parents=True)
    (tmp_path / "styles" / "schemas" / "mine.toml").write_text(
        'title = "Mine"\nlayers = ["streets"]\nattribution = "A & B"\n'
        '[[draw.streets]]\nlayer = "streets"\nfields = { class = "primary" }\n'
    )
    style = ask(settings, "/styles/light.json")
    drawn = {item["id"]: item for item in style["layers"] if item.get("source") == "base"}
    assert set(drawn) == {"street-primary", "street-primary-casing"}
    assert style["sources"]["base"]["attribution"] == "A &amp; B"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("title = 'x'", "layers"),
        ("title = 'x'\nlayers = []\ndraw = 3", "layers"),
        ("[[", ""),
        (f"{DRAW}fields.class = []", "draw.streets.0.fields.class"),
        (f"{DRAW}fields.class = ['get']", "draw.streets.0.fields.class"),
        (f"{DRAW}fields.class = 2026-01-01", "draw.streets.0.fields.class"),
        (f"{DRAW}filter = {'[' * 90}1{']' * 90}", "draw.streets.0.filter"),
        (f"{DRAW}filter = {'["!", ' * 60}true{']' * 60}", "draw.streets.0.filter"),
    ],
)
def test_a_broken_schema_is_a_problem_and_the_others_are_read(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "styles" / "schemas").mkdir(parents=True)
    (tmp_path / "styles" / "schemas" / "mine.toml").write_text(text)
    catalog = read_catalog(Settings(workspace=tmp_path, database_url=None, samples=True))
    assert [(Path(problem.file).name, problem.key) for problem in catalog.problems] == [("mine.toml", key)]
    assert set(catalog.schemas) == set(SCHEMAS)


def test_a_schema_that_breaks_stays_in_service_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "styles" / "schemas").mkdir(parents=True)
    path = tmp_path / "styles" / "schemas" / "mine.toml"
    path.write_text(DRAW)
    live = LiveCatalog(Settings(workspace=tmp_path, database_url=None, samples=True))
    before = live.current.schemas["mine"]
    path.write_text("[[")
    assert live.reload().schemas["mine"] is before
    path.unlink()
    assert "mine" not in live.reload().schemas


def test_names_are_in_the_language_that_is_asked_for_with_the_local_one_beside_them(
    tmp_path: Path, ask: Callable[..., dict[str, Any]]
) -> None:
    x, y = mercantile.xy(-28.6, 45.2)
    city = ("places", {"kind": "locality", "kind_detail": "city", "name": "Cidade", "name:fr": "Ville"}, Point(x, y))
    settings = make_workspace(tmp_path, "protomaps", extra=[city], attribution='<a href="x">&copy; Somebody</a>')
    labels = {
        lang: next(
            item["layout"]["text-field"]
            for item in ask(settings, f"/styles/light.json?lang={lang}")["layers"]
            if item["id"] == "label-city"
        )
        for lang in ("fr-CA", "de")
    }
    assert labels["de"] == ["get", "name"]
    assert fields_in(labels["fr-CA"]) == {"name", "name:fr"}
    assert ask(settings, "/styles/light.json")["sources"]["base"]["attribution"] == "© Somebody"


SAY = """
import { createExpression } from "@maplibre/maplibre-gl-style-spec";
const [expression, features] = JSON.parse(process.argv.at(-1));
const { value } = createExpression(expression, "text-field");
const said = features.map((properties) => value.evaluate({ zoom: 12 }, { type: 1, properties }).toString());
console.log(JSON.stringify(said));
"""


def test_our_own_layers_with_names_in_more_languages_are_labelled_so_too(tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    text = (
        (ROOT / "layers" / "places.toml")
        .read_text()
        .replace("[fields.rank]", '[fields.name_fr]\ntype = "text"\n\n[fields.rank]')
    )
    (tmp_path / "layers" / "places.toml").write_text(text)
    catalog = read_catalog(Settings(workspace=tmp_path, database_url=None))
    assert "name_fr" in catalog.layers["places"].tile_fields
    statuses: dict[str, Any] = {"places": SimpleNamespace(plan=TilePlan(), bounds=None)}
    style = styling.build_style(catalog, statuses, "light", "http://here")
    styling.translate_labels(style, ("fr-CH", "de"), catalog, statuses)
    label = next(item["layout"]["text-field"] for item in style["layers"] if item["id"] == "label-city")
    features = [
        {"name": "Basel", "name_fr": "Bâle"},
        {"name": "Genève", "name_fr": "Genève"},
        {"name": "Biel/Bienne", "name_fr": "Bienne"},
        {"name": "Mitte", "name_fr": "Berlin-Mitte"},
        {"name": "Chur"},
        {"name_fr": "Coire"},
        {},
    ]
    assert say(label, features) == ["Bâle\nBasel", "Genève", "Biel/Bienne", "Berlin-Mitte", "Chur", "Coire", ""]


def say(expression: Any, features: list[dict[str, str]]) -> list[str]:
    """What MapLibre's own evaluation makes of a text-field."""
    command = ["node", "--input-type=module", "--eval", SAY, "--", json.dumps([expression, features])]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(
        command, cwd=ROOT / "web", env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(done.stdout)
    return said


def test_house_numbers_of_shortbread_are_drawn_by_either_name(
    tmp_path: Path, ask: Callable[..., dict[str, Any]]
) -> None:
    house = ("addresses", {"number": "12"}, Point(*mercantile.xy(-28.6, 45.2)))
    style = ask(make_workspace(tmp_path, "shortbread", extra=[house]), "/styles/light.json")
    [label] = [item for item in style["layers"] if item.get("source-layer") == "addresses"]
    assert say(label["layout"]["text-field"], [{"housenumber": "7a"}, {"number": "12"}]) == ["7a", "12"]


def test_each_language_of_the_page_reads_its_own_field_of_our_layers(tmp_path: Path) -> None:
    (tmp_path / "layers").mkdir()
    languages = page_languages()
    fields = "".join(f'[fields.name_{language}]\ntype = "text"\n\n' for language in languages)
    text = (ROOT / "layers" / "places.toml").read_text().replace("[fields.rank]", f"{fields}[fields.rank]")
    (tmp_path / "layers" / "places.toml").write_text(text)
    catalog = read_catalog(Settings(workspace=tmp_path, database_url=None))
    statuses: dict[str, Any] = {"places": SimpleNamespace(plan=TilePlan(), bounds=None)}
    assert len(languages) >= 5
    for language in languages:
        style = styling.build_style(catalog, statuses, "dark", "http://here")
        styling.translate_labels(style, (language,), catalog, statuses)
        labels = [item["layout"]["text-field"] for item in style["layers"] if item.get("source-layer") == "places"]
        assert labels
        assert all(fields_in(label) == {"name", f"name_{language}"} for label in labels)
