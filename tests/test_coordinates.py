"""Places written as numbers."""

from __future__ import annotations

from typing import Any

import pytest

from geoserver.coordinates import parse_spots

PARIS = (2.0, 48.6, 2.6, 49.0)
BERN = (7.3, 46.8, 7.6, 47.1)
TOWER = (2.29, 48.85)
EAST_FIRST = (48.85, 2.29)


def spots(text: str, **context: Any) -> list[tuple[float, float]]:
    return [(round(spot.lon, 4), round(spot.lat, 4)) for spot in parse_spots(text, **context)]


@pytest.mark.parametrize(
    "text",
    [
        "48.85,2.29",
        "48.85, 2.29",
        "48.85 2.29",
        "48.85;2.29",
        "48.85/2.29",
        "(48.85, 2.29)",
        "[2.29, 48.85]",
        "2.29 48.85",
        "48,85 2,29",
        "48,85; 2,29",
        "48,85, 2,29",
        "48.85°, 2.29°",
        "lat 48.85 lon 2.29",
        "48.85N 2.29E",
        "N48.85 E2.29",
        "E 2.29 N 48.85",
        "N 48° 51.0' E 2° 17.4'",
        "48° 51′ 0″ N, 2° 17′ 24″ E",  # noqa: RUF001
        "48°51'0\"N2°17'24\"E",
        "48 51 0 N 2 17 24 E",
        "48°51'00'' Nord 2°17'24'' Est",
        "с.ш. 48.85 в.д. 2.29",  # noqa: RUF001
        "geo:48.85,2.29",
        "geo:48.85,2.29?z=17",
        "geo:0,0?q=48.85,2.29(Tower)",
        "https://www.openstreetmap.org/#map=17/48.85/2.29",
        "https://www.openstreetmap.org/?mlat=48.85&mlon=2.29#map=5/1/2",
        "https://www.google.com/maps/place/T/@48.8,2.2,17z/data=!3m1!4b1!8m2!3d48.85!4d2.29",
        "https://www.google.com/maps/@48.85,2.29,17z",
        "https://maps.google.com/?q=48.85%2C2.29",
        "https://maps.apple.com/?ll=48.85,2.29",
        "https://www.bing.com/maps?cp=48.85~2.29",
        "http://127.0.0.1:8000/?layers=trees#16/48.85/2.29",
        "#16/48.85/2.29",
    ],
)
def test_one_place_in_many_notations(text: str) -> None:
    assert spots(text, box=PARIS) == [TOWER]


@pytest.mark.parametrize(
    ("text", "context", "found"),
    [
        ("48.85 2.29", {}, [TOWER, EAST_FIRST]),
        ("-34.6 -58.4", {}, [(-58.4, -34.6), (-34.6, -58.4)]),
        ("34.6 S 58.4 W", {}, [(-58.4, -34.6)]),
        ("34,6° S 58,4° O", {"language": "es"}, [(-58.4, -34.6)]),
        ("48,2° N 16,37° O", {"language": "de"}, [(16.37, 48.2)]),
        ("91 2", {}, [(91.0, 2.0)]),
        ("31U 448251 5411932", {}, [(2.2945, 48.8582)]),
        ("31 N 448251 5411932", {}, [(2.2945, 48.8582)]),
        ("56H 334873 6252266", {}, [(151.215, -33.857)]),
        ("31UDQ4825111932", {}, [(2.2945, 48.8582)]),
        ("31U DQ 48251 11932", {}, [(2.2945, 48.8582)]),
        ("56HLH3487352266", {}, [(151.215, -33.857)]),
        ("8FW4V75V+8Q", {}, [(2.2944, 48.8583)]),
        ("V75V+8Q Paris", {"near": (2.3, 48.9)}, [(2.2944, 48.8583)]),
        ("V75V+8Q", {}, []),
        ("2600000/1200000", {"crs": [2056], "box": BERN}, [(7.4386, 46.9511)]),
        ("2'600'000 / 1'200'000", {"crs": [2056], "box": BERN}, [(7.4386, 46.9511)]),
        ("1200000 2600000", {"crs": [2056], "box": BERN}, [(7.4386, 46.9511)]),
        ("N 1200000 E 2600000", {"crs": [2056], "box": BERN}, [(7.4386, 46.9511)]),
        ("255000 6250000", {"box": PARIS}, [(2.2907, 48.8533)]),
    ],
)
def test_grids_metres_and_two_orders(text: str, context: dict[str, Any], found: list[tuple[float, float]]) -> None:
    assert spots(text, **context) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "48.85",
        "Main Street 12",
        "12 34",
        "12a 5",
        "°",
        "N 5 N 6",
        "N 95 E 5",
        "48 71 0 N 2 17 24 E",
        "1 2 3",
        "61U 448251 5411932",
        "31UZZ4825111932",
        "99999999999999999999999999 3",
        "https://example.org/",
        "geo:",
        "٤٨ ٢",
        "9" * 3000,
        "1e309 2",
        "²³ ²³",
    ],
)
def test_what_is_no_coordinates_is_none(text: str) -> None:
    assert spots(text, box=PARIS) == []
