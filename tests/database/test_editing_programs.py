"""Programs that people edit with, as a role with rights on the table alone: psql, ogr2ogr, QGIS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mapbox_vector_tile
import mercantile
import pytest
from fastapi.testclient import TestClient
from psycopg.conninfo import conninfo_to_dict

from geoserver.app import create_app
from geoserver.database.binaries import find_binaries
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from editors import Editing

PYTHON = Path("/usr/bin/python3")  # the system's, which has QGIS where it is installed
NEW, MOVED = (-28.5, 45.3), (-28.4, 45.4)  # far from the other plants

QGIS = """
import json, sys
from qgis.core import (QgsApplication, QgsDataSourceUri, QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer,
                       QgsVectorLayerUtils)
from qgis.gui import QgsAttributeDialog, QgsAttributeEditorContext, QgsGui
from qgis.PyQt.QtWidgets import QDialogButtonBox

asked = json.loads(sys.argv[1])
application = QgsApplication([], True)
application.initQgis()
QgsGui.editorWidgetRegistry().initEditors()
to = asked["to"]
uri = QgsDataSourceUri()
uri.setConnection(to["host"], to["port"], to["dbname"], to["user"], to["password"])
uri.setDataSource("layers", asked["table"], "geom", "", "fid")
layer = QgsVectorLayer(uri.uri(False), asked["table"], "postgres")
assert layer.isValid(), layer.error().message()


def find(name):
    found = list(layer.getFeatures(f"name = '{name}'"))
    assert len(found) == 1, name
    return found[0]


def draw(name, *place):
    # With the form of a new feature, in which nothing but the name is filled in.
    values = {layer.fields().indexOf("name"): name}
    shape = QgsGeometry.fromPointXY(QgsPointXY(*place))
    drawn = QgsVectorLayerUtils.createFeature(layer, shape, values)
    dialog = QgsAttributeDialog(layer, drawn, False, None, True, QgsAttributeEditorContext())
    dialog.setMode(QgsAttributeEditorContext.AddFeatureMode)
    button = dialog.findChild(QDialogButtonBox).button(QDialogButtonBox.Ok)
    assert button.isEnabled(), "the form wants more than the name"
    button.click()


def add(name, *place):
    # As scripts do, without defaults.
    feature = QgsFeature(layer.fields())
    feature["name"] = name
    feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(*place)))
    assert layer.addFeature(feature)


def move(name, *place):
    assert layer.changeGeometry(find(name).id(), QgsGeometry.fromPointXY(QgsPointXY(*place)))


def rename(name, other):
    assert layer.changeAttributeValue(find(name).id(), layer.fields().indexOf("name"), other)


def delete(name):
    assert layer.deleteFeature(find(name).id())


assert layer.startEditing()
for what, *arguments in asked["edits"]:
    {"draw": draw, "add": add, "move": move, "rename": rename, "delete": delete}[what](*arguments)
