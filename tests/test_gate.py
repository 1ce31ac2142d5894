"""The walk: every route of the app, by callers who may see nothing, a part, or all of what is not for everybody.

Each answer is compared byte by byte with that of a server that never had what its caller may not see. A route that is
in no list here fails, so that a door added tomorrow is walked through, too.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from gated import CANARY, LAYERS, NUMBER, PARTS, WHOLE, fill, list_routes, make_keys, run_city, settle, write_city
from google.protobuf.message import DecodeError
from mapbox_vector_tile import decode

from geoserver.site import answers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi.testclient import TestClient

HIDDEN_BOX = "bbox=19,59,22,61"
# Features by whose shape rows are asked: such as all, some or none may see, and such as are not there.
FEATURES = (("plots", 1), ("plots", 25), ("people", 201), ("stops", 1), ("notes", 1), ("water", 1), ("nothing", 1))
# What is asked of rows: by fields that all may see, by those that only some may, by places and times of hidden rows.
QUESTIONS = (
    "",
    "filter=zone='a'",
    f"filter=zone='{CANARY}'",
    "filter=height>160 AND zone='a'",
    "filter=NOT(zone='a')",
    "filter=pay>0",
    "filter=owner IS NULL",
    f"pay={NUMBER}",
    "owner=x",
    "zone=a",
    HIDDEN_BOX,
    "datetime=2090-01-01/..",
    f"filter=height-{NUMBER}=0",
    "filter=1/(height-200)>0",
    "filter=S_INTERSECTS(geometry,POINT(20 60.1))",
    *(f"filter=S_INTERSECTS(geometry,FEATURE('{layer}',{fid}))" for layer, fid in FEATURES),
    "nothing=1",
)
# By what rows are counted: fields that all and that some may see, areas of layers that are there for some or nobody.
GROUPS = (
    "owner",
    "pay:5",
    "height:5",
    "zone,name&limit=2",
    "at:auto",
    "at:month,zone",
    *(f"in:{layer}" for layer in LAYERS),
    "in:plots,zone",
    "zone,in:plots&measure=sum:pay",
)
FIDS = ("1", "2", "200", "201", "205", "600", "9999999", "x")
TILES = ("0/0/0", "6/34/20", "9/275/167", "12/2200/1343", "14/8801/5373", "16/35206/21495", "9/284/148")
JOINED = ("people,stops", "homes,people", "people,nothing", "stops,notes", "plots,people")


def each(layer: str, *queries: str) -> list[str]:
    return [layer + ("?" + query if query else "") for query in queries]


def per_layer(path: str, *queries: str) -> list[str]:
    return [address for layer in LAYERS for address in each(path.replace("*", layer), *queries)]


ITEMS = (
    *QUESTIONS,
    "limit=3",
    "limit=3&sortby=-height",
    "sortby=pay",
    "sortby=-owner&limit=1",
    "properties=pay",
    "properties=name",
    "resulttype=hits",
    "limit=1&offset=201",
    "f=html&limit=2",
)
GATED = "127.0.0.1"
# Pages of which oEmbed tells.
LINKED = (
    "/",
    "/?layers=people,stops",
    *(f"/?layers={layer}&filter.{layer}=zone='a'" for layer in LAYERS),
    *(f"/layers/{layer}" for layer in LAYERS),
    f"/embed?layers=people&filter.people=zone='{CANARY}'",
    "/?layers=people&filter.people=pay>0 AND owner='x'",
)
# By route: the addresses at which it is asked.
ADDRESSES: dict[str, list[str]] = {
    "/": [
        "/",
        *(page for page in LINKED[3:] if page.startswith("/?")),
        "/?layers=people",
        "/?layers=people,stops&lang=fr",
        "/?layers=nothing",
    ],
    "/healthz": ["/healthz"],
    "/api/layers": ["/api/layers", "/api/layers?fields=id,title,count,bounds", "/api/layers?lang=fr"],
    "/api/layers/{layer_id}": per_layer("/api/layers/*", "", "lang=fr", "pay=1"),
    "/api/layers/{layer_id}/summary": per_layer(
        "/api/layers/*/summary", *QUESTIONS, "fields=zone", "fields=pay", "fields=owner,name", "fields=height,size"
    ),
    "/api/layers/{layer_id}/aggregate": per_layer(
        "/api/layers/*/aggregate",
        *("group=zone&" + question for question in QUESTIONS),
        *("group=" + group for group in GROUPS),
        *("group=zone&measure=" + measure for measure in ("sum:pay", "avg:height", "median:size", "max:height")),
    ),
    "/api/layers/{layer_id}/features/{fid}": [
        a for fid in FIDS for a in per_layer(f"/api/layers/*/features/{fid}", "")
    ],
    "/api/layers/{layer_id}/features/{fid}/readings": [
        a for fid in FIDS for a in per_layer(f"/api/layers/*/features/{fid}/readings", "", "datetime=2099-01-01/..")
    ],
    "/api/layers/{layer_id}/rows/marks": per_layer(
        "/api/layers/*/rows/marks",
        *QUESTIONS,
        "every=100",
        "sortby=pay",
        "sortby=-height&every=100",
        "sortby=owner,name",
    ),
    "/api/layers/{layer_id}/rows/{fid}": [
        a
        for fid in FIDS
        for a in per_layer(f"/api/layers/*/rows/{fid}", "", "sortby=pay", "sortby=-name", "filter=height>160")
    ],
    "/api/layers/{layer_id}/rejects": per_layer("/api/layers/*/rejects", "", "limit=1000"),
    "/api/layers/{layer_id}/changes": per_layer(
        "/api/layers/*/changes", *("seconds=0" + (question and "&") + question for question in QUESTIONS)
    ),
    "/api/changes": [f"/api/changes?seconds=0&layers={layers}" for layers in (*LAYERS, *JOINED, "")],
    "/api/versions": [f"/api/versions?layers={layers}" for layers in (*LAYERS, *JOINED, "")],
    "/api/search": [
        "/api/search",
        "/api/search?q=canary",
        "/api/search?q=stop&limit=50&lang=fr",
        "/api/search?q=12+home",
        *(
            f"/api/search?q={text}"
            for text in ("canray", "cannary", "owner", "pay", "zone+a", "p200", "p201", "20+60.1")
        ),
        *(f"/api/search?q=canary&parts={part}" for part in ("at", "layers", "values", "places", "features", "x")),
        f"/api/search?q={NUMBER}",
        "/api/search?q=people&at=20,60",
        "/api/search?q=na&limit=50&at=0,0",
    ],
    "/api/here": [
        "/api/here?at=13.41,52.51",
        "/api/here?at=13.41,52.51&radius=100000&lang=fr",
        "/api/here?at=20.1,60.1&radius=100000",
        *(f"/api/here?at=13.4,52.5&layers={layer}" for layer in LAYERS),
        "/api/here?at=13.4,52.5&radius=9000&layers=people,stops&filter.people=zone='a'",
        "/api/here?at=13.4,52.5&layers=people&filter.people=pay>0",
        "/api/here?at=13.4,52.5&filter.notes=name IS NULL",
        "/api/here?at=13.4,52.5&radius=9000&layers=homes&filter.homes=S_INTERSECTS(geometry,FEATURE('plots',1))",
    ],
    "/download/{layer_id}.{ending}": per_layer("/download/*.csv", *QUESTIONS, "fields=pay", "sort=pay", "lang=de")
    + per_layer("/download/*.geojson", *QUESTIONS[:4])
    + [
        a
        for ending in ("geojsonl", "readme.txt", "parquet", "fgb", "readings.csv", "readings.parquet", "nothing")
        for a in per_layer(f"/download/*.{ending}", "", "filter=zone='a'", "datetime=2024-02-02/..", HIDDEN_BOX)
    ],
    "/tiles/{layers}.json": per_layer("/tiles/*.json", *QUESTIONS) + [f"/tiles/{both}.json" for both in JOINED],
    "/tiles/{layers}/{z}/{x}/{y}.mvt": [a for tile in TILES for a in per_layer(f"/tiles/*/{tile}.mvt", "")]
    + [f"/tiles/{both}/{tile}.mvt" for both in JOINED for tile in TILES]
    + per_layer("/tiles/*/12/2200/1343.mvt", *QUESTIONS, "features-from=0", "zone=a&features-from=3"),
    "/tiles/{layers}/{z}/{x}/{y}.{ending}": per_layer("/tiles/*/9/275/167.pbf", "")
    + per_layer("/tiles/*/9/275/167.png", ""),
    "/ogc/": ["/ogc/", "/ogc/?f=html"],
    "/ogc": ["/ogc", "/ogc?f=html"],
    "/ogc/conformance": ["/ogc/conformance", "/ogc/conformance?f=html"],
    "/ogc/functions": ["/ogc/functions", "/ogc/functions?f=html"],
    "/ogc/openapi": ["/ogc/openapi", "/ogc/openapi?f=html"],
    "/ogc/collections": ["/ogc/collections", "/ogc/collections?f=html"],
    "/ogc/collections/{layer_id}": per_layer("/ogc/collections/*", "", "f=html"),
    "/ogc/collections/{layer_id}/schema": per_layer("/ogc/collections/*/schema", "", "f=html"),
    "/ogc/collections/{layer_id}/queryables": per_layer("/ogc/collections/*/queryables", "", "f=html"),
    "/ogc/collections/{layer_id}/items": per_layer("/ogc/collections/*/items", *ITEMS),
    "/ogc/collections/{layer_id}/items/{fid}": [
        a for fid in FIDS for a in per_layer(f"/ogc/collections/*/items/{fid}", "", "f=html")
    ],
    "/ogc/style.css": ["/ogc/style.css"],
    "/icon": ["/icon"],
    "/logo": ["/logo"],
    "/manifest.webmanifest": ["/manifest.webmanifest"],
    "/openapi.json": ["/openapi.json"],
    "/docs": ["/docs"],
    "/catalog.jsonld": ["/catalog.jsonld"],
    "/catalog.ttl": ["/catalog.ttl"],
    "/data.json": ["/data.json", "/data.json?lang=fr"],
    "/layers": ["/layers", "/layers?q=canary", "/layers?q=name&order=updated", "/layers?theme=Other&lang=fr"],
    "/layers/feed.atom": ["/layers/feed.atom"],
    "/layers/{layer_id}": per_layer("/layers/*", "", "lang=fr"),
    "/layers/{layer_id}/feed.atom": per_layer("/layers/*/feed.atom", ""),
    "/static/chart/{layer_id}/{size}.{ending}": per_layer(
        "/static/chart/*/400x300.svg",
        *(f"chart=zone&{question}" for question in QUESTIONS if "=" in question[:7]),
        "chart=pay",
    )
    + per_layer("/static/chart/*/400x300.svg", "", "chart=owner", "chart=in:plots", "chart=zone~sum:pay"),
    "/layers/{layer_id}/changes.atom": per_layer("/layers/*/changes.atom", *QUESTIONS, "filter.people=zone='a'"),
    "/layers/{layer_id}/citation.{ending}": per_layer("/layers/*/citation.bib", "")
    + per_layer("/layers/*/citation.json", ""),
    "/layers/{layer_id}/map.{ending}": per_layer("/layers/*/map.svg", "") + per_layer("/layers/*/map.png", ""),
    "/sitemap.xml": ["/sitemap.xml"],
    "/element.js": ["/element.js"],
    "/oembed": [
        f"/oembed?url={quote(url, safe='')}&format={name}"
        for name in ("json", "xml")
        for url in ("", *(f"http://{GATED}{page}" for page in LINKED))
    ],
    "/assets/{path:path}": ["/assets/nothing.js"],
    "/static/place.json": [
        *(f"/static/place.json?layers={ids}" for ids in (*LAYERS, *JOINED)),
        "/static/place.json?layers=people&filter.people=pay>0",
        "/static/place.json?layers=stops&area=feature:people/201",
    ],
    "/static/{style}/{place}/{size}.{ending}": [
        *(f"/static/light/auto/90x60.png?legend=1&layers={ids}" for ids in (*LAYERS, *JOINED)),
        "/static/dark/13.4,52.5,9/90x60.png",
        "/static/light/auto/90x60.png?layers=people&filter.people=pay>0",
        "/static/light/auto/90x60.png?layers=stops&area=feature:people/201",
        "/static/light/auto/90x60.png?layers=homes&area=feature:plots/1",
    ],
    "/styles/{name}.json": per_layer("/styles/*.json", "", "for=qgis", "features-from=0")
    + [f"/styles/{base}.json?layers={ids}" for base in ("light", "dark") for ids in ("", *LAYERS, *JOINED)],
    "/fonts/{stack}/{glyphs}.pbf": ["/fonts/nothing/0-255.pbf"],
    "/fonts/{script}.woff2": ["/fonts/nothing.woff2"],
    "/sprites/{name}.{ending}": ["/sprites/icons.json", "/sprites/icons@2x.png"],
    "/world/{part}/{z}/{x}/{y}.mvt": ["/world/land/0/0/0.mvt"],
    "/favicon.ico": ["/favicon.ico"],
    "/favicon.svg": ["/favicon.svg"],
    "/robots.txt": ["/robots.txt"],
    "/signin": ["/signin", "/signin?back=/%3Flayers=people"],
    "/signout": ["/signout"],
    "/signin/openid": ["/signin/openid"],
    "/signin/callback": ["/signin/callback?code=x&state=y"],
}
# Routes that tell of the server, not of layers, or that write, or that ask in nobody's name: what they say is tested
# elsewhere, and here that they name nothing that is hidden.
OTHERS: dict[str, list[str]] = {
    "/embed": ["/embed?layers=nothing"],
    "/readyz": ["/readyz"],
    "/metrics": ["/metrics"],
    "/api/me": ["/api/me"],
    "/api/keys": ["/api/keys"],
    "/api/keys/{key_id}": ["/api/keys/nothing"],
    "/frozen": ["/frozen"],
    "/frozen/{frozen_id}": ["/frozen/abcdefghijkl"],
    "/frozen/{frozen_id}.zip": ["/frozen/abcdefghijkl.zip"],
    "/frozen/{frozen_id}/changed.json": ["/frozen/abcdefghijkl/changed.json"],
    "/frozen/{frozen_id}/status.json": ["/frozen/abcdefghijkl/status.json"],
    "/frozen/{frozen_id}/{path:path}": ["/frozen/abcdefghijkl/manifest.json"],
}


@dataclass
class World:
    """The city as it is, its callers' keys, and for each caller the city without what is not for them."""

    whole: TestClient
    keys: dict[str, str]
    bare: dict[str, TestClient] = field(default_factory=dict)

    def ask(self, caller: str, address: str) -> Any:
        headers = {"Authorization": f"Bearer {self.keys[caller]}"} if caller in self.keys else {}
        return self.whole.get(address, headers=headers)


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[World]:
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "_PATIENCE", 60.0)  # on a busy machine pages would go without what is late

        def run(name: str, url: str) -> TestClient:
            folder = write_city(tmp_path_factory.mktemp(name) / "city", PARTS.get(name, WHOLE))
            fill(folder, url)
            return stack.enter_context(run_city(folder, url))

        urls = {name: make_database(template=empty_template) for name in ("whole", *PARTS)}
        keys = make_keys(urls["whole"])
        yield World(run("whole", urls["whole"]), keys, {name: run(name, urls[name]) for name in PARTS})


