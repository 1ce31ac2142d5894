"""A map's state is read from an address as the page reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from geoserver.catalog import read_catalog
from geoserver.mapstates import Camera, parse_link, parse_state
from geoserver.model import Layer
from geoserver.settings import Settings

LINK = (
    "https://map.example/?v=1&layers=crime,trees&filter.crime=category IN ('burglary')&time=2024-01-01/2024-03-31"
    "&area=-28.6,45.1,-28.5,45.2&pin=-28.6,45.15&base=dark&lang=de#13.25/45.15/-28.6"
)


@pytest.fixture(scope="module")
def crime() -> Layer:
    return read_catalog(Settings(samples=True)).layers["crime"]


@pytest.mark.parametrize("before", ["", "https://map.example/", "http://[::1", "http://[::1]:99999/", "//[", "\x00"])
def test_what_stands_before_the_state_is_read_by_nobody(before: str) -> None:
    state = parse_link(f"{before}?layers=crime,trees#13/45/-28")
    assert (state.layers, state.camera) == (("crime", "trees"), Camera(13, 45, -28))


def test_a_link_is_read_with_all_that_it_states() -> None:
    state = parse_link(LINK)
    assert state.layers == ("crime", "trees")
    assert state.camera == Camera(13.25, 45.15, -28.6)
    assert (state.base, state.language, state.pin) == ("dark", "de", "-28.6,45.15")
    assert not state.passed_over


def test_a_place_may_stand_in_the_query_and_the_fragment_comes_first() -> None:
    assert parse_state([("map", "12/45/-28")]).camera == Camera(12, 45, -28)
    assert parse_state([("map", "12/45/-28")], "13/46/-27").camera == Camera(13, 46, -27)
    assert parse_state([("map", "12/95/-28")]).passed_over == (("map", "12/95/-28"),)


def test_filter_time_and_area_become_one_question(crime: Layer) -> None:
    asked = parse_link(LINK).question(crime)
    assert asked == (
        "(category IN ('burglary')) AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')"
        " AND reported_at < TIMESTAMP('2024-04-01T00:00:00Z') AND S_INTERSECTS(geometry,BBOX(-28.6,45.1,-28.5,45.2))"
    )


def test_a_layer_without_a_time_is_not_narrowed_by_one(crime: Layer) -> None:
    assert not parse_state([("time", "2024-01-01/..")]).question(replace(crime, time=""))


def test_a_text_that_is_no_whole_condition_is_left_to_be_refused(crime: Layer) -> None:
    state = parse_state([("filter.crime", "category = 'a') OR (1=1"), ("time", "2024-01-01/..")])
    assert state.question(crime) == "category = 'a') OR (1=1"


@pytest.mark.parametrize(
    ("area", "shape"),
    [
        ("circle:-28.6,45.1,500", "CIRCLE(-28.6,45.1,500)"),
        ("feature:districts/3", "FEATURE('districts',3)"),
        ("0,0;1,0;1,1", "POLYGON((0 0,1 0,1 1,0 0))"),
    ],
)
def test_every_kind_of_area_is_asked_as_the_page_asks_it(crime: Layer, area: str, shape: str) -> None:
    assert parse_state([("area", area)]).question(crime) == f"S_INTERSECTS(geometry,{shape})"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *[("time", text) for text in ("yesterday", "2024-02-30/..", "../..", "2024-02-02/2024-02-01", "٢٠٢٤-01-01/..")],
        *[
            ("area", text)
            for text in ("1,2,3", "1,2;3,4", "1,95,2,96", "circle:1,2,0", "circle:1,2,100001", "feature:a")
        ],
        *[("pin", text) for text in ("1", "1,91", "1,2,0", "1,2,3,4", "nan,1", "1_0,2")],
        ("base", "purple"),
        ("map", "1/2"),
    ],
)
def test_what_makes_no_sense_is_passed_over_and_named(name: str, text: str) -> None:
    state = parse_state([(name, text)])
    assert state.passed_over == ((name, text),)
    assert not state.query()


def test_the_address_of_its_picture_asks_for_what_it_shows_and_nothing_else() -> None:
    state = parse_link(LINK.replace("#", "&utm=1#"))
    assert state.picture((600, 400), ratio=2) == (
        "static/dark/-28.6,45.15,13.25/600x400@2x.png?layers=crime,trees&filter.crime=category%20IN%20('burglary')"
        "&time=2024-01-01/2024-03-31&area=-28.6,45.1,-28.5,45.2&pin=-28.6,45.15&lang=de"
    )
    assert (
        parse_state([]).picture((2, 1), ending="webp", also=[("legend", "1")]) == "static/light/auto/2x1.webp?legend=1"
    )


@pytest.mark.parametrize(
    "place", ["17.25/-33.8567844/151.2152967", "0/0.00001/-0.0000123", "22.125/45.1234567/-179.9999999"]
)
def test_a_place_is_the_same_to_the_pixel_in_every_address_written_of_it(place: str) -> None:
    state = parse_state([("map", place)])
    zoom, lat, lon = place.split("/")
    assert state.query() == f"?map={place}"
    assert state.picture((2, 1)) == f"static/light/{lon},{lat},{zoom}/2x1.png"


def test_a_query_is_read_again_as_the_same_state() -> None:
    state = parse_state([("layers", "a&b,c d"), ("filter.a&b", "x = '100 % + ü#?'"), ("lang", "fr"), ("map", "3/1/2")])
    assert parse_state(parse_qsl(state.query().removeprefix("?"), keep_blank_values=True)) == state
    assert not Path(state.query()).is_absolute()
