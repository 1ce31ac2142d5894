"""`datetime` and the shorthand `field=value`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from geoserver.errors import BadParameterError
from geoserver.filtering import build

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Row, Zoo


def day(test: Callable[[int], bool]) -> Callable[[Row], bool]:
    return lambda row: row["seen_at"] is not None and test(row["seen_at"].day)


ANY_DAY = day(lambda _: True)


@pytest.mark.parametrize(
    ("text", "test"),
    [
        ("2024-01-05", day(lambda d: d == 5)),
        ("2024", ANY_DAY),
        ("2024-01", ANY_DAY),
        ("2023", lambda _: False),
        ("2024-01-03/2024-01-05", day(lambda d: 3 <= d <= 5)),
        ("2024-01-05/..", day(lambda d: d >= 5)),
        ("2024-01-05/", day(lambda d: d >= 5)),
        ("../2024-01-05", day(lambda d: d <= 5)),
        ("/2024-01-05", day(lambda d: d <= 5)),
        ("../..", ANY_DAY),
        ("../2024", ANY_DAY),
        ("2024-01-05T00:00:00Z/2024-01-06T23:59:59.999999Z", day(lambda d: 5 <= d <= 6)),
        ("2024-01-05T01:00:00+01:00/..", day(lambda d: d >= 5)),
        ("2024-01-05t00:00:00z/..", day(lambda d: d >= 5)),
    ],
)
def test_datetime_selects_on_the_layers_time_field(zoo: Zoo, text: str, test: Callable[[Row], bool]) -> None:
    assert zoo.ids(datetime=text) == zoo.those(test)


def test_an_instant_selects_exactly_that_moment(zoo: Zoo) -> None:
    row = next(row for row in zoo.rows if row["seen_at"] is not None)
    moment = row["seen_at"].isoformat()
    assert zoo.ids(datetime=moment) == zoo.those(lambda other: other["seen_at"] == row["seen_at"])


def test_a_layer_without_time_is_selected_whole(zoo: Zoo) -> None:
    timeless = replace(zoo.layer, time="")
    assert build(timeless, zoo.state, datetime="2024-01-05").canonical == ""
    with pytest.raises(BadParameterError):
        build(timeless, zoo.state, datetime="banana")


@pytest.mark.parametrize(
    "text",
    ["banana", "2024-13", "2024-02-30", "2024-01-01/2024-01-02/2024-01-03", "..", "24-01-01", "2024-01-05/2024-01-01",
     "2024-01-01T25:00:00Z", "0000", "9999-12-31T23:59:59-01:00",
     "2024/9999-12-31T23:59:59-01:00", "2024/9999-12-31soon", "2024-01-01'", "99999-01-01", "2024-01-01T00:00:00+99:00",
     "0001-01-01T00:00:00+14:00", "2" * 100_000, "٢٠٢٤", "2024-01-01\0"],
)  # fmt: skip
def test_a_datetime_that_is_none_is_refused(zoo: Zoo, text: str) -> None:
    with pytest.raises(BadParameterError) as caught:
        zoo.build(datetime=text)
    assert caught.value.parameter == "datetime"


@pytest.mark.parametrize(
    ("field", "text", "test"),
    [
        ("name", "it's", lambda row: row["name"] == "it's"),
        ("name", "", lambda row: row["name"] == ""),
        ("name", "50%", lambda row: row["name"] == "50%"),
        ("n", "-1", lambda row: row["n"] == -1),
        ("n", "1.0", lambda row: row["n"] == 1),
        ("n", "99999999999999999999999", lambda _: False),
        ("height", "1e9", lambda row: row["height"] == 1e9),
        ("lit", "true", lambda row: row["lit"] is True),
        ("lit", "False", lambda row: row["lit"] is False),
        ("lit", "1", lambda row: row["lit"] is True),
        ("planted", "2024-01-05", lambda row: row["planted"] and row["planted"].day == 5),
        ("planted", "2024-01-05/..", lambda row: row["planted"] and row["planted"].day >= 5),
        ("seen_at", "2024-01-05", lambda row: row["seen_at"] and row["seen_at"].day == 5),
    ],
)
def test_field_equals_value_selects_that_value(
    zoo: Zoo, field: str, text: str, test: Callable[[Row], bool | None]
) -> None:
    assert zoo.ids(properties={field: text}) == zoo.those(test)


@pytest.mark.parametrize(
    ("field", "text"),
    [("n", "one"), ("n", "1'"), ("n", ""), ("n", "nan"), ("n", "1e999"), ("height", "inf"), ("lit", "maybe"),
     ("lit", "2"), ("planted", "x"), ("seen_at", "2024-01-01'"), ("name", "a\0"), ("nosuch", "1"), ("geom", "1")],
)  # fmt: skip
def test_a_value_that_does_not_fit_its_field_is_refused(zoo: Zoo, field: str, text: str) -> None:
    with pytest.raises(BadParameterError) as caught:
        zoo.build(properties={field: text})
    assert caught.value.parameter == field


def test_all_parameters_hold_together(zoo: Zoo) -> None:
    found = zoo.ids(filter="n > 0", datetime="2024-01-05/..", bbox="-28.7,45.1,-28.5,45.3", properties={"lit": "true"})
    expected = zoo.those(
        lambda row: (
            abs(row["x"]) < 179 and (row["n"] or 0) > 0 and row["lit"] and row["seen_at"] and row["seen_at"].day >= 5
        )
    )
    assert expected
    assert found == expected


EDGES = {
    1: "0001-01-01T00:00:00Z",
    2: "0001-01-01T00:00:00.000001Z",
    3: "2024-05-31T12:00:00Z",
    4: "9998-12-31T23:59:59.999999Z",
    5: "9999-06-01T00:00:00Z",
    6: "9999-12-30T23:59:59.999999Z",
    7: "9999-12-31T00:00:00Z",
    8: "9999-12-31T23:59:59.999999Z",
    9: "0044-03-15T00:00:00Z BC",
    10: "infinity",
    11: "-infinity",
    12: None,
}


@pytest.fixture(scope="module")
def edges(zoo: Zoo) -> Zoo:
    """Rows by the first and the last moments that filters can name, and beyond; `planted` is the day of `seen_at`."""
    zoo.connection.execute("CREATE TABLE layers.edges (fid bigint PRIMARY KEY, seen_at timestamptz, planted date)")
    for fid, text in EDGES.items():
        zoo.connection.execute(
            "INSERT INTO layers.edges SELECT %s, at, (at AT TIME ZONE 'UTC')::date"
            " FROM (SELECT %s::timestamptz AS at) AS t",
            [fid, text],
        )
    return type(zoo)(replace(zoo.layer, id="edges"), zoo.state, zoo.connection, [])


BEFORE = {1, 2, 3, 4, 5, 6, 9, 11}  # the last day of the year 9999


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("seen_at < DATE('9999-12-31')", BEFORE),
        ("planted < DATE('9999-12-31')", BEFORE),
        ("seen_at < TIMESTAMP('9999-12-31T00:00:00Z')", BEFORE),
        ("planted < TIMESTAMP('9999-12-31T00:00:00Z')", BEFORE),
        ("planted < TIMESTAMP('9999-12-31T00:00:01Z')", BEFORE | {7, 8}),
        ("planted >= TIMESTAMP('9999-12-31T00:00:01Z')", {10}),
        ("planted <= TIMESTAMP('9999-12-31T00:00:01Z')", BEFORE | {7, 8}),
        ("planted = TIMESTAMP('9999-12-31T00:00:01Z')", set()),
        ("seen_at <= TIMESTAMP('9999-12-31T23:59:59.999999Z')", BEFORE | {7, 8}),
        ("seen_at > TIMESTAMP('9999-12-31T23:59:59.999999Z')", {10}),
        ("seen_at = DATE('9999-12-31')", {7, 8}),
        ("planted = DATE('9999-12-31')", {7, 8}),
        ("seen_at <> DATE('9999-12-31')", BEFORE | {10}),
        ("seen_at > DATE('9999-12-31')", {10}),
        ("seen_at = '9999'", {5, 6, 7, 8}),
        ("planted >= '9999-06'", {5, 6, 7, 8, 10}),
        ("seen_at > '9999-06'", {6, 7, 8, 10}),
        ("seen_at = '0001-01-01'", {1, 2}),
        ("seen_at >= DATE('0001-01-01')", set(EDGES) - {9, 11, 12}),
        ("planted >= DATE('0001-01-01')", set(EDGES) - {9, 11, 12}),
        ("seen_at < DATE('0001-01-01')", {9, 11}),
        ("seen_at > TIMESTAMP('0001-01-01T00:00:00Z')", set(EDGES) - {1, 9, 11, 12}),
        ("T_DURING(seen_at, INTERVAL('2024-01-01', '9999-06-01'))", {3, 4, 5}),
        ("T_AFTER(seen_at, INTERVAL('..', '9999-12-31'))", {10}),
        ("T_INTERSECTS(planted, INTERVAL('9999-12-31', '..'))", {7, 8, 10}),
        ("T_FINISHES(seen_at, INTERVAL('2024-01-01', '9999-12-31'))", {8}),
        ("T_FINISHES(seen_at, INTERVAL('2024-01-01', '..'))", {10}),
    ],
)
def test_the_first_and_the_last_day_of_the_calendar_are_days_like_any(edges: Zoo, text: str, found: set[int]) -> None:
    assert edges.ids(filter=text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("9999-12-31", {7, 8}),
        ("2024-01-01/9999-06-01", {3, 4, 5}),
        ("2024-01-01/9999", {3, 4, 5, 6, 7, 8}),
        ("2024-01-01/9999-12-31T00:00:00Z", {3, 4, 5, 6, 7, 8, 10}),  # as QGIS writes an open end
        ("9999-12-31/..", {7, 8, 10}),
    ],
)
def test_a_datetime_may_lie_in_the_last_year(edges: Zoo, text: str, found: set[int]) -> None:
    assert edges.ids(datetime=text) == found
