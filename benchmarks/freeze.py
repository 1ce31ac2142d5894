"""Maps that are frozen: from the question until the last file is in its place, all tiles of the basemap included; and
what that costs those who look at the living map meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import uvloop

from benchmarks import sql
from benchmarks.city import POINTS
from benchmarks.drive import Client, Timing
from benchmarks.frame import Row

if TYPE_CHECKING:
    from benchmarks.frame import Context

__all__ = ["run"]

_PAUSE = 0.05  # seconds between two questions how far it is, and between two tiles
_SLOWER = 2.0  # times its quiet p95 that a tile may take
_COLD = {"GEOSERVER_TILE_CACHE_MB": "0"}
_ANYONE = {"GEOSERVER_FREEZE": "anyone", "GEOSERVER_FROZEN_ROWS": "20000000", "GEOSERVER_FROZEN_MAP_MB": "2000"}


def run(context: Context) -> list[Row]:
    """The sample city's crime with its basemap, then all points."""
    with context.serve_samples(environment=_ANYONE) as server:
        rows = [_measure(server.url, "crime", "60,000 rows with a basemap", 10.0)]
    layer = context.load(POINTS)
    found = sql.choose_tiles(context.database_url, layer, [11, 13, 14], 8)
    paths = [f"/tiles/{POINTS}/{tile.z}/{tile.x}/{tile.y}.mvt" for tiles in found.values() for tile in tiles]
    with context.serve_workspace(context.folder, context.database_url, _ANYONE | _COLD) as server:
        _look(server.url, paths, 1.0)  # the first answers are slower
        quiet = _look(server.url, paths, context.seconds)
        with _Looking(server.url, paths) as beside:
            rows.append(_measure(server.url, POINTS, f"{context.rows:,} rows", 180.0))
        name = "tile that is made, p95, while a map is frozen"
        rows.append(Row("freeze", name, beside.timing.p95, "ms", quiet.p95, "quiet", at_most=_SLOWER))
    return rows


def _look(url: str, paths: list[str], seconds: float, over: threading.Event | None = None) -> Timing:
    """Tiles one after the other, with pauses, for so long, or until it is over."""
    timing = Timing()

    async def look() -> None:
        client, start = Client(url, "gzip"), time.perf_counter()
        while not over.is_set() if over else time.perf_counter() - start < seconds:
            began = time.perf_counter()
            status, _ = await client.ask(paths[timing.count % len(paths)])
            timing.samples.append((time.perf_counter() - began) * 1000)
            timing.failed += status not in (200, 204)
            timing.count += 1
            await asyncio.sleep(_PAUSE)
        client.close()

    uvloop.run(look())
    if timing.failed:
        raise RuntimeError(f"{timing.failed} tiles failed")
    return timing


class _Looking:
    """Somebody who looks at tiles for as long as this is open."""

    def __init__(self, url: str, paths: list[str]) -> None:
        self.timing = Timing()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(url, paths))

    def _run(self, url: str, paths: list[str]) -> None:
        self.timing = _look(url, paths, 0.0, self._over)

    def __enter__(self) -> _Looking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _measure(url: str, layer: str, name: str, most: float) -> Row:
    started = time.perf_counter()
    told = _ask(f"{url}/frozen", {"link": f"?layers={layer}", "title": str(started)})
    while told["state"] not in ("done", "failed"):
        time.sleep(_PAUSE)
        told = _ask(f"{url}/frozen/{told['id']}/status.json")
    if told["state"] == "failed":
        raise RuntimeError(told["error"])
    seconds = time.perf_counter() - started
    size = sum(file["size"] for file in _ask(f"{url}/frozen/{told['id']}/manifest.json")["files"].values())
    return Row("freeze", f"{name}, {size / 1e6:.1f} MB", seconds, "s", at_most=most)


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)