def thin(addresses: list[str]) -> list[str]:
    """Some of many, and all of few: enough for every run."""
    return addresses if len(addresses) < 10 else addresses[::7]


def compare(address: str, told: bytes, expected: bytes) -> str:
    """What differs first; empty where nothing does. The table of values in a filtered tile may be in any order."""
    if told == expected or (".mvt?" in address and decode_tile(told) == decode_tile(expected)):
        return ""
    pairs = enumerate(zip(told, expected, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(told), len(expected)))
    window = slice(max(0, at - 60), at + 60)
    return f"at {at}: {told[window]!r}, not {expected[window]!r}"


def decode_tile(body: bytes) -> Any:
    try:
        return decode(body)
    except DecodeError:
        return body


def find_differences(world: World, caller: str, addresses: list[str]) -> list[str]:
    """Addresses at which the caller is told something else than by the server that never had what is hidden."""
    differing = []
    for address in addresses:
        world.ask("full", address)  # so that whatever is kept is kept of all there is
        told, expected = world.ask(caller, address), world.bare[caller].get(address)
        if told.status_code != expected.status_code:
            differing.append(f"{address}: {told.status_code}, not {expected.status_code}: {told.text[:200]}")
        elif why := compare(address, settle(told.content), settle(expected.content)):
            differing.append(f"{address}: {why}")
    return differing


