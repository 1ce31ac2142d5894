"""Maps that are frozen: what is kept of them is what SQL says, and agrees with itself."""

from __future__ import annotations

import asyncio
import gzip
import html
import io
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pyarrow.parquet as pq
import pytest
from frozen_maps import BURGLARIES, freeze
from mapbox_vector_tile import decode
from PIL import Image
from pmtiles.reader import MmapSource, Reader, all_tiles

from geoserver.access import View
from geoserver.freezing.changes import Asking, Changes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fastapi.testclient import TestClient

SQL = (
    "SELECT fid FROM layers.crime WHERE category = 'burglary' AND reported_at >= '2024-01-01T00:00:00Z'"
    " AND reported_at < '2024-03-02T00:00:00Z'"
)


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def read_fids(folder: Path, layer: str, zoom: int) -> set[int]:
    """Ids of a layer's features in all tiles of a zoom."""
    found = set()
    with (folder / "data" / "tiles.pmtiles").open("rb") as file:
        for (z, _, _), body in all_tiles(MmapSource(file)):
            if z == zoom:
                tile = decode(gzip.decompress(body))
                found |= {feature["id"] for feature in tile.get(layer, {"features": []})["features"]}
    return found


def test_rows_counts_and_tiles_are_those_that_sql_finds(folder: Path, manifest: dict[str, Any], own_city: str) -> None:
    with psycopg.connect(own_city) as connection:
        expected = {row[0] for row in connection.execute(SQL)}
    assert len(expected) > 50
    rows = pq.read_table(folder / manifest["rows"]["crime"]["file"])
    assert set(rows["fid"].to_pylist()) == expected
    assert manifest["rows"]["crime"]["count"] == len(expected)
    for zoom in (0, 9, manifest["tilejson"]["crime"]["maxzoom"]):
        assert read_fids(folder, "crime", zoom) == expected
    for told in manifest["languages"].values():
        assert told["layers"][0]["count"] == told["details"]["crime"]["count"] == len(expected)
        fields = {field["name"]: field for field in told["details"]["crime"]["fields"]}
        assert [(choice["value"], choice["count"]) for choice in fields["category"]["choices"]] == [
            ("burglary", len(expected))
        ]
        assert fields["reported_at"]["min"] >= "2024-01-01"
        assert fields["reported_at"]["max"] < "2024-03-02"


def test_rows_are_geoparquet_that_small_readers_in_browsers_can_read(folder: Path, manifest: dict[str, Any]) -> None:
    file = pq.ParquetFile(folder / manifest["rows"]["crime"]["file"])
    names = ["fid", *(field["name"] for field in manifest["languages"]["en"]["details"]["crime"]["fields"]), "geometry"]
    assert file.schema_arrow.names == names
    assert {file.metadata.row_group(0).column(at).compression for at in range(len(names))} == {"SNAPPY"}
    assert json.loads(file.schema_arrow.metadata[b"geo"])["columns"]["geometry"]["geometry_types"] == ["Point"]
    assert str(file.schema_arrow.field("reported_at").type) == "timestamp[us, tz=UTC]"


@pytest.mark.slow
def test_every_layer_of_a_style_is_in_the_archive_and_every_address_in_the_folder(
    folder: Path, manifest: dict[str, Any]
) -> None:
    with (folder / "data" / "tiles.pmtiles").open("rb") as file:
        reader = Reader(MmapSource(file))
        assert reader.header()["min_zoom"] == 0
        drawn = {name for _, body in all_tiles(MmapSource(file)) for name in decode(gzip.decompress(body))}
    assert {"crime", "land", "streets", "places", "buildings", "world:land", "world:graticule"} <= drawn
    for style in manifest["styles"].values():
        told = json.dumps(style)
        assert "http://127.0.0.1" not in told
        assert {address for source in style["sources"].values() for address in source["tiles"]} == {
            "pmtiles://data/tiles.pmtiles/{z}/{x}/{y}"
        }
        known = {layer.get("source-layer") for layer in style["layers"]} - {None, "crime:bins"}
        assert known <= drawn | {"parks", "water"}


