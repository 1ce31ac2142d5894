"""Air quality: 60 sensors, hourly for 30 days, with gaps; a semicolon CSV in CP1252 with decimal commas."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import shapely

from antillia.city import City
from antillia.shapes import to_lonlat
from antillia.writing import write_csv

SENSORS, HOURS = 60, 720
_FIRST = datetime(2025, 12, 2, tzinfo=UTC)


def write_air(sensors: Path, readings: Path, city: City, seed: int = 505) -> None:
    rng = np.random.default_rng(seed)
    rows, traffic = _sensors(city, rng)
    header = ["Código", "Nome", "Distrito", "Tipo", "Altura (m)", "Longitude", "Latitude"]
    write_csv(sensors, header, rows, encoding="cp1252", separator=";")
    header = ["sensor", "measured_at", "pm25", "pm10", "no2", "o3", "temperature"]
    write_csv(readings, header, _readings(rows, traffic, rng), separator=";")


def _comma(value: float, digits: int = 1) -> str:
    return f"{value:.{digits}f}".replace(".", ",")


def _sensors(city: City, rng: np.random.Generator) -> tuple[list[list[object]], np.ndarray]:
    """At kerbs and in quiet streets; never two within 350 m."""
    edges = [edge for edge in city.edges if edge.line.length > 40 and not edge.bridge]
    names = [district.name for district in city.districts]
    tree = shapely.STRtree([district.shape for district in city.districts])
    rows: list[list[object]] = []
    taken: list[tuple[float, float]] = []
    traffic = []
    for index in rng.permutation(len(edges)):
        edge = edges[index]
        middle = edge.line.interpolate(0.5, normalized=True)
        x, y = round(middle.x, 1), round(middle.y, 1)
        density = city.field.density_at(x, y)
        apart = 350 if density > 0.3 else 900
        if rng.random() > density + 0.12 or any((x - a) ** 2 + (y - b) ** 2 < apart**2 for a, b in taken):
            continue
        taken.append((x, y))
        busy = {"motorway": 1.6, "primary": 1.2, "secondary": 0.8}.get(edge.kind, 0.35) + 0.4 * density
        kind = "trânsito" if busy > 0.95 else "urbano de fundo" if density > 0.25 else "rural"
        lon, lat = shapely.get_coordinates(to_lonlat(middle, 6))[0]
        district = names[int(tree.nearest(middle))]
        rows.append([
            f"AQ{len(rows) + 1:03d}", edge.name, district, kind, _comma(float(rng.choice([2.0, 2.5, 3.0, 4.0]))),
            _comma(lon, 6), _comma(lat, 6),
        ])  # fmt: skip
        traffic.append(busy)
        if len(rows) == SENSORS:
            break
    return rows, np.array(traffic)


def _readings(sensors: list[list[object]], traffic: np.ndarray, rng: np.random.Generator) -> list[list[object]]:
    hours = np.arange(HOURS)
    day = hours % 24
    rush = np.exp(-(((day - 8) / 2.0) ** 2)) + 0.9 * np.exp(-(((day - 18) / 2.5) ** 2)) + 0.15
    rush = rush * np.where((hours // 24 + _FIRST.weekday()) % 7 >= 5, 0.6, 1.0)
    wind = 1.25 + 0.5 * np.sin(hours / 31) + 0.3 * np.sin(hours / 77 + 1)
    warm = 13 + 2.6 * np.sin(2 * np.pi * (day - 9) / 24) + 1.8 * np.sin(hours / 90)
    rows = []
    for row, busy in zip(sensors, traffic, strict=True):
        gaps = _gaps(rng)
        drift = float(rng.uniform(0.85, 1.2))
        noise = rng.normal(0, 1, (HOURS, 5))
        for hour in hours:
            if hour in gaps:
                continue
            no2 = max(1.0, (6 + 38 * busy * rush[hour] / wind[hour]) * drift + 2.5 * noise[hour, 0])
            pm25 = max(1.0, (5 + 7 * busy * (0.5 + rush[hour]) / wind[hour]) * drift + 1.3 * noise[hour, 1])
            pm10 = pm25 * 1.45 + abs(2 * noise[hour, 2])
            ozone = max(2.0, 62 - 0.7 * no2 + 6 * np.sin(2 * np.pi * (day[hour] - 10) / 24) + 4 * noise[hour, 3])
            values = [_comma(float(value)) for value in (pm25, pm10, no2, ozone, warm[hour] + 0.4 * noise[hour, 4])]
            if rng.random() < 0.012:
                values[int(rng.integers(4))] = ""
            when = _FIRST + timedelta(hours=int(hour))
            rows.append([row[0], f"{when:%Y-%m-%dT%H:%M:00Z}", *values])
    rows.sort(key=lambda item: (item[1], item[0]))
    return rows


def _gaps(rng: np.random.Generator) -> set[int]:
    """Lone missed hours, and an outage of up to two days in some sensors."""
    missed = set(np.flatnonzero(rng.random(HOURS) < 0.015).tolist())
    if rng.random() < 0.4:
        start = int(rng.integers(0, HOURS - 50))
        missed |= set(range(start, start + int(rng.integers(4, 48))))
    return missed
