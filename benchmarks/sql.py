"""The limits that the database sets: the same tile, or the count, by `pgbench` with prepared statements.

pgbench fetches the tile's length and not its bytes: its own text form would double them, and bring in a cost that no
server of tiles has.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psycopg
from psycopg.sql import SQL, Identifier, Literal

from benchmarks.drive import Timing
from geoserver.database.binaries import find_binaries
from geoserver.errors import SetupError
from geoserver.grid import MERCATOR_HALF
from geoserver.model import Tile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.sql import Composable

    from geoserver.model import Field, Layer

__all__ = ["build_count", "build_tile", "choose_tiles", "find_pgbench", "measure", "measure_each"]

SEED = 7
_DEEPEST = 16
_WITH_VALUES = 12  # up to this zoom a tile holds much of the layer, and a plan made for its values is the best
# Colons would be taken for pgbench's own variables.
_TEXT = {
    "timestamp": SQL("""to_char({} AT TIME ZONE 'UTC', U&'YYYY-MM-DD"T"HH24\\003AMI\\003ASS"Z"')"""),
    "date": SQL("to_char({}, 'YYYY-MM-DD')"),
}


def build_tile(layer: Layer, zoom: int, condition: str = "TRUE") -> str:
    """Plain ST_AsMVT of every row of the tile `:x :y`, with the columns that our tiles carry."""
    columns = SQL("").join(SQL(", ") + _column(layer.fields[name]) for name in layer.tile_fields)
    statement = SQL(
        "SELECT octet_length(ST_AsMVT(features, {layer}, 4096, 'geom', 'fid')) FROM ("
        "SELECT fid, ST_AsMVTGeom(geom_3857, ST_TileEnvelope({z}, :x, :y), 4096, 64, true) AS geom {columns}"
        " FROM {table} WHERE geom_3857 && ST_TileEnvelope({z}, :x, :y, margin => 64.0 / 4096) AND ({where})"
        ") AS features"
    )
    table = Identifier("layers", layer.table)
    where = SQL(condition)
    return statement.format(
        layer=Literal(layer.id), z=SQL(str(zoom)), columns=columns, table=table, where=where
    ).as_string()


def build_count(layer: Layer, condition: str) -> str:
    """`select count(*)` with the filter, over the whole layer."""
    return f'SELECT count(*) FROM layers."{layer.table}" WHERE {condition}'


def _column(field: Field) -> Composable:
    name = Identifier(field.name)
    text = _TEXT.get(field.type)
    return text.format(name) + SQL(" AS ") + name if text else name


def find_pgbench() -> str | None:
    """The one of the PostgreSQL that the private server runs, else the one on the PATH."""
    with contextlib.suppress(SetupError):
        if (beside := find_binaries().folder / "pgbench").is_file():
            return str(beside)
    return shutil.which("pgbench")


def measure(
    database_url: str, statement: str, tiles: Sequence[Tile] = (), *, clients: int = 1, seconds: float = 1.0
) -> Timing:
    """Latencies of the statement, run again and again for each tile in turn; seconds are rounded up to whole ones."""
    program = find_pgbench()
    assert program
    by_values = not tiles or tiles[0].z <= _WITH_VALUES
    options = f"-c jit=off -c timezone=UTC -c plan_cache_mode={'force_custom_plan' if by_values else 'auto'}"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.sql"
        script.write_text(f"{_build_variables(tiles)}{statement};\n", encoding="utf-8")
        command = [program, "-n", "-M", "prepared", "-f", str(script), "-D", "turn=-1", "-c", str(clients)]
        command += ["-T", str(max(1, round(seconds))), "-l", "--log-prefix", "log", database_url]
        start = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"PGOPTIONS": options},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        spent = time.perf_counter() - start
        if done.returncode:
            raise RuntimeError(f"pgbench: {done.stderr.strip()[-300:]}")
        lines = [line for path in Path(folder).glob("log.*") for line in path.read_text().splitlines()]
    samples = [int(line.split()[2]) / 1000 for line in lines]
    return Timing(samples, spent, len(samples))


def measure_each(database_url: str, statements: Sequence[str], tiles: Sequence[Tile]) -> Timing:
    """Latencies of statements that differ, each run once for its tile on one warm connection, planning included."""
    timing = Timing()
    options = "-c jit=off -c timezone=UTC"
    with psycopg.connect(database_url, autocommit=True, prepare_threshold=None, options=options) as connection:
        for number, (statement, tile) in enumerate(zip([statements[0], *statements], [tiles[0], *tiles], strict=True)):
            text = statement.replace(":x", str(tile.x)).replace(":y", str(tile.y))
            start = time.perf_counter()
            connection.execute(text.encode()).fetchone()
            if number:  # the first is there to warm up
                timing.samples.append((time.perf_counter() - start) * 1000)
    return timing


def _build_variables(tiles: Sequence[Tile]) -> str:
    """pgbench commands that set x and y to each tile in turn; clients begin at different ones."""
    if not tiles:
        return ""
    lines = ["\\set turn :turn + 1", f"\\set n (:turn + :client_id * 7) % {len(tiles)}"]
    for axis in ("x", "y"):
        cases = " ".join(f"when :n = {index} then {getattr(tile, axis)}" for index, tile in enumerate(tiles))
        lines.append(f"\\set {axis} case {cases} end")
    return "\n".join([*lines, ""])


def choose_tiles(
    database_url: str, layer: Layer, zooms: Sequence[int], number: int, condition: str = "TRUE"
) -> dict[int, list[Tile]]:
    """Per zoom so many tiles: the fullest, then others drawn by how much lies in them, some of them more than once.

    What lies in them are the rows that fulfil the condition.
    """
    width = 2 * MERCATOR_HALF / (1 << _DEEPEST)
    statement = SQL(
        "SELECT floor((ST_XMin(geom_3857) + ST_XMax(geom_3857) + {world}) / 2 / {width})::int,"
        " floor(({world} - ST_YMin(geom_3857) - ST_YMax(geom_3857)) / 2 / {width})::int, count(*)"
        " FROM {table} WHERE {where} GROUP BY 1, 2 ORDER BY 1, 2"
    ).format(
        world=Literal(2 * MERCATOR_HALF),
        width=Literal(width),
        table=Identifier("layers", layer.table),
        where=SQL(condition),
    )
    with psycopg.connect(database_url) as connection:
        found = np.array(connection.execute(statement).fetchall(), dtype=np.int64)
    random = np.random.default_rng(SEED)
    chosen = {}
    for zoom in zooms:
        places, inverse = np.unique(found[:, :2] >> (_DEEPEST - zoom), axis=0, return_inverse=True)
        counts = np.bincount(inverse.ravel(), weights=found[:, 2])
        drawn = random.choice(len(places), number - 1, p=counts / counts.sum())
        chosen[zoom] = [Tile(zoom, *map(int, places[index])) for index in (counts.argmax(), *drawn)]
    return chosen
