"""`/api/layers/{id}/aggregate` against what SQL says of the same rows."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BURGLARIES = {"filter": "category='burglary' AND reported_at >= TIMESTAMP('2024-01-01T00:00:00Z')"}
BURGLARIES_SQL = "category = 'burglary' AND reported_at >= '2024-01-01T00:00:00Z'"


@pytest.fixture(scope="module")
def sql(city_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(city_database, options="-c timezone=UTC") as connection:
        yield connection


# A layer of odd values, areas that overlap in metres of another CRS, lines, and a layer of one row.
LAYERS = {
    "odd": """kind = "points"
time = "at"
[fields.word]
type = "text"
[fields.good]
type = "boolean"
[fields.whole]
type = "integer"
[fields.level]
type = "number"
[fields.day]
type = "date"
[fields.at]
type = "timestamp"
filter = "range"
[fields.ward]
type = "integer"
filter = "choice"
labels = { "7" = "Seventh" }
""",
    "squares": 'kind = "polygons"\ncrs = "EPSG:3857"\nlabel = "{name}"\n'
    '[csv]\ngeometry = "shape"\n[fields.name]\ntype = "text"\n',
    "ways": 'kind = "lines"\n[csv]\ngeometry = "shape"\n[fields.name]\ntype = "text"\n',
}
HEAD = 'title = "{name}"\nlicense = "CC0-1.0"\nsource = "data/{name}.csv"\n'
DATA = {
    "odd": "word,good,whole,level,day,at,ward,lon,lat\nfirst,true,1,0.5,2024-01-01,2024-01-01T00:00:00Z,7,0.5,0.5\n",
    "squares": "name,shape\n"
    'west,"POLYGON((0 0,100000 0,100000 200000,0 200000,0 0))"\n'
    'both,"POLYGON((50000 0,200000 0,200000 200000,50000 200000,50000 0))"\n'
    'far,"POLYGON((900000 0,1000000 0,1000000 100000,900000 100000,900000 0))"\n',
    "ways": 'name,shape\na,"LINESTRING(0.1 0.1,0.2 0.1)"\nb,"LINESTRING(5 5,6 5)"\n',
}
ROWS = """INSERT INTO layers.odd (fid, word, good, whole, level, day, at, ward, geom)
SELECT 100 + number, word, good, whole, level, day, at, ward, ST_SetSRID(ST_MakePoint(lon, lat), 4326) FROM (VALUES
(1, 'x', true, 9007199254740993, 'NaN'::float8, 'infinity'::date, '-infinity'::timestamptz, 7, 0.6, 0.5),
(2, 'x', false, 9007199254740993, 'Infinity', '2024-03-31', '2024-03-31T23:59:59.999999Z', 8, 0.6, 0.6),
(3, '', NULL, -9223372036854775808, '-Infinity', NULL, '2024-03-01T00:00:00Z', NULL, 9, 0.5),
(4, NULL, true, 9223372036854775807, 2.5, '2024-12-30', '2024-12-30T12:00:00Z', 7, 40, 40),
(5, 'y', true, NULL, 1.0, '0044-03-15 BC', NULL, 8, 40, 41)
) AS rows (number, word, good, whole, level, day, at, ward, lon, lat)"""


@pytest.fixture(scope="module")
def odd(
    tmp_path_factory: pytest.TempPathFactory, make_database: Callable[..., str], empty_template: str
) -> Iterator[tuple[TestClient, str]]:
    """A server over those layers, and the address of its database."""
    folder, url = tmp_path_factory.mktemp("odd"), make_database(template=empty_template)
    for name, text in LAYERS.items():
        for part, ending, content in (("layers", "toml", HEAD.format(name=name) + text), ("data", "csv", DATA[name])):
            (folder / part).mkdir(exist_ok=True)
            (folder / part / f"{name}.{ending}").write_text(content, encoding="utf-8")
    settings = Settings(workspace=folder, database_url=None)
    catalog = read_catalog(settings)
    assert not catalog.problems
    for layer in catalog.layers.values():
        load(layer, url)
    with psycopg.connect(url) as connection:
        connection.execute(ROWS)
    with TestClient(create_app(settings, url), base_url="http://127.0.0.1", raise_server_exceptions=False) as running:
        yield running, url


def ask(client: TestClient, layer: str, group: str, **params: str) -> Any:
    answer = client.get(f"/api/layers/{layer}/aggregate", params={"group": group, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


def read_cells(found: Any) -> dict[tuple[Any, ...], Any]:
    """What was measured by values; others are "...", no value is None, a bin is its lower edge."""
    named = [
        {-1: "...", -2: None} | dict(enumerate(group.get("values") or group["edges"])) for group in found["groups"]
    ]
    return {tuple(names[at] for names, at in zip(named, cell, strict=False)): cell[-1] for cell in found["cells"]}


def test_months_by_category_are_counted_as_sql_counts_them(client: TestClient, sql: psycopg.Connection) -> None:
    found = ask(client, "crime", "reported_at:month,category", **BURGLARIES)
    rows = sql.execute(
        "SELECT to_char(date_trunc('month', reported_at), 'YYYY-MM-DD'), category, count(*) FROM layers.crime"
        f" WHERE {BURGLARIES_SQL} GROUP BY 1, 2".encode()
    ).fetchall()
    assert read_cells(found) == {(month, category): count for month, category, count in rows}
    assert found["count"] == sum(count for *_, count in rows)
    assert found["groups"][1]["labels"] == ["Burglary"]


def test_points_are_counted_in_the_areas_of_another_layer(client: TestClient, sql: psycopg.Connection) -> None:
    found = ask(client, "crime", "in:districts", **BURGLARIES)
    rows = sql.execute(
        "SELECT d.fid, count(*) FROM layers.crime AS c LEFT JOIN layers.districts AS d"
        " ON ST_Intersects(d.geom_3857, c.geom_3857)"
        f" WHERE {BURGLARIES_SQL} GROUP BY 1".encode()
    ).fetchall()
    assert read_cells(found) == {(fid,): count for fid, count in rows}
    assert "overlaps" not in found


def list_groups(layer: dict[str, Any]) -> dict[str, str]:
    """Groups of a layer's fields, each with the SQL of its values as `read_cells` has them."""
    groups: dict[str, str] = {}
    for item in layer["fields"]:
        name = item["name"]
        if item["type"] in ("timestamp", "date"):
            zone = " AT TIME ZONE 'UTC'" if item["type"] == "timestamp" else ""
            for unit in ("week", "month", "quarter", "year"):
                groups[f"{name}:{unit}"] = f"date_trunc('{unit}', {name}{zone})::date::text"
            groups[f"{name}:weekday"] = f"date_part('isodow', {name}{zone})::int"
            groups[f"{name}:month-of-year"] = f"date_part('month', {name}{zone})::int"
        elif item["filter"] == "choice":
            groups[name] = name
    return groups