@pytest.mark.slow
def test_the_same_map_of_the_same_rows_is_frozen_once(anyone: TestClient, frozen: str) -> None:
    assert freeze(anyone, f"http://elsewhere.test/{BURGLARIES}", "Burglaries of a winter")["id"] == frozen
    assert freeze(anyone, BURGLARIES, "Another title")["id"] != frozen


def test_a_file_never_changes_and_is_given_in_parts(anyone: TestClient, frozen: str, folder: Path) -> None:
    for name in ("manifest.json", "data/tiles.pmtiles", "data/crime.parquet"):
        whole = anyone.get(f"/frozen/{frozen}/{name}", headers={"Accept-Encoding": "identity"})
        assert whole.content == (folder / name).read_bytes()
        assert whole.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert whole.headers["access-control-allow-origin"] == "*"
        head = anyone.head(f"/frozen/{frozen}/{name}", headers={"Accept-Encoding": "identity"})
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content)))
        tag = {"If-None-Match": whole.headers["etag"]}
        assert anyone.get(f"/frozen/{frozen}/{name}", headers=tag).status_code == 304
    address = f"/frozen/{frozen}/data/tiles.pmtiles"
    body = (folder / "data" / "tiles.pmtiles").read_bytes()
    part = anyone.get(address, headers={"Range": "bytes=127-1126"})
    assert (part.status_code, part.content) == (206, body[127:1127])
    assert part.headers["content-range"] == f"bytes 127-1126/{len(body)}"
    assert "content-encoding" not in part.headers
    assert anyone.get(address, headers={"Range": f"bytes={len(body)}-"}).status_code == 416


def test_what_lies_beside_the_files_is_given_to_nobody(anyone: TestClient, frozen: str) -> None:
    for name in ("../private.json", "%2e%2e/private.json", "..%2fprivate.json", "private.json", "data", "lock"):
        assert anyone.get(f"/frozen/{frozen}/{name}").status_code in (404, 405), name
    for frozen_id in ("..", "%2e%2e", "abc", "A" * 12, "a" * 5000, "%00" * 12, "😀"):
        assert anyone.get(f"/frozen/{frozen_id}/manifest.json").status_code == 404, frozen_id