def test_the_walk_knows_every_route_of_the_app(world: World) -> None:
    found = {route.path for route in list_routes(world.whole.app.routes)}  # type: ignore[attr-defined]
    assert found == ADDRESSES.keys() | OTHERS.keys()


@pytest.mark.parametrize("caller", PARTS)
def test_an_answer_is_that_of_a_server_that_never_had_what_is_hidden(world: World, caller: str) -> None:
    addresses = [address for every in ADDRESSES.values() for address in thin(every)]
    differing = find_differences(world, caller, addresses)
    assert not differing, "\n".join(differing)


@pytest.mark.slow
@pytest.mark.parametrize("caller", PARTS)
def test_every_answer_is_that_of_a_server_that_never_had_what_is_hidden(world: World, caller: str) -> None:
    addresses = [address for every in ADDRESSES.values() for address in every]
    differing = find_differences(world, caller, addresses)
    assert not differing, "\n".join(differing)


@pytest.mark.slow
def test_a_grant_whose_filter_fits_no_more_opens_nothing(world: World) -> None:
    for address in [address for every in ADDRESSES.values() for address in thin(every)]:
        told, expected = world.ask("misfit", address), world.ask("nobody", address)
        assert (told.status_code, settle(told.content)) == (expected.status_code, settle(expected.content)), address


