"""SQL functions as layers: declared parameters checked and bound, read only, within the time, and told by `check`."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from mapbox_vector_tile import decode

from geoserver.app import create_app
from geoserver.catalog import read_catalog
from geoserver.errors import BadParameterError
from geoserver.model import Parameter
from geoserver.parameters import canonical_json, parse_parameter
from geoserver.settings import Settings
from geoserver.tiling import Rowless, check, tile_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = 'title = "T"\nlicense = "CC0-1.0"\nkind = "function"\n'
NAMED = HEAD + 'source = "a.b"\n'
ECHO = (
    HEAD
    + """
source = "public.echo"
bounds = [-30, 40, 30, 60]
maxzoom = 12
fields.text = { type = "text", description = "The parameters." }

[parameters.whole]
type = "integer"
default = 10
minimum = 1
maximum = 60

[parameters.broken]
type = "number"
default = 0.5
maximum = 1

[parameters.flag]
type = "boolean"
default = false

[parameters.word]
type = "text"
default = "walk"
choices = ["walk", "bike", "it's"]

[parameters.free]
type = "text"
default = ""

[parameters.day]
type = "date"
default = 2024-01-01
minimum = 2020-01-01

[parameters.at]
type = "timestamp"
default = 2024-01-01T00:00:00Z
"""
)
DEFAULTS = {
    "whole": 10,
    "broken": 0.5,
    "flag": False,
    "word": "walk",
    "free": "",
    "day": "2024-01-01",
    "at": "2024-01-01T00:00:00Z",
}
# The names of one function try to end the identifier that they are quoted in.
ODD = 'odd"; DROP TABLE victims; --'
FUNCTIONS = """
SET search_path = public;
CREATE TABLE victims (n integer);
INSERT INTO victims VALUES (1);
CREATE FUNCTION echo(z integer, x integer, y integer, params jsonb) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT ST_AsMVT(tile, 'echo', 4096, 'geom') FROM (
        SELECT params::text AS text,
               ST_AsMVTGeom(ST_Centroid(ST_TileEnvelope(z, x, y)), ST_TileEnvelope(z, x, y)) AS geom
    ) AS tile
$$;
CREATE FUNCTION "odd""; DROP TABLE victims; --"(z integer, x integer, y integer, params jsonb) RETURNS bytea
LANGUAGE sql AS $$ SELECT 'odd'::bytea $$;
CREATE FUNCTION writes(z integer, x integer, y integer, params jsonb) RETURNS bytea LANGUAGE sql AS $$
    DELETE FROM victims RETURNING 'gone'::bytea
$$;
CREATE FUNCTION sleeps(z integer, x integer, y integer, params jsonb) RETURNS bytea LANGUAGE sql AS $$
    SELECT 'late'::bytea FROM pg_sleep((params->>'seconds')::float8)
$$;
CREATE FUNCTION refuses(z integer, x integer, y integer, params jsonb) RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
    IF (params->>'n')::integer = 0 THEN RETURN NULL; END IF;
    IF (params->>'n')::integer = 1 THEN RAISE EXCEPTION 'one is too few'; END IF;
    IF (params->>'n')::integer = 2 THEN PERFORM 1 / 0; END IF;
    PERFORM * FROM no_such_table;
    RETURN 'never'::bytea;
