"""Loading: a CSV of points into PostGIS, beside `ogr2ogr` with COPY and a spatial index; time and peak memory.

Ours does more: a second geometry in Web Mercator with its index, a unique key, and an index per filtered field.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
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
report = load(read_catalog(Settings(workspace=file.parent.parent)).layer(file.stem), sys.argv[2], force=True)
print(report.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(context: Context) -> list[Row]:
    """Each in a process of its own, start-up included; ours twice, as a first load and over the rows of the first."""
    layer = context.layer()
    _forget(context)
    first, memory = _load(context, str(layer.file))
    again, memory_again = _load(context, str(layer.file))
    peak = max(memory, memory_again)
    rows = [Row("load", f"peak memory, {context.rows:,} points", peak, "MB", at_most=300)]
    if shutil.which("ogr2ogr") is None:
        context.note("load: ogr2ogr is not on the PATH, so there is nothing to compare the time with")
        return [*rows, Row("load", f"CSV of {context.rows:,} points", first, "s")]
    reference = _load_by_ogr2ogr(context)
    return [
        Row("load", f"CSV of {context.rows:,} points", first, "s", reference, "ogr2ogr, COPY", at_most=1.2),
        Row("load", "the same over itself, ids kept", again, "s", reference, "ogr2ogr, COPY"),
        *rows,
    ]


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


def _load(context: Context, layer_file: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of a process that loads the layer."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, layer_file, context.database_url], capture_output=True, text=True, check=True
    )
    seconds = time.perf_counter() - start
    rows, kilobytes = (int(part) for part in done.stdout.split()[-2:])
    if rows != context.rows:
        raise RuntimeError(f"{rows} of {context.rows} rows were loaded")
    return seconds, kilobytes / 1024


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
