"""Files that are not what they seem: a server starts without them, lives through them, and follows files after them."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient
from test_services import LAYER, count, wait_for

from geoserver.app import create_app
from geoserver.catalog import LiveCatalog, read_catalog, read_layer
from geoserver.catalog.files import read_text
from geoserver.errors import CatalogError
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from geoserver.database.notices import Notice
    from geoserver.services import Services


def make_large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def make_forbidden(path: Path) -> None:
    path.write_text("x", encoding="utf-8")
    path.chmod(0)


BROKEN: dict[str, Callable[[Path], object]] = {
    "not UTF-8": lambda path: path.write_bytes("title = 'Bänke'".encode("latin-1")),
    "UTF-16": lambda path: path.write_bytes("title = 'Bänke'".encode("utf-16")),
    "a zero byte": lambda path: path.write_bytes(b"title = '\0'"),
    "a folder": lambda path: path.mkdir(),
    "a link to nowhere": lambda path: path.symlink_to(path.with_name("nowhere")),
    "a link to itself": lambda path: path.symlink_to(path),
    "a pipe": os.mkfifo,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a gigabyte": make_large,
}
if os.geteuid():
    BROKEN["forbidden"] = make_forbidden
WRONG = {
    "deep.toml": b"title = " + b"[" * 100_000,
    "dots.toml": b"a" + b" . a" * 400_000 + b" = 1",
    "zero.toml": b'title = "A"\nlicense = "CC0-1.0"\nsource = "data/a\\u0000.pmtiles"\nkind = "tiles"',
    "circle.toml": b'title = "A"\nlicense = "CC0-1.0"\nsource = "circle.pmtiles"\nkind = "tiles"',
    "pipe.toml": b'title = "A"\nlicense = "CC0-1.0"\nsource = "pipe.pmtiles"\nkind = "tiles"',
    "digits.toml": b"order = " + b"9" * 10_000,
    "values.toml": b"title = 1979-05-27\nlicense = [[[[]]]]\nfields = 3",
    "deep.json": b'{"version": 8, "layers": ' + b"[" * 500 + b"]" * 500 + b', "sources": {}}',
    "deeper.json": b"[" * 200_000,
    "surrogate.json": rb'{"version": 8, "sources": {}, "layers": [], "name": "\ud800"}',
    "number.json": b"8",
    "url.json": b'{"version": 8, "sources": {"a": {"url": 3}}, "layers": []}',
    "dark.json": b'{"version": 8, "sources": {}, "layers": [], "metadata": {"geoserver:dark": {"a": {"paint": []}}}}',
    "part.json": b'{"version": 8, "sources": {}, "layers": [{"id": "a", "type": "background", "source-layer": 1}]}',
}
FOLDERS = {".toml": "layers", ".json": "styles", ".sql": "tiles"}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name in ("layers", "styles", "tiles", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "layers" / "benches.toml").write_text(LAYER, encoding="utf-8")
    (tmp_path / "data" / "benches.csv").write_text("name,lon,lat\noak,-28.6,45.2\nelm,-28.61,45.21\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def running(workspace: Path, empty_database: str) -> Iterator[TestClient]:
    load(read_layer(workspace / "layers" / "benches.toml"), empty_database)
    app = create_app(Settings(workspace=workspace, database_url=None), empty_database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def break_everything(workspace: Path) -> set[str]:
    """A file of every kind of damage in every folder; gives their names."""
    for suffix, folder in FOLDERS.items():
        for number, make in enumerate(BROKEN.values()):
            make(workspace / folder / f"broken-{number}{suffix}")
    for name, content in WRONG.items():
        (workspace / FOLDERS[name[name.index(".") :]] / name).write_bytes(content)
    (workspace / "circle.pmtiles").symlink_to("circle.pmtiles")
    os.mkfifo(workspace / "pipe.pmtiles")
    (workspace / "layers" / os.fsdecode(b"\xff\xfe.toml")).write_text(LAYER, encoding="utf-8")
    return {path.name for folder in FOLDERS.values() for path in (workspace / folder).iterdir()} - {"benches.toml"}


def problems(client: TestClient) -> set[str]:
    return {str(item["file"]).rpartition("/")[2] for item in client.get("/readyz").json()["problems"]}


def test_a_server_starts_beside_broken_files_and_serves_the_rest(workspace: Path, empty_database: str) -> None:
    load(read_layer(workspace / "layers" / "benches.toml"), empty_database)
    broken = break_everything(workspace)
    app = create_app(Settings(workspace=workspace, database_url=None), empty_database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        assert count(client) == 2
        assert client.get("/styles/light.json?layers=benches").status_code == 200
        named = problems(client)
        assert {name.encode("utf-8", "replace").decode() for name in broken} == named
        assert client.get("/readyz").json()["tasks"] == []


@pytest.mark.slow
def test_a_running_server_lives_through_broken_files_and_goes_on_following(
    running: TestClient, workspace: Path, empty_database: str
) -> None:
    broken = break_everything(workspace)
    wait_for(lambda: len(problems(running)) == len(broken))
    assert count(running) == 2
    for folder in FOLDERS.values():
        for path in (workspace / folder).iterdir():
            if path.name != "benches.toml":
                path.rmdir() if path.is_dir() else path.unlink()
    wait_for(lambda: running.get("/readyz").json()["status"] == "ready")
    path = workspace / "layers" / "benches.toml"
    path.write_text(LAYER.replace("Benches", "Seats"), encoding="utf-8")
    wait_for(lambda: running.get("/api/layers/benches").json()["title"] == "Seats")


@pytest.mark.parametrize("damage", BROKEN)
def test_each_damage_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "file.toml"
    BROKEN[damage](path)
    with pytest.raises(CatalogError) as caught:
        read_text(path)
    assert caught.value.file == str(path)


def test_a_file_that_vanished_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="No such file"):
        read_text(tmp_path / "gone.toml")


def test_a_byte_order_mark_is_no_damage(workspace: Path) -> None:
    path = workspace / "layers" / "benches.toml"
    path.write_bytes(b"\xef\xbb\xbf" + LAYER.replace("\n", "\r\n").encode())
    assert read_layer(path).title == "Benches"


@pytest.mark.parametrize("file", ["styles/benches.json", "tiles/points.sql", "layers/benches.toml"])
def test_what_breaks_keeps_its_last_good_state(workspace: Path, file: str) -> None:
    style = '{"version": 8, "sources": {}, "layers": [], "name": "mine"}'
    recipe = "SELECT NULL::bytea -- mine\n"
    (workspace / "styles" / "benches.json").write_text(style, encoding="utf-8")
    (workspace / "tiles" / "points.sql").write_text(recipe, encoding="utf-8")
    (workspace / "layers" / "benches.toml").write_text(f'style = "benches"\n{LAYER}', encoding="utf-8")
    live = LiveCatalog(Settings(workspace=workspace, database_url=None))
    before = live.current
    (workspace / file).write_bytes(b"\xff")
    after = live.reload()
    assert after.layers["benches"].title == "Benches"
    assert after.styles["benches"] == before.styles["benches"]
    assert after.recipes["points"] == before.recipes["points"]
    assert str(workspace / file) in {problem.file for problem in after.problems}


def test_a_broken_layer_of_ones_own_does_not_bring_a_sample_of_that_name(workspace: Path) -> None:
    (workspace / "layers" / "crime.toml").write_bytes(b"\xff")
    catalog = read_catalog(Settings(workspace=workspace, database_url=None, samples=True))
    assert "crime" not in catalog.layers
    assert "trees" in catalog.layers


@pytest.mark.parametrize("how", ["moved away and back", "made anew", "replaced by a link"])
@pytest.mark.slow
def test_a_folder_may_go_and_come_back(running: TestClient, workspace: Path, how: str) -> None:
    layers, aside = workspace / "layers", workspace / "aside"
    layers.rename(aside)
    wait_for(lambda: problems(running) == {"layers"})
    assert count(running) == 2
    assert "crime" not in running.get("/readyz").json()["notLoaded"], "the sample city took its place"
    if how == "moved away and back":
        aside.rename(layers)
    elif how == "made anew":
        shutil.copytree(aside, layers)
    else:
        layers.symlink_to(aside)
    wait_for(lambda: running.get("/readyz").json()["status"] == "ready")
    (layers / "benches.toml").write_text(LAYER.replace("Benches", "Seats"), encoding="utf-8")
    wait_for(lambda: running.get("/api/layers/benches").json()["title"] == "Seats")


def test_a_folder_swapped_within_a_moment_is_noticed(running: TestClient, workspace: Path) -> None:
    fresh = workspace / "fresh"
    fresh.mkdir()
    (fresh / "benches.toml").write_text(LAYER.replace("Benches", "Seats"), encoding="utf-8")
    (workspace / "layers").rename(workspace / "old")
    fresh.rename(workspace / "layers")
    wait_for(lambda: running.get("/api/layers/benches").json()["title"] == "Seats")
    (workspace / "layers" / "benches.toml").write_text(LAYER.replace("Benches", "Stools"), encoding="utf-8")
    wait_for(lambda: running.get("/api/layers/benches").json()["title"] == "Stools")


def test_one_that_asked_to_be_told_and_fails_stops_nobody(
    running: TestClient, workspace: Path, empty_database: str
) -> None:
    services: Services = running.app.state.services  # type: ignore[attr-defined]
    failing, told, noticed = [True], [], []

    def refuse() -> None:
        if failing:
            raise ValueError("not today")
        told.append("catalogue")

    def refuse_notice(notice: Notice) -> None:
        if failing:
            raise ValueError("not today either")
        noticed.append(notice.layer)

    services._callbacks.insert(0, refuse)
    services._listeners.insert(0, refuse_notice)
    with (workspace / "data" / "benches.csv").open("a", encoding="utf-8") as file:
        file.write("ash,-28.62,45.22\n")
    load(read_layer(workspace / "layers" / "benches.toml"), empty_database)
    wait_for(lambda: count(running) == 3)
    wait_for(lambda: len(running.get("/readyz").json()["tasks"]) == 2)
    ready = running.get("/readyz").json()
    assert ready["status"] == "degraded"
    assert "not today" in ready["tasks"][0]["problem"]
    assert running.get("/ogc/collections/benches/items").json()["numberMatched"] == 3
    failing.clear()
    wait_for(lambda: running.get("/readyz").json()["status"] == "ready")
    assert told
    assert noticed == ["benches"]


@pytest.mark.slow
def test_watchers_that_die_are_named_and_come_back(
    running: TestClient, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services: Services = running.app.state.services  # type: ignore[attr-defined]

    def fail() -> None:
        raise RuntimeError("out of file descriptors")

    monkeypatch.setattr(services.live, "read", fail)
    path = workspace / "layers" / "benches.toml"
    path.write_text(LAYER.replace("Benches", "Seats"), encoding="utf-8")
    wait_for(lambda: running.get("/readyz").json()["status"] == "degraded")
    (task,) = running.get("/readyz").json()["tasks"]
    assert task["task"] == "follow files"
    assert "out of file descriptors" in task["problem"]
    assert count(running) == 2
    monkeypatch.undo()
    wait_for(lambda: running.get("/api/layers/benches").json()["title"] == "Seats")
    wait_for(lambda: running.get("/readyz").json()["status"] == "ready")
