"""Cursors at evenly spaced rows and numbers of rows, beside what bare SQL says, over awkward values of all kinds."""

from __future__ import annotations

import random
import textwrap
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver.api import rows as api
from geoserver.app import create_app
from geoserver.database import rows as module
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROWS = 1_700
LAYER_FILE = """
    title = "Things"
    license = "CC0-1.0"
    source = "things.csv"
    kind = "points"
    time = "seen"
    [fields.name]
    type = "text"
    [fields.word]
    type = "text"
    filter = "choice"
    [fields.n]
    type = "integer"
    filter = "range"
    [fields.k0]
    type = "integer"
    [fields.x]
    type = "number"
    filter = "range"
    [fields.narrow]
    type = "number"
    [fields.lit]
    type = "boolean"
    [fields.day]
    type = "date"
    [fields.seen]
    type = "timestamp"
    filter = "range"
    """
# Few values many times, values once, nothing, and what comes first or last in PostgreSQL's order.
TABLE = f"""
    CREATE TABLE layers.things (
        fid bigint PRIMARY KEY, name text, word text COLLATE "und-x-icu", n bigint, k0 smallint, x float8, narrow real,
        lit boolean, day date, seen timestamptz, geom geometry(Point, 4326),
        geom_3857 geometry(Point, 3857) GENERATED ALWAYS AS (ST_Transform(geom, 3857)) STORED);
    INSERT INTO layers.things (fid, name, word, n, k0, x, narrow, lit, day, seen, geom)
    SELECT i * 7 - 300,
        CASE WHEN i % 9 = 0 THEN NULL WHEN i = 500 THEN repeat('z', 5000) ELSE md5(i::text) END,
        (ARRAY['Ärger', 'arg', 'Zoo', 'zebra', 'éclair', 'a''b"\\', '50%', NULL])[1 + i % 8],
        CASE WHEN i % 3 = 0 THEN NULL ELSE (i * 7919) % 100 END,
        i % 5,
        CASE i % 11 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity' WHEN 3 THEN NULL WHEN 4 THEN '-0'
            WHEN 5 THEN 0 ELSE ((i * 104729) % 1000) / 7.0 END,
        (i % 40) / 10.0,
        (ARRAY[true, false, NULL])[1 + i % 3],
        CASE WHEN i % 13 = 0 THEN 'infinity' ELSE date '2024-01-01' + i % 60 END,
        CASE WHEN i % 17 = 0 THEN NULL ELSE timestamptz '2024-01-01 00:00:00.5Z' + (i % 900) * interval '7 hours' END,
        ST_SetSRID(ST_MakePoint(-28.6 + (i % 50) * 0.001, 45.2 + (i / 50) * 0.001), 4326)
    FROM generate_series(0, {ROWS - 1}) AS i;
    CREATE INDEX ON layers.things (n);
    CREATE INDEX ON layers.things (x);
    CREATE INDEX ON layers.things (word);
    INSERT INTO geoserver.layers
        (id, version, rows, rejected, readings, west, south, east, north, srid, geometry_type, source, fingerprint)
    VALUES ('things', 1, {ROWS}, 0, 0, -29, 45, -28, 46, 4326, 'POINT', '', '');
    """
FILTERS = {  # in CQL2, and in SQL
    "": "TRUE",
    "n > 20": "n > 20",
    "x > 50 OR word = '50%'": "x > 50 OR word = '50%'",
    "lit IS NULL": "lit IS NULL",
    "n < 0": "n < 0",
    "k0 = 3 AND NOT (word = 'Zoo')": "k0 = 3 AND NOT (word = 'Zoo')",
}
FIELDS = ("name", "word", "n", "k0", "x", "narrow", "lit", "day", "seen")


@pytest.fixture(scope="module")
def database(make_database: Callable[..., str], empty_template: str) -> str:
    url = make_database(template=empty_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLE)
        connection.execute("ANALYZE layers.things")
    return url


