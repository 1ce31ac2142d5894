"""What GDAL's OAPIF driver, old and new, makes of a real server: every row once, filters on the server, right axes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import Any

import psycopg
import pytest

LAMPS = 2_500
ogrinfo = pytest.mark.skipif(not shutil.which("ogrinfo"), reason="there is no ogrinfo on the PATH")

SCRIPT = """
import json, sys
import pyogrio
asked = json.loads(sys.argv[1])
path = asked.pop("path")
if "layer" not in asked:
    print(json.dumps([name for name, _ in pyogrio.list_layers(path)]))
else:
    asked |= {"bbox": tuple(asked["bbox"])} if "bbox" in asked else {}
    frame = pyogrio.read_dataframe(path, fid_as_index=True, **asked)
    rows = json.loads(frame.drop(columns="geometry").to_json(orient="split", date_format="iso"))
    read = {"fids": rows["index"], "columns": rows["columns"], "rows": rows["data"], "crs": frame.crs.to_string()}
    if len(frame):
        read["shapes"] = [[shape.geom_type, *shape.bounds] for shape in frame.geometry]
        read["bounds"] = frame.to_crs("OGC:CRS84").total_bounds.tolist()
    print(json.dumps(read))
"""


def ask_gdal(url: str, **asked: Any) -> Any:
    """What GDAL inside pyogrio reads; in a process of its own, as it holds the interpreter while it waits for us."""
    arguments = [sys.executable, "-c", SCRIPT, json.dumps({"path": f"OAPIF:{url}", **asked})]
    done = subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_gdal_lists_the_collections(town_url: str) -> None:
    assert sorted(ask_gdal(town_url)) == ["buoys", "empty", "lamps", "zones"]


def test_gdal_reads_every_row_once_over_many_pages(town_url: str, town_database: str) -> None:
    read = ask_gdal(town_url, layer="lamps", PAGE_SIZE="300")
    assert len(read["fids"]) == LAMPS
    with psycopg.connect(town_database) as connection:
        query = "SELECT fid, kind, watts, height, lit, ST_X(geom), ST_Y(geom) FROM layers.lamps"
        expected = {row[0]: row[1:] for row in connection.execute(query)}
    assert expected.keys() == set(read["fids"])
    for fid, row, shape in zip(read["fids"], read["rows"], read["shapes"], strict=True):
        kind, watts, height, lit, x, y = expected[fid]
        values = dict(zip(read["columns"], row, strict=True))
        assert [values["kind"], values["watts"], values["height"], values["lit"]] == [kind, watts, height, lit]
        assert shape[0] == "Point"
        assert shape[1:3] == pytest.approx([x, y], abs=1e-8)


def test_gdal_reads_single_rows_by_their_ids(town_url: str) -> None:
    assert ask_gdal(town_url, layer="lamps", fids=[3, 300])["fids"] == [3, 300]


@ogrinfo
def test_an_old_gdal_reads_every_row_once(town_url: str) -> None:
    told = subprocess.run(
        ["ogrinfo", "-q", "-al", f"OAPIF:{town_url}", "lamps"], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert sorted(map(int, re.findall(r"OGRFeature\(lamps\):(\d+)", told))) == [n * 3 for n in range(LAMPS)]
    assert "POINT (-28.6 45.2)" in told


@ogrinfo
def test_ogrinfo_tells_count_types_and_extent(town_url: str) -> None:
    told = subprocess.run(
        ["ogrinfo", "-so", f"OAPIF:{town_url}", "lamps"], check=True, capture_output=True, text=True, timeout=120
    ).stdout
    assert f"Feature Count: {LAMPS}" in told
    assert "Geometry: Point" in told
    assert "Extent: (-28.600000, 45.200000) - (-28.551000, 45.249000)" in told
    for field in ("built: DateTime", "checked: Date", "watts: Integer", "height: Real", "lit: Integer(Boolean)"):
        assert field in told


def test_gdal_filters_by_attribute_on_the_server(town_url: str, town_database: str, asked: list[str]) -> None:
    with psycopg.connect(town_database) as connection:
        query = "SELECT fid FROM layers.lamps WHERE kind = 'gas' AND watts > 60 ORDER BY fid"
        expected = [row[0] for row in connection.execute(query)]
    assert 0 < len(expected) < LAMPS
    assert sorted(ask_gdal(town_url, layer="lamps", where="kind = 'gas' AND watts > 60")["fids"]) == expected
    assert "filter=(kind = 'gas') AND (watts > 60)" in asked[-1]
    where = "built >= '2021-01-01T00:00:00Z' AND lit = 1"
    found = ask_gdal(town_url, layer="lamps", where=where)["fids"]
    assert "filter=(built >= '2021-01-01T00:00:00Z') AND (lit = 1)" in asked[-1]
    with psycopg.connect(town_database) as connection:
        query = "SELECT fid FROM layers.lamps WHERE built >= '2021-01-01T00:00:00Z' AND lit ORDER BY fid"
        assert sorted(found) == [row[0] for row in connection.execute(query)]


@pytest.mark.parametrize(
    "where",
    [
        "kind = 'gas' OR watts > 100",
        "kind LIKE 's%' AND NOT watts = 20",
        "kind <> 'gas' AND height BETWEEN 3.2 AND 3.8",
        "kind IN ('gas', 'sodium') AND watts IS NULL",
        "lit OR watts = 20",
        "built < '2020-02-01T00:00:00Z' OR checked = '2024-05-31'",
        "kind = 'oil <1900' OR kind LIKE '%\"smart\"'",
    ],
)
def test_gdal_sends_whole_conditions_in_the_language_whose_name_it_knows(
    town_url: str, town_database: str, asked: list[str], where: str
) -> None:
    with psycopg.connect(town_database) as connection:
        expected = [row[0] for row in connection.execute(f"SELECT fid FROM layers.lamps WHERE {where} ORDER BY fid")]
    assert 0 < len(expected) < LAMPS
    where = where.replace("lit OR", "lit = 1 OR")  # GDAL's SQL knows no truth values
    assert sorted(ask_gdal(town_url, layer="lamps", where=where)["fids"]) == expected
    assert "filter-lang=cql-text" in asked[-1]


def test_gdal_filters_by_area_on_the_server(town_url: str, town_database: str, asked: list[str]) -> None:
    box = (-28.5905, 45.2095, -28.5795, 45.2205)
    with psycopg.connect(town_database) as connection:
        query = "SELECT fid FROM layers.lamps WHERE geom && ST_MakeEnvelope(%s, %s, %s, %s, 4326) ORDER BY fid"
        expected = [row[0] for row in connection.execute(query, box)]
    assert 0 < len(expected) < LAMPS
    assert sorted(ask_gdal(town_url, layer="lamps", bbox=box)["fids"]) == expected
    assert "bbox=-28.59" in asked[-1]


@pytest.mark.parametrize(
    ("crs", "told"), [("EPSG:32626", "EPSG:32626"), ("EPSG:3857", "EPSG:3857"), ("EPSG:4326", "OGC:CRS84")]
)
def test_gdal_gets_right_axes_in_every_crs(town_url: str, crs: str, told: str) -> None:
    read = ask_gdal(town_url, layer="zones", CRS=crs)
    assert read["crs"] == told, "GDAL takes lon/lat where it may"
    assert read["bounds"] == pytest.approx([-28.6, 45.2, -28.55, 45.2], abs=0.1)


def test_gdal_reads_an_empty_layer(town_url: str) -> None:
    assert ask_gdal(town_url, layer="empty")["fids"] == []
