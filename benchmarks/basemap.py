"""The import of an extract of OpenStreetMap of some 50 MB, beside `osm2pgsql` with its default style; time and memory.

Both begin with an empty database of the same server, take turns, and the median counts. Ours is the command as it is
typed: layers, indexes, first tiles and the files that they are loaded from the next time. Processor time counts all of
either's processes, without the database's. Memory is that of all of our processes, shared pages once (PSS).

The extract is Helsinki's of `GEOSERVER_REAL_DATA`, repeated; `GEOSERVER_BENCH_EXTRACT` names another.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from benchmarks.extract import write_repeated
from benchmarks.frame import Row, make_database

if TYPE_CHECKING:
    from benchmarks.frame import Context

__all__ = ["run"]

_ROUNDS = 3
_MEGABYTES = 50
_EVERY = 0.2  # seconds, between two looks at memory


@dataclass(frozen=True)
class _Ran:
    """What a command took: seconds, seconds of processors, MB of all its processes at the most."""

    wall: float
    processor: float
    memory: float


def run(context: Context) -> list[Row]:
    """Both several times."""
    extract = _find_extract(context)
    if extract is None:
        context.note("basemap: neither GEOSERVER_BENCH_EXTRACT nor GEOSERVER_REAL_DATA says where an extract is")
        return []
    installed = shutil.which("osm2pgsql") is not None
    if not installed:
        context.note("basemap: osm2pgsql is not on the PATH, so there is nothing to compare with")
    ours: list[_Ran] = []
    others: list[_Ran] = []
    for _ in range(_ROUNDS):
        others += [_run_osm2pgsql(context, extract)] if installed else []
        ours.append(_run_ours(context, extract))
    size = f"extract of {extract.stat().st_size / 1e6:.0f} MB"
    against = "osm2pgsql, default style" if installed else ""

    def compare(what: str, name: str, at_most: float | None) -> Row:
        mine, theirs = (statistics.median(getattr(one, name) for one in ran) if ran else None for ran in (ours, others))
        return Row("basemap", f"{size}, {what}", mine or 0, "s", theirs, against, at_most=at_most if theirs else None)

    peak = max(one.memory for one in ours)
    return [
        compare("time", "wall", 1.5),
        compare("processor time without the database's", "processor", None),
        Row("basemap", f"{size}, memory of all processes", peak, "MB", at_most=600),
    ]


def _find_extract(context: Context) -> Path | None:
    if named := os.environ.get("GEOSERVER_BENCH_EXTRACT"):
        return Path(named)
    small = Path(os.environ.get("GEOSERVER_REAL_DATA", "")) / "osm/Helsinki.osm.pbf"
    large = context.folder / "basemap.osm.pbf"
    if not large.exists() and small.is_file():
        write_repeated(small, large, _MEGABYTES)
    return large if large.exists() else None


def _make_empty(context: Context, name: str) -> str:
    with psycopg.connect(context.database_url, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
    return make_database(context.database_url, name)


def _run_ours(context: Context, extract: Path) -> _Ran:
    url = _make_empty(context, "geoserver_bench_basemap")
    workspace = context.folder / "basemap"
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.mkdir()
    command = [sys.executable, "-m", "geoserver", "basemap", str(extract), "--workspace", str(workspace)]
    return _run(command, os.environ | {"DATABASE_URL": url})


def _run_osm2pgsql(context: Context, extract: Path) -> _Ran:
    url = _make_empty(context, "geoserver_bench_osm2pgsql")
    parts = conninfo_to_dict(url)
    address = " ".join(f"{key}='{value}'" for key, value in parts.items())
    return _run(["osm2pgsql", "--database", address, str(extract)], dict(os.environ))


def _run(command: list[str], environment: dict[str, str]) -> _Ran:
    start, before = time.perf_counter(), os.times()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most = 0.0
    while process.poll() is None:
        most = max(most, sum(map(_read_memory, _find_processes(process.pid))))
        time.sleep(_EVERY)
    wall, after = time.perf_counter() - start, os.times()
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with status {process.returncode}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return _Ran(wall, used, most)


def _find_processes(pid: int) -> list[int]:
    """A process and all that it has started."""
    found = [pid]
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = file.read_text().split()
        except OSError:
            continue
        found += [one for child in children for one in _find_processes(int(child))]
    return found


def _read_memory(pid: int) -> float:
    """MB of a process, of shared pages its share."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0)
