"""Layer files: what they mean, and what a mistake in one is answered with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from geoserver.catalog import LiveCatalog, layer_folders, read_catalog, read_layer
from geoserver.check import check_files
from geoserver.errors import CatalogError, NotFoundError
from geoserver.model import Live
from geoserver.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

SMALLEST = """
title = "Benches"
license = "CC0-1.0"
source = "data/benches.csv"
kind = "points"
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "layers").mkdir()
    return tmp_path


def write_layer(workspace: Path, text: str, name: str = "benches") -> Path:
    path = workspace / "layers" / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def settings_for(workspace: Path, *, samples: bool = False) -> Settings:
    return Settings(workspace=workspace, database_url=None, samples=samples)


def test_the_sample_layers_have_no_problem(tmp_path: Path) -> None:
    catalog = read_catalog(settings_for(tmp_path))
    assert catalog.problems == ()
    assert {"crime", "trees", "bike-paths", "sewage-sampling", "air-quality", "districts"} <= catalog.layers.keys()
    assert {layer.id for layer in catalog.layers.values() if layer.basemap} >= {"land", "water", "streets", "places"}


def test_four_keys_make_a_layer(workspace: Path) -> None:
    layer = read_layer(write_layer(workspace, SMALLEST))
    assert (layer.id, layer.title, layer.kind, layer.table) == ("benches", "Benches", "points", "benches")


def test_a_field_gets_a_title_from_its_name(workspace: Path) -> None:
    layer = read_layer(write_layer(workspace, SMALLEST + 'fields.year_built = { type = "integer" }'))
    assert layer.fields["year_built"].title == "Year built"


def test_readings_fields_are_carried_by_the_feature_as_latest_values(workspace: Path) -> None:
    readings = """
key = "site"
[readings]
source = "data/r.csv"
key = "site"
time = "at"
[readings.fields.at]
type = "timestamp"
[readings.fields.flow]
type = "number"
"""
    layer = read_layer(write_layer(workspace, SMALLEST + readings))
    assert layer.readings is not None
    assert [field.name for field in layer.fields.values() if field.latest] == ["at", "flow"]


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        (SMALLEST.replace("CC0-1.0", "free for all"), "license", "SPDX"),
        (SMALLEST.replace('title = "Benches"', ""), "title", "required"),
        (SMALLEST.replace('"points"', '"dots"'), "kind", "points"),
        (SMALLEST + 'colour = "red"', "colour", "no such key"),
        (SMALLEST + 'crs = "EPSG:99999999"', "crs", "EPSG:25832"),
        (SMALLEST + 'time = "when"', "time", "declared field"),
        (SMALLEST + 'time = "at"\nfields.att = { type = "date" }', "time", "did you mean 'att'?"),
        (SMALLEST + 'fields.name = { type = "interger" }', "fields.name.type", "did you mean 'integer'?"),
        (SMALLEST + 'csv.separator = ";;"', "csv.separator", "at most 1 character"),
        (SMALLEST + 'time = "name"\nfields.name = { type = "text" }', "time", "date or timestamp"),
        (SMALLEST + 'fields.Name = { type = "text" }', "fields.Name", "a-z"),
        (SMALLEST + 'fields.geom = { type = "text" }', "fields.geom", "another name"),
        (SMALLEST + 'fields.name = { type = "words" }', "fields.name.type", "text"),
        (SMALLEST + 'fields.a = { type = "text", limits = [] }\nfields.b.limits = 3', "fields.b.type", "required"),
        (SMALLEST + 'fields.a = { type = "text", limits = [{ value = 1, title = "x" }] }', "fields.a.limits", "number"),
        (SMALLEST + 'fields.a = { type = "number", limits = [{ value = 1 }] }', "fields.a.limits.0.title", "required"),
        (
            SMALLEST + 'fields.a = { type = "number", limits = [{ value = inf, title = "x" }] }',
            "fields.a.limits.0.value",
            "",
        ),
        (
            SMALLEST + 'fields.a = { type = "number", limits = [{ value = 1, titel = "x" }] }',
            "fields.a.limits.0.titel",
            "did you mean 'title'?",
        ),
        (SMALLEST + "minzoom = 9\nmaxzoom = 3", "minzoom", "maxzoom"),
        (SMALLEST + 'style = "nowhere"', "style", "nowhere.json"),
        (SMALLEST + "title = 2", "", "TOML"),
        ("title = ", "", "TOML"),
    ],
)
def test_a_mistake_names_file_key_and_what_was_expected(workspace: Path, text: str, key: str, expected: str) -> None:
    path = write_layer(workspace, text)
    (problem,) = read_catalog(settings_for(workspace)).problems
    assert problem.file == str(path)
    assert problem.key == key
    assert expected in problem.expected


