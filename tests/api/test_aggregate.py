"""`/api/layers/{id}/aggregate` against what SQL says of the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

BURGLARIES = {"filter": "category='burglary' AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')"}
BURGLARIES_SQL = "category = 'burglary' AND reported_at >= '2024-01-01T00:00:00Z'"


@pytest.fixture(scope="module")
def sql(city_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(city_database, options="-c timezone=UTC") as connection:
        yield connection


def ask(client: TestClient, layer: str, group: str, **params: str) -> Any:
    answer = client.get(f"/api/layers/{layer}/aggregate", params={"group": group, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def read_cells(found: Any) -> dict[tuple[Any, ...], Any]:
    """What was measured by values; others are "...", no value is None, a bin is its lower edge."""
    named = [
        {-1: "...", -2: None} | dict(enumerate(group.get("values") or group["edges"])) for group in found["groups"]
    ]
    return {tuple(names[at] for names, at in zip(named, cell, strict=False)): cell[-1] for cell in found["cells"]}


def test_months_by_category_are_counted_as_sql_counts_them(client: TestClient, sql: psycopg.Connection) -> None:
    found = ask(client, "crime", "reported_at:month,category", **BURGLARIES)
    rows = sql.execute(
        "SELECT to_char(date_trunc('month', reported_at), 'YYYY-MM-DD'), category, count(*) FROM layers.crime"
        f" WHERE {BURGLARIES_SQL} GROUP BY 1, 2".encode()
    ).fetchall()
    assert read_cells(found) == {(month, category): count for month, category, count in rows}
    assert found["count"] == sum(count for *_, count in rows)
    assert found["groups"][1]["labels"] == ["Burglary"]


def test_points_are_counted_in_the_areas_of_another_layer(client: TestClient, sql: psycopg.Connection) -> None:
    found = ask(client, "crime", "in:districts", **BURGLARIES)
    rows = sql.execute(
        "SELECT d.fid, count(*) FROM layers.crime AS c LEFT JOIN layers.districts AS d"
        " ON ST_Intersects(d.geom_3857, c.geom_3857)"
        f" WHERE {BURGLARIES_SQL} GROUP BY 1".encode()
    ).fetchall()
    assert read_cells(found) == {(fid,): count for fid, count in rows}
    assert "overlaps" not in found
