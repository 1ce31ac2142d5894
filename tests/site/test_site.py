"""Pages, styles, letters and the headers of every answer, as a browser asks for them."""

from __future__ import annotations

import asyncio
import gzip
import html
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import brotli
import mercantile
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from geoserver import assets
from geoserver.encodings import decompress
from geoserver.site.answers import ask_ourselves
from geoserver.site.files import BuiltFiles
from geoserver.site.glyphs import empty_glyphs
from geoserver.site.headers import SiteHeaders
from geoserver.styling.fonts import add_font_faces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


built = pytest.mark.skipif(
    not (assets.root("web") / "index.html").is_file(), reason="the viewer is not built: npm --prefix web run build"
)


def read_body(answer: Any) -> bytes:
    """The body as it was before it was compressed; the client undoes gzip and br by itself."""
    body: bytes = answer.content
    return decompress(body, "zstd") if answer.headers["content-encoding"] == "zstd" else body


# The viewer


@built
def test_the_front_page_is_the_viewer_and_is_checked_every_time(client: TestClient) -> None:
    client.get("/")  # what is asked for the first time may come late, and is then left out
    page = client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "must-revalidate" in page.headers["cache-control"]
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304


def read_told(page: str) -> dict[str, Any]:
    """Answers that stand in the page, by address."""
    blocks = re.findall(r'<script type="application/json" data-address="([^"]*)">(.*?)</script>', page, re.DOTALL)
    return {html.unescape(address): json.loads(text) for address, text in blocks}


@built
@pytest.mark.parametrize(
    ("query", "addresses"),
    [
        ("", ["crime", "bike-paths", "crime", "bike-paths", "light", "dark"]),
        ("?layers=trees,none,crime&layers=districts&base=dark", ["crime", "trees", "districts"] * 2 + ["dark"]),
        ("?layers=", ["light", "dark"]),
        ("?filter.crime=category='burglary'", ["crime", "bike-paths"]),
        ("?time=2024-01-01/..&layers=trees", ["trees"]),
    ],
)
def test_the_page_tells_what_it_would_ask_for_first(client: TestClient, query: str, addresses: list[str]) -> None:
    told = read_told(client.get(f"/{query}").text)
    names = [address.partition("?")[0].rpartition("/")[2].removesuffix(".json") for address in told]
    # The list of layers, and what each is about.
    assert sorted(names) == sorted(["layers", "layers", *addresses])
    for address, answer in told.items():
        assert answer == client.get(f"/{address}").json()


def test_what_the_page_asks_of_us_never_leaves() -> None:
    async def app(_: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "http.request"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.05)
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        seen.append(True)

    seen: list[bool] = []
    scope = {"type": "http", "headers": [], "path": "/", "query_string": b"", "app": app}
    assert asyncio.run(ask_ourselves(Request(scope), "api/layers", "en")) == (b"", False)
    assert seen


@built
def test_no_title_ends_the_block_that_it_stands_in(client: TestClient) -> None:
    layers = client.app.state.services.live.current.layers  # type: ignore[attr-defined]
    title = "</script><script>alert(1)</script><!--"
    before = layers["crime"]
    layers["crime"] = replace(before, title=title)
    try:
        page = client.get("/").text
    finally:
        layers["crime"] = before
    assert "alert(1)</script>" not in page
    assert title in [layer["title"] for layer in next(iter(read_told(page).values()))["layers"]]


@built
def test_the_page_names_every_part_of_the_map_ahead(client: TestClient) -> None:
    page = client.get("/").text
    for part in ("city-map", "maplibre-gl", "maplibre-shared", "map-worker"):
        (address,) = re.findall(rf'<link rel="modulepreload"[^>]* href="\./(assets/{part}-[^"]+\.js)"', page)
        assert client.get(f"/{address}").status_code == 200


def test_what_the_build_has_packed_is_sent_while_it_is_of_the_same_bytes(tmp_path: Path) -> None:
    text = b"var a = 1;\n" * 100
    (tmp_path / "a.js").write_bytes(text)
    packed = brotli.compress(text, quality=3, lgwin=20)
    (tmp_path / "a.js.br").write_bytes(packed)
    file = BuiltFiles(tmp_path).read("a.js")
    assert file is not None
    assert asyncio.run(file.encode("br")) == packed
    for stale in (brotli.compress(b"another"), b"no brotli"):
        (tmp_path / "a.js.br").write_bytes(stale)
        file = BuiltFiles(tmp_path).read("a.js")
        assert file is not None
        assert brotli.decompress(asyncio.run(file.encode("br"))) == text


