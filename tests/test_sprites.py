"""Icons of the basemap: small drawings become one picture of distances that the styles colour."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING

import pytest
import shapely
from PIL import Image

from geoserver import assets
from geoserver.styling import build_sprite
from geoserver.styling.sprites import parse_icon

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


def icon(*paths: str) -> str:
    return "<svg>" + "".join(f'<path d="{path}"/>' for path in paths) + "</svg>"


def test_a_drawing_is_the_area_of_its_paths_with_holes_by_the_rule_of_even_and_odd() -> None:
    shape = parse_icon(icon("M0 0H10V10H0ZM2 2V8H8V2Z", "M9 9L12 9 12 12 9 12Z"))
    assert shape.area == pytest.approx(100 - 36 + 9 - 1)


def test_a_curve_is_drawn_in_short_straight_pieces() -> None:
    shape = parse_icon(icon("M0 0C0 .552 .448 1 1 1L1 0Z"))  # a quarter of a disc
    assert shape.area == pytest.approx(3.1416 / 4, abs=0.01)


@pytest.mark.parametrize("drawing", ["<svg/>", icon("M0 0A1 1 0 0 1 2 2Z"), icon("m0 0h1v1z")])
def test_a_drawing_with_what_is_not_read_is_refused(drawing: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_icon(drawing)


@pytest.mark.parametrize("ratio", [1, 2])
def test_the_picture_tells_how_far_each_pixel_is_from_the_edge(ratio: int) -> None:
    sprite = build_sprite(ratio)
    places = json.loads(sprite.places)
    picture = Image.open(io.BytesIO(sprite.picture))
    alpha = picture.getchannel("A")
    assert picture.size == (sum(place["width"] for place in places.values()), 22 * ratio)
    for name, place in places.items():
        drawing = parse_icon((assets.root("styles") / "icons" / f"{name}.svg").read_text())
        own = alpha.crop((place["x"], 0, place["x"] + place["width"], place["height"]))
        inside = sum(value > 191 for value in own.get_flattened_data()) / ratio**2
        assert inside == pytest.approx(drawing.area, rel=0.15 if ratio > 1 else 0.3), name
        assert shapely.box(0, 0, 16, 16).contains(drawing), name
        assert own.getpixel((0, 0)) < 150


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_icon_that_a_style_names_is_drawn(theme: str) -> None:
    style = json.loads((assets.root("styles") / f"{theme}.json").read_text())
    (item,) = [item for item in style["layers"] if "icon-image" in item.get("layout", {})]
    _, _, kinds, _, other = item["layout"]["icon-image"]
    assert {*kinds, other} == json.loads(build_sprite(1).places).keys()


def test_icons_are_served_to_any_page_and_asked_for_only_where_landmarks_are_drawn(client: TestClient) -> None:
    answer = client.get("/sprites/icons@2x.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert client.get("/sprites/icons.png", headers={"if-none-match": answer.headers["etag"]}).status_code == 200
    assert client.get("/sprites/icons@2x.png", headers={"if-none-match": answer.headers["etag"]}).status_code == 304
    assert client.get("/sprites/icons.json").json()["station"]["sdf"] is True
    assert "sprite" not in client.get("/styles/light.json").json()  # the sample city has no layer of landmarks


@pytest.mark.parametrize("name", ["icons@3x.png", "icons.gif", "others.png"])
def test_a_sprite_that_there_is_not_is_named_with_those_that_there_are(client: TestClient, name: str) -> None:
    answer = client.get(f"/sprites/{name}")
    assert answer.status_code == 404
    assert re.search("icons@2x", answer.text)