def write_question(layer: dict[str, Any], chance: random.Random) -> tuple[dict[str, str], str]:
    """A filter, and the same in SQL."""
    parts = ["fid > 0"]
    query: dict[str, str] = {}
    choices = [item for item in layer["fields"] if item.get("choices") and item["type"] == "text"]
    if choices and chance.random() < 0.8:
        item = chance.choice(choices)
        values = [one["value"] for one in item["choices"] if one["value"] is not None]
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in chance.sample(values, min(3, len(values))))
        query["filter"] = f"{item['name']} IN ({listed})"
        parts.append(query["filter"])
    if chance.random() < 0.5:
        west, south, east, north = layer["bounds"]
        query["bbox"] = f"{west + (east - west) * chance.random() / 2:.4f},{south:.4f},{east:.4f},{north:.4f}"
        parts.append(f"ST_Intersects(ST_Transform(geom, 4326), ST_MakeEnvelope({query['bbox']}, 4326))")
    return query, " AND ".join(parts)


@pytest.mark.parametrize("seed", range(12))
def test_random_filters_and_groups_are_counted_as_sql_and_the_summary_count_them(
    client: TestClient, sql: psycopg.Connection, seed: int
) -> None:
    chance = random.Random(seed)
    name = ("crime", "trees")[seed % 2]
    layer = client.get(f"/api/layers/{name}").json()
    query, condition = write_question(layer, chance)
    groups = list_groups(layer)
    chosen = chance.sample(sorted(groups), chance.randint(1, 2))
    found = ask(client, name, ",".join(chosen), limit="1000", **query)
    keys = ", ".join(groups[group] for group in chosen)
    rows = sql.execute(f"SELECT {keys}, count(*) FROM layers.{name} WHERE {condition} GROUP BY {keys}".encode())
    assert read_cells(found) == {tuple(values): count for *values, count in rows.fetchall()}
    counted = client.get(f"/api/layers/{name}/summary", params=query | {"fields": ""}).json()["count"]
    assert sum(cell[-1] for cell in found["cells"]) == found["count"] == counted
    for group in found["groups"]:
        if "ends" in group:
            assert group["ends"][:-1] == group["values"][1:]