@built
def test_the_letters_of_a_first_view_in_any_language_of_europe_are_small_enough_for_a_slow_line(
    client: TestClient,
) -> None:
    sizes = []
    for font in ("Regular", "Medium", "Italic"):
        for letters in ("0-255", "256-511", "8192-8447"):  # Western, Central European, marks such as an apostrophe
            answer = client.get(f"/fonts/Noto Sans {font}/{letters}.pbf", headers={"Accept-Encoding": "br"})
            assert answer.headers["content-encoding"] == "br"
            sizes.append(int(answer.headers["content-length"]))
    assert sum(sizes) < 60_000


@built
def test_every_letter_is_in_a_glyph_file_or_in_a_font_file_that_a_style_names(client: TestClient) -> None:
    style = client.get("/styles/light.json").json()
    faces = style["font-faces"]["Noto Sans Medium"]
    assert faces == style["font-faces"]["Noto Sans Italic"]
    ranges = [
        (int(first, 16), int(last or first, 16))
        for face in faces
        for first, _, last in (text.removeprefix("U+").partition("-") for text in face["unicode-range"])
    ]
    for letter in "ƆƐƴḀ₤" + "بשאक़กგԵሀހ" + "বਪગଓதతಕമසລမខⴰߒᐃ":
        assert any(first <= ord(letter) <= last for first, last in ranges), letter
    for letter in "aéßŁőșĦẠ€ΔЖ\u2019\u2013":  # none of these may make a reader fetch a font file
        assert not any(first <= ord(letter) <= last for first, last in ranges), letter
    for face in faces:
        answer = client.get(face["url"])
        assert (answer.headers["content-type"], answer.content[:4]) == ("font/woff2", b"wOF2")


@built
@pytest.mark.parametrize(
    ("languages", "han"),
    [(("en", "ja", "zh"), "jp"), (("zh_hant", "ja"), "sc"), (("ko",), "sc"), (("en", "fr"), None)],
)
def test_signs_of_the_far_east_are_drawn_as_the_language_of_the_names_writes_them_and_named_apart(
    languages: tuple[str, ...], han: str | None
) -> None:
    style: dict[str, Any] = {
        "glyphs": "http://map.example/fonts/{fontstack}/{range}.pbf",
        "layers": [{"layout": {"text-font": ["Noto Sans Medium"]}}],
    }
    add_font_faces(style, "http://map.example", [language.partition("_")[0] for language in languages])
    assert not any("signs" in face["url"] for face in style["font-faces"]["Noto Sans Medium"])
    if han is None:
        assert style["metadata"] == {}
        return
    faces = style["metadata"]["geoserver:han"]["font-faces"]["Noto Sans Medium"]
    files = {face["url"].rpartition("/")[2]: face["unicode-range"] for face in faces}
    assert {"arabic.woff2", "signs-jp.woff2", "signs-kr.woff2", "signs-sc.woff2"} <= files.keys()
    assert [name for name, ranges in files.items() if "U+4E00-9FFF" in ranges] == [f"signs-{han}.woff2"]