def test_a_key_that_holds_no_more_opens_no_door_at_all(world: World) -> None:
    everywhere = [*ADDRESSES.values(), *OTHERS.values()]
    for caller, routes in (("revoked", everywhere), ("expired", everywhere[::9])):
        for every in routes:
            told = world.ask(caller, every[0])
            assert told.status_code == 401, every[0]
            assert "Basic" in told.headers["www-authenticate"]
            assert CANARY not in told.text


@pytest.mark.slow
def test_what_is_public_is_the_same_for_everybody_and_the_rest_is_kept_by_nobody(world: World) -> None:
    kept = Counter[str]()
    for caller in ("rows", "narrow", "full"):
        for address in [address for every in ADDRESSES.values() for address in thin(every)]:
            told = world.ask(caller, address)
            if told.status_code >= 400:
                continue
            if "private" not in told.headers.get("cache-control", ""):
                expected = world.ask("nobody", address)
                assert (told.status_code, settle(told.content)) == (expected.status_code, settle(expected.content))
                assert told.headers.get("vary") == expected.headers.get("vary"), address
                kept["public"] += 1
            else:
                assert told.headers["cache-control"] == "private, no-store"
                assert {"Authorization", "Cookie"} <= set(told.headers["vary"].split(", ")), address
                kept["private"] += 1
    assert min(kept.values()) > 50


