"""What callers see of a part goes with every change: of rows, of layer files, of what a filter of rows names."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from gated import CANARY, GRANTS, ZONE_A, City, Part, fill, names_in, open_city, run_city, settle, write_city
from mapbox_vector_tile import decode

from geoserver import sights
from geoserver.access import View, combine
from geoserver.app import create_app
from geoserver.errors import ForbiddenError, NotFoundError, UnavailableError
from geoserver.filtering import Where, build, parse_rows
from geoserver.gate.making import Wish, make
from geoserver.model import ANY, Grant, Tile
from geoserver.ogc.page import ItemsQuery, Page, fetch_page, read_page
from geoserver.settings import Settings
from geoserver.sights import Sights
from geoserver.tiling import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TILE = "/tiles/people/12/2200/1343.mvt"


@pytest.fixture(scope="module")
def city(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[City]:
    with open_city(tmp_path_factory.mktemp("changing") / "city", make_database(template=empty_template)) as found:
        yield found


def test_an_edit_is_seen_by_those_who_may_see_it_and_by_no_others(city: City) -> None:
    before = {caller: city.ask(caller, "/api/layers/people").json()["count"] for caller in ("rows", "narrow")}
    assert "person 7" in names_in(city.ask("rows", TILE))
    assert city.ask("rows", "/api/layers/people/features/8").status_code == 200
    city.run("UPDATE layers.people SET zone = 'b' WHERE name = 'person 7'")
    city.wait(lambda: city.ask("rows", "/api/layers/people").json()["count"] == before["rows"] - 1)
    city.wait(lambda: "person 7" not in names_in(city.ask("rows", TILE)))
    assert city.ask("rows", "/api/layers/people/features/8").status_code == 404
    assert city.ask("rows", "/api/layers/people/features/8/readings").status_code == 404
    assert city.ask("rows", "/ogc/collections/people/items/8").status_code == 404
    assert city.ask("rows", "/ogc/collections/people/items?name=person 7").json()["numberMatched"] == 0
    assert "person 7" in names_in(city.ask("narrow", TILE))
    assert city.ask("narrow", "/api/layers/people").json()["count"] == before["narrow"]
    bounds = city.ask("rows", "/api/layers/people").json()["bounds"]
    city.run("UPDATE layers.people SET geom = ST_SetSRID(ST_MakePoint(21, 61), 4326) WHERE zone = 'canary'")
    city.run("UPDATE layers.people SET zone = 'a' WHERE name = 'person 7'")
    city.wait(lambda: city.ask("rows", "/api/layers/people").json()["count"] == before["rows"])
    assert city.ask("rows", "/api/layers/people").json()["bounds"] == bounds


def test_the_shape_of_a_feature_is_for_those_who_see_it_and_goes_with_its_edits(city: City) -> None:
    def ask(caller: str, fid: int = 13) -> list[Any]:
        """A tile, counts and rows of a public layer by the shape of a feature of a restricted one."""
        area = f"filter=S_INTERSECTS(geometry,FEATURE('plots',{fid}))"
        addresses = [f"/tiles/stops/12/2200/1343.mvt?{area}", f"/ogc/collections/stops/items?{area}"]
        addresses += [f"/api/layers/stops/{door}?{area}" for door in ("summary", "aggregate", "rows/marks")]
        return [city.ask(caller, address) for address in addresses]

    square = "ST_SetSRID(ST_MakeEnvelope({}, 52.4, {}, 52.6), 4326) WHERE fid = 13"
    city.run("UPDATE layers.plots SET geom = " + square.format(13.3999, 13.4045))
    city.wait(lambda: ask("narrow")[1].json().get("numberMatched") == 5)
    answers = ask("narrow")
    assert [answer.status_code for answer in answers] == [200] * 5
    assert {answer.headers["cache-control"] for answer in answers} == {"private, no-store"}
    assert [answer.json()["count"] for answer in answers[2:]] == [5] * 3
    tile, tags = answers[0].content, [answer.headers["etag"] for answer in answers]

    city.run("UPDATE layers.plots SET geom = " + square.format(13.3999, 13.4095))
    city.wait(lambda: ask("narrow")[1].json()["numberMatched"] == 10)
    again = ask("narrow")
    assert [answer.json()["count"] for answer in again[2:]] == [10] * 3
    assert again[0].content != tile
    assert not {answer.headers["etag"] for answer in again} & set(tags)
    headers = {"Authorization": f"Bearer {city.keys['narrow']}", "If-None-Match": ", ".join(tags)}
    assert all(city.client.get(str(answer.url), headers=headers).status_code == 200 for answer in again)

    refused = [(answer.status_code, settle(answer.content)) for answer in ask("nobody")]
    assert {status for status, _ in refused} == {400}
    absent = [(answer.status_code, settle(answer.content)) for answer in ask("nobody", 999)]
    assert [(status, body.replace(b"999", b"13")) for status, body in absent] == refused
    city.run("UPDATE layers.plots SET zone = 'b' WHERE fid = 13")
    city.wait(lambda: ask("rows")[2].status_code == 400)
    assert ask("narrow")[2].json()["count"] == 10
    city.run("DELETE FROM layers.plots WHERE fid = 13")
    city.wait(lambda: [answer.status_code for answer in ask("narrow")] == [400] * 5)


def test_a_layer_that_is_closed_is_gone_at_once_from_all_that_was_kept(city: City) -> None:
    addresses = ("/api/layers/stops", "/tiles/stops/12/2200/1343.mvt", "/ogc/collections/stops/items?limit=1",
                 "/tiles/stops.json", "/styles/stops.json")  # fmt: skip
    for _ in range(2):
        assert [city.ask("nobody", address).status_code for address in addresses] == [200] * 5
    try:
        city.rewrite("stops", 'title = "Stops"', 'title = "Stops"\naccess = "restricted"')
        city.wait(lambda: city.ask("nobody", "/api/layers/stops").status_code == 404)
        assert [city.ask("nobody", address).status_code for address in addresses] == [404] * 5
        assert [city.ask("full", address).status_code for address in addresses] == [200] * 5
        assert city.ask("full", addresses[1]).headers["cache-control"] == "private, no-store"
        assert "stops" not in city.ask("nobody", "/api/layers").text + city.ask("nobody", "/ogc/collections").text
    finally:
        city.rewrite("stops", '\naccess = "restricted"', "")
    city.wait(lambda: city.ask("nobody", "/api/layers/stops").status_code == 200)
    assert city.ask("nobody", addresses[1]).headers["cache-control"].startswith("public")


def test_a_filter_of_rows_that_names_a_field_which_is_gone_closes_its_grant(city: City) -> None:
    addresses = (TILE, "/api/layers/people", "/ogc/collections/people/items?limit=1")
    assert [city.ask("rows", address).status_code for address in addresses] == [200] * 3
    field = '[fields.zone]\ntype = "text"\nfilter = "choice"\n'
    style = city.folder / "styles" / "people.json"
    text = style.read_text(encoding="utf-8")
    try:
        style.write_text(text.replace('["match", ["get", "zone"], "a", "#0055aa", "#888888"]', '"#0055aa"'))
        city.rewrite("people", field, "")
        city.wait(lambda: city.ask("rows", "/api/layers/people").status_code == 404)
        assert [city.ask("rows", address).status_code for address in addresses] == [404] * 3
        assert city.ask("narrow", "/api/layers/people").status_code == 200
    finally:
        style.write_text(text)
        city.rewrite("people", "[fields.height]", f"{field}[fields.height]")
    city.wait(lambda: city.ask("rows", "/api/layers/people").status_code == 200)


def test_of_several_grants_each_shows_its_own_rows_and_one_for_all_shows_all(city: City) -> None:
    people = city.client.app.state.services.find("people")[0]  # type: ignore[attr-defined]
    some = frozenset({"people"})
    low, high = Grant(some, rows="height < 160"), Grant(some, rows="height > 180", fields=frozenset({"pay"}))
    whole = Grant(some, fields=frozenset({ANY}))

    def count(*grants: Grant) -> tuple[int, set[str]]:
        layer, status = city.client.portal.call(city.view(*grants).layer, "people")  # type: ignore[union-attr]
        return status.rows, {"pay"} & set(layer.fields)

    apart = [count(grant) for grant in (low, high)]
    assert [shown for _, shown in apart] == [set(), {"pay"}]
    assert count(low, high) == (sum(rows for rows, _ in apart), set())  # a field for whom both grants give it
    assert count(low, whole) == (603, {"pay"})
    assert count(low, Grant(some, rows="no_such = 1")) == apart[0]
    assert combine(people, (Grant(some, frozenset({"write"})),)) is None


def test_what_may_fail_is_never_computed_for_rows_that_are_hidden(city: City) -> None:
    (layer, status) = city.client.portal.call(city.view(*GRANTS["rows"]).layer, "people")  # type: ignore[union-attr]
    question = "height < 170 AND 1 / (height - 3) > 0 AND S_CROSSES(geometry, LINESTRING(13 52, 14 53))"
    text = build(layer, status, filter=question).sql.as_string(None)
    guarded = text[text.index("CASE WHEN") : text.index("END")]
    assert "ST_Crosses" in guarded
    assert "/ nullif" in guarded
    assert "&&" in text.replace(guarded, "")  # so that an index helps
    assert "THEN" in guarded
    assert '"zone"' in guarded.partition("THEN")[0]
    plain = build(layer, status, filter="height < 170").sql.as_string(None)
    assert "CASE" not in plain


def test_invalid_shapes_of_hidden_rows_make_no_question_fail(city: City) -> None:
    hole = "(20.2 60.2, 21.2 60.2, 21.2 61.2, 20.2 61.2, 20.2 60.2)"  # that reaches out of its shape
    shape = f"ST_GeomFromText('POLYGON((20 60, 21 60, 21 61, 20 61, 20 60), {hole})', 4326)"
    city.run(f"INSERT INTO layers.plots (fid, zone, use, geom) VALUES (9000, '{CANARY}', 'x', {shape})")
    box = "POLYGON((20.1 60.1, 21.1 60.1, 21.1 61.1, 20.1 61.1, 20.1 60.1))"
    failed = 0
    for operator in ("S_OVERLAPS", "S_TOUCHES", "S_CROSSES", "S_EQUALS", "S_WITHIN", "S_INTERSECTS"):
        for door in ("/ogc/collections/plots/items", "/api/layers/plots/summary", "/tiles/plots.json"):
            address = f"{door}?filter={operator}(geometry, {box})"
            failed += city.ask("full", address).status_code == 400
            assert city.ask("rows", address).status_code == 200
        assert city.ask("rows", address.replace(door, "/ogc/collections/plots/items")).json()["numberMatched"] == 0
    assert failed
    # A filter of rows that cannot be computed opens nothing, and breaks nothing.
    view = city.view(Grant(frozenset({"plots"}), rows=f"S_OVERLAPS(geometry, {box})"))
    assert "plots" not in [layer.id for layer, _ in city.client.portal.call(view.layers)]  # type: ignore[union-attr]
    city.run("DELETE FROM layers.plots WHERE fid = 9000")


def test_a_question_past_the_rows_of_its_reader_is_a_fault(city: City) -> None:
    services = city.client.app.state.services  # type: ignore[attr-defined]
    layer, status = city.client.portal.call(city.view(*GRANTS["rows"]).layer, "people")  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="past its reader's rows"):
        read_page(services.database, layer, status, ItemsQuery())
    bare = partial(render, services.database, services.live.current, layer, status, Tile(0, 0, 0), where=Where())
    with pytest.raises(RuntimeError, match="past its reader's rows"):
        city.client.portal.call(bare)  # type: ignore[union-attr]


def test_rows_and_fields_that_only_a_filter_of_rows_may_name_are_named_nowhere(city: City) -> None:
    grant = Grant(frozenset({"people"}), rows="pay > 100 AND zone = 'a'")
    layer, status = city.client.portal.call(city.view(grant).layer, "people")  # type: ignore[union-attr]
    assert status.rows == 200
    assert "pay" not in layer.fields
    with pytest.raises(Exception, match="queryables") as refused:
        build(layer, status, filter="pay > 1")
    assert "pay" not in str(refused.value).partition("expected")[2]


def test_a_rejected_row_tells_nothing_of_a_restricted_field(city: City) -> None:
    city.run(
        "INSERT INTO geoserver.rejects (layer, line, reason, fields) VALUES"
        """ ('people', 9999, 'pay is no integer', '{"pay": "a lot", "name": "somebody"}')"""
    )
    told = {
        caller: city.ask(caller, "/api/layers/people/rejects?limit=1000").json()["rejects"]
        for caller in ("rows", "narrow", "full")
    }
    assert told["rows"] == []
    assert told["full"][-1] == {"line": 9999, "reason": "pay is no integer", "raw": "name=somebody; pay=a lot"}
    assert told["narrow"][-1] == {
        "line": 9999,
        "reason": "one of its values cannot be read",
        "raw": "name=somebody",
    }


def test_a_layer_that_takes_too_long_to_count_is_left_out_of_lists(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    read, tried = sights.read_extent, []

    def read_late(database: Any, layer: Any, *given: Any) -> Any:
        tried.append(layer.id)
        if layer.id == "people":
            with database.connection_sync() as connection, connection.transaction():
                connection.execute("SET LOCAL statement_timeout = 20")
                connection.execute("SELECT pg_sleep(9)")
        return read(database, layer, *given)

    monkeypatch.setattr(sights, "read_extent", read_late)
    view = city.view(Grant(frozenset({"people", "plots"}), rows="zone IN ('a', 'late')"))
    for _ in range(2):
        assert [layer.id for layer, _ in city.client.portal.call(view.layers)] == ["homes", "plots", "stops"]  # type: ignore[union-attr]
    with pytest.raises(UnavailableError, match="too long"):
        city.client.portal.call(view.layer, "people")  # type: ignore[union-attr]
    assert tried.count("people") == 1
    assert set(tried) == {"people", "plots"}


def test_filters_of_rows_are_read_beside_the_event_loop(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    parse, where = sights.parse_rows, []

    def parse_there(*given: Any) -> Any:
        where.append(threading.get_ident())
        return parse(*given)

    async def ask() -> int:
        doors = (View.layers, lambda view: view.layer("people"), lambda view: view.layer("none"),
                 lambda view: view.require("read", "people"), lambda view: view.require("write", "people"),
                 lambda view: view.require("read", "none"))  # fmt: skip
        for number, door in enumerate(doors):
            view = city.view(Grant(frozenset({ANY}), rows=f"zone = 'a' AND {number} < 9"))
            with suppress(NotFoundError, ForbiddenError):
                await door(view)
            await view.ready()
            assert "people" in view.catalog.layers
        return threading.get_ident()

    monkeypatch.setattr(sights, "parse_rows", parse_there)
    loop = city.client.portal.call(ask)  # type: ignore[union-attr]
    assert len(where) >= 6
    assert loop not in where


def test_what_is_seen_of_a_thousand_layers_is_remembered(city: City) -> None:
    layer, status = city.client.app.state.services.find("homes")  # type: ignore[attr-defined]
    kept = Sights(city.client.app.state.services.database, lambda: 1_000)  # type: ignore[attr-defined]
    layers = [replace(layer, id=f"homes_{number}") for number in range(1_000)]

    def see() -> list[Any]:
        return [
            [kept.narrow(one, fields), *(kept._parse(one, status, f"rooms > {least}") for least in range(3))]
            for one in layers
            for fields in (frozenset[str](), frozenset({"owner"}))
        ]

    first = see()
    assert all(a is b for one, other in zip(first, see(), strict=True) for a, b in zip(one, other, strict=True))


def test_a_tree_of_rows_is_the_same_however_it_is_written(city: City) -> None:
    layer, status = city.client.app.state.services.find("people")  # type: ignore[attr-defined]
    assert parse_rows(layer, status.srid, ZONE_A) == parse_rows(layer, status.srid, "'a'   = zone")


def test_a_key_on_an_open_connection_is_asked_after_with_every_tile(
    tmp_path: Path, make_database: Callable[..., str], empty_template: str, serve: Callable[..., Any]
) -> None:
    folder, url = (
        write_city(tmp_path / "city", Part(("stops", "plots"), closed=True)),
        make_database(template=empty_template),
    )
    fill(folder, url)
    grants = (Grant(frozenset({"plots"}), rows=ZONE_A),)
    with psycopg.connect(url, autocommit=True) as connection:
        (stored, key), (_, slow) = (make(connection, Wish("a", grants, rate=rate), "test", "") for rate in (None, 3))
        app = create_app(Settings(workspace=folder, database_url=None), url)
        with serve(app, url) as server, closing(HTTPConnection(server.url.removeprefix("http://"))) as http:

            def ask(shown: str) -> tuple[int, bytes, str]:
                http.request("GET", "/tiles/plots/12/2200/1343.mvt", headers={"Authorization": f"Bearer {shown}"})
                answer = http.getresponse()
                return answer.status, answer.read(), answer.headers.get("cache-control", "")

            hits = app.state.tiles.hits
            told = [ask(key) for _ in range(4)]
            assert set(told) == {(200, told[0][1], "private, no-store")}
            assert app.state.tiles.hits > hits  # by the short way
            assert [ask(slow)[0] for _ in range(4)] == [200, 200, 200, 429]
            assert ask("gsk_" + "x" * 43)[0] == 401
            http.request("GET", "/tiles/plots/12/2200/1343.mvt")
            nobody = http.getresponse()
            assert (nobody.status, b"zone" in nobody.read()) == (404, False)
            assert ask(key)[0] == 200
            connection.execute("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [stored.id])
            deadline = time.monotonic() + 30
            while ask(key)[0] == 200:
                assert time.monotonic() < deadline, "the key went on to open it"
                time.sleep(0.1)
            assert ask(key)[0] == 401


MANY = """title = "Many"
license = "CC0-1.0"
source = "data/many.csv"
kind = "points"
fields.zone = { type = "text", filter = "none" }
fields.kind = { type = "text", filter = "choice" }
fields.name = { type = "text", filter = "search" }
label = "{name}"
"""


@pytest.mark.slow
def test_tiles_that_count_count_and_name_what_is_left_alone(
    tmp_path: Path, make_database: Callable[..., str], empty_template: str
) -> None:
    def write(name: str, closed: str, hidden: int) -> Path:
        folder = tmp_path / name
        for part in ("layers", "data"):
            (folder / part).mkdir(parents=True)
        (folder / "layers" / "many.toml").write_text(closed + MANY)
        lines = [f"a,k{i % 4},name {i},{13.4 + i % 200 / 9000:.5f},{52.5 + i // 200 / 9000:.5f}" for i in range(30_000)]
        lines += [
            f"b,{CANARY} {i % 9},{CANARY},{13.4 + i % 20 / 9000:.5f},{52.5 + i % 50 / 9000:.5f}" for i in range(hidden)
        ]
        (folder / "data" / "many.csv").write_text("zone,kind,name,lon,lat\n" + "\n".join(lines))
        return folder

    grant = Grant(frozenset({"many"}), rows=ZONE_A)
    with ExitStack() as stack:
        told = {}
        for name, closed, hidden in (("whole", 'access = "restricted"\n', 90_000), ("bare", "", 0)):
            folder, url = write(name, closed, hidden), make_database(template=empty_template)
            fill(folder, url)
            client = stack.enter_context(run_city(folder, url))
            if closed:
                with psycopg.connect(url, autocommit=True) as connection:
                    key = make(connection, Wish("some", (grant,)), "test", "")[1]
                client.headers["authorization"] = f"Bearer {key}"
            told[name] = client
        for address in ("/tiles/many.json", "/api/layers/many", "/styles/many.json", "/api/layers"):
            assert settle(told["whole"].get(address).content) == settle(told["bare"].get(address).content)
        assert told["bare"].get("/tiles/many.json").json()["features_from"] > 10
        for z, x, y in (
            (0, 0, 0),
            (8, 137, 83),
            (10, 550, 335),
            (12, 2200, 1343),
            (13, 4401, 2686),
            (15, 17604, 10746),
        ):
            answers = [told[name].get(f"/tiles/many/{z}/{x}/{y}.mvt") for name in ("whole", "bare")]
            bodies = [decode(answer.content) if answer.content else {} for answer in answers]
            assert bodies[0] == bodies[1], (z, x, y)
            assert CANARY.encode() not in answers[0].content


@pytest.mark.parametrize(
    "rows",
    [
        "zone = 'a'",
        "zone = 'it''s 100%, \\ \"x\"' OR zone = 'a'",
        "zone = '%(f1)s' OR zone = '%%(limit)s' OR zone IN ('a', ''');')",
        "zone LIKE 'a%' AND name LIKE 'person _' AND name <> 'x%s'",
    ],
)
def test_a_page_of_those_who_see_some_rows_is_of_these_rows(city: City, rows: str) -> None:
    services = city.client.app.state.services  # type: ignore[attr-defined]

    async def ask() -> list[Page]:
        layer, status = await city.view(Grant(frozenset({ANY}), rows=rows)).layer("people")
        texts: dict[object, bytes] = {}
        where = build(layer, status)
        first = ItemsQuery(limit=2, where=where)
        bound = await fetch_page(services.database, layer, status, first)
        queries = [first, replace(first, after=bound.end), replace(first, offset=1), replace(first, limit=3)]
        found = []
        for query in queries * 2:
            found += [await fetch_page(services.database, layer, status, query, kept) for kept in (None, texts)]
        assert len(texts) == 4
        return found

    found = city.client.portal.call(ask)  # type: ignore[union-attr]
    assert found[0].features
    assert found[0::2] == found[1::2]
