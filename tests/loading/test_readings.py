"""Readings that belong to features: their own table, and the latest values in the layer's."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from load_workspace import Columns, Workspace, make_fields

from geoserver.errors import LoadError
from geoserver.loading import LoadReport
from geoserver.model import Readings

SITES = "site,lon,lat\nA,1,1\nB,2,2\nC,3,3\n"
READINGS = "site,at,flow,level\nA,2024-01-01T00:00:00Z,1,10\nA,2024-01-02T00:00:00Z,,11\nB,2024-01-01T00:00:00Z,5,\n"
FIELDS: Columns = {"at": "timestamp", "flow": "number", "level": "integer"}


def load(workspace: Workspace, readings: str = READINGS, **more: Any) -> LoadReport:
    sites, table = workspace.write("sites.csv", SITES), workspace.write("readings.csv", readings)
    declared = Readings(table, "site", "at", make_fields(FIELDS))
    return workspace.load(sites, key="site", readings=declared, **more)


def test_readings_are_stored_by_feature(workspace: Workspace) -> None:
    report = load(workspace)
    assert (report.rows, report.readings) == (3, 3)
    ids = dict(workspace.rows("source_key, fid"))
    assert workspace.rows("fid, flow, level", "test_layer__readings", "fid, at") == [
        (ids["A"], 1, 10),
        (ids["A"], None, 11),
        (ids["B"], 5, None),
    ]
    assert workspace.query("SELECT readings FROM geoserver.layers") == [(3,)]


def test_a_feature_carries_the_latest_value_that_there_is_of_each_field(workspace: Workspace) -> None:
    load(workspace)
    first, second = (dt.datetime(2024, 1, day, tzinfo=dt.UTC) for day in (1, 2))
    assert workspace.rows("source_key, at, flow, level") == [
        ("A", second, 1, 11),
        ("B", first, 5, None),
        ("C", None, None, None),
    ]


def test_a_reading_of_nothing_known_or_without_a_time_is_rejected(workspace: Workspace) -> None:
    report = load(workspace, READINGS + "X,2024-01-03,1,1\nA,someday,1,1\nA,,1,1\n")
    assert report.reasons == {"reading of an unknown site": 1, "reading without a time": 2}
    assert [line for line, _ in workspace.rejects()] == [5, 6, 7]
    assert report.readings == 3


def test_a_second_reading_of_the_same_time_is_rejected(workspace: Workspace) -> None:
    report = load(workspace, READINGS + "A,2024-01-01T00:00:00+00:00,7,7\n")
    assert workspace.rejects() == [(5, "reading of a time that was there before")]
    assert report.readings == 3


def test_sites_and_readings_may_share_one_file(workspace: Workspace) -> None:
    text = "site,lon,lat,at,flow,level\nA,1,1,2024-01-01,1,1\nA,1,1,2024-01-02,2,2\nB,2,2,2024-01-01,3,3\n"
    source = workspace.write("all.csv", text)
    report = workspace.load(source, key="site", readings=Readings(source, "site", "at", make_fields(FIELDS)))
    assert (report.rows, report.readings, report.rejected) == (2, 3, 0)
    assert workspace.rows("source_key, flow") == [("A", 2), ("B", 3)]


def test_readings_are_swapped_with_their_features(workspace: Workspace) -> None:
    load(workspace)
    load(workspace, "site,at,flow,level\nC,2024-02-01,9,9\n")
    assert workspace.count("test_layer__readings") == 1
    with pytest.raises(LoadError, match=r"readings\.csv: has no column 'flow'"):
        load(workspace, "site,at,level\nC,2024-02-01,9\n")
    assert workspace.count("test_layer__readings") == 1
    assert workspace.rows("flow", order="source_key") == [(None,), (None,), (9,)]


def test_a_layer_that_no_longer_has_readings_loses_their_table(workspace: Workspace) -> None:
    load(workspace)
    workspace.load("sites.csv", key="site")
    tables = workspace.query("SELECT tablename FROM pg_tables WHERE schemaname = 'layers'")
    assert tables == [("test_layer",)]
