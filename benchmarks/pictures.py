"""Pictures of the map: one that is new beside MapLibre Native alone on the same style and tiles, one from memory, and
many by several clients at once, with the tiles that are served meanwhile.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from benchmarks.frame import Row, Table
from geoserver import assets
from geoserver.drawing.camera import list_tiles
from geoserver.drawing.native import adapt
from geoserver.mapstates import Camera

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.frame import Context

__all__ = ["run"]

_SIZE = (600, 400)
_PLACE = Camera(12, 45.205, -28.6)
_SOURCES = "crime,bike-paths"
_ROUNDS = 15
_STATES, _CLIENTS = 100, 8
_PAUSE = 0.02  # seconds between two tiles, as those of a map that is looked at
_QUIET = 250  # tiles
_ZOOMS = (12, 13, 14, 15)
# What a program does that draws with the library and nothing else; it says the seconds of each picture.
_ALONE = """
import json, sys, time
import pymgl
from pathlib import Path
style, rounds, width, height, lon, lat, zoom = json.loads(sys.argv[1])
text = Path(style).read_text()
for _ in range(rounds):
    started = time.perf_counter()
    with pymgl.Map(text, width, height, 1, lon, lat, zoom) as drawn:
        drawn.renderPNG()
    print(time.perf_counter() - started, flush=True)
"""


class Crowd(NamedTuple):
    """What a crowd got: failures, seconds for all, and those of each picture and of each tile meanwhile."""

    failed: int
    seconds: float
    pictures: list[float]
    tiles: list[float]


def run(context: Context) -> list[Row]:
    """Medians; the sample city's crime and bike paths, 600x400."""
    with context.serve_samples() as server:
        if not _can_draw(server.url):
            context.note("pictures: libegl1, libgles2 or libgl1-mesa-dri is not installed")
            return []
        rows: list[Row] = []
        numbers = count()
        with context.step("pictures", "one at a time"):
            fresh = statistics.median(_time(lambda: _ask(server.url, next(numbers)), _ROUNDS))
            known = statistics.median(_time(lambda: _ask(server.url, 0), 10 * _ROUNDS))
            alone = statistics.median(_draw_alone(context.folder / "pictures", server.url)[1:])
            rows += [
                Row("pictures", "600x400, new, tiles in memory", 1e3 * fresh, "ms", 1e3 * alone, "pymgl", at_most=1.5),
                Row("pictures", "600x400, from memory", 1e3 * known, "ms", at_most=5),
            ]
        with context.step("pictures", f"{_STATES} states by {_CLIENTS} clients"):
            rows += _measure_crowd(context, server.url, numbers)
    return rows


def _measure_crowd(context: Context, url: str, numbers: count[int]) -> list[Row]:
    tiles = [f"{url}/tiles/crime/{tile.z}/{tile.x}/{tile.y}.mvt" for tile in _list_around()]
    quiet = _percentile(_watch(tiles, threading.Event(), _QUIET))
    crowd = _crowd(url, numbers, tiles)
    meanwhile = _percentile(crowd.tiles)
    figures = (("quiet", quiet, 0.0), (f"{_CLIENTS} clients", meanwhile, _percentile(crowd.pictures)))
    lines = tuple((what, f"{1e3 * tile:.1f} ms", f"{picture:.2f} s") for what, tile, picture in figures)
    context.tables.append(Table("Pictures by many at once", ("server", "tiles, p95", "pictures, p95"), lines))
    return [
        Row("pictures", f"{_STATES} states by {_CLIENTS} clients: not drawn", crowd.failed, "", at_most=0),
        Row("pictures", f"{_STATES} states by {_CLIENTS} clients", _STATES / crowd.seconds, "1/s"),
        Row("pictures", "tiles meanwhile, p95", 1e3 * meanwhile, "ms", 1e3 * quiet, "quiet", at_most=2),
    ]


def _can_draw(url: str) -> bool:
    try:
        _fetch(f"{url}/static/light/0,0,1/16x16.png?layers=")
    except urllib.error.HTTPError:
        return False
    return True


def _fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=120) as answer:
        body: bytes = answer.read()
        return body


def _ask(url: str, number: int) -> bytes:
    """A picture a hair's breadth beside the one before, so that it is in no memory and made of the same tiles."""
    place = f"{_PLACE.lon + 1e-6 * number:.6f},{_PLACE.lat},{_PLACE.zoom}"
    return _fetch(f"{url}/static/light/{place}/{_SIZE[0]}x{_SIZE[1]}.png?layers={_SOURCES}")


def _time(work: Callable[[], object], rounds: int) -> list[float]:
    work()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return found


def _draw_alone(folder: Path, url: str) -> list[float]:
    """Seconds of each picture by the library alone, from files."""
    folder.mkdir(exist_ok=True)
    style: dict[str, Any] = adapt(orjson.loads(_fetch(f"{url}/styles/light.json?layers={_SOURCES}")))
    for name, source in style["sources"].items():
        if "url" in source:
            told = orjson.loads(_fetch(source.pop("url")))
            source |= {key: told[key] for key in ("tiles", "minzoom", "maxzoom")}
        for tile in list_tiles(_PLACE, _SIZE, (source.get("minzoom", 0), source["maxzoom"])):
            address = source["tiles"][0].format(z=tile.z, x=tile.x, y=tile.y)
            (folder / f"{name}-{tile.z}-{tile.x}-{tile.y}").write_bytes(_fetch(address))
        source["tiles"] = [f"file://{folder}/{name}-{{z}}-{{x}}-{{y}}"]
    style["glyphs"] = f"file://{assets.root('web')}/fonts/{{fontstack}}/{{range}}.pbf"
    (folder / "style.json").write_bytes(orjson.dumps(style))
    told = [str(folder / "style.json"), _ROUNDS, *_SIZE, _PLACE.lon, _PLACE.lat, _PLACE.zoom]
    surroundings = os.environ | {"EGL_PLATFORM": "surfaceless", "MESA_SHADER_CACHE_DIR": str(folder)}
    command = [sys.executable, "-c", _ALONE, orjson.dumps(told).decode()]
    said = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True, timeout=300)
    return [float(line) for line in said.stdout.split()]


def _list_around() -> list[Any]:
    return [tile for zoom in _ZOOMS for tile in list_tiles(Camera(zoom, _PLACE.lat, _PLACE.lon), _SIZE, (0, 16))]


def _watch(tiles: list[str], done: threading.Event, most: int) -> list[float]:
    """Seconds of each tile, one after the other, until it is done or there were so many."""
    for address in tiles:
        _fetch(address)
    found: list[float] = []
    while not done.is_set() and len(found) < most:
        started = time.perf_counter()
        _fetch(tiles[len(found) % len(tiles)])
        found.append(time.perf_counter() - started)
        time.sleep(_PAUSE)
    return found


def _crowd(url: str, numbers: count[int], tiles: list[str]) -> Crowd:
    done, failed = threading.Event(), 0
    with ThreadPoolExecutor(_CLIENTS + 1) as threads:
        watched = threads.submit(_watch, tiles, done, 100_000)
        started = time.perf_counter()
        asked = [threads.submit(_time_one, url, next(numbers)) for _ in range(_STATES)]
        pictures = []
        for one in asked:
            try:
                pictures.append(one.result())
            except OSError:
                failed += 1
        seconds = time.perf_counter() - started
        done.set()
        return Crowd(failed, seconds, pictures, watched.result())


def _time_one(url: str, number: int) -> float:
    started = time.perf_counter()
    _ask(url, number)
    return time.perf_counter() - started


def _percentile(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1] if len(seconds) > 1 else 0.0
