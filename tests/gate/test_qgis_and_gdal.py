"""QGIS and GDAL on a layer that is not public: by the key as password and in the address: items, tiles, step by step.

The key sees one of the two wells, and its owner.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import mercantile
import pytest
from gatehouse import House, build_app

from geoserver.model import Grant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(not shutil.which("ogrinfo"), reason="there is no ogrinfo on the PATH")

PYTHON = Path("/usr/bin/python3")  # the system's, which has QGIS where it is installed
WELL, OTHER = (-28.6, 45.2), (-28.61, 45.21)
TILE = mercantile.tile(*WELL, 14)
ONE_WELL = Grant(frozenset({"wells"}), rows="wood = 'oak'", fields=frozenset({"owner"}))

QGIS = """
import json, sys
from qgis.core import (QgsApplication, QgsAuthMethodConfig, QgsCoordinateReferenceSystem,
                       QgsMapRendererSequentialJob, QgsMapSettings, QgsRectangle, QgsVectorLayer, QgsVectorTileLayer)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor

asked = json.loads(sys.argv[1])
application = QgsApplication([], False)
application.initQgis()


def store(key):
    manager = QgsApplication.authManager()
    assert manager.setMasterPassword("master", True)
    config = QgsAuthMethodConfig("Basic")
    config.setName("key")
    config.setConfigMap({"username": "any", "password": key})
    assert manager.storeAuthenticationConfig(config)
    return config.id()


def is_drawn(layer, box):
    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setOutputSize(QSize(64, 64))
    settings.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    settings.setExtent(QgsRectangle(*box))
    settings.setBackgroundColor(QColor("white"))
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    return any(image.pixelColor(x, y) != QColor("white") for x in range(64) for y in range(64))


stored = store(asked["key"]) if "key" in asked else ""
if "items" in asked:
    layer = QgsVectorLayer(asked["items"] + (f" authcfg={stored}" if stored else ""), "wells", "OAPIF")
    fields = [field.name() for field in layer.fields()]
    rows = [{name: str(row[name]) for name in fields} for row in layer.getFeatures()] if layer.isValid() else []
    told = {"valid": layer.isValid(), "fields": fields, "rows": rows}
else:
    layer = QgsVectorTileLayer(asked["tiles"] + (f"&authcfg={stored}" if stored else ""), "wells")
    told = {"valid": layer.isValid(), "drawn": [is_drawn(layer, box) for box in asked["boxes"]]}
