"""Links to the map in posts of WordPress, by WordPress' own files: discovery, oEmbed and its filter of what it gets."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from bs4 import BeautifulSoup
from wordpresses import FOLDER, MISSING, PHP, embed

from geoserver import assets

pytestmark = [
    pytest.mark.skipif(not (PHP and FOLDER), reason=MISSING),
    pytest.mark.skipif(not (assets.root("web") / "index.html").is_file(), reason="the viewer is not built"),
]
HOSTILE = "category IN ('burglary','theft') AND district = '\"><script>\\\\alert(1)</script>&amp;[caption]'"


@pytest.mark.parametrize(
    "address",
    [
        f"/?layers=crime&filter.crime={quote(HOSTILE)}&time=2024-01-01/..&map=13/45.2/-28.6",
        f"/embed?layers=crime&filter.crime={quote(HOSTILE)}&title={quote('<b>Ours</b>')}&show=map,table&lang=fr",
        "/layers/trees?lang=de",
    ],
)
def test_an_address_on_a_line_of_its_own_becomes_the_widget_of_that_map(server: Any, address: str) -> None:
    found = embed(server.url + address)
    (asked,) = [url for url in found["asked"] if "/oembed?" in url]
    assert "maxwidth=600" in asked
    soup = BeautifulSoup(found["embedded"], "html.parser")
    (frame,) = soup.find_all()
    assert (frame.name, frame.get_attribute_list("sandbox"), frame["security"]) == (
        "iframe",
        ["allow-scripts"],
        "restricted",
    )
    assert (frame["width"], frame["height"]) == ("600", "375")
    assert frame["title"]
    source, _, fragment = str(frame["src"]).partition("#")
    assert fragment == f"?secret={frame['data-secret']}"
    assert source.startswith(f"{server.url}/embed?")
    said = dict(parse_qsl(urlsplit(source).query, keep_blank_values=True))
    for name, value in parse_qsl(urlsplit(address).query):
        assert said[name] == value
    assert said["layers"] == ("trees" if "trees" in address else "crime")


def test_what_is_not_ours_stays_a_link(server: Any) -> None:
    assert embed(f"{server.url}/layers/nothing")["embedded"] is False
    assert embed(f"{server.url}/docs")["embedded"] is False


def test_of_a_snippet_an_author_without_rights_keeps_picture_source_and_link(server: Any) -> None:
    picture = f"{server.url}/static/light/auto/800x500.png?layers=crime"
    snippet = (
        f'<figure lang="en" style="margin:0"><iframe src="{server.url}/embed"></iframe>'
        f'<a href="{server.url}/?layers=crime"><img src="{picture}" alt="Crime"></a>'
        f'<figcaption>Source: City · <a href="{server.url}/?layers=crime">Open the map</a></figcaption></figure>'
    )
    kept = BeautifulSoup(embed(f"{server.url}/?layers=crime", snippet)["kept"], "html.parser")
    assert [tag.name for tag in kept.find_all()] == ["figure", "a", "img", "figcaption", "a"]
    assert kept.img is not None
    assert kept.img["src"] == picture
