"""Buckets and bins hold every value once, end where they should, and lie on round edges."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoserver.database.buckets import (
    AUTO_BUCKETS,
    UNITS,
    Unit,
    choose_unit,
    lay_edges,
    number_bucket,
    start_bucket,
    write_day,
    write_moment,
)

seconds = st.integers(-210_866_803_200, 9_224_318_015_999)  # all that PostgreSQL has times for
doubles = st.floats(allow_nan=False, allow_infinity=False)
wholes = st.integers(-(2**63), 2**63 - 1)


@given(seconds, st.sampled_from(UNITS))
def test_a_second_is_in_the_bucket_that_begins_before_it_and_ends_after_it(second: int, unit: Unit) -> None:
    number = number_bucket(unit, second)
    assert start_bucket(unit, number) <= second < start_bucket(unit, number + 1)


@given(st.datetimes(datetime(1, 1, 8), datetime(9998, 1, 1)))
def test_days_and_weeks_and_months_are_those_of_the_calendar(moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC, microsecond=0)
    second = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    monday = moment.date() - timedelta(days=moment.isoweekday() - 1)
    first = {unit: write_day(start_bucket(unit, number_bucket(unit, second))) for unit in UNITS}
    assert first["day"] == moment.date().isoformat()
    assert first["week"] == monday.isoformat()
    assert first["month"] == moment.date().replace(day=1).isoformat()
    assert first["year"] == moment.date().replace(day=1, month=1).isoformat()
    assert write_moment(second) == moment.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("second", "day"),
    [(0, "1970-01-01"), (-62_167_219_200, "0001-01-01 BC"), (-62_135_596_801, "0001-12-31 BC"),
     (-210_866_803_200, "4714-11-24 BC"), (253_402_300_800, "10000-01-01"), (1_709_164_800, "2024-02-29")],
)  # fmt: skip
def test_days_are_written_as_postgresql_writes_them(second: int, day: str) -> None:
    assert write_day(second) == day


@given(seconds, seconds, st.booleans())
def test_the_best_unit_has_few_buckets_and_the_next_finer_one_too_many(one: int, other: int, days: bool) -> None:
    low, high = sorted([one, other])
    unit = choose_unit(low, high, days=days)
    sizes = [number_bucket(each, high) - number_bucket(each, low) + 1 for each in UNITS]
    place = UNITS.index(unit)
    assert sizes[place] <= AUTO_BUCKETS or unit == "millennium"
    assert place == days or sizes[place - 1] > AUTO_BUCKETS


@settings(deadline=None)
@given(doubles, doubles, st.integers(1, 200))
def test_bins_of_numbers_rise_and_hold_all_of_them(one: float, other: float, bins: int) -> None:
    low, high = sorted([one, other])
    edges = lay_edges(low, high, bins, whole=False)
    assert 2 <= len(edges) <= bins + 1
    assert edges[0] <= low <= high <= edges[-1]
    assert all(math.isfinite(edge) for edge in edges)
    assert all(a < b for a, b in pairwise(edges))


@given(wholes, wholes, st.integers(1, 200))
def test_bins_of_whole_numbers_have_whole_edges_and_end_above_the_last(one: int, other: int, bins: int) -> None:
    low, high = sorted([one, other])
    edges = lay_edges(low, high, bins, whole=True)
    assert 2 <= len(edges) <= bins + 1
    assert edges[0] <= low <= high < edges[-1]
    assert all(isinstance(edge, int) and a < b for edge, (a, b) in zip(edges, pairwise(edges), strict=False))


def test_edges_are_round_and_as_many_as_were_asked_for_at_most() -> None:
    assert lay_edges(0.3, 31.2, 20, whole=False) == [float(2 * step) for step in range(17)]
    assert lay_edges(0.12, 0.58, 5, whole=False) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert lay_edges(3, 7, 20, whole=True) == [3, 4, 5, 6, 7, 8]
    assert lay_edges(5.3, 5.3, 20, whole=False) == [5.3, 5.4]
    assert lay_edges(0, 0, 20, whole=False) == [0, 1]
    assert lay_edges(7, 7, 20, whole=True) == [7, 8]
    assert all(
        len(Decimal(repr(edge)).normalize().as_tuple().digits) <= 4 for edge in lay_edges(0, 0.7, 300, whole=False)
    )