@built
def test_assets_are_kept_for_ever_and_come_compressed(client: TestClient) -> None:
    script = max((assets.root("web") / "assets").glob("*.js"), key=lambda path: path.stat().st_size)
    for encoding in ("gzip", "br", "zstd"):
        asked = {"Accept-Encoding": encoding}
        answer = client.get(f"/assets/{script.name}", headers=asked)
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["content-encoding"] == encoding
        assert read_body(answer) == script.read_bytes()
        again = client.get(f"/assets/{script.name}", headers=asked | {"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.headers["etag"]) == (304, answer.headers["etag"])
    plain = client.get(f"/assets/{script.name}", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.headers["etag"] != answer.headers["etag"]


@pytest.mark.parametrize(
    "path", ["nothing.js", "../index.html", "..%2Findex.html", "%00", "a" * 5000, "%2Fetc%2Fpasswd"]
)
def test_a_file_that_is_not_the_viewers_is_a_problem_document(client: TestClient, path: str) -> None:
    answer = client.get(f"/assets/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_files_outside_the_folder_are_not_read_even_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "page.html").write_text("page")
    (folder / "link").symlink_to(tmp_path / "secret")
    files = BuiltFiles(folder)
    assert files.read("page.html") is not None
    assert [files.read(path) for path in ("link", "../secret", "", ".", "page.html/x", "\0")] == [None] * 6


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    files = BuiltFiles(tmp_path)
    (tmp_path / "a.txt").write_text("old")
    first = files.read("a.txt")
    (tmp_path / "a.txt").write_text("newer")
    second = files.read("a.txt")
    assert first is not None
    assert second is not None
    assert (first.body, second.body) == (b"old", b"newer")
    assert first.tag != second.tag


def test_favicon_and_robots_are_answered(client: TestClient) -> None:
    assert client.get("/favicon.ico").status_code in (200, 204)
    robots = client.get("/robots.txt")
    assert robots.status_code == 200
    assert "Disallow: /tiles/" in robots.text


# Styles


def test_a_style_is_served_with_the_addresses_of_this_server(client: TestClient) -> None:
    style = client.get("/styles/light.json").json()
    assert style["glyphs"] == "http://127.0.0.1/fonts/{fontstack}/{range}.pbf"
    centre = mercantile.tile(-28.604, 45.199, 13)
    tiles = client.get(style["sources"]["base"]["tiles"][0].format(z=centre.z, x=centre.x, y=centre.y))
    assert tiles.status_code == 200


def test_a_style_can_carry_data_layers(client: TestClient) -> None:
    style = client.get("/styles/dark.json", params={"layers": "crime,trees"}).json()
    assert {"base", "world", "graticule", "crime", "trees"} == style["sources"].keys()
    assert client.get(style["sources"]["crime"]["url"]).status_code == 200


def test_a_style_follows_the_plan_that_is_asked_for_up_to_the_layer_s_own(client: TestClient) -> None:
    own = client.get("/api/layers/crime").json()["features_from"]
    assert own > 9

    def switch(address: str) -> int | None:
        """The zoom at which the marks of bins end; None where there are none."""
        style = client.get(address).json()
        assert [name for name in style["sources"] if name.startswith("crime")] == ["crime"]
        assert style["sources"]["crime"].keys() == {"type", "url"}
        drawn = [item["paint"]["line-width"] for item in style["layers"] if "crime:bins-marks" in item["id"]]
        return min((width[-2] for width in drawn), default=None)

    assert switch("/styles/light.json?layers=districts,crime") == own
    assert switch("/styles/light.json?layers=districts,crime&features-from=,9") == 9
    assert switch("/styles/light.json?layers=districts,crime&features-from=4,") == own
    assert switch("/styles/light.json?layers=districts,crime&features-from=,22") == own
    assert switch("/styles/light.json?layers=crime&features-from=0") is None
    assert switch("/styles/crime.json?features-from=0") is None
    assert switch("/styles/crime.json?features-from=") == own


def test_a_style_that_did_not_change_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/styles/crime.json")
    assert client.get("/styles/crime.json", headers={"If-None-Match": first.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    ("path", "status", "parameter"),
    [
        ("/styles/no-such.json", 404, "style"),
        ("/styles/light.json?layers=no-such", 404, "layer"),
        ("/styles/light.json?layers=crime,crime", 400, "layers"),
        ("/styles/light.json?layers=" + ",".join(f"l{i}" for i in range(40)), 400, "layers"),
        ("/styles/light.json?layers=crime,trees&features-from=0", 400, "features-from"),
        ("/styles/light.json?layers=crime&features-from=-1", 400, "features-from"),
        ("/styles/light.json?layers=crime&features-from=007", 400, "features-from"),
        ("/styles/light.json?layers=crime&features-from=23", 400, "features-from"),
        ("/styles/light.json?layers=crime&features-from=9%0A", 400, "features-from"),
        ("/styles/light.json?layers=crime&features-from=ten", 400, "features-from"),
        ("/styles/light.json?features-from=9", 400, "features-from"),
        ("/styles/crime.json?features-from=9,9", 400, "features-from"),
        ("/styles/li'ght.json", 404, "style"),
        ("/styles/light.json?layers=crime'--", 404, "layer"),
        ("/fonts/Comic/0-255.pbf", 404, "font"),
    ],
)
def test_a_wrong_name_is_a_problem_that_says_what_there_is(
    client: TestClient, path: str, status: int, parameter: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["parameter"] == parameter
    assert answer.json()["expected"]


# Letters


def read_glyphs(body: bytes) -> tuple[str, str, set[int]]:
    """Name, range and code points of a glyph file: protobuf by hand, with the few parts that it uses."""

    def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
        at = 0

        def varint() -> int:
            nonlocal at
            value = shift = 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    return value

        while at < len(data):
            key = varint()
            if key & 7 == 0:
                yield key >> 3, varint()
            else:
                length = varint()
                yield key >> 3, data[at : at + length]
                at += length

    ((_, stack),) = fields(body)
    assert isinstance(stack, bytes)
    name, code_points, letters = "", "", set()
    for number, value in fields(stack):
        if number == 3:
            assert isinstance(value, bytes)
            letters.add(dict(fields(value))[1])
        elif isinstance(value, bytes):
            name, code_points = (value.decode(), code_points) if number == 1 else (name, value.decode())
    return name, code_points, {letter for letter in letters if isinstance(letter, int)}


@built
@pytest.mark.parametrize("font", ["Noto Sans Regular", "Noto Sans Medium", "Noto Sans Italic"])
@pytest.mark.parametrize(
    ("code_points", "sample"),
    [("0-255", "AãÿçÉ"), ("256-511", "ŐšžİŁ"), ("768-1023", "Ωλ"), ("1024-1279", "Жяѓ"), ("7680-7935", "ẤệḤ")],
)
def test_every_font_has_the_letters_of_european_names(
    client: TestClient, font: str, code_points: str, sample: str
) -> None:
    answer = client.get(f"/fonts/{font}/{code_points}.pbf")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-protobuf"
    assert {ord(letter) for letter in sample} <= read_glyphs(answer.content)[2]


@built
def test_every_font_that_a_style_asks_for_is_served(client: TestClient) -> None:
    layers = client.get("/styles/light.json").json()["layers"]
    fonts = {",".join(item["layout"]["text-font"]) for item in layers if item["type"] == "symbol"}
    assert fonts
    assert {client.get(f"/fonts/{stack}/0-255.pbf").status_code for stack in fonts} == {200}


@built
def test_letters_that_no_font_has_are_an_empty_set_and_a_stack_takes_the_first_known_font(client: TestClient) -> None:
    answer = client.get("/fonts/Unknown,Noto Sans Regular/19968-20223.pbf")
    assert answer.status_code == 200
    assert read_glyphs(answer.content) == ("Noto Sans Regular", "19968-20223", set())


@built
@pytest.mark.parametrize(
    "code_points", ["0-254", "1-256", "65536-65791", "a-b", "-256--1", "\u0660-255", "0", "99999-100254"]
)
def test_a_range_that_is_none_is_a_bad_parameter(client: TestClient, code_points: str) -> None:
    answer = client.get(f"/fonts/Noto Sans Regular/{code_points}.pbf")
    assert answer.status_code == 400
    assert answer.json()["parameter"] == "range"


@built
def test_the_fonts_licence_lies_beside_them() -> None:
    assert "SIL OPEN FONT LICENSE" in (assets.root("web") / "fonts" / "OFL.txt").read_text(encoding="utf-8").upper()


def test_an_empty_glyph_file_can_be_read() -> None:
    assert read_glyphs(empty_glyphs("A", "0-255")) == ("A", "0-255", set())


# Headers


PAGES = ["/", "/styles/light.json", "/fonts/Noto Sans Regular/0-255.pbf", "/api/layers", "/no-such-page", "/ogc"]


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_carries_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "camera=()" in headers["permissions-policy"]


def test_a_page_may_load_from_its_own_origin_only(client: TestClient) -> None:
    policy = client.get("/").headers["content-security-policy"]
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives["default-src"] == directives["script-src"] == directives["connect-src"] == "'self'"
    assert directives["frame-ancestors"] == "'self'"
    assert "http" not in policy


@pytest.mark.parametrize(
    "path", ["/tiles/crime.json", "/styles/light.json", "/api/layers", "/ogc/collections", "/fonts/x/0-255.pbf"]
)
def test_open_data_may_be_read_from_any_page(client: TestClient, path: str) -> None:
    headers = client.get(path, headers={"Origin": "https://news.example"}).headers
    assert headers["access-control-allow-origin"] == "*"
    assert "ETag" in headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in headers


def test_pages_that_are_no_data_are_not_opened_to_others(client: TestClient) -> None:
    for path in ("/", "/readyz", "/metrics", "/apiary", "/tilesets"):
        assert "access-control-allow-origin" not in client.get(path).headers


def test_parts_of_files_may_be_asked_for_from_anywhere(client: TestClient) -> None:
    """Not every browser takes `Range` for harmless."""
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "range"}
    answer = client.options("/frozen/abcdefghijkl/data/tiles.pmtiles", headers={"Origin": "null", **asked})
    assert answer.status_code == 204
    assert {"Range", "If-Range"} <= set(answer.headers["access-control-allow-headers"].split(", "))


def test_a_preflight_is_answered_without_asking_the_route(client: TestClient) -> None:
    asked = {"Origin": "https://news.example", "Access-Control-Request-Method": "GET"}
    answer = client.options("/tiles/crime/13/0/0.mvt", headers=asked)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "DELETE" not in answer.headers["access-control-allow-methods"]


# Compression


LONG = json.dumps({"rows": ["a row of data"] * 500})


async def _json(_: Request) -> Response:
    return Response(LONG, media_type="application/geo+json", headers={"ETag": '"v1"'})


async def _stream(_: Request) -> Response:
    return StreamingResponse((LONG[i : i + 100] for i in range(0, len(LONG), 100)), media_type="text/csv")


async def _long(_: Request) -> Response:
    return StreamingResponse((LONG for _ in range(100)), media_type="application/json")


async def _packed(_: Request) -> Response:
    return Response(gzip.compress(LONG.encode()), media_type="text/plain", headers={"Content-Encoding": "gzip"})


async def _short(_: Request) -> Response:
    return PlainTextResponse("short")


async def _picture(_: Request) -> Response:
    return Response(b"\x89PNG" * 1000, media_type="image/png")


async def _unchanged(_: Request) -> Response:
    return Response(status_code=304, headers={"ETag": '"v1"', "Content-Type": "text/plain"})


@pytest.fixture(scope="module")
def plain() -> Iterator[TestClient]:
    pages = {
        "json": _json,
        "stream": _stream,
        "long": _long,
        "packed": _packed,
        "short": _short,
        "picture": _picture,
        "304": _unchanged,
    }
    app = Starlette(routes=[Route(f"/{name}", page) for name, page in pages.items()])
    app.add_middleware(SiteHeaders)
    with TestClient(app) as running:
        yield running


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("path", ["/json", "/stream", "/long"])
def test_text_is_compressed_whole_or_streamed(plain: TestClient, path: str, encoding: str) -> None:
    answer = plain.get(path, headers={"Accept-Encoding": encoding})
    assert answer.headers["content-encoding"] == encoding
    assert read_body(answer).decode() == (LONG * 100 if path == "/long" else LONG)
    assert "Accept-Encoding" in answer.headers["vary"]
    assert int(answer.headers.get("content-length", 0)) != len(LONG)


def test_the_tag_of_a_compressed_answer_is_weak(plain: TestClient) -> None:
    assert plain.get("/json").headers["etag"] == 'W/"v1"'
    assert plain.get("/json", headers={"Accept-Encoding": "identity"}).headers["etag"] == '"v1"'


@pytest.mark.parametrize(("encoding", "tag"), [("gzip", 'W/"v1"'), ("br", 'W/"v1"'), ("identity", '"v1"')])
def test_a_304_carries_the_headers_of_the_200_in_whose_place_it_stands(
    plain: TestClient, encoding: str, tag: str
) -> None:
    answer = plain.get("/304", headers={"Accept-Encoding": encoding})
    assert (answer.status_code, answer.headers["etag"]) == (304, tag)
    assert "Accept-Encoding" in answer.headers["vary"]


@pytest.mark.parametrize("path", ["/short", "/picture", "/304"])
def test_what_is_short_a_picture_or_empty_goes_by_untouched(plain: TestClient, path: str) -> None:
    assert "content-encoding" not in plain.get(path).headers


def test_what_is_compressed_already_is_not_compressed_twice(plain: TestClient) -> None:
    assert plain.get("/packed").text == LONG


@pytest.mark.parametrize("accepted", ["", "identity", "deflate", "gzip;q=0", "gzip; q=0.0, br;q=0"])
def test_who_takes_no_encoding_gets_plain_text(plain: TestClient, accepted: str) -> None:
    answer = plain.get("/json", headers={"Accept-Encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.text == LONG
    assert "Accept-Encoding" in answer.headers["vary"]


def test_the_api_is_described_for_people_by_what_machines_are_told(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "<script" not in page.text
    for path, item in document["paths"].items():
        for method in item:
            assert f"{method.upper()} {path}" in page.text
    assert "layer_id" in page.text