def test_a_file_name_that_is_no_id_is_refused(workspace: Path) -> None:
    with pytest.raises(CatalogError, match="file name"):
        read_layer(write_layer(workspace, SMALLEST, name="My Benches"))


def test_a_broken_file_does_not_take_the_others_down(workspace: Path) -> None:
    write_layer(workspace, SMALLEST)
    write_layer(workspace, "title = ", name="trees")
    catalog = read_catalog(settings_for(workspace))
    assert list(catalog.layers) == ["benches"]
    assert len(catalog.problems) == 1


def test_a_file_that_breaks_leaves_the_last_good_state_in_service(workspace: Path) -> None:
    path = write_layer(workspace, SMALLEST)
    live = LiveCatalog(settings_for(workspace))
    path.write_text("title = ", encoding="utf-8")
    assert live.reload().layers["benches"].title == "Benches"
    assert live.current.problems
    path.write_text(SMALLEST.replace("Benches", "Seats"), encoding="utf-8")
    assert live.reload().layers["benches"].title == "Seats"
    assert not live.current.problems


def test_a_deleted_file_removes_its_layer(workspace: Path) -> None:
    path = write_layer(workspace, SMALLEST)
    live = LiveCatalog(settings_for(workspace))
    path.unlink()
    assert "benches" not in live.reload().layers


def test_own_layers_stand_alone_unless_the_samples_are_asked_for(workspace: Path) -> None:
    write_layer(workspace, SMALLEST)
    assert list(read_catalog(settings_for(workspace)).layers) == ["benches"]
    both = read_catalog(settings_for(workspace, samples=True)).layers
    assert {"benches", "crime"} <= both.keys()
    assert layer_folders(settings_for(workspace, samples=True))[0] == workspace / "layers"


def test_an_unknown_layer_is_answered_with_the_ones_there_are(workspace: Path) -> None:
    write_layer(workspace, SMALLEST)
    with pytest.raises(NotFoundError, match="benches"):
        read_catalog(settings_for(workspace)).layer("bench")


def test_a_source_that_is_not_there_names_the_file_that_is_meant(workspace: Path) -> None:
    write_layer(workspace, SMALLEST)
    settings = settings_for(workspace)
    (workspace / "data").mkdir(exist_ok=True)
    (problem,) = check_files(settings, read_catalog(settings))
    assert (problem.key, "did you mean" in problem.expected) == ("source", False)
    (workspace / "data" / "Benchs.csv").touch()
    (problem,) = check_files(settings, read_catalog(settings))
    assert problem.expected.endswith("did you mean 'Benchs.csv'?")


def test_themes_follow_the_first_of_their_layers(workspace: Path) -> None:
    for name, theme, order in (("a", "Zoo", 1), ("b", "Air", 2), ("c", "Zoo", 9)):
        write_layer(workspace, SMALLEST + f'theme = "{theme}"\norder = {order}', name=name)
    assert list(read_catalog(settings_for(workspace)).layers) == ["a", "c", "b"]


def test_tiles_of_a_basemap_carry_what_is_drawn_from_the_zoom_that_draws_it(workspace: Path) -> None:
    (workspace / "styles").mkdir()
    drawn = [
        {"id": "ways", "type": "line", "source": "base", "source-layer": "ways", "filter": ["has", "class"]},
        {
            "id": "names",
            "type": "symbol",
            "source": "base",
            "source-layer": "ways",
            "minzoom": 13.6,
            "layout": {"text-field": ["get", "name"]},
        },
        {
            "id": "numbers",
            "type": "symbol",
            "source": "base",
            "source-layer": "ways",
            "minzoom": 17,
            "layout": {"text-field": ["get", "number"]},
        },
    ]
    style = {"version": 8, "sources": {"base": {"type": "vector"}}, "layers": drawn}
    (workspace / "styles" / "own.json").write_text(json.dumps(style))
    fields = "".join(f'[fields.{name}]\ntype = "text"\n' for name in ("class", "name", "name_fr", "number", "ref"))
    text = f'title = "Ways"\nlicense = "CC0-1.0"\nsource = "ways.geojson"\nkind = "lines"\nbasemap = true\n{fields}'
    (workspace / "layers" / "ways.toml").write_text(text)
    layer = read_catalog(Settings(workspace=workspace)).layers["ways"]
    assert layer.tile_fields == ("class", "name", "name_fr", "number")
    assert layer.tile_zooms == {"name": 13, "name_fr": 13, "number": 16}, "tiles end at 16, and are drawn beyond it"


