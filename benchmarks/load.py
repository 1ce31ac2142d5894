"""Loading: a CSV of points into PostGIS, beside `ogr2ogr` with COPY and a spatial index; time and peak memory.

Ours does more before the rows are in service (a second geometry in Web Mercator with its index, a unique key, an index
per filtered field), and after it all that is prepared for tiles. Both take turns, and the median counts: what else the
machine does would otherwise favour the one or the other.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL, Identifier

from benchmarks.city import POINTS
from benchmarks.frame import Row

if TYPE_CHECKING:
    from benchmarks.frame import Context

__all__ = ["run"]

_TABLE = "ogr2ogr_points"
_SCRIPT = """
import resource, sys
from pathlib import Path
from geoserver.catalog import read_catalog
from geoserver.loading import load
from geoserver.settings import Settings
file = Path(sys.argv[1])
layer = read_catalog(Settings(workspace=file.parent.parent)).layer(file.stem)
report = load(layer, sys.argv[2], force=True)
print(report.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, report.seconds - report.in_service)
"""
_ROUNDS = 3


def run(context: Context) -> list[Row]:
    """Each in a process of its own, start-up included; ours as a first load, and at the end over those rows."""
    layer_file = str(context.layer().file)
    installed = shutil.which("ogr2ogr") is not None
    if not installed:
        context.note("load: ogr2ogr is not on the PATH, so there is nothing to compare the time with")
    loads: list[_Loaded] = []
    others: list[float] = []
    for _ in range(_ROUNDS):
        others += [_load_by_ogr2ogr(context)] if installed else []
        _forget(context)
        loads.append(_load(context, layer_file))
    again = _load(context, layer_file)
    reference = statistics.median(others) if others else None
    against = "ogr2ogr, COPY" if installed else ""
    rows = f"CSV of {context.rows:,} points"
    served, whole = (statistics.median(getattr(one, name) for one in loads) for name in ("served", "whole"))
    peak = max(one.memory for one in [*loads, again])
    return [
        Row("load", f"{rows}, rows in service", served, "s", reference, against, at_most=1.2 if installed else None),
        Row("load", f"{rows}, tiles prepared too", whole, "s", reference, against, at_most=1.6 if installed else None),
        Row("load", "the same over itself, ids kept, rows in service", again.served, "s", reference, against),
        Row("load", "the same over itself, ids kept, tiles prepared too", again.whole, "s", reference, against),
        Row("load", f"peak memory, {context.rows:,} points", peak, "MB", at_most=300),
    ]


@dataclass(frozen=True)
class _Loaded:
    """Seconds until rows were in service and until all was done, and peak memory in MB, of one process."""

    served: float
    whole: float
    memory: float


def _forget(context: Context) -> None:
    """Remove what an earlier run loaded and what was made from it, so that the first load is one."""
    with psycopg.connect(context.database_url) as connection:
        found = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'layers' AND starts_with(tablename || '__', %s)",
            [f"{POINTS}__"],
        )
        for (table,) in found.fetchall():
            connection.execute(SQL("DROP TABLE IF EXISTS {} CASCADE").format(Identifier("layers", table)))
        connection.execute("DELETE FROM geoserver.layers WHERE id = %s", [POINTS])


def _load(context: Context, layer_file: str) -> _Loaded:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, layer_file, context.database_url], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    rows, kilobytes, behind = done.stdout.split()[-3:]
    if int(rows) != context.rows:
        raise RuntimeError(f"{rows} of {context.rows} rows were loaded")
    return _Loaded(seconds - float(behind), seconds, int(kilobytes) / 1024)


def _load_by_ogr2ogr(context: Context) -> float:
    """Seconds that ogr2ogr takes for the same file, with typed columns, COPY and its spatial index."""
    parts = conninfo_to_dict(context.database_url)
    address = " ".join(f"{key}='{value}'" for key, value in parts.items())
    command = ["ogr2ogr", "-f", "PostgreSQL", f"PG:{address}", str(context.source()), "-nln", _TABLE, "-overwrite"]
    command += ["-oo", "X_POSSIBLE_NAMES=lon", "-oo", "Y_POSSIBLE_NAMES=lat", "-oo", "AUTODETECT_TYPE=YES"]
    command += ["-a_srs", "EPSG:4326", "-lco", "SPATIAL_INDEX=GIST", "--config", "PG_USE_COPY", "YES"]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    with psycopg.connect(context.database_url) as connection:
        connection.execute(SQL("DROP TABLE {}").format(Identifier(_TABLE)))
    return seconds
