"""A million rows as files: time beside `COPY` and `ogr2ogr`, the first byte, memory, and tiles meanwhile.

Files are taken by `curl` and written to disk, as those of the references are; the server keeps none, so that each is
made anew. All take turns.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from benchmarks import sql
from benchmarks.city import POINTS
from benchmarks.drive import measure
from benchmarks.frame import Context, Row
from benchmarks.memory import read_memory
from benchmarks.peers import build_keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from benchmarks.frame import Server

__all__ = ["run"]

FORMATS = {"csv": "", "geojsonl": "GeoJSONSeq", "fgb": "FlatGeobuf", "parquet": "Parquet", "gpkg": "GPKG"}
_STREAMED = ("csv", "geojsonl", "fgb", "parquet")  # of which the first byte is spoken of
_ROUNDS = 3
_MANY = 10
_FOUR = 4
_KEPT_NONE = {"GEOSERVER_DOWNLOADS_MB": "0"}
_ZOOMS = (10, 12, 14)
_TILES = 24
_MEBI = 1 << 20
_GIVES_WAY = ("nice", "--adjustment=10")  # as who writes our files does: then other work hits both alike
_SLOW = 1_000_000  # bytes a second
_SLOW_SECONDS = 15


@dataclass
class Figures:
    """Seconds of each way, in the order of the rounds."""

    ours: dict[str, list[float]] = field(default_factory=dict)
    reference: dict[str, list[float]] = field(default_factory=dict)
    first: dict[str, list[float]] = field(default_factory=dict)


def run(context: Context) -> list[Row]:
    """Time and first byte; memory of one and of ten; tiles beside four."""
    layer = context.load(POINTS)
    folder = context.folder / "downloads"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    workspace, url = context.folder, context.database_url
    figures = Figures()
    with context.serve_workspace(workspace, url, _KEPT_NONE) as server:
        rows = _measure_memory(context, server, folder)
        for _ in range(_ROUNDS):
            for name in FORMATS:
                _note(figures.reference, name, _time(_reference(context, name, folder)))
                first, whole = _fetch(server, name, folder)
                _note(figures.ours, name, whole)
                _note(figures.first, name, first)
    rows += _build_rows(context, figures)
    paths = [
        f"/tiles/{POINTS}/{tile.z}/{tile.x}/{tile.y}.mvt"
        for tiles in sql.choose_tiles(url, layer, _ZOOMS, _TILES).values()
        for tile in tiles
    ]
    for kind, cold in (("cold", True), ("from memory", False)):
        with context.serve_workspace(workspace, url, _KEPT_NONE, cold=cold) as server:
            rows.append(_measure_tiles(context, server, paths, folder, kind))
    shutil.rmtree(folder, ignore_errors=True)
    return rows


def _note(into: dict[str, list[float]], name: str, seconds: float) -> None:
    into.setdefault(name, []).append(seconds)


def _build_rows(context: Context, figures: Figures) -> list[Row]:
    """By the medians; the least of each, to which other work on the machine adds little, stand in a note."""
    rows: list[Row] = []
    for name in FORMATS:
        ours, reference = figures.ours[name], figures.reference[name]
        against = _name_reference(name)
        what = f"{context.rows:,} rows as {name}"
        rows.append(
            Row("downloads", what, statistics.median(ours), "s", statistics.median(reference), against, at_most=1.5)
        )
        context.note(f"downloads: {name}: the least of {_ROUNDS} rounds give {min(ours) / min(reference):.2f}")
    for name in FORMATS:
        most = 0.3 if name in _STREAMED else None
        rows.append(Row("downloads", f"first byte of {name}", min(figures.first[name]), "s", at_most=most))
    return rows


# -- ours and the references -------------------------------------------------------------------------------------------


def _command(server: Server, name: str, path: Path, number: int = 0) -> list[str]:
    """By curl; a client may have half of all places, so every other one comes from another address."""
    shown = "%{time_starttransfer} %{time_total} %{http_code}"
    command = ["curl", "--silent", "--show-error", "--interface", f"127.0.0.{1 + number % 2}", "--output", str(path)]
    return [*command, "--write-out", shown, f"{server.url}/download/{POINTS}.{name}"]


def _fetch(server: Server, name: str, folder: Path) -> tuple[float, float]:
    """Seconds to the first byte and to the last."""
    path = folder / f"ours.{name}"
    done = subprocess.run(_command(server, name, path), capture_output=True, text=True, check=True)
    path.unlink()
    first, whole, status = done.stdout.split()
    if status != "200":
        raise RuntimeError(f"{name} was answered with {status}")
    return float(first), float(whole)


def _time(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# What analysts write where they have no GDAL with Parquet: to the same columns, in longitude and latitude.
_GEOPANDAS = """
import sys, warnings, geopandas, psycopg
warnings.simplefilter("ignore")
with psycopg.connect(sys.argv[1]) as connection:
    geopandas.read_postgis(sys.argv[2], connection, geom_col="geom").to_parquet(sys.argv[3], compression="zstd")
