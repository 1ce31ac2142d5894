"""Random tile addresses and questions, right and wrong: no answer is a 5xx, and nothing is left behind."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING
from urllib.parse import quote

import mercantile
import pytest

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

LAYERS = [
    "crime",
    "trees",
    "bike-paths",
    "districts",
    "air-quality",
    "buildings",
    "crime,trees",
    "crime,nothing",
    "",
    "x" * 300,
]
NUMBERS = ["0", "1", "-1", "17", "99999999999999999999", "1.5", "a", "%00", "²", "'", "1e3", " ", "%F0%9F%8C%B3"]
NAMES = ["category", "species", "height", "reported_at", "planted", "geometry", "kind", "nosuch", "fid", "district"]
VALUES = [
    "'theft'",
    "'it''s'",
    "5",
    "-1e308",
    "TRUE",
    "NULL",
    "DATE('2023-05-05')",
    "TIMESTAMP('2023-01-01T00:00:00Z')",
]
VALUES += [
    "TIMESTAMP('9999-12-31T23:59:59Z')",
    "DATE('0001-01-01')",
    "INTERVAL('2021-01-01', '..')",
    "POINT(-28.6 45.2)",
]
OPERATORS = ["=", "<>", "<", ">=", "LIKE", "IN", "IS", "BETWEEN", "AND", "OR", "NOT", "(", ")", ",", "+", "*", "^"]
CALLS = [
    "S_INTERSECTS(geometry, BBOX(-29, 45, -28, 46))",
    "T_DURING(reported_at, INTERVAL('2022-01-01', '2023-01-01'))",
]
CALLS += ["CASEI(category) LIKE CASEI('%T%')", "S_WITHIN(geometry, POLYGON((0 0, 1 1)))", "T_AFTER(planted, '2001')"]


def draw_text(draw: random.Random) -> str:
    """A filter that may be right, nearly right, or no filter at all."""
    kind = draw.random()
    if kind < 0.4:
        parts = [
            f"{draw.choice(NAMES)} {draw.choice(['=', '<', '>=', '<>'])} {draw.choice(VALUES)}"
            for _ in range(draw.randint(1, 3))
        ]
        return draw.choice([" AND ", " OR ", " AND NOT "]).join(parts)
    if kind < 0.8:
        return " ".join(draw.choice(NAMES + VALUES + OPERATORS + CALLS) for _ in range(draw.randint(1, 12)))
    return "".join(
        chr(draw.choice([draw.randint(1, 127), draw.randint(128, 0x2FFF)])) for _ in range(draw.randint(1, 60))
    )


def draw_query(draw: random.Random) -> str:
    parts = []
    for _ in range(draw.choice([0, 0, 1, 1, 2, 4])):
        name = draw.choice(["filter", "filter", "datetime", "bbox", "bbox-crs", "filter-lang", *NAMES])
        value = draw.choice(
            [draw_text(draw), "2022/..", "-28.7,45.1,-28.5,45.3", "1,2,3", "theft", "", "cql2-json", "{}"]
        )
        parts.append(f"{name}={quote(value)}")
    return "?" + "&".join(parts) if parts else ""


def draw_address(draw: random.Random) -> str:
    """Mostly tiles over the city and around it, and anything else that fits the pattern or does not."""
    zoom = draw.randint(0, 18)
    x, y, _ = mercantile.tile(-28.6, 45.2, zoom)
    place = [str(zoom), str(x + draw.randint(-1, 1)), str(y + draw.randint(-1, 1))]
    if draw.random() < 0.3:
        place[draw.randrange(3)] = draw.choice(NUMBERS)
    return f"/tiles/{draw.choice(LAYERS)}/{'/'.join(place)}{draw.choice(['.mvt', '.mvt', '.pbf', '.png', ''])}"


async def count_tasks() -> int:
    return len(asyncio.all_tasks())


def check(client: TestClient, app: FastAPI, requests: int, seed: str) -> None:
    assert client.portal is not None
    tiles, before = app.state.tiles, client.portal.call(count_tasks)
    draw = random.Random(seed)
    statuses: dict[int, int] = {}
    for _ in range(requests):
        path = draw_address(draw) + draw_query(draw)
        answer = client.request(draw.choice(["GET", "GET", "GET", "HEAD"]), path)
        assert answer.status_code < 500, (path, answer.text)
        statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
    assert {200, 204, 400, 404} <= statuses.keys()
    assert len(tiles.flights) == 0
    assert client.portal.call(count_tasks) <= before
    assert tiles.cache.bytes <= tiles.cache.limit
    stats = app.state.services.database._pool.get_stats()
    assert stats["pool_size"] == stats["pool_available"]


def test_random_requests_for_tiles_are_answered_or_refused(client: TestClient, city_app: FastAPI) -> None:
    check(client, city_app, 1_000, "some")


@pytest.mark.slow
def test_ten_thousand_random_requests_for_tiles_are_answered_or_refused(client: TestClient, city_app: FastAPI) -> None:
    check(client, city_app, 10_000, "many")
