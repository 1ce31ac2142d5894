"""Generated points for measuring: clustered, skewed and dated like a city's, the same bytes every time.

The lines and polygons of the same city are in `shapes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = [
    "CATEGORIES",
    "CENTRE",
    "CITY",
    "SEED",
    "build_layer_file",
    "is_written",
    "note_written",
    "write_many_points",
    "write_points",
]

SEED = 20_240_229
CENTRE = (-28.6, 45.2)  # lon, lat: where the sample city lies too
# The first is common and the last rare, as offence groups are.
CATEGORIES = ("theft", "vandalism", "assault", "burglary", "fraud", "drugs", "robbery", "arson", "other")
_CLUSTERS = 400
_YEARS = 5
_SCATTERED = 0.1  # share of points that lie anywhere in the city
CITY = (0.09, 0.06)  # standard deviation of the clusters' places, in degrees
_CHUNK = 200_000

LAYER_FILE = """\
title = "Generated points"
description = "Clustered, skewed and dated points for measuring; not real."
license = "CC0-1.0"
source = "data/{source}"
key = "incident"
kind = "points"
time = "reported_at"
label = "category"

[fields.incident]
type = "text"

[fields.category]
type = "text"
filter = "choice"

[fields.reported_at]
type = "timestamp"
filter = "range"

[fields.district]
type = "text"
filter = "choice"

[fields.amount]
type = "number"
filter = "range"
"""


def build_layer_file(source: str) -> str:
    """The layer file over points in that file of the folder `data`."""
    return LAYER_FILE.replace("{source}", source)


def is_written(path: Path, rows: int) -> bool:
    """Whether the file is there with so many rows; else it is about to be written, and marks of others are removed."""
    marks = set(path.parent.glob(f"{path.stem}.[0-9]*"))
    if path.is_file() and marks == {path.with_suffix(f".{rows}")}:
        return True
    path.parent.mkdir(parents=True, exist_ok=True)
    for mark in marks:
        mark.unlink()
    return False


def note_written(path: Path, rows: int) -> None:
    """Mark the file as whole."""
    path.with_suffix(f".{rows}").touch()


def write_points(path: Path, rows: int) -> Path:
    """Write a CSV with columns incident, category, reported_at, district, amount, lon, lat; kept when it is there."""
    if is_written(path, rows):
        return path
    writer = None
    for table in _build_chunks(rows):
        # As texts with a Z, as cities publish times; typed ones would be written without.
        times = pa.array([f"{time}Z" for time in table["reported_at"].to_numpy().astype("datetime64[s]").astype(str)])
        table = table.set_column(table.schema.get_field_index("reported_at"), "reported_at", times)  # noqa: PLW2901
        writer = writer or csv.CSVWriter(str(path), table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    note_written(path, rows)
    return path


def write_many_points(path: Path, rows: int) -> Path:
    """Write the same columns as Parquet, which takes a tenth of the time that text does; kept when it is there."""
    if is_written(path, rows):
        return path
    writer = None
    for table in _build_chunks(rows):
        writer = writer or parquet.ParquetWriter(str(path), table.schema)
        writer.write_table(table)
    if writer:
        writer.close()
    note_written(path, rows)
    return path


def _build_chunks(rows: int) -> Iterator[pa.Table]:
    random = np.random.default_rng(SEED)
    clusters = random.normal(CENTRE, CITY, (_CLUSTERS, 2))
    spreads = random.uniform(0.001, 0.009, _CLUSTERS)
    for start in range(0, rows, _CHUNK):
        yield _build_chunk(random, start, min(_CHUNK, rows - start), clusters, spreads)


def _build_chunk(
    random: np.random.Generator, start: int, size: int, clusters: np.ndarray, spreads: np.ndarray
) -> pa.Table:
    weights = 1 / np.arange(10, _CLUSTERS + 10)  # a few places see most of it
    chosen = random.choice(_CLUSTERS, size, p=weights / weights.sum())
    places = clusters[chosen] + random.normal(0, 1, (size, 2)) * spreads[chosen, None] * (1, 0.7)
    scattered = random.random(size) < _SCATTERED
    places[scattered] = random.normal(CENTRE, CITY, (int(scattered.sum()), 2))
    skewed = 0.6 ** np.arange(len(CATEGORIES))
    categories = random.choice(CATEGORIES, size, p=skewed / skewed.sum())
    seconds = random.integers(0, _YEARS * 365 * 86_400, size)
    times = np.datetime64("2020-01-01T00:00:00") + seconds.astype("timedelta64[s]")
    return pa.table(
        {
            "incident": pa.array([f"A{number:08d}" for number in range(start, start + size)]),
            "category": pa.array(categories),
            "reported_at": pa.array(times, pa.timestamp("s")).cast(pa.timestamp("s", "UTC")),
            "district": pa.array([f"District {number % 24 + 1}" for number in chosen]),
            "amount": pa.array(random.lognormal(4, 1.2, size).round(2)),
            "lon": pa.array(places[:, 0].round(6)),
            "lat": pa.array(places[:, 1].round(6)),
        }
    )