"""


def _reference(context: Context, name: str, folder: Path) -> Callable[[], None]:
    path = folder / f"reference.{name}"
    columns = "fid, incident, category, reported_at, district, amount"
    query = f"SELECT {columns}, geom FROM layers.{POINTS}"
    keywords = build_keywords(context.database_url)
    if name == "csv":
        query = f"SELECT {columns}, ST_X(geom), ST_Y(geom) FROM layers.{POINTS}"
        command = ["psql", keywords, "--quiet", "--command", f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"]
    elif name == "parquet" and not _has_parquet():
        command = [sys.executable, "-c", _GEOPANDAS, keywords, query, str(path)]
    else:
        command = ["ogr2ogr", "-f", FORMATS[name], "-nln", POINTS, "-sql", query, str(path), f"PG:{keywords}"]
        if name == "fgb":
            command += ["-lco", "SPATIAL_INDEX=NO"]  # ours has none

    def work() -> None:
        with path.open("wb") if name == "csv" else contextlib.nullcontext() as out:
            subprocess.run([*_GIVES_WAY, *command], stdout=out, stderr=subprocess.DEVNULL, check=True)
        path.unlink()

    return work


def _name_reference(name: str) -> str:
    if name == "csv":
        return "COPY TO, CSV"
    if name == "parquet" and not _has_parquet():
        return "geopandas, read_postgis and to_parquet"
    return f"ogr2ogr, {FORMATS[name]}"


@cache
def _has_parquet() -> bool:
    """Whether this GDAL writes Parquet; Debian's does not."""
    return "Parquet" in subprocess.run(["ogr2ogr", "--formats"], capture_output=True, text=True, check=True).stdout


# -- beside them -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _watch(server: Server) -> Iterator[list[float]]:
    """Memory of the server and its children, in MB, looked at again and again."""
    seen: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            seen.append(read_memory(server) * _MEBI / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _measure_memory(context: Context, server: Server, folder: Path) -> list[Row]:
    """Proportional shares of all processes, above those of the server that has made no file and forked nothing yet."""
    time.sleep(2)
    idle = read_memory(server) * _MEBI / 1e6
    rows: list[Row] = []

    def note(what: str, seen: list[float], most: int) -> None:
        rows.append(Row("downloads", f"memory above idle, {what}", max(seen) - idle, "MB", at_most=most))

    for name in FORMATS:
        with _watch(server) as seen:
            _fetch(server, name, folder)
        note(name, seen, 60)
    with _watch(server) as seen:
        _read_slowly(server)
    half = len(seen) // 2
    note(f"csv, to a reader of {_SLOW / 1e6:g} MB/s", seen, 60)
    context.note(
        f"downloads: a slow reader: at most {max(seen[:half]) - idle:.0f} MB above idle in the first half of"
        f" {_SLOW_SECONDS} s, {max(seen[half:]) - idle:.0f} MB in the second"
    )
    for what, names in (("ten at once", list(FORMATS)), ("ten GeoPackages at once", ["gpkg"])):
        with _watch(server) as seen:
            _fetch_many(server, [names[number % len(names)] for number in range(_MANY)], folder)
        note(what, seen, 200)
    time.sleep(2)
    rest = read_memory(server) * _MEBI / 1e6 - idle
    context.note(f"downloads: the process that forks others keeps {rest:.0f} MB above idle when all files are made")
    return rows


def _read_slowly(server: Server) -> None:
    command = [
        "curl",
        "--silent",
        "--limit-rate",
        str(_SLOW),
        "--max-time",
        str(_SLOW_SECONDS),
        "--output",
        "/dev/null",
    ]
    subprocess.run([*command, f"{server.url}/download/{POINTS}.csv"], check=False)  # it leaves before the end


def _fetch_many(server: Server, names: Sequence[str], folder: Path) -> None:
    running = [
        subprocess.Popen(_command(server, name, folder / f"{number}.{name}", number), stdout=subprocess.PIPE)
        for number, name in enumerate(names)
    ]
    told = [process.communicate()[0].decode().split()[-1] for process in running]
    if set(told) != {"200"}:
        raise RuntimeError(f"of {len(names)} at once some were refused: {told}")


@contextlib.contextmanager
def _download_all_the_time(server: Server, folder: Path) -> Iterator[None]:
    """Four clients, each of which asks again when it has its file."""
    ended = threading.Event()

    def ask(number: int) -> None:
        name = list(FORMATS)[number]
        while not ended.is_set():
            subprocess.run(_command(server, name, folder / f"{number}.{name}", number), capture_output=True, check=True)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(_FOUR)]
    for thread in threads:
        thread.start()
    try:
        time.sleep(1)
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _measure_tiles(context: Context, server: Server, paths: Sequence[str], folder: Path, kind: str) -> Row:
    """Quiet and busy rounds take turns."""
    asked = list(paths)
    measure(server.url, asked, encoding="gzip", least=len(asked))
    quiet, busy = [], []
    for _ in range(_ROUNDS):
        quiet.append(measure(server.url, asked, seconds=context.seconds, encoding="gzip").p95)
        with _download_all_the_time(server, folder):
            busy.append(measure(server.url, asked, seconds=context.seconds, encoding="gzip").p95)
    context.note(f"downloads: tiles {kind}: the medians give {statistics.median(busy) / statistics.median(quiet):.2f}")
    name = f"p95 of a tile while {_FOUR} files are made, {kind}"
    return Row("downloads", name, min(busy), "ms", min(quiet), "quiet", at_most=2)