TIMES = """
[fields.seen_at]
type = "timestamp"
[fields.day]
type = "date"
[fields.built]
type = "date"
unit = "year"
[fields.name]
type = "text"
[fields.secret]
type = "timestamp"
restricted = true
"""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90 s", 90),
        ("15 min", 900),
        ("15min", 900),
        ("2 h", 7_200),
        ("1 h 30 min", 5_400),
        ("7 days", 604_800),
        ("1 Week", 604_800),
        ("1.5 hours", 5_400),
        ("PT15M", 900),
        ("P1DT12H", 129_600),
        ("P2W", 1_209_600),
        ("pt2.5s", 2.5),
    ],
)
def test_how_long_rows_stay_is_written_as_people_do(workspace: Path, text: str, seconds: float) -> None:
    head = SMALLEST.replace('kind = "points"', 'kind = "points"\ntime = "seen_at"')
    layer = read_layer(write_layer(workspace, f'{head}{TIMES}[live]\nexpires = "{text}"'))
    assert layer.live == Live(expires=seconds, field="seen_at", age=2)


def test_a_live_layer_without_expires_keeps_its_rows_and_may_say_its_age(workspace: Path) -> None:
    assert read_layer(write_layer(workspace, f"{SMALLEST}[live]")).live == Live(age=2)
    assert read_layer(write_layer(workspace, f'{SMALLEST}[live]\nage = "0 s"')).live == Live(age=0)
    dated = f'{SMALLEST}{TIMES}[live]\nexpires = "7 days"\nfield = "day"\nage = "1 min"'
    assert read_layer(write_layer(workspace, dated)).live == Live(604_800, "day", 60)
    assert read_layer(write_layer(workspace, SMALLEST)).live is None


@pytest.mark.parametrize(
    ("live", "key", "expected"),
    [
        ('expires = "15"', "live.expires", "a length of time such as"),
        ('expires = "soon"', "live.expires", "a length of time such as"),
        ('expires = "P1M"', "live.expires", "a length of time such as"),
        ('expires = "2 years"', "live.expires", "a length of time such as"),
        ('expires = "-5 s"', "live.expires", "a length of time such as"),
        ('expires = ""', "live.expires", "a length of time such as"),
        ("expires = 900", "live.expires", "a text, in quotes"),
        ('expires = "0 s"', "live.expires", "from 1 s to 36,600 days; got '0 s'"),
        ('expires = "99999999 days"', "live.expires", "from 1 s to 36,600 days"),
        ('age = "2 days"', "live.age", "from 0 s to 3600 s"),
        ('expires = "1 h"', "live.field", "as this file has no `time`"),
        ('expires = "1 h"\nfield = "seen"', "live.field", "did you mean 'seen_at'"),
        ('expires = "1 h"\nfield = ""', "live.field", "a declared field"),
        ('expires = "1 h"\nfield = "name"', "live.field", "'name' is text"),
        ('expires = "1 h"\nfield = "built"', "live.field", "tells the year alone"),
        ('expires = "1 h"\nfield = "secret"', "live.field", "a field that is not restricted"),
        ('field = "seen_at"', "live.field", "`expires` beside it"),
        ('expire = "1 h"', "live.expire", "no such key"),
        (
            'expires = "1 h"\nkey = "name"',
            "live.key",
            "'key' of the file itself stands above the first line in brackets",
        ),
    ],
)
def test_a_mistake_in_live_is_told_with_what_was_expected(workspace: Path, live: str, key: str, expected: str) -> None:
    with pytest.raises(CatalogError) as raised:
        read_layer(write_layer(workspace, f"{SMALLEST}{TIMES}[live]\n{live}"))
    assert raised.value.key == key
    assert expected in raised.value.expected


@pytest.mark.parametrize(
    ("line", "key", "table"),
    [('expires = "15 min"', "expires", "[live]"), ('column = "Baumart"', "column", "[fields.NAME]")],
)
def test_a_key_of_a_table_that_stands_outside_of_it_is_told_where_it_stands(
    workspace: Path, line: str, key: str, table: str
) -> None:
    with pytest.raises(CatalogError) as raised:
        read_layer(write_layer(workspace, SMALLEST + line))
    assert raised.value.key == key
    assert f"; {key!r} stands under {table}" in raised.value.expected


def test_a_layer_without_rows_has_none_that_expire(workspace: Path) -> None:
    text = SMALLEST.replace('"points"', '"tiles"').replace("benches.csv", "city.pmtiles")
    with pytest.raises(CatalogError) as raised:
        read_layer(write_layer(workspace, f'{text}[live]\nexpires = "1 h"'))
    assert raised.value.key == "live"
