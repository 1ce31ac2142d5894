"""Reading: a file in a process of its own, as loading does it, beside reading it in this one; CSV and GeoJSON.

Each in a new program, start-up and imports not counted; the fastest of several runs that take turns.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.frame import Row

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.frame import Context

__all__ = ["run"]

_RUNS = 3
_COLUMNS = "incident,category,reported_at,district,amount"
_SCRIPT = """
import sys, tempfile, time
from pathlib import Path
from geoserver.sources import Request, open_here, open_source
import pyarrow.csv, pyogrio, resource
path, apart, columns = Path(sys.argv[1]), sys.argv[2] == "apart", tuple(sys.argv[3].split(","))
small = path.with_name("small.csv")
small.write_text("lon,lat\\n1,2\\n")
list(open_source(Request("small.csv", small, ())).batches)
started, rows = time.perf_counter(), 0
request = Request(path.name, path, columns, folder=Path(tempfile.gettempdir()))
for batch in (open_source if apart else open_here)(request).batches:
    rows += len(batch)
print(time.perf_counter() - started, rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run(context: Context) -> list[Row]:
    """Seconds of reading every row, ours beside the same in one process."""
    table = context.source()
    shapes = _write_geojson(table, context.rows // 4)
    rows = []
    for path, words in ((table, f"CSV of {context.rows:,}"), (shapes, f"GeoJSON of {context.rows // 4:,}")):
        apart, here = _compare(path, _COLUMNS)
        rows.append(Row("reading", f"{words} rows", apart, "s", here, "in the loader's own process", at_most=1.1))
    return rows


def _write_geojson(table: Path, rows: int) -> Path:
    """The first points of the table as features, for GDAL."""
    path = table.with_name("reading.geojson")
    with table.open() as lines, path.open("w") as out:
        names = [cell.strip('"') for cell in next(lines).strip().split(",")]
        x, y = names.index("lon"), names.index("lat")
        out.write('{"type":"FeatureCollection","features":[')
        for number, line in zip(range(rows), lines, strict=False):
            cells = [cell.strip('"') for cell in line.strip().split(",")]
            place = f'{{"type":"Point","coordinates":[{cells[x]},{cells[y]}]}}'
            values = json.dumps({name: cells[names.index(name)] for name in _COLUMNS.split(",")})
            out.write(f'{"," if number else ""}{{"type":"Feature","properties":{values},"geometry":{place}}}')
        out.write("]}")
    return path


def _compare(path: Path, columns: str) -> tuple[float, float]:
    times: dict[str, list[float]] = {"apart": [], "here": []}
    for _ in range(_RUNS):
        for how, seconds in times.items():
            done = subprocess.run(
                [sys.executable, "-c", _SCRIPT, str(path), how, columns], capture_output=True, text=True, check=True
            )
            seconds.append(float(done.stdout.split()[0]))
    return min(times["apart"]), min(times["here"])
