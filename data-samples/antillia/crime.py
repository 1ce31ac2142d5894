"""Reported crime: 60,000 incidents on streets, with hot spots, a daily and a seasonal rhythm, and a few broken rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import shapely

from antillia.city import City
from antillia.shapes import to_lonlat
from antillia.writing import write_csv

ROWS = 60_000
_START, _DAYS = datetime(2021, 1, 1, tzinfo=UTC), 1826
HEADER = ["incident", "category", "reported_at", "district", "outcome", "lon", "lat"]

# category: share, weight per hour (0-23) as (base, peak hour, width, height), winter weight, hot spots that draw it
_CATEGORIES = {
    "theft": (0.27, (0.35, 16, 4.5, 1.0), -0.15, ("centre", "port")),
    "burglary": (0.11, (0.45, 2, 3.5, 1.0), 0.35, ("west", "north")),
    "vehicle theft": (0.07, (0.3, 23, 4.0, 1.0), 0.1, ("port", "east")),
    "bicycle theft": (0.12, (0.3, 18, 3.5, 1.0), -0.45, ("station", "centre")),
    "robbery": (0.05, (0.15, 0, 3.5, 1.0), 0.1, ("nightlife", "port")),
    "assault": (0.12, (0.15, 1, 3.0, 1.0), -0.15, ("nightlife", "centre")),
    "vandalism": (0.13, (0.3, 22, 4.0, 1.0), -0.1, ("station", "east")),
    "fraud": (0.07, (0.1, 11, 3.5, 1.0), 0.0, ("centre", "east")),
    "drug offence": (0.06, (0.2, 21, 4.0, 1.0), -0.05, ("nightlife", "station")),
}
_SPOTS = {
    "centre": (-0.35, -0.2, 0.45), "nightlife": (0.3, -0.55, 0.28), "port": (1.3, -0.8, 0.4), "station": (-0.9, 0.6,
    0.3),
    "east": (1.9, 0.8, 0.6), "west": (-2.4, -0.6, 0.7), "north": (-0.2, 2.0, 0.6), "levante": (6.9, 1.9, 0.4),
}  # fmt: skip
_OUTCOMES = {
    "under investigation": 0.24, "no suspect identified": 0.41, "suspect charged": 0.16, "settled out of court": 0.06,
    "passed to another body": 0.04, "unfounded": 0.09,
}  # fmt: skip


def write_crime(path: Path, city: City, seed: int = 101) -> None:
    rng = np.random.default_rng(seed)
    names = list(_CATEGORIES)
    category = rng.choice(len(names), ROWS, p=np.array([item[0] for item in _CATEGORIES.values()]))
    x, y = _locations(city, category, rng)
    lonlat = shapely.get_coordinates(to_lonlat(shapely.points(x, y), 6))
    district = _districts(city, x, y)
    times = _times(category, rng)
    order = np.argsort(times, kind="stable")
    outcome = rng.choice(list(_OUTCOMES), ROWS, p=list(_OUTCOMES.values()))
    rows = []
    serial: dict[int, int] = {}
    for i in order:
        moment = _START + timedelta(minutes=int(times[i]))
        serial[moment.year] = serial.get(moment.year, 0) + 1
        result = "under investigation" if moment > datetime(2025, 11, 15, tzinfo=UTC) and i % 3 else outcome[i]
        rows.append([
            f"{moment.year}-{serial[moment.year]:06d}", names[category[i]], f"{moment:%Y-%m-%dT%H:%M:00Z}", district[i],
            result, f"{lonlat[i, 0]:.6f}", f"{lonlat[i, 1]:.6f}",
        ])  # fmt: skip
    _break_some(rows)
    write_csv(path, HEADER, rows)


def _locations(city: City, category: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """To the nearest corner or house number: points on the streets, drawn more often near hot spots."""
    edges = [edge for edge in city.edges if edge.kind not in ("motorway", "path") and not edge.bridge]
    middles = shapely.get_coordinates(
        shapely.line_interpolate_point(np.array([e.line for e in edges], dtype=object), 0.5, normalized=True)
    )
    density = np.array([city.field.density_at(px, py) for px, py in middles])
    length = np.minimum(np.array([edge.line.length for edge in edges]), 200)
    base = length * np.round(density**1.1 + 0.006, 9)
    x, y = np.zeros(ROWS), np.zeros(ROWS)
    for number, (*_, spots) in enumerate(_CATEGORIES.values()):
        pull = np.ones(len(edges))
        for spot in spots:
            sx, sy, radius = _SPOTS[spot]
            pull += 5 * np.exp(-((middles[:, 0] / 1000 - sx) ** 2 + (middles[:, 1] / 1000 - sy) ** 2) / radius**2)
        weight = np.round(base * pull, 9)
        weight /= weight.sum()
        mine = np.flatnonzero(category == number)
        chosen = rng.choice(len(edges), len(mine), p=weight)
        along = np.round(rng.random(len(mine)) * 4) / 4
        points = shapely.line_interpolate_point(
            np.array([edges[i].line for i in chosen], dtype=object), along, normalized=True
        )
        x[mine], y[mine] = np.round(shapely.get_coordinates(points), 1).T
    return x, y


def _times(category: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Minutes since the start: weekends are busier at night, winter for burglary, summer for bicycles."""
    times = np.zeros(ROWS, dtype=np.int64)
    days = np.arange(_DAYS)
    weekday = (days + _START.weekday()) % 7
    hours = np.arange(24)
    for number, (_, (low, peak, width, height), winter, _) in enumerate(_CATEGORIES.values()):
        season = 1 + winter * np.cos(2 * np.pi * (days - 15) / 365.25)
        trend = 1 + (0.25 if number == 7 else -0.06) * (days / _DAYS - 0.5)
        weekly = np.where(weekday >= 4, 1.18, 1.0) if number in (4, 5, 6) else np.where(weekday == 6, 0.82, 1.0)
        by_day = np.round(season * trend * weekly, 9)
        away = np.minimum((hours - peak) % 24, (peak - hours) % 24)
        by_hour = np.round(low + height * np.exp(-((away / width) ** 2)), 9)
        mine = np.flatnonzero(category == number)
        day = rng.choice(_DAYS, len(mine), p=by_day / by_day.sum())
        hour = rng.choice(24, len(mine), p=by_hour / by_hour.sum())
        times[mine] = day * 1440 + hour * 60 + rng.integers(0, 12, len(mine)) * 5
    return times


def _districts(city: City, x: np.ndarray, y: np.ndarray) -> list[str]:
    tree = shapely.STRtree([district.shape for district in city.districts])
    nearest = tree.nearest(shapely.points(x, y))
    return [city.districts[i].name for i in nearest]


def _break_some(rows: list[list[str]]) -> None:
    """Faults that real files have, 27 rows; the README lists them."""
    for number in range(700, 60_000, 5_000):  # 12 rows without coordinates
        rows[number][5:] = ["", ""]
    for number in range(1_900, 60_000, 12_000):  # 5 with longitude and latitude swapped
        rows[number][5:] = rows[number][:4:-1]
    for number in range(3_300, 60_000, 15_000):  # 4 whose date nobody can read
        rows[number][2] = "31/02/2023 25:61"
    for number in range(4_700, 60_000, 20_000):  # 3 at 0, 0
        rows[number][5:] = ["0.000000", "0.000000"]
    for number in range(6_100, 60_000, 20_000):  # 3 that repeat the key of the row before
        rows[number][0] = rows[number - 1][0]
