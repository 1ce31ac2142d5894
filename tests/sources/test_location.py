"""What a layer file means by its source: one answer for all who ask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from geoserver.catalog import Catalog, read_layer
from geoserver.check import check_files, split_by_source
from geoserver.errors import LoadError
from geoserver.loading.fingerprint import build_request, read_fingerprint
from geoserver.settings import Settings
from geoserver.sources.location import find_location

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.model import Layer

FILE, TABLE, ADDRESS = "file", "table", "address"


@pytest.fixture
def layer(tmp_path: Path) -> Layer:
    (tmp_path / "layers").mkdir()
    text = 'title = "A"\nlicense = "CC0-1.0"\nsource = "a.csv"\nkind = "points"\n'
    (tmp_path / "layers" / "a.toml").write_text(text)
    (tmp_path / "export.of2024").write_text("lon,lat\n")
    return read_layer(tmp_path / "layers" / "a.toml")


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("a.csv", FILE),
        ("A.CSV", FILE),
        ("data/a.b", FILE),
        ("/srv/a.b", FILE),
        ("../a", FILE),
        ("a", FILE),
        ("export.of2024", FILE),  # because it is there
        ("export.of2025", TABLE),
        ("public.trees", TABLE),
        (' public."My trees" ', TABLE),
        ('"a.b"."c.csv"', TABLE),
        ("https://example.org/a.csv", ADDRESS),
        ("S3://bucket/a.parquet", ADDRESS),
        ("https://example.org/a", ADDRESS),
        ("a.b.c", FILE),
    ],
)
def test_a_source_is_a_file_a_table_or_an_address_for_all_who_ask(layer: Layer, source: str, meant: str) -> None:
    layer = replace(layer, source=source)
    place = find_location(layer, source)
    assert (place.path is not None, place.is_table, place.is_address) == tuple(
        meant == each for each in (FILE, TABLE, ADDRESS)
    )
    catalog = Catalog({layer.id: layer})
    assert split_by_source(catalog)[1] == ([layer] if meant == TABLE else [])
    missing = [problem.key for problem in check_files(Settings(database_url=None), catalog)]
    assert missing == (["source"] if meant == FILE and source != "export.of2024" else [])
    if meant == ADDRESS:
        with pytest.raises(LoadError, match="files and tables; download it first"):
            build_request(layer, "", ())
    else:
        assert (build_request(layer, "", ()).path is None) == (meant == TABLE)
        assert (read_fingerprint(layer) == "") == (meant == TABLE)
