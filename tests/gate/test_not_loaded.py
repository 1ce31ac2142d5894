"""A restricted layer whose rows are not loaded yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.testclient import TestClient
from gatehouse import House, bearer, build_app, write_workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_its_style_is_kept_by_nobody(tmp_path: Path, empty_database: str) -> None:
    house = House(write_workspace(tmp_path), empty_database)
    with TestClient(build_app(house), base_url="http://127.0.0.1") as client:
        _, key = house.key()
        answer = client.get("/styles/wells.json", headers=bearer(key))
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store")
        assert "Authorization" in answer.headers["vary"]
        assert client.get("/styles/wells.json").status_code == 404
        assert client.get("/styles/benches.json", headers=bearer(key)).headers["cache-control"].startswith("public")
