"""Layers of random rows, hard where it matters: stacked, on edges of tiles, without values; and random filters."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import mercantile
import shapely
from shapely.geometry.base import BaseGeometry

WEST, SOUTH, SIDE = -28.65, 45.18, 0.06
NAMES = ["oak", "elm", "ash's", "fig", "Yew", "bay", "box", "fir", "ivy", "gum", "nut", "tea", "pear", "plum", "rose"]
START = datetime(2021, 1, 1, tzinfo=UTC)


def draw_row(draw: random.Random) -> dict[str, Any]:
    """Values of one feature; skewed names, and a fifth of the values missing."""

    def maybe(value: Any) -> Any:
        return None if draw.random() < 0.2 else value

    moment = START + timedelta(microseconds=draw.randrange(3 * 365 * 86_400) * 1_000_000 + draw.choice([0, 1]))
    return {
        "name": maybe(NAMES[min(int(draw.expovariate(0.25)), len(NAMES) - 1)]),
        "size": maybe(draw.randrange(100)),
        "good": maybe(draw.random() < 0.5),
        "day": maybe(str(date(2021, 1, 1) + timedelta(days=draw.randrange(1000)))),
        "at": maybe(moment.isoformat()),
    }


def draw_place(draw: random.Random) -> tuple[float, float]:
    """Clustered, scattered, stacked on one corner, or on the very corner of tiles."""
    kind = draw.random()
    if kind < 0.1:
        return WEST + SIDE / 3, SOUTH + SIDE / 3
    if kind < 0.2:
        corner = mercantile.ul(mercantile.tile(*_anywhere(draw), draw.randint(11, 16)))
        if corner.lng > WEST and corner.lat < SOUTH + SIDE:
            return corner.lng, corner.lat
    if kind < 0.5:
        return WEST + SIDE / 2 + draw.gauss(0, SIDE / 40), SOUTH + SIDE / 2 + draw.gauss(0, SIDE / 40)
    return _anywhere(draw)


def _anywhere(draw: random.Random) -> tuple[float, float]:
    return WEST + draw.random() * SIDE, SOUTH + draw.random() * SIDE


def draw_shape(draw: random.Random, kind: str) -> BaseGeometry:
    lon, lat = draw_place(draw)
    if kind == "points":
        return shapely.Point(lon, lat)
    size = 10 ** draw.uniform(-5.5, -2)
    if kind == "lines":
        return shapely.LineString([(lon, lat), (lon + draw.uniform(-size, size), lat + draw.uniform(-size, size))])
    return shapely.box(lon, lat, lon + size, lat + size * draw.uniform(0.2, 1))


def draw_filter(draw: random.Random) -> str:
    """Mostly of the main choice field and time, as people ask, and else of anything."""
    first = _condition(draw, draw.choice(["name", "at", "name", "at", "size", "good", "place"]))
    more = [
        f" {draw.choice(['AND', 'AND', 'OR', 'AND NOT'])} {_condition(draw, draw.choice(['name', 'at', 'size']))}"
        for _ in range(draw.randint(0, 2))
    ]
    return "".join([first, *more])


def _condition(draw: random.Random, what: str) -> str:
    if what == "name":
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in draw.sample(NAMES, draw.randint(1, 4)))
        return draw.choice(
            [
                f"name IN ({names})",
                f"name NOT IN ({names})",
                "name IS NULL",
                "CASEI(name) LIKE CASEI('%Y%')",
                "name > 'f'",
            ]
        )
    if what == "at":
        moment = (START + timedelta(seconds=draw.randrange(3 * 365 * 86_400))).strftime("%Y-%m-%dT%H:%M:%SZ")
        return draw.choice(
            [
                f"at {draw.choice(['<', '<=', '>', '>=', '='])} TIMESTAMP('{moment}')",
                f"at >= DATE('{moment[:10]}')",
                f"T_INTERSECTS(at, INTERVAL('{moment[:10]}', '..'))",
                f"T_DURING(at, INTERVAL('2021-06-01', '{moment[:10]}'))" if moment > "2021-06-02" else "at IS NOT NULL",
                f"T_BEFORE(at, TIMESTAMP('{moment}'))",
            ]
        )
    if what == "place":
        lon, lat = _anywhere(draw)
        return f"S_INTERSECTS(geometry, BBOX({WEST - 1}, {SOUTH - 1}, {lon}, {lat}))"
    return "good = TRUE" if what == "good" else f"size {draw.choice(['<', '>='])} {draw.randrange(100)}"
