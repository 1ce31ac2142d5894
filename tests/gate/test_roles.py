"""The server runs as a role that may do no more than the documentation grants it."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from fastapi.testclient import TestClient
from gatehouse import House, bearer, build_app
from psycopg.conninfo import make_conninfo
from test_identify import wait_for
from test_keys_by_http import ALL, wish

from geoserver import editing
from geoserver.catalog import read_catalog
from geoserver.loading import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
BLOCK = re.compile(r"```sql\n(GRANT USAGE .*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def narrow(house: House, database_server: str) -> Iterator[House]:
    """The same city, seen as a role with the documented rights."""
    role = f"web_{uuid.uuid4().hex[:8]}"
    found = BLOCK.search((ROOT / "docs" / "operate.md").read_text(encoding="utf-8"))
    assert found
    ((owner,),) = house.do("SELECT current_user")
    house.do(f'CREATE ROLE "{role}"')
    house.do(found[1].replace("city_web", f'"{role}"').replace("city_owner", f'"{owner}"'))
    yield House(house.workspace, make_conninfo(house.database_url, options=f"-c role={role}"))
    house.do(f'DROP OWNED BY "{role}"; DROP ROLE "{role}"')


@pytest.mark.slow
def test_a_role_with_the_documented_rights_serves_and_counts_and_makes_keys(house: House, narrow: House) -> None:
    stored, key = house.key(ALL)
    with TestClient(build_app(narrow), base_url="http://127.0.0.1") as client:
        assert client.get("/readyz").json()["database"] == "ready"
        paths = (
            "/tiles/benches/14/6890/5880.mvt",
            "/tiles/wells/14/6890/5880.mvt?wood=oak",
            "/api/layers/wells/summary",
            "/api/layers/wells/features/1",
            "/api/layers/wells/rejects",
            "/ogc/collections/wells/items?limit=1",
        )
        for path in paths:
            assert client.get(path, headers=bearer(key)).status_code in (200, 204), path
        made = client.post("/api/keys", json=wish(rows="owner = 'Ann'"), headers=bearer(key))
        assert made.status_code == 201
        assert client.get("/tiles/wells.json", headers=bearer(made.json()["key"])).status_code == 200
        signed = client.post(
            "/signin", data={"key": key}, headers={"Origin": "http://127.0.0.1"}, follow_redirects=False
        )
        assert signed.status_code == 303
        assert client.delete(f"/api/keys/{made.json()['id']}", headers=bearer(key)).status_code == 204
        wait_for(lambda: bool(house.do("SELECT key FROM geoserver.uses WHERE key = %s", [stored.id])))
        for layer in read_catalog(house.settings).layers.values():
            load(layer, house.database_url, force=True)
        assert client.get("/api/layers/wells/summary", headers=bearer(key)).json()["count"] == 2


@pytest.mark.slow
def test_where_requests_cannot_be_counted_keys_hold_and_operators_are_told(house: House, narrow: House) -> None:
    _, key = house.key(ALL)
    ((role,),) = narrow.do("SELECT current_user")
    house.do(f'REVOKE INSERT, UPDATE ON geoserver.uses FROM "{role}"')
    with TestClient(build_app(narrow), base_url="http://127.0.0.1") as client:
        assert client.get("/who", headers=bearer(key)).status_code == 200
        wait_for(lambda: "count requests of keys" in client.get("/readyz").text)
        later, other = house.key()
        assert client.get("/who", headers=bearer(other)).status_code == 200
        house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [later.id])
        wait_for(lambda: client.get("/who", headers=bearer(other)).status_code == 401)
        house.do(f'GRANT INSERT, UPDATE ON geoserver.uses TO "{role}"')
        wait_for(lambda: client.get("/readyz").json()["tasks"] == [])


def test_such_a_role_changes_nothing_else(narrow: House) -> None:
    for statement in (
        "UPDATE layers.wells SET wood = 'ash'",
        "DELETE FROM layers.benches",
        "DROP TABLE layers.wells",
        "CREATE TABLE layers.more (a int)",
        "UPDATE geoserver.layers SET rows = 0",
        "DELETE FROM geoserver.keys",
        "DELETE FROM geoserver.audit",
        "UPDATE geoserver.audit SET name = ''",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            narrow.do(statement)


@pytest.mark.slow
def test_a_role_with_the_documented_rights_follows_edits(
    house: House, narrow: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(editing, "_WAIT", 0.1)
    house.do("INSERT INTO layers.benches (wood, geom) VALUES ('ash', ST_Point(-28.62, 45.22, 4326))")
    with TestClient(build_app(narrow), base_url="http://127.0.0.1") as client:
        wait_for(lambda: not house.do("SELECT layer FROM geoserver.edits"))
        assert client.get("/api/layers/benches/summary").json()["count"] == 3
        assert client.get("/readyz").json()["tasks"] == []
