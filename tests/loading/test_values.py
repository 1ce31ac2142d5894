"""Edges of numbers and times: stored exactly, or null with a reason that is counted; one value never fails a layer."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any

import geopandas
import pyarrow as pa
import pytest
import shapely
from load_workspace import Workspace, make_fields

from geoserver.errors import LoadError
from geoserver.fieldtypes import FieldType
from geoserver.loading.convert import Converter
from geoserver.model import Field, Readings, TimeUnit

BIG = 2**63 - 1
NO_TIME = "a number is no time; say {} if it is one"


def convert(
    kind: FieldType, values: list[Any], given: pa.DataType | None = None, unit: TimeUnit | None = None
) -> tuple[list[Any], dict[str, list[int]]]:
    """Values, times as ISO text, and the places of those that did not fit by reason."""
    column, misfits = Converter(Field("f", "F", kind, time_unit=unit)).convert(pa.array(values, given))
    reasons: dict[str, list[int]] = {}
    for misfit in misfits:
        reasons.setdefault(misfit.why, []).extend(i for i, bad in enumerate(misfit.mask.to_pylist()) if bad)
    shown = [value.isoformat() if isinstance(value, dt.date) else value for value in column.to_pylist()]
    return shown, {why: sorted(places) for why, places in reasons.items()}


@pytest.mark.parametrize(
    ("text", "value", "why"),
    [
        (str(BIG), BIG, ""),
        (str(-BIG - 1), -BIG - 1, ""),
        (str(BIG + 1), None, "an integer beyond 64 bits"),
        ("9007199254740993", 9007199254740993, ""),
        ("00000000000000000000007", 7, ""),
        ("1,234", 1234, ""),
        ("6.0", 6, ""),
        ("-0", 0, ""),
        ("6.5", None, "no integer"),
        ("1e5", None, "no integer"),
        ("0x1F", None, "no integer"),
        ("\uff11\uff12", None, "no integer"),
        ("inf", None, "not a finite number"),
        ("<5", None, "suppressed"),
        ("NA", None, ""),
    ],
)
@pytest.mark.parametrize("beside", [[], ["x"]])
def test_a_text_is_the_same_integer_whatever_stands_beside_it(
    text: str, value: int | None, why: str, beside: list[str]
) -> None:
    values, reasons = convert("integer", [text, *beside])
    assert values[0] == value
    assert [reason for reason, places in reasons.items() if 0 in places] == ([why] if why else [])


def test_floats_are_integers_when_they_are_whole_and_fit() -> None:
    values, reasons = convert("integer", [1.0, 1.5, float("nan"), float("inf"), 1e300, 2.0**53, 2.0**53 - 1, None])
    assert values == [1, None, None, None, None, None, 2**53 - 1, None]
    inexact = "an integer beyond 2^53 that the source has as a float, which may not be exact"
    assert reasons == {
        "not a finite number": [2, 3],
        "no integer": [1],
        "an integer beyond 64 bits": [4],
        inexact: [5],
    }
    assert convert("integer", [2**64 - 1, 1], pa.uint64()) == ([None, 1], {"an integer beyond 64 bits": [0]})
    assert convert("integer", [Decimal("5.00"), Decimal("5.50")]) == ([5, None], {"no integer": [1]})


def test_what_is_not_finite_is_no_number() -> None:
    values, reasons = convert("number", ["1e999", "-1e999", "nan", "inf", "-Infinity", "1e308", "abc", "-0", None])
    assert values == [None, None, None, None, None, 1e308, None, 0.0, None]
    assert reasons == {"not a finite number": [0, 1, 2, 3, 4], "no number": [6]}
    values, reasons = convert("number", [1.0, float("nan"), float("-inf"), None])
    assert (values, reasons) == ([1.0, None, None, None], {"not a finite number": [1, 2]})
    assert convert("text", [1.0, float("nan")]) == (["1", None], {"not a finite number": [1]})


def test_only_zero_and_one_are_booleans() -> None:
    for given in ([0, 1, 2], [0.0, 1.0, 2.0], ["0", "1", "2"]):
        assert convert("boolean", given) == ([False, True, None], {"no boolean": [2]})


@pytest.mark.parametrize(
    ("numbers", "hint"),
    [
        ([1987, 2001], 'unit = "year"'),
        ([20240531, 19991231], 'unit = "yyyymmdd"'),
        ([1717171717, 1600000000], 'unit = "s"'),
        ([1717171717000], 'unit = "ms"'),
        ([-5], 'unit = "year", "s", "ms" or "yyyymmdd"'),
    ],
)
@pytest.mark.parametrize("kind", ["date", "timestamp"])
def test_a_number_is_no_time_and_its_likely_unit_is_hinted_at(kind: FieldType, numbers: list[int], hint: str) -> None:
    places = list(range(len(numbers)))
    for given in (numbers, [float(number) for number in numbers], [str(number) for number in numbers]):
        assert convert(kind, given) == ([None] * len(numbers), {NO_TIME.format(hint): places})


@pytest.mark.parametrize(
    ("unit", "number", "expected"),
    [
        ("year", 1987, "1987-01-01T00:00:00+00:00"),
        ("year", "1987", "1987-01-01T00:00:00+00:00"),
        ("year", "1987.0", "1987-01-01T00:00:00+00:00"),
        ("year", "1987-06-05", "1987-06-05T00:00:00+00:00"),
        ("year", 1987.5, None),
        ("year", 0, None),
        ("year", 10000, None),
        ("year", "soon", None),
        ("s", 1717171717, "2024-05-31T16:08:37+00:00"),
        ("s", 1717171717.5, "2024-05-31T16:08:37.500000+00:00"),
        ("s", -1, "1969-12-31T23:59:59+00:00"),
        ("s", 1e300, None),
        ("ms", "1717171717000", "2024-05-31T16:08:37+00:00"),
        ("yyyymmdd", 20240531, "2024-05-31T00:00:00+00:00"),
        ("yyyymmdd", "20240531", "2024-05-31T00:00:00+00:00"),
        ("yyyymmdd", 20240531160837, "2024-05-31T16:08:37+00:00"),
        ("yyyymmdd", 20240230, None),
        ("yyyymmdd", 1987, None),
    ],
)
def test_a_number_is_the_time_that_its_unit_says(unit: TimeUnit, number: object, expected: str | None) -> None:
    values, reasons = convert("timestamp", [number], unit=unit)
    assert values == [expected]
    assert bool(reasons) == (expected is None)
    assert convert("date", [number], unit=unit)[0] == [expected and expected[:10]]


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("2024-05-31T24:00", "2024-06-01T00:00:00+00:00", ""),
        ("2024-05-31T24:00:00.5", None, "no timestamp"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00+00:00", ""),
        ("2016-12-31T23:58:60Z", None, "no timestamp"),
        ("2024-05-31t12:00:00z", "2024-05-31T12:00:00+00:00", ""),
        ("2024-05-31T12", "2024-05-31T12:00:00+00:00", ""),
        ("2024-05-31T12:00:00.123456789Z", "2024-05-31T12:00:00.123456+00:00", ""),
        ("2024-05-31T12:00+14:00", "2024-05-30T22:00:00+00:00", ""),
        ("2024-05-31T12:00+25:00", None, "no timestamp"),
        ("2024-05-31T12:00+01:60", None, "no timestamp"),
        ("2024-05-31 1:30\u202fPM", "2024-05-31T13:30:00+00:00", ""),
        ("2024-05-31 13:30 AM", None, "no timestamp"),
        ("20240531T1230Z", "2024-05-31T12:30:00+00:00", ""),
        ("2024-02-29", "2024-02-29T00:00:00+00:00", ""),
        ("2023-02-29", None, "no timestamp"),
        ("2024-W22-5", None, "no timestamp"),
        ("2024-152", None, "no timestamp"),
        ("2024-05-31 12:00 CET", None, "no timestamp"),
        ("2024-05-31T12:00[Europe/Lisbon]", None, "no timestamp"),
        ("0001-01-01", "0001-01-01T00:00:00+00:00", ""),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00", ""),
        ("0000-01-01", None, "outside the years 1 to 9999"),
        ("-0044-03-15", None, "outside the years 1 to 9999"),
        ("0044-03-15 BC", None, "outside the years 1 to 9999"),
        ("10000-01-01", None, "outside the years 1 to 9999"),
        ("0001-01-01T00:00+02:00", None, "outside the years 1 to 9999"),
        ("9999-12-31T23:59-01:00", None, "outside the years 1 to 9999"),
        ("infinity", None, "outside the years 1 to 9999"),
    ],
)
@pytest.mark.parametrize("beside", [[], ["never"]])
def test_edges_of_time_are_stored_or_told(text: str, expected: str | None, why: str, beside: list[str]) -> None:
    values, reasons = convert("timestamp", [text, *beside])
    assert values[0] == expected
    assert [reason for reason, places in reasons.items() if 0 in places] == ([why] if why else [])


def test_times_of_every_unit_in_arrow_keep_to_the_years_that_clients_hold() -> None:
    far = "outside the years 1 to 9999"
    assert convert("timestamp", [0, 10**18, -(2**63), None], pa.timestamp("s")) == (
        ["1970-01-01T00:00:00+00:00", None, None, None],
        {far: [1, 2]},
    )
    assert convert("timestamp", [1500], pa.timestamp("ns", tz="UTC"))[0] == ["1970-01-01T00:00:00.000001+00:00"]
    assert convert("date", [-1], pa.timestamp("s"))[0] == ["1969-12-31"]
    assert convert("date", [-1], pa.timestamp("s", tz="Europe/Berlin"))[0] == ["1970-01-01"]
    assert convert("date", [-800_000, 3_000_000, 5], pa.date32()) == ([None, None, "1970-01-06"], {far: [0, 1]})
    assert convert("timestamp", [4 * 10**14], pa.date64()) == ([None], {far: [0]})


EDGES = geopandas.GeoDataFrame(
    {
        "n": [1.5, float("inf"), 2.5],
        "i": [BIG, 9007199254740993, -5],
        "planted": [1987, 2001, 1850],
    },
    geometry=shapely.points([[13.4, 52.5]] * 3),
    crs="EPSG:4326",
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.fgb", "a.parquet", "a.csv", "public.edges"])
def test_every_kind_of_source_keeps_to_the_edges(workspace: Workspace, name: str) -> None:
    if name == "a.csv":
        rows = [f"{n},{i},{p},13.4,52.5" for n, i, p in zip(EDGES.n, EDGES.i, EDGES.planted, strict=True)]
        workspace.write(name, "\n".join(["n,i,planted,lon,lat", *rows]))
    elif name == "a.parquet":
        EDGES.to_parquet(workspace.root / name)
    elif name == "public.edges":
        workspace.query("DROP TABLE IF EXISTS public.edges")
        workspace.query("CREATE TABLE public.edges (n float8, i bigint, planted int, geom geometry(Point, 4326))")
        for n, i, p in zip(EDGES.n, EDGES.i, EDGES.planted, strict=True):
            workspace.query(
                "INSERT INTO public.edges VALUES (%s, %s, %s, 'SRID=4326;POINT(13.4 52.5)')", n, int(i), int(p)
            )
    else:
        EDGES.to_file(workspace.root / name)
    report = workspace.load(name, fields={"n": "number", "i": "integer", "planted": "date"})
    assert sorted(workspace.rows("i")) == [(-5,), (9007199254740993,), (BIG,)]
    stored = dict(workspace.rows("i, n"))
    assert stored == {BIG: 1.5, 9007199254740993: None, -5: 2.5}
    assert workspace.rows("planted") == [(None,)] * 3
    hint = NO_TIME.format('unit = "year"')
    told = {"planted": (f"{hint}, left empty", 3)}
    if name != "a.geojson":  # JSON has no infinity, and GDAL writes none
        told["n"] = ("not a finite number, left empty", 1)
    assert {note.field: (note.what, note.count) for note in report.changed} == told


def test_an_integer_that_gdal_makes_a_float_is_not_stored_as_another_one(workspace: Workspace) -> None:
    rows = [
        f'{{"type": "Feature", "properties": {{"i": {i}}}, "geometry": {{"type": "Point", "coordinates": [1, 2]}}}}'
        for i in (-BIG - 1, 2**53 + 1, 7)
    ]
    source = workspace.write("a.geojson", f'{{"type": "FeatureCollection", "features": [{", ".join(rows)}]}}')
    report = workspace.load(source, fields={"i": "integer"})
    assert [i for (i,) in workspace.rows("i")] == [None, None, 7]
    assert sum(report.notes.values()) == 2


@pytest.mark.parametrize("ending", [".geojson", ".geojsonl"])
@pytest.mark.parametrize("number", ["9223372036854775808", "18446744073709551615", "1e400", "NaN", "-1e999"])
def test_a_number_that_gdal_cannot_hold_fails_no_file_and_becomes_no_other(
    workspace: Workspace, ending: str, number: str
) -> None:
    place = '"geometry": {"type": "Point", "coordinates": [13.123456789012345678901, 52]}'
    features = [
        f'{{"type": "Feature", "properties": {{"i": {i}, "t": "a \\" {number} é", "b": true}}, {place}}}'
        for i in (number, "5", "9007199254740993" if number.isdigit() and ending == ".geojsonl" else "6")
    ]
    content = "\n".join(features)
    if ending == ".geojson":
        content = f'{{"type": "FeatureCollection", "features": [{",".join(features)}]}}'
    report = workspace.load(
        workspace.write(f"a{ending}", content), fields={"i": "integer", "t": "text", "b": "boolean"}
    )
    stored = workspace.rows("i, t, b")
    assert stored[0] == (None, f'a " {number} é', True)
    assert [i for i, *_ in stored[1:]] == [5, int(json.loads(features[2])["properties"]["i"])]
    assert sum(report.notes.values()) == 1


def test_a_number_in_the_time_field_rejects_its_row_with_the_hint(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat,at\n1,2,2024-01-01\n1,2,1987\n1,2,0000-01-01\n")
    report = workspace.load(source, fields={"at": "date"}, time="at")
    hint = NO_TIME.format('unit = "year"')
    assert report.reasons == {f"at: {hint}": 1, "at: outside the years 1 to 9999": 1}


def test_the_unit_in_the_layer_file_makes_times_of_numbers(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat,at\n1,2,1987\n1,2,2001\n")
    workspace.load(source, fields={"at": "date"})
    assert workspace.rows("at") == [(None,), (None,)]
    fields = {"at": Field("at", "At", "date", time_unit="year")}
    report = workspace.load(source, fields={}, readings=None)
    assert report.rows == 2
    readings = Readings(workspace.write("r.csv", "site,at\na,1987\n"), "site", "at", fields)
    sites = workspace.write("s.csv", "site,lon,lat\na,1,2\n")
    assert workspace.load(sites, key="site", readings=readings).readings == 1
    assert workspace.rows("at", "test_layer__readings") == [(dt.date(1987, 1, 1),)]


def test_readings_of_numbers_for_times_say_why_they_are_rejected(workspace: Workspace) -> None:
    readings = Readings(workspace.write("r.csv", "site,at\na,1717171717\n"), "site", "at", make_fields({"at": "date"}))
    sites = workspace.write("s.csv", "site,lon,lat\na,1,2\n")
    report = workspace.load(sites, key="site", readings=readings)
    assert report.reasons == {"at: " + NO_TIME.format('unit = "s"'): 1}


def test_a_layer_of_nothing_but_numbers_for_times_says_what_to_write(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat,at\n1,2,1987\n")
    with pytest.raises(LoadError, match=r'not one of 1 rows can be stored: 1 x at: a number .* unit = "year"'):
        workspace.load(source, fields={"at": "date"}, time="at")


def test_infinite_and_ancient_times_of_a_table_are_null_and_counted(workspace: Workspace) -> None:
    workspace.query("DROP TABLE IF EXISTS public.ages")
    workspace.query("CREATE TABLE public.ages (at timestamptz, n float8, geom geometry(Point, 4326))")
    for at in ("infinity", "-infinity", "0044-03-15 BC", "20000-01-01", "9999-12-31T23:59:59Z"):
        workspace.query("INSERT INTO public.ages VALUES (%s, 'NaN', 'SRID=4326;POINT(13.4 52.5)')", at)
    report = workspace.load("public.ages", fields={"at": "timestamp", "n": "number"})
    assert [at for (at,) in workspace.rows("at::text")] == [None] * 4 + ["9999-12-31 23:59:59+00"]
    assert report.notes == {
        "at: outside the years 1 to 9999, left empty": 4,
        "n: not a finite number, left empty": 5,
    }