END $$;
CREATE FUNCTION texts(z integer, x integer, y integer, params jsonb) RETURNS text LANGUAGE sql AS $$ SELECT 'a' $$;
CREATE FUNCTION swapped(x integer, y integer, z bigint, params json) RETURNS bytea
LANGUAGE sql AS $$ SELECT ''::bytea $$;
"""
LAYERS = {
    "echo": ECHO,
    "odd": HEAD + f"source = '''public.{ODD}'''\n",
    "writes": HEAD + 'source = "public.writes"\n',
    "sleeps": HEAD + 'source = "public.sleeps"\nparameters.seconds = { type = "number", default = 0 }\n',
    "refuses": HEAD + 'source = "public.refuses"\nparameters.n = { type = "integer", default = 0 }\n',
    "gone": HEAD + 'source = "public.no_such_function"\n',
    "texts": HEAD + 'source = "public.texts"\n',
    "swapped": HEAD + 'source = "public.swapped"\n',
}
INSIDE = "/tiles/echo/4/8/5.mvt"  # touches the bounds of the layer


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "layers").mkdir()
    for name, text in LAYERS.items():
        (folder / "layers" / f"{name}.toml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def database_url(make_database: Callable[..., str], empty_template: str) -> str:
    url = make_database(template=empty_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FUNCTIONS.encode())
    return url


@pytest.fixture(scope="module")
def functions(workspace: Path, database_url: str) -> Iterator[TestClient]:
    settings = Settings(workspace=workspace, database_url=None, statement_timeout=0.5)
    with TestClient(create_app(settings, database_url), raise_server_exceptions=False) as running:
        yield running


def called_with(client: TestClient, **params: str) -> dict[str, Any]:
    """What the function was given."""
    answer = client.get(INSIDE, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = json.loads(decode(answer.content)["echo"]["features"][0]["properties"]["text"])
    return found


# -- parameters -------------------------------------------------------------------------------------------------------


def test_without_a_question_the_function_gets_every_default(functions: TestClient) -> None:
    assert called_with(functions) == DEFAULTS


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("whole", "15", 15),
        ("whole", "+15", 15),
        ("broken", "1e-3", 0.001),
        ("broken", "-7", -7.0),
        ("flag", "true", True),
        ("flag", "0", False),
        ("word", "bike", "bike"),
        ("word", "it's", "it's"),
        ("free", "Straße, '\"; DROP TABLE victims; --", "Straße, '\"; DROP TABLE victims; --"),
        ("free", "", ""),
        ("day", "2024-02-29", "2024-02-29"),
        ("at", "2024-05-31T12:00:00+02:00", "2024-05-31T10:00:00Z"),
        ("at", "2024-05-31t12:00", "2024-05-31T12:00:00Z"),
    ],
)
def test_a_parameter_arrives_as_its_type(functions: TestClient, name: str, text: str, value: object) -> None:
    assert called_with(functions, **{name: text}) == DEFAULTS | {name: value}


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("whole", "1.5", "a whole number"),
        ("whole", "", "a whole number"),
        ("whole", "٣", "a whole number"),
        ("whole", "0", "at least 1 and at most 60"),
        ("whole", "61", "at least 1 and at most 60"),
        ("whole", "9" * 30, "at most 15 digits"),
        ("whole", "1; DROP TABLE victims", "a whole number"),
        ("broken", "nan", "a number"),
        ("broken", "1e999", "a number"),
        ("broken", "1.01", "at most 1"),
        ("flag", "yes", "true or false"),
        ("word", "drive", "one of walk, bike, it's"),
        ("free", "x" * 1001, "at most 1,000 characters"),
        ("free", "a\0b", "text of"),
        ("day", "2023-02-29", "a day such as"),
        ("day", "2019-12-31", "at least 2020-01-01"),
        ("day", "2024-01-01'::date; --", "a day such as"),
        ("at", "yesterday", "a time such as"),
        ("at", "2024-13-01T00:00:00Z", "a time such as"),
        ("at", "0001-01-01T00:00:00+14:00", "a time such as"),
        ("colour", "red", "one of the layer's parameters whole, broken, flag, word, free, day, at"),
        ("filter", "whole = 3", "one of the layer's parameters"),
        ("bbox", "1,2,3,4", "one of the layer's parameters"),
        ("filter-lang", "cql2-text", "one of the layer's parameters"),
    ],
)
def test_a_wrong_parameter_is_400_with_its_name_value_and_what_was_expected(
    functions: TestClient, name: str, text: str, words: str
) -> None:
    for path in (INSIDE, "/tiles/echo.json"):
        answer = functions.get(path, params={name: text})
        assert answer.status_code == 400
        assert answer.json()["parameter"] == name
        assert answer.json()["value"] == text[:199] + "…" * (len(text) > 200)
        assert words in answer.json()["expected"]


def test_equal_questions_have_one_etag_and_others_another(functions: TestClient) -> None:
    def tag(query: str) -> str:
        return functions.get(f"{INSIDE}?{query}").headers["etag"]

    assert tag("whole=15&flag=1") == tag("flag=true&whole=%2B15") == tag("whole=15&flag=true&word=walk")
    assert tag("at=2024-05-31T12:00:00%2B02:00") == tag("at=2024-05-31T10:00:00Z")
    assert tag("whole=15") != tag("whole=16")


def test_tilejson_carries_the_question_and_lists_the_declared_fields(functions: TestClient) -> None:
    document = functions.get("/tiles/echo.json?whole=15").json()
    assert document["tiles"] == ["http://testserver/tiles/echo/{z}/{x}/{y}.mvt?whole=15"]
    assert document["bounds"] == [-30, 40, 30, 60]
    (layer,) = document["vector_layers"]
    assert (layer["id"], set(layer["fields"])) == ("echo", {"text"})


def test_the_layer_api_lists_the_parameters(functions: TestClient) -> None:
    entry = functions.get("/api/layers/echo").json()
    assert (entry["count"], entry["bounds"], [item["name"] for item in entry["fields"]]) == (
        None,
        [-30, 40, 30, 60],
        ["text"],
    )
    assert entry["parameters"][0] == {
        "name": "whole",
        "title": "Whole",
        "description": "",
        "type": "integer",
        "unit": "",
        "default": 10,
        "minimum": 1,
        "maximum": 60,
        "choices": [],
    }
    assert functions.get("/api/layers/odd").json()["bounds"] is None
    assert functions.get("/ogc/collections?f=json").json()["collections"] == []


def test_outside_its_bounds_the_function_is_not_called(functions: TestClient) -> None:
    assert functions.get("/tiles/echo/4/0/0.mvt").status_code == 204
    assert functions.get("/tiles/echo/13/0/0.mvt").status_code == 400


# -- what a function may not do ---------------------------------------------------------------------------------------


def victims(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM public.victims").fetchone()
    return int(row[0]) if row else 0


def test_a_name_that_tries_to_be_sql_is_a_name(functions: TestClient, database_url: str) -> None:
    assert functions.get("/tiles/odd/0/0/0.mvt").content == b"odd"
    assert victims(database_url) == 1


def test_a_function_that_writes_is_503_and_nothing_is_written(functions: TestClient, database_url: str) -> None:
    assert functions.get("/tiles/writes/0/0/0.mvt").status_code == 503
    assert victims(database_url) == 1


def test_a_function_that_takes_too_long_is_cut(functions: TestClient) -> None:
    assert functions.get("/tiles/sleeps/0/0/0.mvt").content == b"late"
    answer = functions.get("/tiles/sleeps/0/0/0.mvt?seconds=20")
    assert answer.status_code == 503
    assert "0.5 s" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0


def test_what_a_function_says_of_its_parameters_reaches_the_client(functions: TestClient) -> None:
    assert functions.get("/tiles/refuses/0/0/0.mvt").status_code == 204
    told = functions.get("/tiles/refuses/0/0/0.mvt?n=1")
    assert (told.status_code, told.json()["value"]) == (400, '{"n":1}')
    assert "one is too few" in told.json()["expected"]
    assert functions.get("/tiles/refuses/0/0/0.mvt?n=2").status_code == 400


@pytest.mark.parametrize("path", ["refuses/0/0/0.mvt?n=3", "gone/0/0/0.mvt", "texts/0/0/0.mvt", "swapped/0/0/0.mvt"])
def test_a_function_that_is_broken_is_503_without_its_inner_life(functions: TestClient, path: str) -> None:
    answer = functions.get(f"/tiles/{path}")
    assert answer.status_code == 503
    assert "no_such" not in answer.text
    assert "the server's log says why" in answer.json()["detail"]


def test_the_connections_are_as_before_after_all_that(functions: TestClient) -> None:
    for _ in range(20):
        functions.get("/tiles/refuses/0/0/0.mvt?n=1")
        functions.get("/tiles/writes/0/0/0.mvt")
    assert called_with(functions) == DEFAULTS


@given(st.text(max_size=30), st.sampled_from([*DEFAULTS, "other"]))
def test_no_text_at_all_gives_an_error_of_the_server(functions: TestClient, text: str, name: str) -> None:
    encoded = quote(text, errors="surrogatepass")
    assert functions.get(f"{INSIDE}?{name}={encoded}").status_code in (200, 400)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_as_it_was_written(number: float) -> None:
    assert parse_parameter(Parameter("n", "N", "number"), repr(number)) == number


@pytest.mark.parametrize("text", ["0", "-0", "0.0", "-0e5"])
def test_all_zeros_are_one(text: str) -> None:
    assert canonical_json({"n": parse_parameter(Parameter("n", "N", "number"), text)}) == '{"n":0.0}'


def test_a_parameter_knows_its_name_when_it_is_refused() -> None:
    with pytest.raises(BadParameterError) as refused:
        parse_parameter(Parameter("minutes", "Minutes", "integer"), "ten")
    assert refused.value.parameter == "minutes"


# -- files ------------------------------------------------------------------------------------------------------------


def test_check_says_which_functions_are_missing_wrong_or_do_not_run(workspace: Path, database_url: str) -> None:
    catalog = read_catalog(Settings(workspace=workspace, database_url=None))
    assert catalog.problems == ()
    found = {Path(problem.file).stem: problem.expected for problem in check(database_url, catalog)}
    assert found.keys() == {"gone", "texts", "swapped", "writes"}
    assert "there is none" in found["gone"]
    assert "returns bytea; public.texts returns text" in found["texts"]
    assert "it takes (x integer, y integer, z bigint, params json)" in found["swapped"]
    assert "read-only" in found["writes"]
    assert victims(database_url) == 1


def test_the_version_changes_every_max_age_seconds(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = read_catalog(Settings(workspace=workspace, database_url=None))
    rowless = Rowless()
    assert rowless.refresh(catalog)
    versions = []
    renewed = []
    for second in range(200):
        monkeypatch.setattr("geoserver.tiling.sources.function.time.time", lambda second=second: 1e9 + second)
        renewed.append("echo" in {layer.id for layer, _ in rowless.renew()})
        versions.append(tile_version(catalog, *rowless.held["echo"]))
    changes = [second for second in range(1, 200) if versions[second] != versions[second - 1]]
    assert len(changes) in (3, 4)
    assert {later - earlier for earlier, later in pairwise(changes)} == {60}
    assert changes == [second for second in range(1, 200) if renewed[second]]


def test_a_tile_is_made_anew_when_its_time_is_over(make_database: Callable[..., str], tmp_path: Path) -> None:
    url = make_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION public.clock(z integer, x integer, y integer, params jsonb) RETURNS bytea"
            " LANGUAGE sql AS $$ SELECT convert_to(clock_timestamp()::text, 'UTF8') $$"
        )
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "clock.toml").write_text(HEAD + 'source = "public.clock"\nmax_age = 2\n')
    settings = Settings(workspace=tmp_path, database_url=None)
    with TestClient(create_app(settings, url), raise_server_exceptions=False) as running:
        found: list[bytes] = []
        deadline = time.monotonic() + 30
        while len(set(found)) < 3:
            assert time.monotonic() < deadline
            found.append(running.get("/tiles/clock/0/0/0.mvt").content)
            time.sleep(0.02)
        assert len(found) > 30  # most answers came from memory


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (HEAD + 'source = "isochrones"\n', "source", "schema.name"),
        (HEAD + 'source = "a.b.c"\n', "source", "schema.name"),
        (NAMED + 'key = "id"\n', "key", "it has no rows"),
        (NAMED + "swap_axes = true\n", "swap_axes", "it has no rows"),
        (NAMED + "bounds = [1, 2, 3]\n", "bounds", "4"),
        (NAMED + "bounds = [3, 2, 1, 4]\n", "bounds", "west, south"),
        (NAMED + "max_age = 0\n", "max_age", "1"),
        (NAMED + 'fields.a = { type = "text", filter = "search" }\n', "fields.a.filter", "filtered"),
        (NAMED + 'N = { type = "integer" }\n', "n.default", "required"),
        (NAMED + 'N = { type = "integer", default = "3" }\n', "n.default", "integer"),
        (NAMED + 'N = { type = "integer", default = 1.5 }\n', "n.default", "whole"),
        (NAMED + 'N = { type = "text", default = true }\n', "n.default", "text"),
        (NAMED + 'N = { type = "integer", default = 9, maximum = 8 }\n', "n.default", "at most 8"),
        (NAMED + 'N = { type = "text", default = "a", minimum = "b" }\n', "n.minimum", "no such key"),
        (NAMED + 'N = { type = "text", default = "a", choices = ["b"] }\n', "n.default", "one of b"),
        (NAMED + 'N = { type = "date", default = "soon" }\n', "n.default", "a day"),
        (NAMED + 'parameters.bbox = { type = "text", default = "" }\n', "parameters.bbox", "another name"),
        (NAMED.replace("function", "points") + "max_age = 3\n", "max_age", "function"),
    ],
)
def test_a_wrong_layer_file_names_key_and_expectation(tmp_path: Path, text: str, key: str, words: str) -> None:
    (tmp_path / "layers").mkdir()
    (tmp_path / "layers" / "wrong.toml").write_text(text.replace("N = {", "parameters.n = {"))
    (problem,) = read_catalog(Settings(workspace=tmp_path, database_url=None)).problems
    assert key in problem.key
    assert words in problem.expected