def test_the_page_tells_without_scripts_what_it_is_of(anyone: TestClient, frozen: str) -> None:
    there = anyone.get(f"/frozen/{frozen}?lang=de", follow_redirects=False)
    assert (there.status_code, there.headers["location"]) == (308, f"http://127.0.0.1/frozen/{frozen}/?lang=de")
    page = anyone.get(f"/frozen/{frozen}/").text
    assert "<title>Burglaries of a winter</title>" in page
    assert "data-live" in page
    for told in ("Cite as", "CC BY 4.0", f"../{frozen}.zip", "data/crime.parquet"):
        assert told in page
    shown = re.search(r"<noscript>(.*?)</noscript>", page, re.DOTALL)
    named = re.findall(r'(?:href|src)="?([^"\s>]+)', shown[1] if shown else page)
    assert "picture.png" in named
    for address in named:
        assert anyone.get(f"/frozen/{frozen}/{address}").status_code == 200, address


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, "link"),
        ([], "body"),
        ({"link": 7}, "link"),
        ({"link": "?layers=crime", "more": 1}, "more"),
        ({"link": "?layers=crime", "title": "x" * 201}, "title"),
        ({"link": "?layers=" + "x" * 20_001}, "link"),
        ({"link": "?layers=nothing"}, "layers"),
        ({"link": "?layers="}, "layers"),
        ({"link": "?layers=streets"}, "layers"),
        ({"link": "?layers=" + ",".join(f"l{n}" for n in range(33))}, "layers"),
        ({"link": "?layers=crime&filter.crime=category = "}, "filter.crime"),
        ({"link": "?layers=crime&filter.crime=nothing = 1"}, "filter.crime"),
        ({"link": "?layers=crime&filter.nothing=a = 1"}, "filter.nothing"),
        ({"link": "?layers=crime&time=yesterday"}, "time"),
        ({"link": "?layers=crime&area=1,2"}, "area"),
        ({"link": "?layers=crime&map=here"}, "map"),
        ({"link": "?layers=crime&base=pink"}, "base"),
    ],
)
def test_what_cannot_be_frozen_is_refused_by_name(anyone: TestClient, body: Any, parameter: str) -> None:
    answer = anyone.post("/frozen", json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["parameter"] == parameter


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'"?layers=crime"', b"[" * 100_000, b'{"link": "\\ud800"}'])
def test_a_hostile_body_is_refused(anyone: TestClient, body: bytes) -> None:
    answer = anyone.post("/frozen", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text


@pytest.mark.slow
def test_an_edit_under_the_question_is_a_change_and_an_edit_elsewhere_is_none(
    anyone: TestClient, frozen: str, manifest: dict[str, Any], folder: Path, own_city: str
) -> None:
    then = manifest["rows"]["crime"]["count"]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def ask() -> Any:
        return anyone.get(f"/frozen/{frozen}/changed.json").json()

    def edit(statement: str) -> None:
        version = anyone.get("/api/layers/crime").json()["version"]
        with psycopg.connect(own_city) as connection:
            connection.execute(statement.encode())
        deadline = time.monotonic() + 30
        while anyone.get("/api/layers/crime").json()["version"] == version:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    assert ask() == {"changed": False, "layers": {"crime": {"then": then, "now": then}}}
    theft = "SELECT min(fid) FROM layers.crime WHERE category = 'theft'"
    edit(f"UPDATE layers.crime SET outcome = 'edited' WHERE fid = ({theft})")
    assert ask() == {"changed": False, "layers": {"crime": {"then": then, "now": then}}}
    edit(f"UPDATE layers.crime SET outcome = 'edited' WHERE fid = (SELECT min(fid) FROM ({SQL}) AS f)")
    assert ask() == {"changed": True, "layers": {"crime": {"then": then, "now": then}}}
    edit(f"DELETE FROM layers.crime WHERE fid = (SELECT max(fid) FROM ({SQL}) AS f)")
    assert ask() == {"changed": True, "layers": {"crime": {"then": then, "now": then - 1}}}
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    later = freeze(anyone, BURGLARIES, "Burglaries of a winter")
    assert later["id"] != frozen
    assert anyone.get(f"/frozen/{later['id']}/manifest.json").json()["rows"]["crime"]["count"] == then - 1
    assert ask()["changed"]


def test_readers_who_ask_at_the_same_time_whether_it_changed_have_it_looked_for_once(
    anyone: TestClient, frozen: str, own_city: str
) -> None:
    app: Any = anyone.app
    private = app.state.freezer.store.read_private(frozen)
    digests = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%hashtextextended(ROW%' AND pid <> pg_backend_pid()"
    )
    digests += " AND state = 'active' AND datname = current_database()"
    version = anyone.get("/api/layers/crime").json()["version"]

    async def ask_together() -> list[dict[str, Any]]:
        services, questions = app.state.services, app.state.questions
        asking = [Asking(View(services), questions, f"client {number}") for number in range(6)]
        changes: Changes = app.state.freezer.changes
        return await asyncio.gather(*(changes.find(one, frozen, private) for one in asking))

    with psycopg.connect(own_city, autocommit=True) as editor, ThreadPoolExecutor(1) as pool:
        editor.execute("UPDATE layers.crime SET outcome = 'seen' WHERE fid = (SELECT min(fid) FROM layers.crime)")
        wait_until(lambda: anyone.get("/api/layers/crime").json()["version"] != version)
        with editor.transaction():
            editor.execute("LOCK TABLE layers.crime IN ACCESS EXCLUSIVE MODE")
            assert anyone.portal is not None
            asked = pool.submit(anyone.portal.call, ask_together)
            with psycopg.connect(own_city, autocommit=True) as watcher:
                wait_until(lambda: watcher.execute(digests.encode()).fetchone() != (0,))
                time.sleep(0.5)  # in which others would come, too
                assert watcher.execute(digests.encode()).fetchone() == (1,)
        told = asked.result()
    assert all(found == told[0] for found in told)


def test_links_to_it_show_the_picture_that_was_frozen(
    anyone: TestClient, frozen: str, manifest: dict[str, Any]
) -> None:
    """In its page's head, by oEmbed, and in the folder."""
    here = f"http://127.0.0.1/frozen/{frozen}/"
    picture = anyone.get(f"/frozen/{frozen}/picture.png")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert manifest["files"]["picture.png"]["size"] == len(picture.content)
    page = anyone.get(here).text
    assert f'<meta property="og:image" content="{here}picture.png" />' in page
    assert f'<meta property="og:url" content="{here}" />' in page
    address = html.unescape(re.findall(r'type="application/json\+oembed"[^>]* href="([^"]+)"', page)[0])
    told = anyone.get(address).json()
    assert told["title"] == "Burglaries of a winter"
    assert told["thumbnail_url"] == f"{here}picture.png"
    size = Image.open(io.BytesIO(picture.content)).size
    assert size == (told["thumbnail_width"], told["thumbnail_height"])
    assert f"/embed?frozen={frozen}" in told["html"]


def test_the_picture_is_of_the_frozen_rows_whatever_has_become_of_them(anyone: TestClient, own_city: str) -> None:
    """Rows are edited after they were kept, and before it is drawn."""
    state = anyone.app.state  # type: ignore[attr-defined]
    draw = state.draw_frozen
    first = freeze(anyone, BURGLARIES, "Drawn at once")
    with psycopg.connect(own_city) as connection:
        fids = [row[0] for row in connection.execute(SQL.encode())]

    def edit(category: str) -> None:
        with psycopg.connect(own_city) as connection:
            connection.execute("UPDATE layers.crime SET category = %s WHERE fid = ANY(%s)", [category, fids])

    async def draw_late(*arguments: Any, **more: Any) -> bytes:
        edit("theft")
        body: bytes = await draw(*arguments, **more)
        return body

    state.draw_frozen = draw_late
    try:
        second = freeze(anyone, BURGLARIES, "Drawn late")
    finally:
        state.draw_frozen = draw
        edit("burglary")
    assert first["id"] != second["id"]
    pictures = [anyone.get(f"/frozen/{told['id']}/picture.png").content for told in (first, second)]
    one, other = (np.asarray(Image.open(io.BytesIO(body)).convert("RGB"), np.int16) for body in pictures)
    assert np.abs(one - other).mean() < 0.1
    assert len(np.unique(one.reshape(-1, 3), axis=0)) > 100


def test_a_map_that_says_no_place_opens_on_the_rows_that_were_frozen(anyone: TestClient, own_city: str) -> None:
    link = "?layers=crime&filter.crime=district = 'Vrá'"
    told = freeze(anyone, link)
    assert told["state"] == "done", told
    with psycopg.connect(own_city) as connection:
        box = connection.execute(
            "SELECT min(ST_X(geom)), min(ST_Y(geom)), max(ST_X(geom)), max(ST_Y(geom)) FROM layers.crime"
            " WHERE district = 'Vrá'"
        ).fetchone()
    manifest = anyone.get(f"/frozen/{told['id']}/manifest.json").json()
    for city in (manifest["city"], *manifest["cities"].values()):
        assert city["home"]["bounds"] == pytest.approx(list(box or ()), abs=0.01)
    live = anyone.get("/static/place.json", params={"layers": "crime", "filter.crime": "district = 'Vrá'"})
    assert manifest["city"]["home"] == live.json()


def test_the_legend_has_the_classes_alone_of_which_there_are_rows(manifest: dict[str, Any]) -> None:
    labels = {
        language: [entry["label"] for entry in told["details"]["crime"]["legend"]]
        for language, told in manifest["languages"].items()
    }
    assert labels["en"] == ["Burglary"]
    assert {len(found) for found in labels.values()} == {1}