@pytest.mark.parametrize("group", ["height:7", "height", "girth:12", "girth:1", "planted:quarter", "species"])
@pytest.mark.slow
def test_a_filter_by_what_a_cell_stands_for_leaves_as_many_rows_as_it_counts(client: TestClient, group: str) -> None:
    found = ask(client, "trees", group)
    (told,) = found["groups"]
    for at, count in found["cells"]:
        field, last = told["field"], at == len(told.get("edges", ())) - 2
        if at < 0:
            clause = f"{field} IS NULL"
        elif told["kind"] == "number":
            low, high = told["edges"][at : at + 2]
            clause = f"{field} >= {low} AND {field} {'<=' if last else '<'} {high}"
        elif told["kind"] == "time":
            clause = f"{field} >= DATE('{told['values'][at]}') AND {field} < DATE('{told['ends'][at]}')"
        else:
            clause = f"{field} IN ('{told['values'][at]}')"
        left = client.get("/api/layers/trees/summary", params={"filter": clause, "fields": ""}).json()["count"]
        assert left == count, clause


def test_rare_values_are_one_and_measures_of_them_are_of_all_their_rows(
    client: TestClient, sql: psycopg.Connection
) -> None:
    functions = {"sum": "sum(girth)", "avg": "avg(girth)::float8", "max": "max(girth)", "min": "min(girth)"}
    functions["median"] = "percentile_cont(0.5) WITHIN GROUP (ORDER BY girth)"
    for of, function in functions.items():
        measure = f"{of}:girth"
        found = ask(client, "trees", "species", limit="3", measure=measure)
        (group,) = found["groups"]
        assert (len(group["values"]), group["others"]) == (3, group["distinct"] - 3)
        rows = sql.execute(
            f"SELECT CASE WHEN species = ANY(%s) THEN species ELSE '...' END, {function}"
            " FROM layers.trees GROUP BY 1".encode(),
            [group["values"]],
        ).fetchall()
        assert read_cells(found) == {(value,): pytest.approx(float(known)) for value, known in rows}
    counts = [cell[1] for cell in ask(client, "trees", "species", limit="3")["cells"] if cell[0] >= 0]
    assert counts == sorted(counts, reverse=True)


def test_what_is_not_finite_has_no_place_and_no_measure(odd: tuple[TestClient, str]) -> None:
    client, _ = odd
    levels = ask(client, "odd", "level:4")
    assert sum(cell[1] for cell in levels["cells"]) == levels["count"] == 6
    assert [-2, 3] in levels["cells"]
    assert ask(client, "odd", "at:month")["cells"] == [[-2, 2], [0, 1], [2, 2], [11, 1]]
    assert ask(client, "odd", "good", measure="max:level")["cells"] == [[0, 2.5]]
    assert ask(client, "odd", "good", measure="median:level")["cells"] == [[0, 1.0]]


def test_whole_numbers_are_exact_however_large(odd: tuple[TestClient, str]) -> None:
    client, _ = odd
    assert ask(client, "odd", "word", measure="sum:whole", filter="word = 'x'")["cells"] == [[0, 18014398509481986]]
    assert ask(client, "odd", "word", measure="median:whole", filter="word = 'x'")["cells"] == [[0, 9007199254740993]]
    extremes = ask(client, "odd", "whole:10")
    assert extremes["groups"][0]["edges"][0] == -(2**63)
    assert sum(cell[1] for cell in extremes["cells"] if cell[0] >= 0) == 5


def test_values_of_each_kind_have_their_own_form_and_labels(odd: tuple[TestClient, str]) -> None:
    client, _ = odd
    ward = ask(client, "odd", "ward")["groups"][0]
    assert (ward["kind"], ward["values"], ward["labels"]) == ("category", [7, 8], ["Seventh", "8"])
    good = ask(client, "odd", "good", lang="fr")["groups"][0]
    assert (good["values"], good["labels"]) == ([True, False], ["Oui", "Non"])
    word = ask(client, "odd", "word")
    assert word["groups"][0]["values"] == ["x", "", "first", "y"]
    assert word["cells"] == [[-2, 1], [0, 2], [1, 1], [2, 1], [3, 1]]


def test_days_before_our_era_and_weeks_across_years_are_where_they_belong(odd: tuple[TestClient, str]) -> None:
    client, _ = odd
    day = ask(client, "odd", "day")["groups"][0]
    assert (day["bucket"], day["values"][0], day["ends"][0]) == ("century", "0101-01-01 BC", "0001-01-01 BC")
    week = ask(client, "odd", "day:week", filter="day > DATE('2024-12-01')")["groups"][0]
    assert (week["values"], week["ends"]) == (["2024-12-30"], ["2025-01-06"])
    assert ask(client, "odd", "at:hour", filter="word = 'first'")["groups"][0]["values"] == ["2024-01-01T00:00:00Z"]


