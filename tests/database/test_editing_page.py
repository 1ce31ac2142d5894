"""`docs/editing.md` says what is true: its own SQL, run as it stands, by the role that it makes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from geoserver.catalog import read_layer
from geoserver.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/editing.md").read_text(encoding="utf-8")
GRANTS, EDITS, PUSH = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def city(make_database: Callable[..., str], city_template: str) -> Iterator[str]:
    """A city of its own, in which the page's first block was run."""
    url = make_database(template=city_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS editor")
        connection.execute(GRANTS.encode())
    yield url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP OWNED BY editor")
        connection.execute("DROP ROLE editor")


def edit(url: str, statement: str) -> None:
    with psycopg.connect(make_conninfo(url, user="editor", password="choose-another"), autocommit=True) as connection:
        connection.execute(statement.encode())


def ask(url: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_role_of_the_page_edits_as_the_page_says_and_still_does_after_a_load(city: str) -> None:
    count = "SELECT rows FROM geoserver.states WHERE id = 'trees'"
    before = ask(city, count)
    edit(city, EDITS)
    assert ask(city, count) == before  # one came, one went
    assert ask(city, "SELECT species, ST_AsText(geom) FROM layers.trees WHERE fid = 17") == [
        ("Tilia cordata", "POINT(-28.601 45.201)")
    ]
    load(read_layer(ROOT / "layers/trees.toml"), city, force=True)
    assert ask(city, "SELECT count(*) FROM layers.trees WHERE ST_AsText(geom) = 'POINT(-28.601 45.201)'") == [(0,)]
    edit(city, EDITS)
    edit(city, "TRUNCATE layers.trees")
    assert ask(city, count) == [(0,)]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("INSERT INTO layers.crime (geom) SELECT geom FROM layers.trees", "permission denied for table crime"),
        ("UPDATE layers.trees SET geom = ST_SetSRID(geom, 25832)", "does not match column SRID (4326)"),
        ("INSERT INTO layers.trees (species) VALUES ('Tilia')", 'null value in column "geom"'),
        ("UPDATE layers.trees SET geom_3857 = geom", 'column "geom_3857" can only be updated to DEFAULT'),
        (
            "INSERT INTO layers.trees (tree, geom) SELECT tree, geom FROM layers.trees LIMIT 1",
            'duplicate key value violates unique constraint "trees__key"',
        ),
    ],
)
def test_what_goes_wrong_says_what_the_page_says(city: str, statement: str, message: str) -> None:
    with pytest.raises(psycopg.Error, match=re.escape(message)):
        edit(city, statement)
    shown = message.replace("trees" if "crime" in message else "crime", "").replace("crime", "trees")
    assert re.sub(r"\(\d+\)", "(n)", shown) in re.sub(r"\(\d+\)", "(n)", PAGE)


def test_the_columns_of_the_page_are_those_of_the_table(city: str) -> None:
    rows = ask(city, "SELECT attname FROM pg_attribute WHERE attrelid = 'layers.trees'::regclass AND attnum > 0")
    own = {name for (name,) in rows} - read_layer(ROOT / "layers/trees.toml").fields.keys()
    assert own == {"fid", "source_key", "geom", "geom_3857"}
    assert all(f"`{name}`" in PAGE for name in own)


BUSES = """
title = "Buses"
license = "CC0-1.0"
source = "buses.csv"
kind = "points"
key = "bus"
time = "seen_at"
fields.bus = { type = "text" }
fields.line = { type = "text", filter = "choice" }
fields.seen_at = { type = "timestamp" }

[live]
expires = "15 min"
"""


def test_rows_that_are_pushed_as_the_page_says_are_where_they_were_seen_last(
    make_database: Callable[..., str], empty_template: str, tmp_path: Path
) -> None:
    url = make_database(template=empty_template)
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers/buses.toml").write_text(BUSES, encoding="utf-8")
    now = datetime.now(UTC).isoformat()
    (tmp_path / "buses.csv").write_text(
        f"bus,line,seen_at,lon,lat\n16,4,{now},-28.5,45.1\n17,5,{now},-28.5,45.1\n", encoding="utf-8"
    )
    load(read_layer(tmp_path / "layers/buses.toml"), url)
    for line in ("4", "5"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(PUSH.replace("'4'", f"'{line}'").encode())
        assert ask(url, "SELECT bus, line, ST_X(geom) FROM layers.buses ORDER BY bus") == [
            ("16", "4", -28.5),
            ("17", line, -28.6),
        ]
    assert ask(url, "SELECT rows FROM geoserver.states") == [(2,)]
