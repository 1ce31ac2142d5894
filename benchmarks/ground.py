"""Tiles of a basemap made from an extract, beside those of the sample city: how large, and how long from cold.

Both servers keep no tiles and take turns. Tiles are told apart by size, because the two cities have other tiles at
the same zoom: what is compared is how long 95 of 100 tiles of about as many bytes take at most.

`python -m benchmarks.ground EXTRACT_URL SAMPLE_URL` measures two servers that run already (GEOSERVER_TILE_CACHE_MB=0).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import mercantile
import numpy as np
from psycopg.conninfo import conninfo_to_dict

from benchmarks.drive import Client
from benchmarks.extract import write_large
from benchmarks.frame import Context, Row, Table, make_database
from geoserver.basemap.making import make_basemap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geoserver.loading import Progress

__all__ = ["measure", "run"]

_ZOOMS = range(6, 17)
_TILES = 24  # per zoom and city
_ROUNDS = 5
_COPIES = 121
_LARGEST = 300  # kB
_CLASSES = (0, 2, 8, 32, 128, 512)  # kB before compression
_SLOWER = 1.3
_FEWEST = 5  # tiles of a class, of which a share can be told


class _Tile(NamedTuple):
    zoom: int
    kilobytes: float
    milliseconds: float


def run(context: Context) -> list[Row]:
    """Make the basemap of a city of many copies of the smallest extract that there is, serve both, and measure."""
    found = sorted(Path(os.environ.get("GEOSERVER_REAL_DATA", "")).glob("osm/*.osm.pbf"), key=_size)
    if not os.environ.get("GEOSERVER_REAL_DATA") or not found:
        context.note("ground: GEOSERVER_REAL_DATA does not say where an extract is; left out")
        return []
    workspace = context.folder / "ground"
    workspace.mkdir(exist_ok=True)
    large = context.folder / "ground.osm.pbf"
    if not large.is_file():
        write_large(found[0], large, _COPIES)
    url = make_database(context.database_url, f"{conninfo_to_dict(context.database_url)['dbname']}_ground")
    start = time.monotonic()
    make_basemap(large, workspace, url, reading=_say_nothing, loading=_load_quietly, force=True)
    context.note(f"ground: {large.stat().st_size / 1e6:.0f} MB made into a basemap in {time.monotonic() - start:.0f} s")
    with context.serve_workspace(workspace, url, cold=True) as ours, context.serve_samples(cold=True) as samples:
        return measure(context, ours.url, samples.url)


def _say_nothing(*_: object) -> None:
    """No progress is shown."""


def _load_quietly(_: str) -> contextlib.AbstractContextManager[Progress]:
    return contextlib.nullcontext(_say_nothing)


def _size(path: Path) -> int:
    return path.stat().st_size


def measure(context: Context, ours: str, samples: str) -> list[Row]:
    """The largest tile, and for each class of sizes what 95 of 100 tiles take at most, ours and the sample city's."""
    made = asyncio.run(_ask_both([ours, samples]))
    largest = max(made[0], key=lambda tile: tile.kilobytes)
    rows = [Row("ground", f"the largest tile, at z{largest.zoom}", largest.kilobytes, "kB", at_most=_LARGEST)]
    for low, high in itertools.pairwise(_CLASSES):
        pair = [[tile.milliseconds for tile in city if low <= tile.kilobytes < high] for city in made]
        if min(map(len, pair)) >= _FEWEST:
            name = f"p95 of tiles of {low} to {high} kB from cold"
            figures = [float(np.percentile(times, 95)) for times in pair]
            rows.append(Row("ground", name, figures[0], "ms", figures[1], "the sample city's", at_most=_SLOWER))
    context.tables.append(Table("A basemap's tiles by zoom", _HEADER, [_describe(zoom, made) for zoom in _ZOOMS]))
    return rows


_HEADER = ("zoom", "largest", "p95", "sample city: largest", "p95")


def _describe(zoom: int, made: Sequence[Sequence[_Tile]]) -> tuple[str, ...]:
    cells = [f"z{zoom}"]
    for city in made:
        tiles = [tile for tile in city if tile.zoom == zoom]
        slow = np.percentile([tile.milliseconds for tile in tiles], 95) if tiles else float("nan")
        cells += [f"{max((tile.kilobytes for tile in tiles), default=0):.0f} kB", f"{slow:.1f} ms"]
    return tuple(cells)


async def _ask_both(urls: Sequence[str]) -> list[list[_Tile]]:
    """Every tile of both, in turns, several times; of each the quickest, for what else the machine does only adds."""
    paths = [list(_choose(url)) for url in urls]
    clients = [Client(url, "") for url in urls]
    found: list[list[_Tile]] = [[] for _ in urls]
    for turn in range(max(map(len, paths))):
        for client, those, tiles in zip(clients, paths, found, strict=True):
            if turn < len(those):
                zoom, path = those[turn]
                times = []
                for _ in range(_ROUNDS):
                    start = time.perf_counter()
                    _, body = await client.ask(path)
                    times.append(1000 * (time.perf_counter() - start))
                if body:
                    tiles.append(_Tile(zoom, len(body) / 1000, min(times)))
    for client in clients:
        client.close()
    return found


def _choose(url: str) -> Iterator[tuple[int, str]]:
    """Zoom and path of tiles of the base source of the light style, inside of what the city's places span."""
    with urllib.request.urlopen(f"{url}/styles/light.json") as answer:
        base = json.load(answer)["sources"]["base"]["tiles"][0]
    with urllib.request.urlopen(f"{url}/tiles/places.json") as answer:
        bounds = json.load(answer)["bounds"]
    template = base.removeprefix(url)
    chance = random.Random(7)
    for zoom in _ZOOMS:
        tiles = list(mercantile.tiles(*bounds, zooms=zoom))
        for tile in chance.sample(tiles, min(_TILES, len(tiles))):
            path = template.replace("{z}", str(tile.z)).replace("{x}", str(tile.x)).replace("{y}", str(tile.y))
            yield zoom, path


def main() -> None:
    context = Context("", Path())
    for row in measure(context, *sys.argv[1:3]):
        print(
            f"{row.name}: {row.ours:.1f} {row.unit}"
            + (f", {row.ratio:.2f} of {row.reference:.1f}" if row.ratio else "")
        )
    for line in context.tables[0].lines:
        print("  ".join(line))


if __name__ == "__main__":
    main()
