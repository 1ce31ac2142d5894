"""The generated layers: which file each comes from, how many rows it has, and the question that filtered tiles ask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import data, shapes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["BIG", "CITY", "POINTS", "Generated"]

POINTS, BIG = "points", "points-big"


@dataclass(frozen=True)
class Generated:
    """`share` of the rows that were asked for; `question` and `condition` say the same, as a query and in SQL."""

    file: str
    share: float
    write: Callable[[Path, int], Path]
    layer_file: str
    question: str
    condition: str


_OF_POINTS = (
    "category=burglary&datetime=2022-03-01/2022-08-31",
    "category = 'burglary' AND reported_at >= '2022-03-01' AND reported_at < '2022-09-01'",
)

CITY = {
    POINTS: Generated("points.csv", 1, data.write_points, data.build_layer_file("points.csv"), *_OF_POINTS),
    BIG: Generated(
        "points-big.parquet", 10, data.write_many_points, data.build_layer_file("points-big.parquet"), *_OF_POINTS
    ),
    "buildings": Generated(
        "buildings.parquet",
        0.25,
        shapes.write_buildings,
        shapes.BUILDINGS_FILE,
        "use=retail&datetime=1960-01-01/1979-12-31",
        "use = 'retail' AND built >= '1960-01-01' AND built <= '1979-12-31'",
    ),
    "streets": Generated(
        "streets.parquet",
        0.1,
        shapes.write_streets,
        shapes.STREETS_FILE,
        "surface=gravel&datetime=1990-01-01/2009-12-31",
        "surface = 'gravel' AND opened >= '1990-01-01' AND opened <= '2009-12-31'",
    ),
}
