"""Every vector and table file of a folder of real files, which `GEOSERVER_REAL_DATA` names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from load_workspace import Workspace
from real_files import CASES, Case, build_table

from geoserver.errors import LoadError
from geoserver.sources import read_kinds

FOLDER = os.environ.get("GEOSERVER_REAL_DATA", "")
needs_files = pytest.mark.skipif(not FOLDER, reason="GEOSERVER_REAL_DATA names no folder with real files")


@needs_files
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} {case.kind}")
def test_a_real_file_gives_the_expected_rows_and_reasons(workspace: Workspace, case: Case) -> None:
    workspace = Workspace(Path(FOLDER), workspace.url)
    layer = {"kind": case.kind, "fields": case.fields, **case.layer}
    if case.error:
        with pytest.raises(LoadError, match=case.error) as caught:
            workspace.load(case.path, **layer)
        assert FOLDER not in str(caught.value)
        return
    report = workspace.load(case.path, **layer)
    assert (report.rows, report.reasons, report.notes) == (case.rows, dict(case.rejected), dict(case.notes))
    assert report.readings == case.readings
    assert workspace.count() == case.rows
    bad = "count(*) FILTER (WHERE geom_3857 IS NULL OR NOT ST_IsValid(geom)), count(*)"
    assert workspace.rows(bad, order="1") == [(0, case.rows)]


@needs_files
def test_no_real_file_is_left_out() -> None:
    endings = tuple(suffix for kind in read_kinds() for suffix in kind.suffixes)
    root = Path(FOLDER)
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.name.lower().endswith(endings)}
    assert found == {case.path for case in CASES}


def test_the_table_in_the_documentation_is_the_one_that_is_tested() -> None:
    page = (Path(__file__).parents[2] / "docs" / "loading.md").read_text(encoding="utf-8")
    assert build_table() in page
