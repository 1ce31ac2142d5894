"""Dates and times in texts, and the order of day and month."""

from __future__ import annotations

import pyarrow as pa
import pytest

from geoserver.fieldtypes import FieldType
from geoserver.loading.convert import Converter
from geoserver.loading.dates import find_day_order
from geoserver.model import Field


def convert(kind: FieldType, values: list[str | None], samples: list[str] | None = None) -> list[str | None]:
    column, _ = Converter(Field("f", "F", kind), samples=samples).convert(pa.array(values, pa.string()))
    return [None if value is None else value.isoformat() for value in column.to_pylist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-05T06:07:08Z", "2024-03-05T06:07:08+00:00"),
        ("2024-03-05T06:07:08", "2024-03-05T06:07:08+00:00"),
        ("2024-03-05 06:07", "2024-03-05T06:07:00+00:00"),
        ("2024-03-05T06:07:08.25+02:00", "2024-03-05T04:07:08.250000+00:00"),
        ("2024-03-05T06:07:08-0700", "2024-03-05T13:07:08+00:00"),
        ("2024-03-05 06:07:08 UTC", "2024-03-05T06:07:08+00:00"),
        ("2024/03/05 06:07", "2024-03-05T06:07:00+00:00"),
        ("05/03/2024 6:07", "2024-03-05T06:07:00+00:00"),
        ("05.03.2024", "2024-03-05T00:00:00+00:00"),
        ("5/3/24 12:30 AM", "2024-03-05T00:30:00+00:00"),
        ("5/3/24 1:30 PM", "2024-03-05T13:30:00+00:00"),
        ("20240305T060708Z", "2024-03-05T06:07:08+00:00"),
        ("2024-03", "2024-03-01T00:00:00+00:00"),
        ("31/02/2024", None),
        ("2024-13-01", None),
        ("soon", None),
    ],
)
def test_a_time_is_read_or_is_null(text: str, expected: str | None) -> None:
    assert convert("timestamp", [text]) == [expected]


def test_many_ways_of_writing_stand_in_one_column() -> None:
    values = ["2024-03-05", "05/03/2024", None, "2024-03-05T00:00:00+00:00", "never"]
    assert convert("date", values) == ["2024-03-05", "2024-03-05", None, "2024-03-05", None]


def test_the_day_comes_first_unless_a_value_says_otherwise() -> None:
    assert find_day_order(["01/02/2024", "03/04/2024"]) == "dmy"
    assert find_day_order(["01/02/2024", "03/24/2024"]) == "mdy"
    assert find_day_order(["13/02/2024", "03/24/2024"]) == "dmy"


def test_samples_from_all_over_the_file_decide_the_order_for_its_first_rows() -> None:
    assert convert("date", ["03/04/2024"], samples=["03/04/2024", "12/31/2024"]) == ["2024-03-04"]
