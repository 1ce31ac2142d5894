"""A city with 277 layers: memory of an idle server, the OGC answer after an edit of another layer, the page.

`python -m benchmarks.many_layers WORKSPACE DATABASE_URL` measures a server over a workspace that is loaded already.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from playwright.sync_api import sync_playwright
from psycopg.conninfo import conninfo_to_dict

from benchmarks.frame import Context, Row, make_database
from benchmarks.many import NUMBER, write_workspace
from benchmarks.memory import read_memory
from benchmarks.page import FLAGS, NAMES
from geoserver.catalog import read_catalog
from geoserver.cli.common import read_settings
from geoserver.loading import load

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from benchmarks.frame import Server

__all__ = ["measure", "run"]

_ROUNDS = 40
_VISITS = 3
_PAGES = 20
_PAUSE = 0.5  # seconds until a change is known, and a server that was busy with it is quiet again
_ASKED = "/ogc/collections/layer-5/items?f=json&limit=1"
_EDIT = "UPDATE layers.layer_9 SET state = %s WHERE fid = (SELECT min(fid) FROM layers.layer_9)"
_DOCUMENTS = ("/api/layers", "/ogc?f=html", "/ogc/collections", "/ogc/collections?f=html", "/ogc/openapi", "/docs")


def run(context: Context) -> list[Row]:
    """Write, load and serve the workspace, and measure."""
    workspace = write_workspace(context.folder / "many")
    name = f"{conninfo_to_dict(context.database_url)['dbname']}_many"
    url = make_database(context.database_url, name)
    start = time.monotonic()
    for layer in read_catalog(read_settings(workspace)).layers.values():
        load(layer, url)
    context.note(f"many layers: {NUMBER} layers loaded in {time.monotonic() - start:.0f} s")
    start = time.monotonic()
    with context.serve_workspace(workspace, url) as server:
        context.note(f"many layers: the server was ready after {time.monotonic() - start:.1f} s")
        return measure(context, server, url)


def measure(context: Context, server: Server, url: str) -> list[Row]:
    """All figures of one running server over the workspace."""
    time.sleep(3)
    rows = [Row("many layers", f"an idle server with {NUMBER} layers", read_memory(server), "MiB", at_most=250)]
    for path in _DOCUMENTS:
        seconds, body = _ask(server.url + path)
        again, _ = _ask(server.url + path)
        context.note(f"many layers: {path}: {1000 * seconds:.0f} ms, then {1000 * again:.0f} ms, {len(body):,} bytes")
    rows += _measure_datasets(server)
    rows += _measure_edits(server, url)
    rows += _measure_page(context, server)
    rows.append(Row("many layers", "the same server when all of this was asked", read_memory(server), "MiB"))
    return rows


def _measure_datasets(server: Server) -> list[Row]:
    """The catalogue, which is made anew for whoever asks, and pages of datasets that nobody has asked for."""
    catalogue = [_ask(f"{server.url}/layers")[0] for _ in range(_PAGES)]
    pages = [_ask(f"{server.url}/layers/layer-{number}")[0] for number in range(20, 20 + _PAGES)]
    told = {f"/layers with {NUMBER} layers": catalogue, "/layers/{id}, asked for the first time": pages}
    return [
        Row("many layers", name, 1000 * statistics.median(seconds), "ms", at_most=50) for name, seconds in told.items()
    ]


def _measure_edits(server: Server, url: str) -> list[Row]:
    """In turns: an answer while nothing changes, and the first one after a row of another layer was changed."""
    quiet: list[float] = []
    edited: list[float] = []
    _ask(server.url + _ASKED)
    with psycopg.connect(url, autocommit=True) as connection:
        for round_ in range(_ROUNDS):
            time.sleep(_PAUSE)
            quiet.append(_ask(server.url + _ASKED)[0])
            connection.execute(_EDIT, [f"state {round_}"])
            time.sleep(_PAUSE)
            edited.append(_ask(server.url + _ASKED)[0])
    pair = statistics.median(edited) * 1000, statistics.median(quiet) * 1000
    name = "the first OGC answer after an edit of another layer"
    return [Row("many layers", name, pair[0], "ms", pair[1], "nothing changed", at_most=1.2)]


def _ask(url: str) -> tuple[float, bytes]:
    start = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        body: bytes = answer.read()
    return time.perf_counter() - start, body


def _measure_page(context: Context, server: Server) -> list[Row]:
    program = os.environ.get("GEOSERVER_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not program:
        context.note("many layers: Chromium is not installed")
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        _visit(browser, server.url)  # the first answers are slower
        visits = [_visit(browser, server.url) for _ in range(_VISITS)]
        browser.close()
    usable, drawn, kilobytes, height = (statistics.median(column) for column in zip(*visits, strict=True))
    return [
        Row("many layers", "the page can be used: its layers are there", usable, "s", at_most=1.5),
        Row("many layers", "its map is drawn", drawn, "s"),
        Row("many layers", "its document and catalogue, as sent", kilobytes, "kB"),
        Row("many layers", "height of its list of layers", height, "px"),
    ]


def _visit(browser: Browser, url: str) -> tuple[float, float, float, float]:
    """Seconds until the panel has layers, until the map is drawn; kB; pixels."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB").new_page()
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    sent: dict[str, float] = {}
    wanted: set[str] = set()
    client.on(
        "Network.responseReceived",
        lambda event: (
            wanted.add(event["requestId"])
            if event["type"] == "Document" or "/api/" in event["response"]["url"]
            else None
        ),
    )
    client.on("Network.loadingFinished", lambda event: sent.update({event["requestId"]: event["encodedDataLength"]}))
    start = time.monotonic()
    page.goto(f"{url}/", wait_until="commit")
    page.wait_for_selector("#panel-body [role=switch]", state="attached", timeout=60_000)
    usable = time.monotonic() - start
    page.wait_for_selector("#map[data-state=idle]", timeout=60_000)
    drawn = time.monotonic() - start
    height = page.evaluate("document.getElementById('panel-body').scrollHeight")
    page.context.close()
    return usable, drawn, sum(sent.get(each, 0) for each in wanted) / 1000, float(height)


def main() -> None:
    """Measure a workspace that is loaded already."""
    workspace, url = Path(sys.argv[1]), sys.argv[2]
    context = Context(url, workspace.parent)
    with contextlib.ExitStack() as held:
        start = time.monotonic()
        server = held.enter_context(context.serve_workspace(workspace, url))
        context.note(f"ready after {time.monotonic() - start:.1f} s")
        rows = measure(context, server, url)
    for row in rows:
        against = f" ({row.reference:.4g} {row.unit}, {row.against})" if row.reference else ""
        print(f"{row.name}: {row.ours:.4g} {row.unit}{against}")


if __name__ == "__main__":
    main()
