"""The history of loads: what each one read, kept, left out and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from geoserver.catalog import read_layer
from geoserver.errors import LoadError
from geoserver.loading import history, load

if TYPE_CHECKING:
    from pathlib import Path

LAYER = """title = "Trees"
license = "CC0-1.0"
kind = "points"
source = "trees.csv"
[fields.height]
type = "integer"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "trees.toml").write_text(LAYER.replace("trees.csv", str(tmp_path / "trees.csv")))
    return tmp_path


def write(folder: Path, *heights: str) -> None:
    rows = [f"{height},13.{number:02},52.5" for number, height in enumerate(heights)]
    (folder / "trees.csv").write_text("\n".join(["height,lon,lat", *rows]))


def read_history(url: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        query = "SELECT l.*, s.loaded_at FROM geoserver.loads AS l JOIN geoserver.layers AS s ON s.id = l.layer"
        return connection.execute(f"{query} ORDER BY l.id").fetchall()


def test_each_load_is_told_with_what_became_of_its_rows(folder: Path, empty_database: str) -> None:
    layer = read_layer(folder / "layers" / "trees.toml")
    write(folder, "1", "2", "tall", "4")
    with (folder / "trees.csv").open("a") as file:
        file.write("\n5,,\n6,0,0")
    load(layer, empty_database)
    load(layer, empty_database)  # nothing has changed, and nothing is told
    write(folder, *"123456")
    load(layer, empty_database)
    first, second = read_history(empty_database)
    assert (first["read"], first["rows"], first["rejected"]) == (6, 4, 2)
    assert first["changed"] == {"height": 1}
    assert sum(first["reasons"].values()) == 2
    assert (second["read"], second["rows"], second["rejected"], second["changed"]) == (6, 6, 0, {})
    assert second["version"] > first["version"]
    assert second["at"] == second["loaded_at"]


def test_a_load_that_is_refused_leaves_no_trace(folder: Path, empty_database: str) -> None:
    layer = read_layer(folder / "layers" / "trees.toml")
    write(folder, *("7" * 100))
    load(layer, empty_database)
    write(folder, "7")
    with pytest.raises(LoadError):
        load(layer, empty_database)
    assert len(read_history(empty_database)) == 1


def test_the_oldest_loads_are_forgotten(folder: Path, empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_KEPT", 2)
    layer = read_layer(folder / "layers" / "trees.toml")
    for number in range(4):
        write(folder, *(str(number) * 3))
        load(layer, empty_database)
    versions = [told["version"] for told in read_history(empty_database)]
    assert versions == [3, 4]
