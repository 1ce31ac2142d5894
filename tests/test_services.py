"""A running server: what it notices by itself, and how it lives through the loss of its database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import mercantile
import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from geoserver import assets
from geoserver.app import create_app
from geoserver.catalog import read_catalog, read_layer
from geoserver.database import summaries
from geoserver.loading import load
from geoserver.settings import Settings
from geoserver.tiling import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LAYER = """
title = "Benches"
license = "CC0-1.0"
source = "data/benches.csv"
kind = "points"
fields.name = { type = "text", filter = "choice" }
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "layers").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "layers" / "benches.toml").write_text(LAYER, encoding="utf-8")
    (tmp_path / "data" / "benches.csv").write_text("name,lon,lat\noak,-28.6,45.2\nelm,-28.61,45.21\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def running(workspace: Path, empty_database: str) -> Iterator[TestClient]:
    """An app over one small loaded layer."""
    load(read_layer(workspace / "layers" / "benches.toml"), empty_database)
    app = create_app(Settings(workspace=workspace, database_url=None), empty_database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen within 30 s"
        time.sleep(0.1)


def count(client: TestClient) -> Any:
    return client.get("/api/layers/benches").json().get("count")


def test_new_rows_are_seen_without_a_restart(running: TestClient, workspace: Path, empty_database: str) -> None:
    assert count(running) == 2
    with (workspace / "data" / "benches.csv").open("a", encoding="utf-8") as file:
        file.write("ash,-28.62,45.22\n")
    load(read_layer(workspace / "layers" / "benches.toml"), empty_database)
    wait_for(lambda: count(running) == 3)


def test_a_new_layer_file_is_picked_up_by_a_running_server(
    running: TestClient, workspace: Path, empty_database: str
) -> None:
    path = workspace / "layers" / "seats.toml"
    path.write_text(LAYER.replace("Benches", "Seats"), encoding="utf-8")
    load(read_layer(path), empty_database)
    wait_for(lambda: running.get("/api/layers/seats").status_code == 200)
    assert running.get("/tiles/seats.json").status_code == 200


def test_a_broken_layer_file_keeps_the_last_good_state_and_shows_in_readyz(
    running: TestClient, workspace: Path
) -> None:
    path = workspace / "layers" / "benches.toml"
    path.write_text("title = ", encoding="utf-8")
    wait_for(lambda: bool(running.get("/readyz").json()["problems"]))
    (problem,) = running.get("/readyz").json()["problems"]
    assert problem["file"].endswith("benches.toml")
    assert "TOML" in problem["expected"]
    assert count(running) == 2
    path.write_text(LAYER.replace("Benches", "Seats"), encoding="utf-8")
    wait_for(lambda: running.get("/api/layers/benches").json()["title"] == "Seats")
    assert running.get("/readyz").json()["problems"] == []


@pytest.mark.slow
def test_without_its_database_it_answers_503_and_recovers_by_itself(
    running: TestClient, empty_database: str, database_server: str
) -> None:
    name = str(conninfo_to_dict(empty_database)["dbname"])
    allow = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(database_server, autocommit=True) as connection:
        connection.execute(allow.format(Identifier(name), SQL("false")))
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        for path in (
            "/tiles/benches/14/6890/5880.mvt",
            "/api/layers/benches/summary",
            "/ogc/collections/benches/items",
        ):
            answer = running.get(path)
            assert answer.status_code == 503, path
            assert int(answer.headers["retry-after"]) > 0
            assert answer.headers["content-type"].startswith("application/problem+json")
            assert "Traceback" not in answer.text
        wait_for(lambda: running.get("/readyz").status_code == 503)
        assert running.get("/healthz").status_code == 200
        connection.execute(allow.format(Identifier(name), SQL("true")))
    wait_for(lambda: running.get("/readyz").status_code == 200)
    assert running.get("/api/layers/benches/summary").json()["count"] == 2


def test_an_unloaded_layer_says_how_to_load_it(running: TestClient, workspace: Path) -> None:
    (workspace / "layers" / "later.toml").write_text(LAYER, encoding="utf-8")
    wait_for(lambda: running.get("/tiles/later.json").json().get("parameter") == "layer")
    answer = running.get("/tiles/later.json")
    assert answer.status_code == 404
    wait_for(lambda: "geoserver load later" in running.get("/tiles/later.json").json()["detail"])


def test_a_recipe_of_another_name_is_as_good_as_the_one_it_copies(workspace: Path, empty_database: str) -> None:
    recipe = (assets.root("tiles") / "points.sql").read_text(encoding="utf-8")
    (workspace / "tiles").mkdir()
    (workspace / "tiles" / "scatts.sql").write_text(recipe, encoding="utf-8")
    rows = "".join(f"{'oak' if i % 3 else 'elm'},{-28.6 + i % 60 / 1e4},{45.2 + i // 60 / 1e4}\n" for i in range(3_000))
    for kind in ("points", "scatts"):  # as long as "points", so that tiles differ in nothing but the name
        text = LAYER.replace('"points"', f'"{kind}"\nfeatures_from = 15').replace("benches", f"{kind}-x")
        (workspace / "layers" / f"{kind}-x.toml").write_text(text, encoding="utf-8")
        (workspace / "data" / f"{kind}-x.csv").write_text(f"name,lon,lat\n{rows}", encoding="utf-8")
    settings = Settings(workspace=workspace, database_url=None)
    catalog = read_catalog(settings)
    assert catalog.problems == ()
    for kind in ("points", "scatts"):
        load(catalog.layers[f"{kind}-x"], empty_database)
    with TestClient(create_app(settings, empty_database), base_url="http://127.0.0.1") as client:
        for path in ("12/1722/1470", "16/27561/23523"):
            tiles = [client.get(f"/tiles/{kind}-x/{path}.mvt", params={"name": "oak"}) for kind in ("points", "scatts")]
            assert [tile.status_code for tile in tiles] == [200, 200]
            assert tiles[0].content == tiles[1].content.replace(b"scatts", b"points")
        styles = [client.get(f"/styles/{kind}-x.json").json()["layers"] for kind in ("points", "scatts")]
        assert [item["type"] for item in styles[0]] == [item["type"] for item in styles[1]]
        assert "circle" in {item["type"] for item in styles[0]}
        told = client.get("/api/layers/scatts-x").json()
        assert (told["kind"], told["geometry"]) == ("scatts", "points")  # by which the page shows bins or points


@pytest.fixture
def two_layers(workspace: Path, empty_database: str) -> Iterator[TestClient]:
    """An app over benches and lamps, both loaded; tests change the benches."""
    (workspace / "layers" / "lamps.toml").write_text(LAYER.replace("Benches", "Lamps"), encoding="utf-8")
    for layer in read_catalog(Settings(workspace=workspace, database_url=None)).layers.values():
        load(layer, empty_database)
    app = create_app(Settings(workspace=workspace, database_url=None), empty_database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def ask_all(client: TestClient) -> None:
    """Have everything made that is kept of each layer."""
    for name in ("benches", "lamps"):
        tile = mercantile.tile(-28.6, 45.2, 14)
        for address in (
            f"/tiles/{name}/{tile.z}/{tile.x}/{tile.y}.mvt",
            f"/api/layers/{name}",
            f"/api/layers/{name}/summary?filter=name='oak'",
            f"/ogc/collections/{name}?f=json",
            f"/ogc/collections/{name}/items?f=json",
            f"/?layers={name}",
        ):
            assert client.get(address).status_code in {200, 404}, address  # 404: the viewer is not built


def list_kept(client: TestClient, layer_id: str) -> dict[str, object]:
    """What is kept of a layer, by what it is."""
    state = client.app.state  # type: ignore[attr-defined]
    tiles, services, answers = state.tiles, state.services, state.answers
    layer, status = services.find(layer_id)
    kept: dict[str, object] = {"layer": layer, "status": status}
    kept |= {f"text {text}": text for subject, held in texts._known.values() if subject.layer is layer for text in held}
    kept |= {f"tile {target}": hot for (target, *_), hot in tiles.cache.shortcuts.items() if layer_id in str(target)}
    kept |= {
        f"answer {question}": answer
        for question, (_, answer) in summaries._kept(services.database)._kept.items()
        if question[0] == layer_id
    }
    for url, parts in state.ogc._parts.items():
        if (part := parts.get((layer_id, True))) is not None:
            kept |= {f"part {url}": part, f"collection {url}": vars(part).get("collection")}
    kept |= {f"page {key.of}": body for key, (_, body) in answers.kept._entries.items() if key.layers == {layer_id}}
    return kept


def edit_row(url: str, workspace: Path) -> None:
    assert workspace
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM layers.benches WHERE name = 'elm'")


def load_anew(url: str, workspace: Path) -> None:
    rows = "name,lon,lat\noak,-28.6,45.2\nelm,-28.61,45.21\nash,-28.6,45.21\n"
    (workspace / "data" / "benches.csv").write_text(rows, encoding="utf-8")
    load(read_layer(workspace / "layers" / "benches.toml"), url)


def edit_file(url: str, workspace: Path) -> None:
    assert url
    text = LAYER.replace("Benches", "Seats")
    (workspace / "layers" / "benches.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("change", [edit_row, load_anew, edit_file])
def test_a_change_of_one_layer_leaves_what_is_kept_of_another(
    two_layers: TestClient, workspace: Path, empty_database: str, change: Callable[[str, Path], None]
) -> None:
    client = two_layers
    client.app.state.answers.kept._seconds = 600  # type: ignore[attr-defined]
    ask_all(client)
    before, own = list_kept(client, "lamps"), list_kept(client, "benches")
    kinds = {name.partition(" ")[0] for name in before}
    assert kinds >= {"layer", "status", "text", "tile", "answer", "part", "collection"}

    def told() -> tuple[str, int]:
        answer = client.get("/api/layers/benches").json()
        return answer["title"], answer["count"]

    first = told()
    change(empty_database, workspace)
    wait_for(lambda: told() != first)
    client.get("/?layers=benches")
    after = list_kept(client, "lamps")
    assert after.keys() == before.keys()
    assert [name for name in before if after[name] is not before[name]] == []
    assert list_kept(client, "benches") != own
