"""What is read of a notice, whoever sent it."""

from __future__ import annotations

import pytest

from geoserver.database.notices import Notice, parse_notice


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "[" * 7_000,
        '{"layer": "trees"}',
        '{"layer": 1, "version": 1}',
        '{"layer": "trees", "version": Infinity}',
        '{"layer": "trees", "version": NaN}',
        '{"layer": "trees", "version": 1, "steps": Infinity}',
        '{"layer": "trees", "version": 1, "bounds": [1, 2]}',
        '{"layer": "trees", "version": 1, "edited": "yesterday"}',
        '{"layer": "trees", "version": 1, "edited": 1}',
        '{"layer": "trees", "version": 1, "edited": "0001-01-01T00:00:00+14:00"}',
    ],
)
def test_what_is_no_notice_is_none(payload: str) -> None:
    assert parse_notice(payload) is None


@pytest.mark.parametrize(
    "tiles", ["null", "1", "[[1]]", "[[0, 0, 0, 1, 1]]", "[[0, 0, 0, 1e9, 1]]", "[[-1, 0, 0, 0, 0]]"]
)
def test_ranges_that_cannot_be_read_are_anything(tiles: str) -> None:
    assert parse_notice(f'{{"layer": "trees", "version": 3, "tiles": {tiles}}}') == Notice("trees", 3)