def test_the_size_of_readings_is_that_of_those_that_are_seen(world: World) -> None:
    def sizes(client: Any) -> dict[str, int]:
        found = client("/api/layers/people").json()["downloads"]
        return {file["format"]: file["bytes"] for file in found if file["of"] == "readings"}

    seen = sizes(lambda address: world.ask("rows", address))
    assert seen == sizes(world.bare["rows"].get)
    assert 0 < seen["csv"] < sizes(lambda address: world.ask("full", address))["csv"]


def test_a_tag_is_good_for_its_own_reader_alone(world: World) -> None:
    for address in ("/api/layers", "/api/layers/people", "/api/layers/people/summary", "/ogc/collections/people/items",
                    "/tiles/people/12/2200/1343.mvt", "/styles/light.json?layers=people", "/ogc/collections",
                    "/api/layers/people/features/1", "/", "/layers/people", "/layers/people/map.svg"):  # fmt: skip
        tags = {caller: world.ask(caller, address).headers.get("etag") for caller in ("rows", "narrow", "full")}
        assert len(set(tags.values())) == 3, address
        for caller, key in world.keys.items():
            if caller in tags:
                headers = {"Authorization": f"Bearer {key}", "If-None-Match": tags[caller] or ""}
                told = world.whole.get(address, headers=headers)
                assert (told.status_code, told.headers["cache-control"]) == (304, "private, no-store"), address
        told = world.whole.get(address, headers={"If-None-Match": tags["full"] or ""})
        assert told.status_code in (200, 404), address


