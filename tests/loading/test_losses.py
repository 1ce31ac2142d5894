"""Loads that would lose much are refused, with figures, until they are insisted upon."""

from __future__ import annotations

from typing import Any

import pytest
from load_workspace import Columns, Workspace, make_fields

from geoserver.errors import LoadError
from geoserver.loading import LoadReport
from geoserver.model import Readings

FIELDS: Columns = {"name": "text", "height": "number"}


def load(workspace: Workspace, rows: list[str], **more: Any) -> LoadReport:
    """Load rows of longitude, name and height without insisting."""
    source = workspace.write("a.csv", "lon,lat,name,height\n" + "".join(f"{row}\n" for row in rows))
    return workspace.load(source, fields=FIELDS, **{"accept_losses": None, **more})


def good(count: int, height: object = 1) -> list[str]:
    return [f"13.4,52.5,a,{height}"] * count


def test_a_load_that_shrinks_a_layer_by_more_than_a_tenth_is_refused(workspace: Workspace) -> None:
    load(workspace, good(100))
    assert load(workspace, good(90)).rows == 90
    with pytest.raises(LoadError, match=r"80 rows where 90 are in service, 11% fewer; the rows in service stay"):
        load(workspace, good(80))
    assert workspace.count() == 90
    with pytest.raises(LoadError, match="geoserver load test-layer --force"):
        load(workspace, [])
    assert load(workspace, [], force=True).rows == 0
    assert load(workspace, good(3)).rows == 3


def test_rows_that_were_edited_in_place_count_as_in_service(workspace: Workspace) -> None:
    load(workspace, good(100))
    workspace.query("DELETE FROM layers.test_layer WHERE fid > 50")
    assert load(workspace, good(50)).rows == 50


def test_a_load_that_rejects_more_than_half_is_refused_the_first_time_too(workspace: Workspace) -> None:
    with pytest.raises(LoadError, match=r"6 of 11 rows are rejected, more than half \(6 x no position\); nothing was"):
        load(workspace, [*good(5), *[",,b,1"] * 6])
    assert workspace.query("SELECT count(*) FROM geoserver.layers") == [(0,)]
    assert load(workspace, [*good(5), *[",,b,1"] * 5]).rejected == 5
    assert load(workspace, [*good(5), *[",,b,1"] * 6], force=True).rejected == 6


def test_ragged_rows_and_repeated_keys_count_as_rejected(workspace: Workspace) -> None:
    with pytest.raises(LoadError, match="2 of 3 rows are rejected"):
        load(workspace, [*good(1), *["13.4,52.5,b,1,2"] * 2])
    with pytest.raises(LoadError, match="2 of 3 rows are rejected"):
        load(workspace, good(3), key="name")


def test_a_field_of_which_most_values_cannot_be_read_is_refused(workspace: Workspace) -> None:
    with pytest.raises(
        LoadError, match=r"3 of 5 values of height cannot be read \(no number, left empty, such as 'tall'"
    ):
        load(workspace, [*good(2), *good(3, "tall")])
    assert load(workspace, [*good(2), *good(2, "tall"), *good(9, "<5"), *good(9, "")]).rows == 22


def test_a_field_that_ran_dry_is_refused(workspace: Workspace) -> None:
    load(workspace, [*good(5), *good(5, "")])
    assert load(workspace, [*good(6), *good(6, "")]).rows == 12
    with pytest.raises(LoadError, match="height is empty in 7 of 12 rows; it was mostly filled before"):
        load(workspace, [*good(5), *good(7, "")])
    load(workspace, [*good(5), *good(7, "")], force=True)
    assert load(workspace, [*good(4), *good(8, "")]).rows == 12, "it was mostly empty before"


def test_readings_that_would_be_lost_are_refused_too(workspace: Workspace) -> None:
    sites = workspace.write("sites.csv", "site,lon,lat\nA,1,1\n")

    def load_readings(rows: list[str], **more: Any) -> LoadReport:
        table = workspace.write("readings.csv", "site,at,flow\n" + "".join(f"{row}\n" for row in rows))
        readings = Readings(table, "site", "at", make_fields({"at": "date", "flow": "number"}))
        return workspace.load(sites, key="site", readings=readings, **{"accept_losses": None, **more})

    known = [f"A,2024-01-{day:02},1" for day in range(1, 21)]
    with pytest.raises(LoadError, match="21 of 41 readings are rejected"):
        load_readings([*known, *["B,2024-01-01,1"] * 21])
    load_readings(known)
    with pytest.raises(LoadError, match="10 readings where 20 are in service, 50% fewer"):
        load_readings(known[:10])
    with pytest.raises(LoadError, match="flow is empty in 20 of 20 readings"):
        load_readings([row.removesuffix("1") for row in known])
    assert load_readings(known[:10], force=True).readings == 10


def test_what_a_load_changed_is_kept_with_an_example(workspace: Workspace) -> None:
    load(workspace, [*good(3), *good(1, "tall"), *good(1, "high"), *good(1, "<5")])
    assert workspace.query("SELECT notes, filled FROM geoserver.layers") == [
        (
            [
                {"field": "height", "what": "no number, left empty", "count": 2, "example": "tall"},
                {"field": "height", "what": "suppressed, left empty", "count": 1, "example": ""},
            ],
            {"name": 6, "height": 3},
        )
    ]


def test_values_of_rejected_rows_are_not_counted_as_left_empty(workspace: Workspace) -> None:
    report = load(workspace, [*good(3), ",,b,tall"])
    assert report.notes == {}
