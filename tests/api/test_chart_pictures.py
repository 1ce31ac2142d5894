"""Charts as pictures: the numbers of the page's chart, whatever stands in the data, and nothing else."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest
from PIL import Image

from geoserver.api.chart_model import build_drawing
from geoserver.api.chart_svg import Drawing, Place, Series, draw_chart
from geoserver.catalog import read_layer
from geoserver.site.phrases import find_phrases

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

WEB = Path(__file__).parents[2] / "web"
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
        ("crime/600x400.svg?chart=nothing", "chart"),
        ("crime/1x1.svg", "size"),
        ("crime/4000x4000.png", "size"),
        ("crime/2000x2000@3x.png", "size"),
        ("crime/600x400.svg?chart=reported_at:month~", "chart"),
        ("crime/600x400.svg?chart=~avg:x", "chart"),
        ("crime/600x400.svg?chart=category,reported_at:month", "chart"),
        ("crime/600x400.svg?chart=reported_at:month,reported_at:year", "chart"),
        ("crime/600x400.svg?chart=in:crime", "chart"),
        ("crime/600x400.svg?chart=category,district", "chart"),
        ("crime/600x400.svg?chart=category~sum:category", "chart"),
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
    places, cells = [Place(label)] * 3, [[1], [None], [0.5]]
    svg = draw_chart(Drawing((300, 200), "light", label, label, "", places, cells, along=False, write=str))
    assert len(svg) < 4_000
    assert "<script" not in svg
    assert not re.search(r"[\x00-\x08\x0b]", svg)
    assert all(len(text) < 60 for text in texts(svg))


def bars(svg: bytes | str) -> list[tuple[float, float, float, float, str]]:
    """Left, top, width, height and colour of each rectangle but the paper."""
    found = [each.attrib for each in ElementTree.fromstring(svg).iter() if each.tag.endswith("}rect")][1:]
    return [(*(float(each[name]) for name in ("x", "y", "width", "height")), each["fill"]) for each in found]


def chart(cells: list[list[float | None]], **told: object) -> str:
    places = [Place(f"p{at}", at) for at in range(len(cells))]
    given: dict[str, object] = {"along": False, "write": str, "places": places} | told
    return draw_chart(Drawing((400, 300), "light", "Title", "Source", "Empty", cells=cells, **given))  # type: ignore[arg-type]


@pytest.mark.parametrize("along", [False, True])
def test_what_is_below_nothing_stands_on_the_other_side_of_it(along: bool) -> None:
    (a, b) = bars(chart([[-5.0], [10.0]], along=along))
    if along:
        assert a[1] == pytest.approx(b[1] + b[3], abs=0.2)  # one goes down from where the other goes up
        assert b[3] == pytest.approx(2 * a[3], abs=0.3)
    else:
        assert a[0] + a[2] == pytest.approx(b[0], abs=0.2)
        assert b[2] == pytest.approx(2 * a[2], abs=0.3)
    assert len(bars(chart([[-5.0], [-10.0]], along=along))) == 2


def test_what_has_no_room_is_one_bar_which_is_broken_off_where_it_is_too_long() -> None:
    svg = chart([[float(100 - at)] for at in range(40)], write_others="{} others".format)
    said = texts(svg)
    shown = [text for text in said if re.fullmatch(r"p\d+", text)]
    assert f"{40 - len(shown)} others" in said
    assert str(float(sum(100 - at for at in range(len(shown), 40)))) in said
    assert max(x + width for x, _, width, _, _ in bars(svg)) <= 400
    averages = texts(chart([[1.0]] * 40, stacks=False))
    assert not [text for text in averages if "others" in text]


def test_series_stand_on_each_other_in_their_colours_or_are_lines() -> None:
    series = (Series("Low", "#111111", "#eeeeee"), Series("High", "#222222", "#dddddd"))
    cells: list[list[float | None]] = [[3.0, 1.0], [2.0, None]]
    svg = chart(cells, along=True, series=series)
    stacked = [bar for bar in bars(svg) if bar[0] > 20 and bar[3] > 12]
    assert [bar[4] for bar in stacked] == ["#111111", "#222222", "#111111"]
    assert stacked[0][1] == pytest.approx(stacked[1][1] + stacked[1][3], abs=0.2)
    assert {"Low", "High"} <= set(texts(svg))
    lines = chart(cells, along=True, series=series, stacks=False)
    assert lines.count('fill="none"') == 2


def test_two_groups_are_the_numbers_and_the_legends_colours_of_the_page(client: TestClient) -> None:
    svg = client.get(f"{AT}.svg?chart=reported_at:year,category").content
    said, entries = texts(svg), client.get("/api/layers/crime").json()["legend"]
    assert said[0] == "Number of reports per year, by Category"
    listed = [entry for entry in entries if entry["label"] in said]
    assert len(listed) > 2
    assert {entry["color"] for entry in listed} <= {bar[4] for bar in bars(svg)}
    assert client.get(f"{AT}.png?chart=reported_at:year,category&base=dark").status_code == 200


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "pt"])
@pytest.mark.parametrize("chart", ["reported_at:weekday", "reported_at:hour-of-day", "in:districts", "category"])
def test_every_language_says_what_is_drawn(client: TestClient, language: str, chart: str) -> None:
    said = texts(client.get(f"{AT}.svg?chart={chart}&lang={language}").content)
    assert not [text for text in said if "{" in text or re.fullmatch(r"[1-7]", text)]
    assert len({*said}) > 4


CHOOSE = """
import { chooseSpec, writeSpec } from "./src/chart/spec.ts";
let text = "";
for await (const part of process.stdin) text += part;
const { layers, areas } = JSON.parse(text);
const choose = (layer) => writeSpec(chooseSpec(layer, areas.filter((id) => id !== layer.id)));
console.log(JSON.stringify(layers.map((layer) => [layer.id, choose(layer)])));
"""


def test_the_first_chart_is_the_one_that_the_page_chooses(client: TestClient) -> None:
    """By the page's own code, run here over the documents of all layers."""
    node = Path(sys.executable).with_name("node")
    if not node.is_file():
        pytest.skip("node, which the viewer is built by, is not installed")
    listed = client.get("/api/layers").json()["layers"]
    shown = [one["id"] for one in listed if one["count"]]
    layers = [client.get(f"/api/layers/{layer_id}").json() for layer_id in shown]
    areas = [one["id"] for one in listed if one["geometry"] == "polygons" and one["count"]]
    command = [str(node), "--disable-warning=ExperimentalWarning", "--input-type=module", "-e", CHOOSE]
    given = json.dumps({"layers": layers, "areas": areas})
    run = subprocess.run(command, input=given, capture_output=True, text=True, check=True, cwd=WEB, timeout=60)
    chosen = json.loads(run.stdout)
    assert len(chosen) > 4
    for layer_id, spec in chosen:
        at = f"/static/chart/{layer_id}/600x400.svg"
        assert client.get(at).content == client.get(at, params={"chart": spec}).content, f"{layer_id}: {spec}"


def test_averages_of_several_values_are_none_of_all_of_them_together(client: TestClient) -> None:
    svg = client.get("/static/chart/trees/900x400.svg?chart=planted:decade,species~avg:height").content.decode()
    assert svg.count('fill="none"') == 6
    assert "Other" not in texts(svg)
    counted = client.get("/static/chart/trees/900x400.svg?chart=planted:decade,species").content
    assert "Other" in texts(counted)


@pytest.mark.parametrize(("language", "written"), [("en", "2.5E24"), ("de", "2,5E24")])
def test_a_number_with_very_many_digits_is_written_with_its_power_of_ten(language: str, written: str) -> None:
    assert find_phrases(language).number(2.5e24) == written
    counted = {
        "measure": {"of": "count"},
        "groups": [{"kind": "number", "field": "height", "title": "Height", "unit": "", "edges": [-2.5e24, 0, 2.5e24]}],
        "cells": [[0, 3], [1, 4]],
    }
    layer = read_layer(WEB.parent / "layers/trees.toml")
    drawing = build_drawing(counted, layer, [], ((600, 400), "light"), (language,))
    assert f"-{written}" in texts(draw_chart(drawing))