def test_who_may_see_all_finds_what_is_hidden_from_others(world: World) -> None:
    for address in ("/api/layers", "/api/layers/people", "/api/layers/people/summary?fields=pay", "/ogc/collections",
                    "/ogc/collections/people/items?limit=1000", "/api/layers/people/rejects", "/api/layers/notes",
                    "/tiles/people/0/0/0.mvt", "/tiles/archive/0/0/0.mvt", "/tiles/notes/12/2200/1343.mvt",
                    "/tiles/water/12/2200/1343.mvt", "/ogc/openapi", "/styles/people.json",
                    "/layers", "/layers/people", "/layers/people/feed.atom",
                    "/layers/feed.atom", "/sitemap.xml"):  # fmt: skip
        told = world.ask("full", address)
        assert told.status_code == 200, address
        hidden = (CANARY, str(NUMBER), "people")
        assert any(text in told.text for text in hidden), address
    readings = world.ask("full", "/api/layers/people/features/1/readings").json()
    assert readings["readings"][0]["pulse"] > NUMBER


@pytest.mark.parametrize("address", ["/embed", "/embed?layers=people,stops", "/embed?layers=people&show=table&lang=fr"])
def test_a_widget_is_that_of_nobody_whoever_asks_for_it(world: World, address: str) -> None:
    expected = world.ask("nobody", address)
    assert CANARY not in expected.text
    for caller in ("rows", "narrow", "full"):
        told = world.ask(caller, address)
        assert (told.status_code, told.content) == (200, expected.content)
        assert told.headers["cache-control"].startswith("public")


def test_what_tells_of_the_server_names_nothing_that_is_hidden(world: World) -> None:
    for caller in ("nobody", "rows", "misfit"):
        for address in [address for every in OTHERS.values() for address in every]:
            headers = {"X-Forwarded-For": "192.0.2.7"}  # as through a proxy, for operators ask from the machine itself
            if caller in world.keys:
                headers["Authorization"] = f"Bearer {world.keys[caller]}"
            told = world.whole.get(address, headers=headers).text
            assert CANARY not in told
            named = [name for name in ("people", "plots", "notes", "echo", "archive") if name in told]
            assert not named, (caller, address, told)