print(json.dumps(told), flush=True)
"""


class Door:
    """A running server, and a key for it."""

    def __init__(self, url: str, key: str, home: Path) -> None:
        self.url = url
        self.key = key
        self.home = home

    def run(self, *command: str, **environment: str) -> str:
        # Without a file of ours, and with a home of its own for what QGIS writes.
        own = {"HOME": str(self.home), "XDG_DATA_HOME": str(self.home), "QT_QPA_PLATFORM": "offscreen"} | environment
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=120, env={**os.environ, **own}, cwd=self.home
        )
        return done.stderr + done.stdout

    def ask_qgis(self, **asked: Any) -> Any:
        told = self.run(str(PYTHON), "-c", QGIS, json.dumps(asked))
        return json.loads(told.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def door(house: House, serve: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    _, key = house.key(ONE_WELL)
    with serve(build_app(house), house.database_url) as running:
        yield Door(running.url, key, tmp_path_factory.mktemp("home"))


@pytest.fixture
def qgis(door: Door) -> Door:
    found = PYTHON.exists() and subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    if not found or found.returncode:
        pytest.skip("QGIS is not installed: apt-get install python3-qgis")
    return door


def test_gdal_without_a_key_finds_the_public_layer_alone(door: Door) -> None:
    told = door.run("ogrinfo", f"OAPIF:{door.url}/ogc")
    assert "benches" in told
    assert "wells" not in told


def test_gdal_by_the_key_as_password_reads_its_rows_and_fields(door: Door) -> None:
    told = door.run("ogrinfo", f"OAPIF:{door.url}/ogc", GDAL_HTTP_USERPWD=f"any:{door.key}")
    assert "wells" in told
    told = door.run("ogrinfo", "-al", f"OAPIF:{door.url}/ogc", "wells", GDAL_HTTP_USERPWD=f"any:{door.key}")
    assert "Feature Count: 1" in told
    assert "wood (String) = oak" in told
    assert "owner (String) = Ann" in told
    assert "elm" not in told
    assert "Ben" not in told


def test_gdal_by_the_key_in_the_address_reads_the_same(door: Door) -> None:
    told = door.run("ogrinfo", "-al", f"OAPIF:{door.url}/ogc?key={door.key}", "wells")
    assert "Feature Count: 1" in told
    assert "owner (String) = Ann" in told
    assert "elm" not in told


def test_gdal_copies_what_the_key_sees_into_a_file(door: Door) -> None:
    target = str(door.home / "wells.gpkg")
    door.run("ogr2ogr", target, f"OAPIF:{door.url}/ogc", "wells", GDAL_HTTP_USERPWD=f"any:{door.key}")
    told = door.run("ogrinfo", "-al", target)
    assert "Feature Count: 1" in told
    assert "owner (String) = Ann" in told


def test_gdal_with_a_wrong_key_is_told_so(door: Door) -> None:
    told = door.run("ogrinfo", f"OAPIF:{door.url}/ogc", GDAL_HTTP_USERPWD="any:gsk_" + "x" * 43)
    assert "401" in told
    assert "benches" not in told


@pytest.mark.parametrize("way", ["password", "address"])
def test_gdal_reads_a_tile_with_the_rows_of_the_key_and_no_restricted_field(door: Door, way: str) -> None:
    tile = f"{door.url}/tiles/wells/{TILE.z}/{TILE.x}/{TILE.y}.mvt"
    given = {"GDAL_HTTP_USERPWD": f"any:{door.key}"} if way == "password" else {}
    address = tile if way == "password" else f"{tile}?key={door.key}"
    told = door.run("ogrinfo", "-al", f"MVT:/vsicurl/{address}", **given)
    assert "wood (String) = oak" in told
    assert "elm" not in told
    assert "Ann" not in told


def test_gdal_without_a_key_finds_no_tile(door: Door) -> None:
    told = door.run("ogrinfo", f"MVT:/vsicurl/{door.url}/tiles/wells/{TILE.z}/{TILE.x}/{TILE.y}.mvt")
    assert "oak" not in told
    assert "wells" not in told.replace("/tiles/wells/", "")


def item_source(door: Door, way: str) -> str:
    key = f"?key={door.key}" if way == "address" else ""
    source = f"url='{door.url}/ogc{key}' typename='wells' restrictToRequestBBOX='1'"
    return source + (f" username='any' password='{door.key}'" if way == "password" else "")


def stored(door: Door, way: str) -> dict[str, str]:
    """The key for QGIS to keep under Authentication, as Basic."""
    return {"key": door.key} if way == "stored" else {}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["password", "stored", "address"])
def test_qgis_reads_the_rows_and_fields_of_the_key(qgis: Door, way: str) -> None:
    told = qgis.ask_qgis(items=item_source(qgis, way), **stored(qgis, way))
    assert told["valid"]
    assert {"wood", "owner"} <= set(told["fields"])
    assert [(row["wood"], row["owner"]) for row in told["rows"]] == [("oak", "Ann")]


@pytest.mark.slow
def test_qgis_without_a_key_finds_no_such_layer(qgis: Door) -> None:
    assert not qgis.ask_qgis(items=item_source(qgis, "nothing"))["valid"]


def boxes() -> list[list[float]]:
    """What is around each of both wells, in web mercator."""
    places = [mercantile.xy(*place) for place in (WELL, OTHER)]
    return [[x - 150, y - 150, x + 150, y + 150] for x, y in places]


@pytest.mark.slow
@pytest.mark.parametrize(("way", "drawn"), [("stored", True), ("address", True), ("nothing", False)])
def test_qgis_draws_the_tiles_of_the_key(qgis: Door, way: str, *, drawn: bool) -> None:
    address = f"{qgis.url}/tiles/wells/{{z}}/{{x}}/{{y}}.mvt" + (f"?key={qgis.key}" if way == "address" else "")
    source = f"type=xyz&zmin=0&zmax=16&url={quote(address, safe='/:{}')}"
    assert qgis.ask_qgis(tiles=source, boxes=boxes(), **stored(qgis, way)) == {"valid": True, "drawn": [drawn, False]}