saved = layer.commitChanges()
told = {"saved": saved, "errors": layer.commitErrors(), "fids": {f["name"]: f["fid"] for f in layer.getFeatures()}}
print(json.dumps(told), flush=True)
"""


class Shown:
    """What the app says, within moments of an edit."""

    def __init__(self, client: TestClient) -> None:
        self.client = client

    def wait_for(self, what: Callable[[], Any], expected: Any) -> None:
        deadline = time.monotonic() + 30
        while (found := what()) != expected:
            assert time.monotonic() < deadline, f"{found} instead of {expected}"
            time.sleep(0.05)

    def items(self, name: str) -> list[Any]:
        """Places of the plants of that name, by OGC API Features."""
        items = self.client.get("/ogc/collections/plants/items", params={"name": name}).json()["features"]
        return [tuple(round(value, 6) for value in item["geometry"]["coordinates"]) for item in items]

    def tile(self, place: tuple[float, float], zoom: int) -> int:
        """How many plants the tile around a place draws or counts."""
        z, x, y = mercantile.tile(*place, zoom).z, mercantile.tile(*place, zoom).x, mercantile.tile(*place, zoom).y
        answer = self.client.get(f"/tiles/plants/{z}/{x}/{y}.mvt")
        layers = mapbox_vector_tile.decode(answer.content) if answer.content else {}
        counted = [item["properties"]["count"] for item in layers.get("plants:bins", {"features": []})["features"]]
        return sum(counted) + len(layers.get("plants", {"features": []})["features"])


@pytest.fixture
def shown(editing: Editing) -> Iterator[Shown]:
    app = create_app(Settings(workspace=editing.workspace, database_url=None), editing.url)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield Shown(client)


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def edit_in_qgis(editing: Editing, tmp_path: Path) -> Callable[..., Any]:
    """Run an edit session: draw or add name x y, move name x y, rename name other, delete name."""
    found = PYTHON.exists() and subprocess.run([PYTHON, "-c", "import qgis.core"], capture_output=True, check=False)
    if not found or found.returncode:
        pytest.skip("QGIS is not installed: apt-get install python3-qgis qgis-providers")
    home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "QT_QPA_PLATFORM": "offscreen"}

    def edit(table: str, *edits: list[Any]) -> Any:
        asked = {"to": conninfo_to_dict(editing.editor), "table": table, "edits": edits}
        return json.loads(run(PYTHON, "-c", QGIS, json.dumps(asked), **home).strip().splitlines()[-1])

    return edit


def test_psql_edits_rows_and_gets_their_ids(editing: Editing, shown: Shown) -> None:
    psql = find_binaries().folder / "psql"

    def tell(statement: str) -> str:
        return run(psql, "--no-psqlrc", "--quiet", "-At", "-v", "ON_ERROR_STOP=1", "-c", statement, editing.editor)

    insert = "INSERT INTO layers.plants (name, geom) VALUES ('typed', 'SRID=4326;POINT(-28.5 45.3)') RETURNING fid"
    assert tell(insert) == "61\n"
    shown.wait_for(lambda: shown.items("typed"), [NEW])
    tell("UPDATE layers.plants SET geom = ST_Point(-28.4, 45.4, 4326) WHERE fid = 61")
    shown.wait_for(lambda: shown.items("typed"), [MOVED])
    tell("DELETE FROM layers.plants WHERE fid = 61")
    shown.wait_for(lambda: shown.items("typed"), [])


@pytest.mark.skipif(not shutil.which("ogr2ogr"), reason="there is no ogr2ogr on the PATH")
def test_ogr2ogr_appends_to_a_layer_and_changes_rows_of_it(editing: Editing, shown: Shown, tmp_path: Path) -> None:
    file = tmp_path / "more.geojson"
    features = [
        {
            "type": "Feature",
            "properties": {"number": 200 + n, "name": "appended", "planted": "2024-03-04"},
            "geometry": {"type": "Point", "coordinates": NEW},
        }
        for n in range(30)
    ]
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    append = ["ogr2ogr", "-append", "-update", f"PG:{editing.editor}", file, "-nln", "layers.plants(geom)"]
    run(*append)
    assert editing.ask("SELECT count(*), min(fid) FROM layers.plants WHERE name = 'appended'") == [(30, 61)]
    shown.wait_for(lambda: shown.tile(NEW, 14), 30)
    shown.wait_for(lambda: shown.tile(NEW, 0), 90)
    assert editing.ask("SELECT source_key FROM layers.plants WHERE number = 229") == [("229",)]


@pytest.mark.slow
def test_qgis_adds_moves_changes_and_deletes_features(
    editing: Editing, shown: Shown, edit_in_qgis: Callable[..., Any]
) -> None:
    told = edit_in_qgis("plants", ["draw", "drawn", *NEW], ["draw", "drawn too", *NEW])
    assert told["saved"], "\n".join(told["errors"])
    assert {told["fids"]["drawn"], told["fids"]["drawn too"]} == {61, 62}
    shown.wait_for(lambda: shown.tile(NEW, 14), 2)
    assert shown.items("drawn") == [NEW]
    assert edit_in_qgis("plants", ["move", "drawn", *MOVED], ["rename", "drawn too", "renamed"])["saved"]
    shown.wait_for(lambda: (shown.tile(NEW, 14), shown.tile(MOVED, 14)), (1, 1))
    assert (shown.items("drawn"), shown.items("renamed")) == ([MOVED], [NEW])
    assert edit_in_qgis("plants", ["delete", "drawn"], ["delete", "renamed"])["saved"]
    shown.wait_for(lambda: (shown.tile(NEW, 14), shown.tile(MOVED, 14)), (0, 0))
    shown.wait_for(lambda: shown.tile(NEW, 0), 60)


@pytest.mark.slow
def test_a_script_in_qgis_adds_features_without_an_id(editing: Editing, edit_in_qgis: Callable[..., Any]) -> None:
    told = edit_in_qgis("plants", ["add", "one", *NEW], ["add", "two", *NEW])
    assert told["saved"], "\n".join(told["errors"])
    told = edit_in_qgis("plants", ["draw", "three", *NEW], ["add", "four", *NEW])
    assert told["saved"], "\n".join(told["errors"])
    assert sorted(editing.ask("SELECT fid FROM layers.plants WHERE fid > 60")) == [(61,), (62,), (63,), (64,)]
