"""The benchmarks' own code: what their rows rest on."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from benchmarks import sql
from benchmarks.data import write_points
from benchmarks.filters import find_windows
from benchmarks.frame import Row
from benchmarks.page import Visit, find_kind
from benchmarks.peers import build_keywords
from geoserver.catalog import read_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi.testclient import TestClient

    from geoserver.settings import Settings


@pytest.fixture(scope="module")
def burglaries(city_database: str) -> np.ndarray:
    """The times of the burglaries in order, in seconds."""
    query = "SELECT extract(epoch FROM reported_at)::bigint FROM layers.crime WHERE category = 'burglary' ORDER BY 1"
    with psycopg.connect(city_database) as connection:
        return np.array(connection.execute(query).fetchall())[:, 0]


@pytest.mark.parametrize("left", [10, 300])
def test_windows_are_of_one_length_differ_and_leave_about_so_many_rows(burglaries: np.ndarray, left: int) -> None:
    windows = find_windows("burglary", burglaries, left, 9)
    assert len({window.end - window.start for window in windows}) == 1
    assert len({window.question for window in windows}) == len(windows) > 5
    assert left * 0.8 <= windows[0].rows <= left * 1.2


def test_a_window_means_the_same_to_the_server_and_in_sql(
    client: TestClient, city_database: str, burglaries: np.ndarray
) -> None:
    for window in find_windows("burglary", burglaries, 50, 4):
        with psycopg.connect(city_database) as connection:
            row = connection.execute(f"SELECT count(*) FROM layers.crime WHERE {window.condition}").fetchone()  # type: ignore[call-overload]
        answer = client.get(f"/api/layers/crime/summary?{window.question}").json()
        assert row == (window.rows,)
        assert answer["count"] == window.rows


def test_tiles_are_chosen_where_the_rows_of_a_condition_lie(
    city_settings: Settings, city_database: str, burglaries: np.ndarray
) -> None:
    layer = read_catalog(city_settings).layers["crime"]
    window = find_windows("burglary", burglaries, 10, 3)[0]
    chosen = sql.choose_tiles(city_database, layer, [14], 48, window.condition)[14]
    timing = sql.measure_each(city_database, [sql.build_tile(layer, 14, window.condition)] * 48, chosen)
    assert len(set(chosen)) <= window.rows
    assert len(timing.samples) == 48


def test_keywords_hold_a_socket_and_what_needs_quotes() -> None:
    given = {"host": "/tmp/a b/sockets", "user": "me", "password": "it's", "dbname": "bench"}
    url = "postgresql://me:it%27s@%2Ftmp%2Fa%20b%2Fsockets/bench?application_name=x"
    keywords = build_keywords(url)
    assert not keywords.startswith("postgres")
    assert conninfo_to_dict(keywords) == given


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tiles/crime/14/7000/5800.mvt?filter=x", "tiles"),
        ("/tiles/crime,trees/9/1/2.pbf", "tiles"),
        ("/tiles/crime.json?filter=x", "about a layer"),
        ("/api/layers/crime", "about a layer"),
        ("/api/layers/crime/summary?fields=", "about a layer"),
        ("/api/layers", "catalogue"),
        ("/styles/light.json?layers=crime", "style"),
        ("/?layers=crime", "the page's own"),
        ("/assets/index-1.js", "the page's own"),
    ],
)
def test_requests_of_the_page_are_told_apart(path: str, kind: str) -> None:
    assert find_kind(f"http://127.0.0.1:8000{path}") == kind


def test_a_second_style_or_catalogue_counts_as_asked_for_the_layers() -> None:
    counts = Counter({"tiles": 9, "the page's own": 12, "catalogue": 1, "style": 3, "about a layer": 6})
    assert Visit(counts, 1.0, 1.5, ended=True).about_layers == 8


def test_a_page_that_asks_for_ever_is_not_idle() -> None:
    assert Visit(Counter(), 1.0, 1.5, ended=True).idle == 0.5
    assert Visit(Counter(), 39.9, 40.0, ended=False).idle >= 40


def test_generated_points_are_written_anew_when_their_number_changes_and_changes_back(tmp_path: Path) -> None:
    path = tmp_path / "data" / "points.csv"
    for rows in (10, 20, 10):
        lines = write_points(path, rows).read_text().splitlines()
        assert len(lines) == rows + 1
    written = path.stat().st_mtime_ns
    write_points(path, 10)
    assert path.stat().st_mtime_ns == written


def test_where_nothing_may_fail_one_failure_is_not_met() -> None:
    assert Row("pictures", "not drawn", 0, "", at_most=0).met
    assert not Row("pictures", "not drawn", 28, "", at_most=0).met
    assert Row("pictures", "drawn", 28, "", at_least=0).met
