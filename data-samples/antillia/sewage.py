"""Sewage sampling: 40 sites, one sample a week for two years; small counts are suppressed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import shapely

from antillia.city import City
from antillia.shapes import to_lonlat
from antillia.writing import write_csv

SITES, WEEKS = 40, 104
_FIRST = datetime(2024, 1, 1, 7, 0, tzinfo=UTC)
LEAST = 5  # a rate that stands for fewer persons than this is written as "<5"
_ENDINGS = ["Collector", "Pumping station", "Interceptor", "Treatment inlet", "Manhole"]


def write_sewage(sites: Path, readings: Path, city: City, seed: int = 404) -> None:
    rng = np.random.default_rng(seed)
    rows = _sites(city, rng)
    write_csv(sites, ["site", "name", "kind", "district", "population_served", "longitude", "latitude"], rows)
    write_csv(
        readings,
        ["site", "sampled_at", "flow", "influenza", "sars_cov_2", "norovirus", "caffeine"],
        _readings(rows, rng),
    )


def _sites(city: City, rng: np.random.Generator) -> list[list[object]]:
    """Two or so per district, at corners low in it: the nearest to the water."""
    edges = [edge for edge in city.edges if edge.kind in ("secondary", "residential") and not edge.bridge]
    ends = shapely.points(np.array([edge.line.coords[0] for edge in edges]))
    shapely.prepare(city.geography.ground)
    rows: list[list[object]] = []
    weights = np.sqrt(np.array([district.people for district in city.districts]))
    shares = np.maximum(1, np.floor(weights / weights.sum() * SITES)).astype(int)
    for extra in range(SITES - int(shares.sum())):
        shares[extra % 9] += 1
    for district, share in zip(city.districts, shares, strict=True):
        inside = np.flatnonzero(shapely.contains(district.shape, ends))
        wet = shapely.distance(ends[inside], city.geography.ground.boundary)
        near = inside[np.argsort(np.round(wet, 3), kind="stable")][: max(share * 6, len(inside) // 3)]
        for number, pick in enumerate(sorted(rng.choice(near, share, replace=False))):
            lon, lat = shapely.get_coordinates(to_lonlat(ends[pick], 6))[0]
            kind = _ENDINGS[int(rng.integers(len(_ENDINGS)))]
            served = max(90, int(round(district.people / share * float(rng.uniform(0.7, 1.0)), -1)))
            name = f"{district.name} {number + 1}"
            rows.append(
                [f"WW-{len(rows) + 1:02d}", name, kind.lower(), district.name, served, f"{lon:.6f}", f"{lat:.6f}"]
            )
    return rows[:SITES]


def _readings(sites: list[list[object]], rng: np.random.Generator) -> list[list[object]]:
    """Persons shedding a marker per 100,000 people; a sample in fifty was lost, and small counts are suppressed."""
    rows = []
    weeks = np.arange(WEEKS)
    winter = np.cos(2 * np.pi * (weeks - 3) / 52.18)
    waves = {
        "influenza": 1500 * np.clip(winter, 0, 1) ** 2 + 40,
        "sars_cov_2": 350 + 1100 * np.clip(np.sin(2 * np.pi * (weeks - 9) / 31), 0, 1) ** 2 + 190 * winter,
        "norovirus": 190 + 520 * np.clip(np.cos(2 * np.pi * (weeks - 11) / 52.18), 0, 1),
    }
    for site in sites:
        served = int(site[4])  # type: ignore[call-overload]
        local = float(rng.uniform(0.6, 1.5))
        for week in range(WEEKS):
            if rng.random() < 0.02:
                continue
            when = _FIRST + timedelta(weeks=week, minutes=int(rng.integers(0, 24)) * 5)
            rain = float(rng.gamma(1.2, 0.25)) * (1 + 0.4 * winter[week])
            flow = served * 0.00155 * (1 + rain)
            values: list[object] = []
            for wave in waves.values():
                rate = max(0.0, float(wave[week])) * local * float(rng.lognormal(0, 0.35))
                persons = rate * served / 100_000
                values.append("<5" if persons < LEAST else f"{rate:.1f}")
            caffeine = "" if rng.random() < 0.03 else f"{float(rng.normal(62, 9)) / (1 + rain):.1f}"
            rows.append([site[0], f"{when:%Y-%m-%dT%H:%M:00Z}", f"{flow:.2f}", *values, caffeine])
    rows.sort(key=lambda row: (row[1], row[0]))
    return rows
