"""A frozen map shows what was shown to whom it was frozen for, to nobody who may not see all of that."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import pytest
from gated import CANARY, open_city

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gated import City


@pytest.fixture(scope="module")
def city(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[City]:
    url = make_database(template=empty_template)
    with open_city(tmp_path_factory.mktemp("gated") / "city", url) as opened:
        yield opened


def freeze(city: City, caller: str, link: str, **more: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {city.keys[caller]}"} if caller in city.keys else {}
    answer = city.client.post("/frozen", json={"link": link, **more}, headers=headers)
    if answer.status_code != 202:
        return {"refused": answer.status_code, **answer.json()}
    told: dict[str, Any] = answer.json()
    deadline = time.monotonic() + 120
    while told["state"] not in ("done", "failed"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        told = city.ask(caller, f"/frozen/{told['id']}/status.json").json()
    assert told["state"] == "done", told
    return told


def list_addresses(frozen_id: str, layer: str) -> list[str]:
    here = f"/frozen/{frozen_id}"
    files = ("", "manifest.json", "status.json", "changed.json", f"data/{layer}.parquet", "data/tiles.pmtiles", "x")
    return [here, f"{here}.zip", *(f"{here}/{name}" for name in files)]


def test_only_who_may_manage_freezes(city: City) -> None:
    assert freeze(city, "nobody", "?layers=stops")["refused"] == 401
    assert freeze(city, "narrow", "?layers=stops")["refused"] == 403
    assert freeze(city, "nobody", "?layers=people")["parameter"] == "layers"
    nothing = freeze(city, "nobody", "?layers=nothing")
    hidden = freeze(city, "nobody", "?layers=people")
    assert hidden["detail"].replace("people", "nothing") == nothing["detail"]


@pytest.mark.slow
def test_a_frozen_map_of_what_is_not_for_everybody_is_not_there_for_others(city: City) -> None:
    told = freeze(city, "full", "?layers=people")
    assert not told["everybody"]
    for address in list_addresses(told["id"], "people"):
        full = city.ask("full", address)
        if not address.endswith("/x"):
            assert full.status_code == 200, address
            assert full.headers["cache-control"] == "private, no-store", address
        for caller in ("nobody", "rows", "narrow", "misfit"):  # the second sees fewer rows, the third fewer fields
            answer = city.ask(caller, address)
            assert answer.status_code == 404, (caller, address)
            wrong = city.ask(caller, address.replace(told["id"], "abcdefghijkl"))
            assert answer.text.replace(told["id"], "abcdefghijkl") == wrong.text
    assert CANARY in city.ask("full", f"/frozen/{told['id']}/manifest.json").text


@pytest.mark.parametrize("caller", ["full", "rows", "nobody"])
def test_what_stands_for_a_frozen_map_elsewhere_is_there_for_all_or_for_none(city: City, caller: str) -> None:
    """Such an answer may be kept by whoever stands between, and pages of others show it to anybody."""
    private = freeze(city, "full", "?layers=people", title=f"People of the {CANARY}")
    public = freeze(city, "full", "?layers=stops", title="Stops of the city")
    for address in (
        "/embed?frozen={}",
        "/oembed?url=http://127.0.0.1/frozen/{}/",
        "/oembed?url=http://127.0.0.1/embed?frozen={}",
    ):
        assert city.ask(caller, address.format(public["id"])).status_code == 200
        answer = city.ask(caller, address.format(private["id"]))
        missing = city.ask(caller, address.format("abcdefghijkl"))
        assert (answer.status_code, missing.status_code) == (404, 404)
        assert answer.text.replace(private["id"], "abcdefghijkl") == missing.text
        assert CANARY not in answer.text


def test_parts_and_tags_of_a_frozen_map_are_for_those_who_may_see_it(city: City) -> None:
    told = freeze(city, "full", "?layers=people")
    here = f"/frozen/{told['id']}"
    for address in (f"{here}.zip", f"{here}/data/tiles.pmtiles", f"{here}/manifest.json"):
        key = {"Authorization": f"Bearer {city.keys['full']}"}
        tag = city.client.get(address, headers=key).headers["etag"]
        for asked in ({"Range": "bytes=0-9"}, {"Range": "bytes=-9", "If-Range": tag}, {"If-None-Match": tag}):
            assert city.client.get(address, headers=asked).status_code == 404
            assert city.client.head(address, headers=asked).status_code == 404
            assert city.client.get(address, headers={**asked, **key}).status_code in (200, 206, 304)


def test_a_key_that_is_taken_away_takes_its_frozen_maps_along(city: City) -> None:
    told = freeze(city, "full", "?layers=people")
    address = f"/frozen/{told['id']}/manifest.json"
    manager = {"Authorization": f"Bearer {city.keys['full']}"}
    wish = {"label": "for a while", "grants": [{"layers": ["people"], "fields": ["*"]}]}
    made = city.client.post("/api/keys", json=wish, headers=manager)
    assert made.status_code == 201, made.text
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    assert city.client.get(address, headers=key).status_code == 200
    assert city.client.delete(f"/api/keys/{made.json()['id']}", headers=manager).status_code == 204
    city.wait(lambda: city.client.get(address, headers=key).status_code == 401)


def test_a_frozen_map_of_what_everybody_sees_says_nothing_of_what_they_do_not(city: City) -> None:
    told = freeze(city, "full", "?layers=stops")
    assert told["everybody"]
    manifest = city.ask("nobody", f"/frozen/{told['id']}/manifest.json")
    assert manifest.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert CANARY not in manifest.text
    assert "people" not in manifest.text


def test_who_may_see_more_freezes_for_everybody_by_saying_so(city: City) -> None:
    private = freeze(city, "full", "?layers=homes")
    public = freeze(city, "full", "?layers=homes", everybody=True)
    assert (private["everybody"], public["everybody"]) == (False, True)
    address = "/frozen/{}/data/homes.parquet"
    assert city.ask("nobody", address.format(private["id"])).status_code == 404
    assert CANARY.encode() in city.ask("full", address.format(private["id"])).content
    assert CANARY.encode() not in city.ask("nobody", address.format(public["id"])).content
    assert freeze(city, "full", "?layers=people", everybody=True)["parameter"] == "layers"


def test_a_layer_that_is_closed_closes_its_frozen_maps(city: City) -> None:
    told = freeze(city, "full", "?layers=stops,homes", everybody=True)
    address = f"/frozen/{told['id']}/manifest.json"
    assert city.ask("nobody", address).status_code == 200
    head = 'title = "Stops"\n'
    city.rewrite("stops", head, head + 'access = "restricted"\n')
    try:
        city.wait(lambda: city.ask("nobody", address).status_code == 404)
        assert city.ask("full", address).headers["cache-control"] == "private, no-store"
    finally:
        city.rewrite("stops", 'access = "restricted"\n', "")
    city.wait(lambda: city.ask("nobody", address).status_code == 200)


@pytest.mark.slow
def test_who_manages_lists_and_deletes_and_the_address_says_so_afterwards(city: City) -> None:
    told, other = (freeze(city, "full", link, title="Two") for link in ("?layers=people,stops", "?layers=stops"))
    listed = city.ask("full", "/frozen").json()["maps"]
    assert {told["id"], other["id"]} <= {one["id"] for one in listed}
    assert all(one["bytes"] > 1_000 and one["title"] and one["frozen"] for one in listed)
    assert city.ask("nobody", "/frozen").status_code == 401
    assert city.ask("narrow", "/frozen").json()["maps"] == []

    def delete(caller: str, frozen_id: str) -> int:
        headers = {"Authorization": f"Bearer {city.keys[caller]}"} if caller in city.keys else {}
        return int(city.client.delete(f"/frozen/{frozen_id}", headers=headers).status_code)

    assert [delete(caller, told["id"]) for caller in ("nobody", "narrow", "full", "full")] == [404, 404, 204, 410]
    assert [delete(caller, other["id"]) for caller in ("nobody", "narrow", "full")] == [401, 403, 204]
    gone = city.ask("nobody", f"/frozen/{other['id']}/")
    assert gone.status_code == 410
    assert "'Two'" in gone.json()["detail"]
    assert city.ask("nobody", f"/frozen/{told['id']}/").status_code == 404
    again = freeze(city, "full", "?layers=stops", title="Two")
    assert again["id"] != other["id"]
    assert city.ask("nobody", f"/frozen/{again['id']}/").status_code == 200


def test_a_page_elsewhere_cannot_make_a_signed_in_browser_freeze(city: City) -> None:
    headers = {"Authorization": "Basic " + _basic(city.keys["full"]), "Origin": "https://elsewhere.test"}
    answer = city.client.post("/frozen", json={"link": "?layers=stops"}, headers=headers)
    assert answer.status_code == 403
    assert "Origin" in answer.json()["detail"]


def _basic(key: str) -> str:

    return base64.b64encode(f"key:{key}".encode()).decode()
