"""What the database refuses or breaks off is said for what it is, and not as a database that was lost."""

from __future__ import annotations

import psycopg
import pytest
from load_workspace import Workspace, make_layer

from geoserver.errors import LoadError, PreparationError
from geoserver.loading import load
from geoserver.loading.faults import explain_fault
from geoserver.loading.report import PREPARING

LOST = "the database was lost or cannot be reached"
END_LOADS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'geoserver-load' AND datname = current_database()"
)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("53100", "no space left on its disk"),
        ("53200", "no memory left"),
        ("53300", "no connection left"),
        ("53400", "a limit in its configuration"),
        ("54000", "larger than the database can hold or index"),
        ("54011", "more fields than a table can have columns"),
        ("57014", "someone cancelled the load"),
        ("57P01", "shut the database down"),
        ("57P03", "starting or stopping"),
        ("40P01", "waited for each other"),
        ("55P03", "another program holds the table"),
        ("58030", "cannot read or write its own files"),
        ("25006", "the database is read-only"),
        ("42501", "does not let this user"),
        ("22003", "refused the rows"),
        ("08006", LOST),
        ("57P02", LOST),
    ],
)
def test_each_kind_of_fault_has_its_sentence(code: str, sentence: str) -> None:
    told = explain_fault(psycopg.errors.lookup(code)("its own words"))
    assert sentence in told
    assert "its own words" in told
    assert (LOST in told) == (sentence == LOST)


def test_a_connection_that_never_was_is_a_lost_database() -> None:
    assert LOST in explain_fault(psycopg.OperationalError("connection failed: no such host"))


def test_more_fields_than_columns_is_said(workspace: Workspace) -> None:
    names = [f"f{number}" for number in range(1_650)]
    source = workspace.write("a.csv", f"lon,lat,{','.join(names)}\n1,2{',' * len(names)}\n")
    with pytest.raises(LoadError, match="test-layer: the layer file declares more fields than a table can have"):
        workspace.load(source, fields=dict.fromkeys(names, "text"))


def test_a_load_that_is_ended_from_the_database_says_so_and_the_old_rows_stay(workspace: Workspace) -> None:
    source = workspace.write("a.csv", "lon,lat\n1,2\n")
    workspace.load(source)

    def end(done: int, _total: int | None, phase: str) -> None:
        if phase == "reading" and done:
            workspace.query(END_LOADS)

    with pytest.raises(LoadError, match="test-layer: "):
        load(make_layer(workspace.root, source), workspace.url, force=True, progress=end)
    assert workspace.count() == 1
    assert workspace.load(source, force=True).rows == 1


def test_a_load_that_is_ended_behind_its_rows_says_that_they_are_served_and_the_next_one_goes_on(
    workspace: Workspace,
) -> None:
    workspace.load(workspace.write("a.csv", "lon,lat\n1,2\n"))
    source = workspace.write("a.csv", "lon,lat\n1,2\n1,3\n")
    half = "SELECT preparing IS NOT NULL FROM geoserver.layers"

    def end(_done: int, _total: int | None, phase: str) -> None:
        if phase == PREPARING:
            workspace.query(END_LOADS)

    with pytest.raises(PreparationError, match="test-layer: someone ended the connection"):
        load(make_layer(workspace.root, source), workspace.url, progress=end)
    assert workspace.count() == 2
    assert workspace.query(half) == [(True,)]
    assert workspace.load(source).skipped
    assert workspace.query(half) == [(False,)]
