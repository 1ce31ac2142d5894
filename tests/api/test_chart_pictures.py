"""Charts as pictures: the numbers of the page's chart, whatever stands in the data, and nothing else."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from PIL import Image

from geoserver.api.chart_svg import Drawing, draw_chart

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

AT = "/static/chart/crime/600x400"


def texts(svg: bytes | str) -> list[str]:
    return [str(each.text) for each in ElementTree.fromstring(svg).iter() if each.tag.endswith("}text")]


def test_a_picture_shows_the_counts_of_the_pages_chart(client: TestClient) -> None:
    answer = client.get(f"{AT}.svg?chart=category&filter.crime=district='Ansodi'")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    counted = client.get("/api/layers/crime/aggregate?group=category&filter=district='Ansodi'").json()
    said = texts(answer.content)
    assert said[0] == "Number of reports by Category"
    for (at, count), label in zip(counted["cells"], counted["groups"][0]["labels"], strict=True):
        assert counted["groups"][0]["labels"][at] == label
        assert f"{count:,}" in said
        assert label in said
    assert client.get(f"{AT}.svg", headers={"If-None-Match": answer.headers["etag"]}).status_code == 200
    known = {"If-None-Match": answer.headers["etag"]}
    assert client.get(f"{AT}.svg?chart=category&filter=district='Ansodi'", headers=known).status_code == 304


def test_without_a_word_it_is_the_course_of_the_layer_in_the_readers_language(client: TestClient) -> None:
    assert texts(client.get(f"{AT}.svg?lang=de").content)[0] == "Anzahl Meldungen je Monat"
    assert "Nothing to draw: no row has a value here." in texts(client.get(f"{AT}.svg?filter=category='x'").content)


def test_a_png_has_the_size_that_is_asked_for(client: TestClient) -> None:
    answer = client.get("/static/chart/trees/300x200@2x.png?chart=height:10&base=dark")
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(io.BytesIO(answer.content)).convert("RGB")
    assert image.size == (600, 400)
    assert image.getpixel((1, 1)) == (0x16, 0x19, 0x1C)


@pytest.mark.parametrize(
    ("address", "parameter"),
    [
        ("crime/99x400.svg", "size"),
        ("crime/600x9999.svg", "size"),
        ("crime/large.svg", "size"),
        ("crime/600x400.svg?chart=nothing", "group"),
        ("crime/600x400.svg?chart=category,district", "chart"),
        ("crime/600x400.svg?chart=category~sum:category", "measure"),
        ("crime/600x400.svg?base=pink", "base"),
        ("crime/600x400.svg?time=x", "time"),
        ("crime/600x400.svg?filter=nothing=1", "filter"),
        ("crime/600x400.svg?nothing=1", "nothing"),
    ],
)
def test_what_is_asked_wrongly_is_refused_in_words(client: TestClient, address: str, parameter: str) -> None:
    answer = client.get(f"/static/chart/{address}")
    assert (answer.status_code, answer.json()["parameter"]) == (400, parameter)


def test_hostile_and_long_texts_are_escaped_and_cut() -> None:
    label = "</text><script>\x00\x0b" + "x" * 5_000
    svg = draw_chart(Drawing((300, 200), "light", label, label, "", [label] * 3, [1, None, 0.5], False, str))
    assert len(svg) < 4_000
    assert "<script" not in svg
    assert not re.search(r"[\x00-\x08\x0b]", svg)
    assert all(len(text) < 60 for text in texts(svg))
