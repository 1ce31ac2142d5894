"""`city.toml`: what it may say, what a mistake in it is answered with, and what follows it."""

from __future__ import annotations

import re
import struct
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver import assets
from geoserver.api.city import find_extent
from geoserver.app import create_app
from geoserver.catalog import LiveCatalog, read_catalog, read_layer
from geoserver.catalog.city_file import CityFile, read_city
from geoserver.catalog.city_words import speak
from geoserver.catalog.names import natural_key
from geoserver.colours import contrast
from geoserver.errors import CatalogError
from geoserver.loading import load, prove_sources
from geoserver.model import Bounds, City
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fastapi import FastAPI

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0h9v9z"/></svg>'
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR"
CITY = """
title = "Town <b> & co"
tagline = "All of it"
description = 'Its "data"'
publisher = "Town hall"
language = "en"
page_languages = ["fr", "en"]
logo = "logo.svg"
layers = ["stops"]
limits = [-28.8, 45.05, -28.4, 45.35]
home = { center = [-28.6, 45.2], zoom = 12.5 }
links = { contact = "mailto:maps@example.org", terms = "https://example.org/terms" }

[colours]
accent = "#a3195b"

[languages.fr]
title = "Ville"
links.terms = "https://example.org/conditions"
"""
LAYER = """
title = "{}"
license = "CC0-1.0"
source = "stops.csv"
kind = "points"
fields.name = {{ type = "text", title = "Name" }}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "stops.toml").write_text(LAYER.format("Stops"), encoding="utf-8")
    (tmp_path / "logo.svg").write_text(SVG, encoding="utf-8")
    rows = "".join(f"s{number},{-28.6 + number / 1000},45.2\n" for number in range(40))
    (tmp_path / "stops.csv").write_text(f"name,lon,lat\n{rows}far,2.35,48.85\n", encoding="utf-8")
    write(tmp_path, CITY)
    return tmp_path


def write(workspace: Path, text: str) -> Path:
    path = workspace / "city.toml"
    path.write_text(text, encoding="utf-8")
    return path


def settings_for(workspace: Path) -> Settings:
    return Settings(workspace=workspace, database_url=None)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


# The file


def test_the_sample_city_has_no_problem_and_a_workspace_of_its_own_is_not_called_after_it(workspace: Path) -> None:
    sample = read_catalog(settings_for(workspace / "nowhere"))
    assert (sample.problems, sample.city.title) == ((), "Antillia open data")
    (workspace / "city.toml").unlink()
    assert read_catalog(settings_for(workspace)).city == City()


def test_a_city_says_what_is_its_own(workspace: Path) -> None:
    catalog = read_catalog(settings_for(workspace))
    city = catalog.city
    assert catalog.problems == ()
    assert (city.title, city.center, city.zoom) == ("Town <b> & co", (-28.6, 45.2), 12.5)
    assert (city.page_languages, city.limits) == (("fr", "en"), Bounds(-28.8, 45.05, -28.4, 45.35))
    stops = catalog.layers["stops"]
    assert (stops.visible, stops.attribution) == (True, "Town hall")
    french = speak(city, ("fr-CA",))
    assert (french.title, french.tagline, french.language) == ("Ville", "All of it", "fr")
    assert french.links == {"contact": "mailto:maps@example.org", "terms": "https://example.org/conditions"}


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("", "title", "required"),
        ('title = ""', "title", "at least 1 character"),
        ('title = "A"\ntittle = "B"', "tittle", "docs/city.md for those there are; did you mean 'title'"),
        ('title = { fr = "A" }', "title", r"\[languages.fr\]"),
        ("title = no", "", "valid TOML"),
        ('title = "A"\ncolours.acent = "#fff"', "colours.acent", "did you mean 'accent'"),
        ('title = "A"\ncolours.accent = "red"', "colours.accent", "#rrggbb; got 'red'"),
        ('title = "A"\nlinks.imprint = "javascript:alert(1)"', "links.imprint", "https://"),
        ('title = "A"\nlinks.contact = "maps@example.org"', "links.contact", "mailto:"),
        ('title = "A"\npage_languages = ["xx"]', "page_languages.0", "en, de, es, fr, pt; got 'xx'"),
        ('title = "A"\n[languages.fr]\ntitle = "B"', "language", "the language of the plain words"),
        ('title = "A"\nlanguage = "fr"\n[languages.fr]\ntitle = "B"', "languages.fr", "other than 'fr'"),
        ('title = "A"\nlimits = [1.0, 50.0, 2.0, 40.0]', "limits", "west, south, east, north"),
        ('title = "A"\nlimits = [1.0, 2.0]', "limits", "at least 4 items"),
        ('title = "A"\nhome.zoom = 3.0', "home", "either bounds, or center and zoom"),
        ('title = "A"\nhome = { bounds = [1, 2, 3, 4], center = [1, 2] }', "home", "either bounds, or center and zoom"),
        ('title = "A"\nhome = { bounds = [1, 2, 3, 4], zoom = 3 }', "home", "either bounds, or center and zoom"),
        ('title = "A"\nlinks.contact = "https://["', "links.contact", "an address that begins with"),
        ('title = "A"\nhome = { center = [200.0, 0.0], zoom = 3.0 }', "home.center", "longitude and latitude"),
        ('title = "A"\noutside = "drop"', "outside", "'keep' or 'reject'"),
        ('title = "A"\nlogo = "none.svg"', "logo", "No such file"),
        ('title = "A"\nlogo = "../../etc/hostname"', "logo", "inside the folder"),
        ('title = "A"\nlogo = "layers"', "logo", "a (readable SVG or PNG|file)"),
        ('title = "A"\nlogo = "circle"', "logo", "symbolic links"),
        ('title = "A"\nlinks.contact = "mailto:@"', "links.contact", "mailto:"),
        ('title = "A"\nlinks.terms = "https://example.org:port/"', "links.terms", "https://"),
        ('title = "A"\nlinks.terms = "https://:443/"', "links.terms", "https://"),
        ('title = " \\n"', "title", "a text that can be seen"),
        ('title = "A"\ntagline = "a\\u0000b"', "tagline", "which no file and no database takes"),
        ('title = "A\\u0007"', "title", "without control characters"),
        ('title = "A\\u202e"', "title", "marks that turn the words"),
    ],
)
def test_a_mistake_is_told_by_file_key_and_what_was_expected(
    workspace: Path, text: str, key: str, expected: str
) -> None:
    (workspace / "circle").symlink_to("circle")
    path = write(workspace, text)
    with pytest.raises(CatalogError, match=expected) as told:
        read_city(path, [])
    assert (told.value.file, told.value.key) == (str(path), key)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SVG.replace("<path", "<script>alert(1)</script><path"), "without <script>"),
        (SVG.replace("<path", '<path onclick="alert(1)"'), "'onclick'"),
        (SVG.replace("<path", '<a href=" java\nscript:alert(1)"/><path'), "without scripts"),
        (SVG.replace("<path", "<foreignObject/><path"), "without <foreignobject>"),
        ('<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + SVG, "without entities"),
        ("<svg></svg>", "SVG's namespace"),
        ('<?xml version="1.0" encoding="no-such"?>' + SVG, "unknown encoding"),
        ('<?xml version="1.0" encoding="base64"?>' + SVG, "cannot be read"),
        ("GIF89a", "cannot be read"),
        (SVG + " " * (512 << 10), "512 KiB"),
    ],
)
def test_a_logo_that_does_more_than_be_drawn_is_refused(workspace: Path, content: str, expected: str) -> None:
    (workspace / "logo.svg").write_text(content, encoding="utf-8")
    with pytest.raises(CatalogError, match=expected):
        read_city(workspace / "city.toml", [])


def test_a_logo_may_be_a_png(workspace: Path) -> None:
    (workspace / "logo.svg").write_bytes(PNG)
    logo = read_city(workspace / "city.toml", []).logo
    assert logo
    assert logo.media_type == "image/png"


@pytest.mark.parametrize("accent", ["#f0c000", "#ffffff", "#17616a", "#000", "#6ec2c9"])
def test_an_accent_can_be_read_on_both_papers_whatever_is_stated(workspace: Path, accent: str) -> None:
    problems: list[CatalogError] = []
    city = read_city(write(workspace, f'title = "A"\n[colours]\naccent = "{accent}"'), problems)
    assert contrast(city.accent, "#ffffff") >= 4.5
    assert contrast(city.accent_dark, "#23282c") >= 4.5
    changed = contrast(accent, "#ffffff") < 4.5
    assert [(problem.key, accent in problem.expected) for problem in problems] == [("colours.accent", True)] * changed


def test_layers_that_a_city_names_must_be_there(workspace: Path) -> None:
    write(workspace, 'title = "A"\nlayers = ["stopps"]\nlimits = "districts"')
    told = {problem.key: problem.expected for problem in read_catalog(settings_for(workspace)).problems}
    assert told["layers.0"].endswith("did you mean 'stops'?")
    assert "districts" in told["limits"]


def test_a_broken_city_file_leaves_the_last_good_one_and_a_removed_one_none(workspace: Path) -> None:
    live = LiveCatalog(settings_for(workspace))
    before = live.current.layers["stops"]
    write(workspace, "title = ")
    live.reload()
    assert (live.current.city.title, live.current.layers["stops"].attribution) == ("Town <b> & co", "Town hall")
    assert [problem.file for problem in live.current.problems] == [str(workspace / "city.toml")]
    assert live.current.layers["stops"] is before, "what did not change is the same object"
    (workspace / "city.toml").unlink()
    live.reload()
    assert (live.current.city, live.current.layers["stops"].attribution) == (City(), "")


def test_titles_are_in_the_order_in_which_people_count(workspace: Path) -> None:
    titles = ["District 10", "district 2", "Água 1", "Zoo", "District 2b", "9 lives"]
    for number, title in enumerate(titles):
        (workspace / "layers" / f"l{number}.toml").write_text(LAYER.format(title), encoding="utf-8")
    (workspace / "layers" / "stops.toml").unlink()
    found = [layer.title for layer in read_catalog(settings_for(workspace)).layers.values()]
    assert found == ["9 lives", "Água 1", "district 2", "District 2b", "District 10", "Zoo"]
    assert natural_key("٣") > natural_key("2"), "digits of every script count"


def test_every_key_of_the_city_file_is_described() -> None:
    text = (assets.root("layers").parent / "docs" / "city.md").read_text(encoding="utf-8")
    assert [key for key in CityFile.model_fields if f"`{key}`" not in text and f"`[{key}" not in text] == []


# Where the city is


def placed(*boxes: tuple[Bounds | None, bool]) -> Any:
    class Some:
        def __init__(self, **values: object) -> None:
            vars(self).update(values)

    return [(Some(basemap=base), Some(bounds=box)) for box, base in boxes]


def test_the_map_opens_on_the_city_and_not_on_stray_rows() -> None:
    city, stretched = Bounds(-28.7, 45.1, -28.5, 45.3), Bounds(-28.7, -28.6, 45.2, 45.3)
    near, point = Bounds(-28.65, 45.15, -28.55, 45.25), Bounds(1, 2, 1, 2)
    assert find_extent(placed((stretched, False), (city, True))) == city, "the basemap says where the city is"
    assert find_extent(placed((city, False), (stretched, False), (near, False))) == city
    assert find_extent(placed((stretched, False)), city) == city, "or its limits"
    assert find_extent(placed((stretched, False))) == stretched
    assert find_extent(placed((point, False))) == point
    assert find_extent(placed((None, False))) is None


# Rows outside of it


def read_town(workspace: Path, text: str) -> City:
    return read_city(write(workspace, f'title = "A"\n{text}'), [])


def test_rows_outside_the_limits_are_counted_and_kept_unless_it_is_stated(workspace: Path, empty_database: str) -> None:
    layer = read_layer(workspace / "layers" / "stops.toml")
    box = "limits = [-28.8, 45.05, -28.4, 45.35]"
    kept = load(layer, empty_database, city=read_town(workspace, box))
    assert (kept.rows, kept.rejected) == (41, 0)
    assert [(note.text, note.count, note.example) for note in kept.changed] == [
        ("outside the city's limits, kept", 1, "48.85000, 2.35000")
    ]
    strict = read_town(workspace, f'{box}\noutside = "reject"')
    rejected = load(layer, empty_database, city=strict, force=True)
    assert (rejected.rows, rejected.reasons) == (40, {"outside the city's limits": 1})


def test_the_limits_may_be_a_layer_of_areas(workspace: Path, empty_database: str) -> None:
    (workspace / "areas.csv").write_text(
        'name;wkt\nA;"POLYGON((-28.7 45.1,-28.58 45.1,-28.58 45.3,-28.7 45.3,-28.7 45.1))"\n', encoding="utf-8"
    )
    text = LAYER.format("Areas").replace("stops.csv", "areas.csv").replace("points", "polygons")
    (workspace / "layers" / "areas.toml").write_text(text + '[csv]\ngeometry = "wkt"\n', encoding="utf-8")
    city = read_town(workspace, 'limits = "areas"')
    stops, areas = (read_layer(workspace / "layers" / f"{name}.toml") for name in ("stops", "areas"))
    assert load(stops, empty_database, city=city).changed == (), "nothing is known before the areas are there"
    assert load(areas, empty_database, city=city).changed == ()
    (note,) = load(stops, empty_database, city=city, force=True).changed
    assert note.count == 20, "from -28.579 on, and the far one"
    told: list[str] = []
    (problem,) = prove_sources([stops], empty_database, city, told.append)
    assert "20 of 41 sampled rows are outside the city's limits" in problem.expected
    assert told == []


def test_few_rows_outside_are_told_by_a_check_and_many_are_a_fault(workspace: Path) -> None:
    layer = read_layer(workspace / "layers" / "stops.toml")
    told: list[str] = []
    city = read_town(workspace, "limits = [-28.8, 45.05, -28.4, 45.35]")
    assert list(prove_sources([layer], "", city, told.append)) == []
    assert len(told) == 1
    assert "1 of 41 sampled rows are outside the city's limits, such as 48.85000, 2.35000" in told[0]
    (problem,) = prove_sources([layer], "", read_town(workspace, "limits = [10.0, 40.0, 11.0, 41.0]"), told.append)
    assert (problem.file, "41 of 41" in problem.expected) == (str(layer.file), True)


# The server


@pytest.fixture
def town(workspace: Path, empty_database: str) -> Iterator[TestClient]:
    load(read_layer(workspace / "layers" / "stops.toml"), empty_database)
    app = create_app(settings_for(workspace), empty_database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def test_the_page_the_api_and_the_ogc_api_are_the_citys(town: TestClient, workspace: Path) -> None:
    said = town.get("/api/layers", params={"fields": "id,visible,attribution", "lang": "fr"}).json()
    assert said["layers"] == [{"id": "stops", "visible": True, "attribution": "Town hall"}]
    city = said["city"]
    assert (city["title"], city["language"], city["languages"]) == ("Ville", "fr", ["fr", "en"])
    assert city["home"] == {"bounds": None, "camera": {"lon": -28.6, "lat": 45.2, "zoom": 12.5}}
    assert [(link["rel"], link["title"]) for link in city["links"]] == [
        ("datasets", "Tous les jeux de données"),
        ("contact", "Contact"),
        ("terms", "Conditions d\u2019utilisation"),
    ]
    landing = town.get("/ogc").json()
    assert landing["title"] == "Town <b> & co: OGC API Features"
    assert landing["attribution"] == "Town hall"
    assert {"rel": "terms-of-service", "href": "https://example.org/terms", "title": "Terms"} in landing["links"]
    info = town.get("/ogc/openapi").json()["info"]
    assert (info["title"], info["contact"]["email"]) == (landing["title"], "maps@example.org")
    ours = town.get("/openapi.json").json()["info"]
    assert (ours["title"], ours["contact"]["name"]) == ("Town <b> & co: HTTP API", "Town hall")
    for path in ("/ogc?f=html", "/ogc/collections?f=html", "/docs"):
        page = town.get(path).text
        assert "Town &lt;b&gt; &amp; co</title>" in page
        assert "Town <b>" not in page
    if (assets.root("web") / "index.html").is_file():
        page = town.get("/", headers={"Accept-Language": "de"}).text
        assert '<html lang="fr" data-languages="fr en">' in page, "of no offered language: the first"
        assert "<title>Ville</title>" in page
        assert '<meta name="description" content="Its &quot;data&quot;" />' in page
        assert re.search(r"--accent:light-dark\(#a3195b,#[0-9a-f]{6}\)", page)
        page = town.get("/?lang=en").text
        assert "<title>Town &lt;b&gt; &amp; co</title>" in page
        assert page.count("<title>") == 1
    manifest = town.get("/manifest.webmanifest?lang=en").json()
    assert (manifest["name"], manifest["start_url"]) == ("Town <b> & co", "http://127.0.0.1/")


def test_a_logo_is_served_so_that_nothing_in_it_could_run(town: TestClient) -> None:
    address = town.get("/api/layers").json()["city"]["logo"]
    logo = town.get(address)
    assert (logo.text, logo.headers["content-type"]) == (SVG, "image/svg+xml")
    policy = logo.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "sandbox" in policy
    assert "script" not in policy
    assert logo.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in logo.headers["cache-control"]
    assert town.get(address, headers={"If-None-Match": logo.headers["etag"]}).status_code == 304
    assert "immutable" not in town.get("/logo").headers["cache-control"]
    missing = town.get("/icon")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


def test_an_edit_is_followed_and_a_broken_file_takes_nothing_down(town: TestClient, workspace: Path) -> None:
    def title() -> str:
        return str(town.get("/api/layers?fields=id").json()["city"]["title"])

    write(workspace, 'title = "Other"')
    wait_until(lambda: title() == "Other", "the edit is seen")
    assert town.get("/ogc").json()["title"] == "Other: OGC API Features"
    write(workspace, 'title = "Broken"\nlogo = "none.svg"')
    wait_until(lambda: town.get("/readyz").json()["problems"] != [], "the fault is told")
    (problem,) = town.get("/readyz").json()["problems"]
    assert (problem["file"], problem["key"]) == (str(workspace / "city.toml"), "logo")
    assert title() == "Other"
    (workspace / "none.svg").write_text(SVG, encoding="utf-8")
    wait_until(lambda: title() == "Broken", "the file that was missing is seen")


def test_a_server_starts_without_a_city_and_with_a_broken_one(workspace: Path, empty_database: str) -> None:
    write(workspace, "title = no")
    app = create_app(settings_for(workspace), empty_database)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/api/layers?lang=de").json()["city"]["title"] == "Stadtkarte"
        assert client.get("/readyz").json()["status"] == "degraded"


def test_a_list_tells_the_members_that_are_asked_for(town: TestClient) -> None:
    (entry,) = town.get("/api/layers", params={"fields": "title, field_titles,id,title"}).json()["layers"]
    assert list(entry.items()) == [("title", "Stops"), ("field_titles", ["Name"]), ("id", "stops")]
    for wrong in ("", "id,secret", "id,"):
        answer = town.get("/api/layers", params={"fields": wrong})
        assert (answer.status_code, answer.json()["parameter"]) == (400, "fields")
        assert "field_titles" in answer.json()["expected"]


def read_parts(app: FastAPI) -> dict[str, Any]:
    """What the service keeps of each collection, for everybody."""
    services, url = app.state.services, "http://127.0.0.1/ogc"
    return {layer.id: app.state.ogc.part(url, layer, status) for layer, status in services.loaded()}


def test_an_edit_of_one_layer_leaves_the_ogc_documents_of_others(workspace: Path, empty_database: str) -> None:
    for name in ("stops", "shops"):
        path = workspace / "layers" / f"{name}.toml"
        path.write_text(LAYER.format(name.capitalize()), encoding="utf-8")
        load(read_layer(path), empty_database)
    app = create_app(settings_for(workspace), empty_database)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        listed = [item["title"] for item in client.get("/ogc/collections").json()["collections"]]
        assert listed == ["Shops", "Stops"]
        before = read_parts(app)
        tag = client.get("/ogc/collections/stops/items").headers["etag"]
        with psycopg.connect(empty_database) as connection:
            connection.execute("UPDATE layers.stops SET name = 'x' WHERE fid = 1")
        path = "/ogc/collections/stops/items"
        wait_until(lambda: client.get(path).headers["etag"] != tag, "the edit is seen")
        parts = read_parts(app)
        assert parts["shops"] is before["shops"]
        assert parts["stops"] is not before["stops"]
        (workspace / "layers" / "shops.toml").write_text(LAYER.format("Markets"), encoding="utf-8")
        wait_until(lambda: client.get("/ogc/collections/shops").json()["title"] == "Markets", "the file is read")
        assert read_parts(app)["stops"] is parts["stops"]
        document = client.get("/ogc/openapi").json()
        assert document["paths"]["/collections/shops/items"]["get"]["summary"] == "Get Markets items"
        names = [tag["name"] for tag in document["tags"]]
        assert {"server", "shops", "stops"} <= set(names)
        assert len(names) == len(set(names))
