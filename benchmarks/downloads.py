"""A million rows as files: time beside `COPY` and `ogr2ogr`, the first byte, memory, and tiles meanwhile.

Files are taken by `curl` and written to disk, as those of the references are; the server keeps none, so that each is
made anew. All take turns.
"""

from __future__ import annotations

import contextlib
import shutil
import statistics
import subprocess
import threading
import time
from dataclasses import dataclass, field
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
        rows = _measure_memory(server, folder)
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
    """By the least of the rounds, to which other work on the machine adds nothing; the medians stand in a note."""
    rows: list[Row] = []
    for name in FORMATS:
        ours, reference = figures.ours[name], figures.reference[name]
        against = "COPY TO, CSV" if name == "csv" else f"ogr2ogr, {_driver(name)}"
        what = f"{context.rows:,} rows as {name}"
        rows.append(Row("downloads", what, min(ours), "s", min(reference), against, at_most=1.5))
        medians = statistics.median(ours) / statistics.median(reference)
        context.note(f"downloads: {name}: the medians of {_ROUNDS} rounds give {medians:.2f}")
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


def _reference(context: Context, name: str, folder: Path) -> Callable[[], None]:
    driver = _driver(name)
    path = folder / f"reference.{'fgb' if driver == 'FlatGeobuf' else name}"
    columns = "fid, incident, category, reported_at, district, amount"
    keywords = build_keywords(context.database_url)
    if name == "csv":
        query = f"SELECT {columns}, ST_X(geom), ST_Y(geom) FROM layers.{POINTS}"
        command = ["psql", keywords, "--quiet", "--command", f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER)"]
    else:
        query = f"SELECT {columns}, geom FROM layers.{POINTS}"
        command = ["ogr2ogr", "-f", driver, "-nln", POINTS, "-sql", query, str(path), f"PG:{keywords}"]
        if driver == "FlatGeobuf":
            command += ["-lco", "SPATIAL_INDEX=NO"]  # ours has none

    def work() -> None:
        with path.open("wb") if name == "csv" else contextlib.nullcontext() as out:
            subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, check=True)
        path.unlink()

    return work


def _driver(name: str) -> str:
    """GDAL's driver; that of FlatGeobuf where this GDAL has none for Parquet, as Debian's."""
    driver = FORMATS[name]
    if driver == "Parquet":
        known = subprocess.run(["ogr2ogr", "--formats"], capture_output=True, text=True, check=True).stdout
        return driver if "Parquet" in known else "FlatGeobuf"
    return driver


# -- beside them -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _watch(server: Server) -> Iterator[list[float]]:
    """Memory of the server and its children, in MB, looked at again and again."""
    seen: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            with contextlib.suppress(OSError):  # a child ended while it was looked at
                seen.append(read_memory(server) * _MEBI / 1e6)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def _measure_memory(server: Server, folder: Path) -> list[Row]:
    """Above the idle server, before it has made any file."""
    time.sleep(2)
    idle = read_memory(server) * _MEBI / 1e6
    rows = []
    for name in FORMATS:
        with _watch(server) as seen:
            _fetch(server, name, folder)
        rows.append(Row("downloads", f"memory above idle, {name}", max(seen) - idle, "MB", at_most=60))
    names = [list(FORMATS)[number % len(FORMATS)] for number in range(_MANY)]
    with _watch(server) as seen:
        running = [
            subprocess.Popen(_command(server, name, folder / f"{number}.{name}", number), stdout=subprocess.PIPE)
            for number, name in enumerate(names)
        ]
        told = [process.communicate()[0].decode().split()[-1] for process in running]
    if set(told) != {"200"}:
        raise RuntimeError(f"of ten at once some were refused: {told}")
    rows.append(Row("downloads", f"memory above idle, {_MANY} at once", max(seen) - idle, "MB", at_most=200))
    return rows


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
