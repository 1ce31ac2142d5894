"""When a dataset was updated: by the last load or the last edit, whichever came later, wherever that is told."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import psycopg
from starlette.testclient import TestClient

from geoserver.app import create_app
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def told(client: TestClient) -> dict[str, datetime]:
    """By each who tells it of the trees."""
    layers: dict[str, Any] = {layer["id"]: layer for layer in client.get("/api/layers").json()["layers"]}
    catalogue = client.get("/data.json").json()["dataset"]
    (entry,) = [each for each in catalogue if "/layers/trees" in each["identifier"]]
    page = client.get("/layers/trees", headers={"Accept": "text/html"}).text
    shown = re.search(r'<time datetime="([^"]+)"', page)
    linked = re.search(r'"dateModified":\s*"([^"]+)"', page)
    newest = client.get("/layers?order=updated", headers={"Accept": "text/html"}).text
    assert shown
    assert linked
    texts = {
        "api": layers["trees"]["updated"],
        "dcat": entry["modified"],
        "page": shown[1],
        "json-ld": linked[1],
        "first": (re.findall(r'<time datetime="([^"]+)"', newest) or [page])[0],
    }
    return {name: datetime.fromisoformat(text) for name, text in texts.items()}


def test_an_edit_is_an_update_and_stays_one_when_it_is_folded(
    tmp_path: Path, make_database: Callable[..., str], city_template: str
) -> None:
    url = make_database(template=city_template)
    app = create_app(Settings(workspace=tmp_path, database_url=None, samples=True), url)
    with TestClient(app, base_url="http://127.0.0.1") as client, psycopg.connect(url, autocommit=True) as connection:
        before = told(client)
        assert len({moment.replace(microsecond=0) for name, moment in before.items() if name != "first"}) == 1
        with connection.transaction():
            row = connection.execute("SELECT now()").fetchone()
            assert row
            connection.execute("DELETE FROM layers.trees WHERE fid = 1")
        deadline = time.monotonic() + 30
        while told(client)["api"] == before["api"]:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for folded in (False, True):
            if folded:
                connection.execute("SELECT geoserver.fold_edits('trees')")
                assert connection.execute("SELECT count(*) FROM geoserver.edits").fetchone() == (0,)
            for name, moment in told(client).items():
                assert abs((moment - row[0]).total_seconds()) < 1, name