@pytest.fixture(scope="module")
def things(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    workspace = tmp_path_factory.mktemp("things")
    (workspace / "layers").mkdir()
    (workspace / "layers" / "things.toml").write_text(textwrap.dedent(LAYER_FILE), encoding="utf-8")
    app = create_app(Settings(workspace=workspace, database_url=None), database)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


def read_rows(database: str, condition: str, sortby: str) -> list[int]:
    """Feature ids in order, by bare SQL."""
    keys = [f"t.{key.lstrip('+-')} {'DESC' if key[0] == '-' else 'ASC'} NULLS LAST" for key in sortby.split(",") if key]
    text = f"SELECT fid FROM layers.things AS t WHERE {condition} ORDER BY {', '.join([*keys, 'fid'])}"
    with psycopg.connect(database) as connection:
        return [row[0] for row in connection.execute(text.encode()).fetchall()]


def ask(things: TestClient, path: str, **values: Any) -> Any:
    given = {name: value for name, value in values.items() if value != ""}
    answer = things.get(f"/api/layers/things/rows/{path}", params=given)
    assert answer.status_code == 200, answer.text
    return answer.json()


def read_page(things: TestClient, **values: Any) -> list[int]:
    given = {name: value for name, value in values.items() if value != ""}
    answer = things.get("/ogc/collections/things/items", params={"skipGeometry": "true", "properties": "n", **given})
    assert answer.status_code == 200, answer.text
    return [feature["id"] for feature in answer.json()["features"]]


def draw(chance: random.Random) -> tuple[str, str, str]:
    """A filter in CQL2 and in SQL, and an order."""
    text = chance.choice(list(FILTERS))
    names = chance.sample(FIELDS, chance.randint(0, 3))
    return text, FILTERS[text], ",".join(chance.choice("+-") + name for name in names)


@pytest.mark.parametrize("seed", range(24))
def test_a_page_begins_behind_the_row_of_its_mark_as_bare_sql_counts_them(
    things: TestClient, database: str, seed: int
) -> None:
    chance = random.Random(seed)
    text, condition, sortby = draw(chance)
    expected = read_rows(database, condition, sortby)
    marks = ask(things, "marks", filter=text, sortby=sortby, every=100)
    assert (marks["count"], marks["every"]) == (len(expected), 100)
    assert len(marks["cursors"]) == max(0, (len(expected) - 1) // 100)
    for index, cursor in enumerate(marks["cursors"]):
        if cursor is None:  # the text of 5,000 letters
            assert "name" in sortby
            continue
        begin, offset = (index + 1) * 100, chance.choice(["", 1, 40, 99])
        found = read_page(things, filter=text, sortby=sortby, cursor=cursor, offset=offset, limit=5)
        begin += offset or 0
        assert found == expected[begin : begin + 5], (text, sortby, index, offset)


@pytest.mark.parametrize("seed", range(8))
def test_pages_follow_each_other_through_every_part_of_the_order(things: TestClient, database: str, seed: int) -> None:
    chance = random.Random(100 + seed)
    sortby = f"{chance.choice('+-')}{FIELDS[seed]},{chance.choice('+-')}{FIELDS[seed - 1]}"
    found, address = [], f"/ogc/collections/things/items?limit=90&properties=n&sortby={sortby.replace('+', '%2B')}"
    while address:
        page = things.get(address).json()
        found += [feature["id"] for feature in page["features"]]
        address = next((link["href"] for link in page["links"] if link["rel"] == "next"), "")
    assert found == read_rows(database, "TRUE", sortby)


@pytest.mark.parametrize("seed", range(12))
def test_a_feature_stands_where_bare_sql_has_it(things: TestClient, database: str, seed: int) -> None:
    chance = random.Random(200 + seed)
    text, condition, sortby = draw(chance)
    expected = read_rows(database, condition, sortby)
    for fid in chance.sample(range(ROWS), 12):
        place = ask(things, str(fid * 7 - 300), filter=text, sortby=sortby)
        number = fid * 7 - 300
        row = expected.index(number) if number in expected else None
        assert place == {"layer": "things", "fid": number, "count": len(expected), "row": row}, (text, sortby)


@pytest.mark.parametrize("fid", ["5", "9223372036854775807", "9999999999999999999"])
def test_what_is_no_feature_stands_nowhere(things: TestClient, fid: str) -> None:
    assert ask(things, fid, sortby="-x") == {"layer": "things", "fid": int(fid), "count": ROWS, "row": None}


def test_where_there_would_be_too_many_marks_they_are_farther_apart(
    things: TestClient, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_MARKS", 5)
    marks = ask(things, "marks", sortby="-seen,word", every=110)
    assert (marks["every"], len(marks["cursors"])) == (440, 3)
    expected = read_rows(database, "TRUE", "-seen,+word")
    for index, cursor in enumerate(marks["cursors"]):
        assert read_page(things, sortby="-seen,word", cursor=cursor, limit=1) == [expected[(index + 1) * 440]]
    monkeypatch.setattr(module, "_MOST_CHARACTERS", 100)
    assert ask(things, "marks", sortby="-seen,word", every=111)["every"] == 888


def test_marks_are_made_once_until_the_layer_changes(
    things: TestClient, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, read = [], module.read_marks

    async def note(*given: Any) -> Any:
        made.append(given)
        return await read(*given)

    monkeypatch.setattr(api, "read_marks", note)
    path = "/api/layers/things/rows/marks?sortby=day&every=300"
    first = things.get(path)
    assert things.get(path).content == first.content
    assert things.get("/api/layers/things/rows/marks?every=300&sortby=%2Bday").content == first.content
    assert things.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert len(made) == 1
    assert things.get(path.replace("=day", "=-day")).content != first.content
    assert len(made) == 2


def test_what_is_kept_of_marks_has_an_end(things: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = things.app.state.computed  # type: ignore[attr-defined]
    computed.clear()
    monkeypatch.setattr(computed, "_most", 20_000)
    for every in range(100, 140):
        ask(things, "marks", sortby="name,seen", every=every)
    assert 0 < len(computed) < 40
    assert computed.size <= 20_000


@pytest.mark.parametrize(
    ("path", "parameter", "expected"),
    [
        ("marks?sortby=nothing", "sortby", "name"),
        ("marks?sortby=n,n", "sortby", "distinct"),
        ("marks?every=99", "every", "100"),
        ("marks?every=x", "every", "whole number"),
        ("marks?every=%D9%A3%D9%A3%D9%A3", "every", "whole number"),
        ("marks?nothing=1", "nothing", "every"),
        ("marks?filter=nothing%3D1", "filter", "name"),
        ("1?sortby=", "sortby", "name"),
        ("1?every=100", "every", "sortby"),
        ("x", "fid", "whole number"),
    ],
)
def test_a_wrong_parameter_is_a_400_that_names_it(things: TestClient, path: str, parameter: str, expected: str) -> None:
    answer = things.get(f"/api/layers/things/rows/{path}")
    problem = answer.json()
    assert (answer.status_code, problem["parameter"]) == (400, parameter), problem
    assert expected in problem["detail"]


def test_a_page_deep_in_an_order_with_an_index_begins_by_it(things: TestClient, database: str) -> None:
    """Not by a walk over all rows before, which a comparison joined by OR comes to."""
    from geoserver.database.keyset import Position, SortKey, bind_position, build_order, build_parts  # noqa: PLC0415

    layer = things.app.state.services.find("things")[0]  # type: ignore[attr-defined]
    sort = (SortKey(layer.fields["x"]),)
    position = Position(70, ("120.5",))
    with psycopg.connect(database) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        for part in build_parts(position, sort):
            query = psycopg.sql.SQL("EXPLAIN SELECT * FROM layers.things AS t WHERE {} ORDER BY {} LIMIT 5").format(
                part, build_order(sort)
            )
            plan = "\n".join(row[0] for row in connection.execute(query, bind_position(position)).fetchall())
            assert "Index Cond" in plan, plan
