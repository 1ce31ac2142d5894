"""What is closed while it is asked for is in nothing that was kept: not what is under way, nor what lies in memory."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from gated import City, open_city

from geoserver import tiling
from geoserver.access import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOMES = "/tiles/homes/12/2200/1343.mvt"
PEOPLE = "/tiles/people/12/2200/1343.mvt"
ROOMS = '[fields.rooms]\ntype = "integer"\n'
EVERYWHERE = "S_INTERSECTS(geometry, POLYGON((0 0, {east} 0, {east} 80, 0 80, 0 0)))"


@pytest.fixture(scope="module")
def city(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[City]:
    folder, url = tmp_path_factory.mktemp("closing") / "city", make_database(template=empty_template)
    with pytest.MonkeyPatch.context() as patch, open_city(folder, url) as found:
        patch.setattr("geoserver.services._LOOK", 0.05)
        yield found


@contextmanager
def closed_rooms(city: City) -> Iterator[None]:
    """The rooms of homes are for nobody, as their file says; not yet as the server has read it."""
    city.rewrite("homes", ROOMS, ROOMS + "restricted = true\n")
    try:
        yield
    finally:
        city.rewrite("homes", ROOMS + "restricted = true\n", ROOMS)
        city.wait(lambda: tells_rooms(city))


def tells_rooms(city: City) -> bool:
    return '"rooms"' in city.ask("nobody", "/api/layers/homes").text


def in_memory(city: City, layer: str, word: bytes) -> list[Any]:
    """Tiles of a layer in which a word stands."""
    cache = city.client.app.state.tiles.cache  # type: ignore[attr-defined]
    return [entry.key for entry in cache._of(layer) if word in entry.read_body()]


def test_a_field_that_is_closed_under_traffic_is_in_no_remembered_tile(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert b"rooms" in city.ask("nobody", HOMES).content
    rowless = city.client.app.state.services.rowless  # type: ignore[attr-defined]
    look, seen, go_on = rowless.look, threading.Event(), threading.Event()

    def look_late(catalog: Any) -> Any:
        if catalog.layers["homes"].fields["rooms"].restricted:
            seen.set()
            go_on.wait(20)
        return look(catalog)

    monkeypatch.setattr(rowless, "look", look_late)
    with closed_rooms(city):
        assert seen.wait(20)
        for number in range(20):  # while the files have been read, and not all that hangs on them
            assert city.ask("nobody", f"{HOMES}?filter=name<>'z{number}'").status_code == 200
        go_on.set()
        city.wait(lambda: not tells_rooms(city))
        assert b"rooms" not in city.ask("nobody", HOMES).content
        assert in_memory(city, "homes", b"rooms") == []


def test_what_was_read_before_a_field_was_closed_is_not_made_of_it_after(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions, address = city.client.app.state.questions, f"{HOMES}?filter={EVERYWHERE.format(east=31)}"  # type: ignore[attr-defined]
    read, seen, go_on = questions.read, threading.Event(), asyncio.Event()

    async def read_late(client: str, layer: Any, *given: Any, **named: Any) -> Any:
        found = await read(client, layer, *given, **named)
        if layer.id == "homes" and "rooms" in layer.fields and not go_on.is_set():
            seen.set()
            await go_on.wait()
        return found

    with ThreadPoolExecutor(1) as pool, closed_rooms(city):
        monkeypatch.setattr(questions, "read", read_late)
        services = city.client.app.state.services  # type: ignore[attr-defined]
        asked = pool.submit(city.ask, "nobody", address)
        assert seen.wait(20)
        city.wait(lambda: services.live.current.layers["homes"].fields["rooms"].restricted)
        city.client.portal.call(asyncio.sleep, 0)  # type: ignore[union-attr]
        city.client.portal.call(go_on.set)  # type: ignore[union-attr]
        assert b"rooms" not in asked.result().content
        assert asked.result().status_code == 200
        assert b"rooms" not in city.ask("nobody", address).content
        assert in_memory(city, "homes", b"rooms") == []


def test_what_was_being_made_when_a_field_was_closed_stands_in_for_nothing_later(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    render, seen, go_on = tiling.render, threading.Event(), asyncio.Event()

    async def render_late(*given: Any, **named: Any) -> bytes:
        body: bytes = await render(*given, **named)
        seen.set()
        await go_on.wait()
        return body

    services = city.client.app.state.services  # type: ignore[attr-defined]
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(tiling, "render", render_late)
        asked = pool.submit(city.ask, "nobody", f"{HOMES}?filter=rooms > 1")
        assert seen.wait(20)
        with closed_rooms(city):
            city.wait(lambda: services.live.current.layers["homes"].fields["rooms"].restricted)
            city.client.portal.call(go_on.set)  # type: ignore[union-attr]
            assert b"rooms" in asked.result().content  # by who had asked before
            assert in_memory(city, "homes", b"rooms") == []
            monkeypatch.undo()


def test_tiles_of_those_who_see_some_rows_go_with_the_layer_as_it_was(city: City) -> None:
    height = '[fields.height]\ntype = "integer"\n'
    for address in (PEOPLE, f"{PEOPLE}?filter=height>0"):
        for _ in range(2):
            assert b"height" in city.ask("rows", address).content
    assert len(in_memory(city, "people", b"height")) == 2
    city.rewrite("people", height, height + "restricted = true\n")
    try:
        city.wait(lambda: '"height"' not in city.ask("rows", "/api/layers/people").text)
        assert in_memory(city, "people", b"height") == []
        assert b"height" not in city.ask("rows", PEOPLE).content
    finally:
        city.rewrite("people", height + "restricted = true\n", height)
        city.wait(lambda: '"height"' in city.ask("rows", "/api/layers/people").text)


def test_documents_of_collections_looked_up_before_a_layer_was_closed_are_not_kept(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers, seen, go_on = View.layers, threading.Event(), asyncio.Event()

    async def layers_late(view: View) -> Any:
        found = await layers(view)
        seen.set()
        await go_on.wait()
        return found

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(View, "layers", layers_late)
        asked = pool.submit(city.ask, "nobody", "/ogc/collections")
        assert seen.wait(20)
        monkeypatch.undo()
        city.rewrite("homes", 'title = "Homes"', 'title = "Homes"\naccess = "restricted"')
        try:
            city.wait(lambda: city.ask("nobody", "/api/layers/homes").status_code == 404)
            city.client.portal.call(go_on.set)  # type: ignore[union-attr]
            assert "Homes" in asked.result().text  # by who had asked before
            assert "Homes" not in city.ask("nobody", "/ogc/collections").text
        finally:
            city.rewrite("homes", '\naccess = "restricted"', "")
            city.wait(lambda: city.ask("nobody", "/api/layers/homes").status_code == 200)


DOORS = (
    HOMES,
    f"{HOMES}?filter=name<>'nobody'",
    "/tiles/stops,homes/12/2200/1343.mvt",
    "/tiles/homes.json",
    "/api/layers",
    "/api/layers/homes",
    "/api/layers/homes/summary",
    "/api/layers/homes/features/1",
    "/ogc/collections",
    "/ogc/collections/homes",
    "/ogc/collections/homes/items?limit=3",
    "/ogc/collections/homes/items/1",
    "/ogc/collections/homes/schema",
    "/ogc/collections/homes/queryables",
    "/ogc/openapi",
    "/styles/homes.json",
    "/styles/light.json?layers=homes",
    "/?layers=homes&lang=en",
)


def test_nothing_that_is_kept_tells_of_a_layer_that_was_closed_while_all_asked(city: City) -> None:
    stop, failed = threading.Event(), []

    def ask_all(caller: str) -> None:
        number = 0
        while not stop.is_set():
            for address in DOORS:
                failed.extend([address] if city.ask(caller, address).status_code >= 500 else [])
            number += 1
            city.ask(caller, f"{HOMES}?filter={EVERYWHERE.format(east=40 + number / 1000)}")

    def tell(caller: str) -> list[str]:
        return [
            address for address in DOORS if b"rooms" in (told := city.ask(caller, address).content) or b"Homes" in told
        ]

    assert len(tell("nobody")) > 12
    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask_all, caller) for caller in ("nobody", "rows", "full")]
        city.rewrite("homes", 'title = "Homes"', 'title = "Homes"\naccess = "restricted"')
        try:
            city.wait(lambda: city.ask("nobody", "/api/layers/homes").status_code == 404)
            assert tell("nobody") == tell("rows") == []
            stop.set()
            for asked in asking:
                asked.result()
            assert tell("nobody") == tell("rows") == []
            assert len(tell("full")) > 12
        finally:
            stop.set()
            city.rewrite("homes", '\naccess = "restricted"', "")
    assert failed == []


def test_a_style_of_a_closed_layer_is_not_told_though_it_bears_the_name_of_one_of_the_product(city: City) -> None:
    styles = city.folder / "styles"
    people = (styles / "people.json").read_text(encoding="utf-8")
    own = {"crime": people.replace('"People"', '"Closed"'), "faces": people.replace('"People"', '"Closed"')}
    for name, text in own.items():  # `faces` is named by no layer, and draws one
        (styles / f"{name}.json").write_text(text, encoding="utf-8")
    layer = city.folder / "layers" / "people.toml"
    text = layer.read_text(encoding="utf-8")
    layer.write_text(text.replace('style = "people"', 'style = "crime"'), encoding="utf-8")
    try:
        for name in own:
            address = f"/styles/{name}.json"
            city.wait(lambda address=address: "Closed" in city.ask("full", address).text)  # type: ignore[misc]
            assert city.ask("nobody", address).status_code == 404
            assert name not in city.ask("nobody", "/styles/no_such.json").text
            assert city.ask("rows", address).json()["name"] == "Closed"
        assert city.ask("nobody", "/styles/light.json").status_code == 200
    finally:
        layer.write_text(text, encoding="utf-8")
        for name in own:
            (styles / f"{name}.json").unlink()
    city.wait(lambda: "Closed" not in city.ask("nobody", "/styles/crime.json").text)