def test_the_last_bucket_is_incomplete_where_the_rows_end_within_it_and_not_where_the_filter_does(
    odd: tuple[TestClient, str],
) -> None:
    client, _ = odd
    assert ask(client, "odd", "at:month")["groups"][0]["incomplete"] == ["2024-12-01"]
    until_march = ask(client, "odd", "at:month", datetime="../2024-03-15")["groups"][0]
    assert (until_march["values"][-1], until_march["incomplete"]) == ("2024-03-01", [])


def test_a_row_is_counted_in_every_area_that_it_is_in(odd: tuple[TestClient, str]) -> None:
    client, url = odd
    found = ask(client, "odd", "in:squares")
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT s.fid, count(*) FROM layers.odd AS o LEFT JOIN layers.squares AS s"
            " ON ST_Intersects(s.geom_3857, o.geom_3857) GROUP BY 1"
        ).fetchall()
    assert read_cells(found) == {(fid,): count for fid, count in rows}
    assert found["overlaps"] is True
    assert found["count"] == 6 < sum(cell[1] for cell in found["cells"])
    assert found["groups"][0]["labels"] == ["west", "both", "far"]
    assert ask(client, "ways", "in:squares")["cells"] == [[-2, 1], [0, 1]]
    pairs = ask(client, "odd", "good,in:squares", measure="max:whole", filter="word = 'x'")
    assert {tuple(cell[:2]) for cell in pairs["cells"]} == {(0, 0), (0, 1), (1, 0), (1, 1)}


def test_a_filter_that_leaves_nothing_has_no_cells(odd: tuple[TestClient, str]) -> None:
    client, _ = odd
    for group in ("word", "at", "at:month", "level", "whole:5", "in:squares", "at:weekday,word", "level,in:squares"):
        found = ask(client, "odd", group, filter="word = 'nothing'")
        assert (found["count"], found["cells"]) == (0, []), group
    assert ask(client, "odd", "whole,level", filter="word = 'first'")["cells"] == [[0, 0, 1]]


@pytest.mark.parametrize(
    "group",
    ["nothing", "category,district,outcome", "category,category", "category:5", "reported_at:fortnight", "in:nothing",
     "in:trees", "in:crime:5", "", ",", "reported_at:hour", "cat\0egory", "incident,incident:2"],
)  # fmt: skip
def test_what_cannot_be_counted_by_is_refused(client: TestClient, group: str) -> None:
    expect_refusal(client, "group", group=group)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [("measure", "sum:category"), ("measure", "count:x"), ("measure", "mode:fid"), ("measure", ""), ("limit", "0"),
     ("limit", "x"), ("nothing", "1"), ("category", "x\0"), ("filter", "nothing = 1")],
)  # fmt: skip
def test_other_wrong_parameters_are_refused_by_name(client: TestClient, parameter: str, value: str) -> None:
    expect_refusal(client, parameter, **{parameter: value})


def expect_refusal(client: TestClient, parameter: str, **params: str) -> None:
    answer = client.get("/api/layers/crime/aggregate", params=params)
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["parameter"] == parameter
    assert answer.json()["expected"]


@pytest.mark.parametrize("bins", ["0", "-1", "1001", "x", "1.5", ""])
def test_a_number_of_bins_is_a_whole_one_within_limits(client: TestClient, bins: str) -> None:
    answer = client.get("/api/layers/trees/aggregate", params={"group": f"height:{bins}"})
    assert (answer.status_code, answer.json()["parameter"]) == (400, "group")
    hours = client.get("/api/layers/trees/aggregate", params={"group": "planted:hour-of-day"})
    assert hours.status_code == 400


def test_an_answer_of_too_many_cells_says_how_to_ask_for_less(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geoserver.database.aggregates.MOST_CELLS", 50)
    answer = client.get("/api/layers/crime/aggregate", params={"group": "reported_at:week,outcome"})
    assert answer.status_code == 400
    assert "longer buckets" in answer.json()["expected"]


def test_an_answer_that_the_client_has_is_not_sent_again(odd: tuple[TestClient, str]) -> None:
    client, url = odd
    path = "/api/layers/ways/aggregate?group=name,in:squares"
    first = client.get(path)
    assert client.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    assert client.get(path + "&lang=fr").json()["cells"] == first.json()["cells"]
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE layers.squares SET name = 'old west' WHERE name = 'west'")
    for _ in range(200):
        again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
        if again.status_code == 200:
            break
    assert "old west" in again.json()["groups"][1]["labels"]


def test_the_second_time_nothing_is_read(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Counter[str]()

    async def refuse(*_: object) -> None:
        asked["database"] += 1
        raise AssertionError("it was asked again")

    before = ask(client, "crime", "reported_at:year,outcome", datetime="2023/..")
    monkeypatch.setattr("geoserver.api.aggregate.aggregate", refuse)
    assert ask(client, "crime", "reported_at:year,outcome", datetime="2023/..") == before
    assert not asked
