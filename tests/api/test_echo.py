"""What a client sends comes back shortened, however long it is and wherever it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.routing import APIRoute
from starlette.routing import Route

from geoserver.api import find_routers
from geoserver.ogc.routes import router as ogc_router
from geoserver.site.routes import router as site_router

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

ROUTES = [route for router in [*find_routers(), ogc_router, site_router] for route in router.routes]
ADDRESSES = sorted({route.path for route in ROUTES if isinstance(route, APIRoute | Route)})
VALUES = {"layer_id": "crime", "layers": "crime", "fid": "1", "name": "light", "z": "10", "x": "430", "y": "365",
          "stack": "Noto Sans Regular", "glyphs": "0-255", "path:path": "nothing.js", "ending": "mvt"}  # fmt: skip
LONG = ["x" * 40_000, "%C3%A9" * 6_000, "%00" * 13_000, "%22%5C" * 6_000]
MOST = 4_500  # bytes of a problem: a list of what was expected is the larger part of it


def fill(path: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        path = path.replace("{" + name + "}", value)
    return path


def check(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < MOST
        assert all(len(value) < 500 for value in answer.headers.values())


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_problem_repeats_a_long_name_value_or_part_of_a_path(client: TestClient, address: str) -> None:
    path = fill(address, VALUES)
    for text in LONG:
        for query in (f"{text}={text}", f"f={text}", f"filter={text}"):
            check(client, "GET", f"{path}?{query[:40_000]}")
        for part in VALUES:
            if "{" + part + "}" in address:
                check(client, "GET", fill(address, VALUES | {part: text}))
        check(client, "DELETE", f"{path}{text}")
        check(client, "GET", f"/{text}")


def test_a_long_parameter_name_is_told_by_its_beginning(client: TestClient) -> None:
    answer = client.get("/api/layers/crime/summary?" + "n" * 60_000 + "=1")
    assert answer.status_code == 400
    assert answer.json()["parameter"].startswith("nnnnnnnnnn")
    assert len(answer.content) < 1_500
