"""Rows written by any program, as a role with rights on the layer's table alone, whatever it has set or planted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from editors import POINT, WALLS, Editing, drop_role, make_role, write_layers, write_plants
from fastapi.testclient import TestClient

from geoserver.app import create_app
from geoserver.catalog import read_layer
from geoserver.database.migrate import apply_migrations
from geoserver.loading import load
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def ids(editing: Editing) -> list[int]:
    return [fid for (fid,) in editing.ask("SELECT fid FROM layers.plants ORDER BY fid")]


def test_a_role_with_rights_on_the_table_alone_inserts_updates_deletes_and_empties(editing: Editing) -> None:
    rows, version = editing.state()
    assert rows == 60
    with editing.connect() as connection:
        insert = f"INSERT INTO layers.plants (number, name, geom) VALUES (700, 'kind 1', {POINT}) RETURNING fid"
        row = connection.execute(insert.encode()).fetchone()
        assert row == (61,)
    editing.edit(
        "UPDATE layers.plants SET name = 'another' WHERE number = 700",
        "UPDATE layers.plants SET geom = 'SRID=4326;POINT(-28.7 45.3)' WHERE number = 700",
        "DELETE FROM layers.plants WHERE number = 3",
    )
    assert editing.state() == (60, version + 4)
    editing.edit("TRUNCATE layers.plants")
    assert editing.state()[0] == 0
    editing.edit(f"INSERT INTO layers.plants (geom) VALUES ({POINT})")
    assert editing.state()[0] == 1


EDITS = (
    f"INSERT INTO layers.plants (number, name, planted, geom) VALUES (700, 'kind 7', '2024-02-03', {POINT})",
    f"INSERT INTO layers.plants (number, name, planted, geom) SELECT 800 + n, 'kind 8', '2024-02-03', {POINT}"
    " FROM generate_series(1, 20) AS n",
    "UPDATE layers.plants SET planted = planted + 40, number = number + 1000 WHERE name = 'kind 8'",
    "DELETE FROM layers.plants WHERE name = 'kind 1'",
    "UPDATE layers.walls SET name = 'another', geom = geom",
    "INSERT INTO layers.walls (name, geom) SELECT 'new', geom FROM layers.walls",
)


def contents(editing: Editing) -> list[Any]:
    """What is there after edits."""
    queries = (
        "SELECT fid, source_key, number, planted FROM layers.plants ORDER BY fid",
        "SELECT fid, source_key, name, md5(geom_3857::text), visible_from FROM layers.walls ORDER BY fid",
        "SELECT layer, added, last_fid, tiles::text, x0, y0, x1, y1 FROM geoserver.edits ORDER BY 1, 2, 3, 4",
        "SELECT n, x, y, value, t FROM layers.plants__delta ORDER BY 1, 2, 3, 4, 5",
        "SELECT layer, fids FROM geoserver.arrivals ORDER BY 1, 2",
        "SELECT id, version, rows, west, south, east, north FROM geoserver.states ORDER BY 1",
    )
    return [editing.ask(query) for query in queries]


@pytest.fixture(scope="module")
def expected(loaded: tuple[str, Path], make_database: Callable[..., str]) -> list[Any]:
    """What the owner's own edits leave, with ordinary settings."""
    url = make_database(template=loaded[0])
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in EDITS:
            connection.execute(statement.encode())
    return contents(Editing(url, loaded[1], ""))


@pytest.mark.parametrize(
    "settings",
    [
        {"search_path": ""},
        {"search_path": "nowhere, pg_temp, layers"},
        {"DateStyle": "German", "IntervalStyle": "iso_8601", "TimeZone": "Asia/Kathmandu", "extra_float_digits": "-10"},
        {"standard_conforming_strings": "off", "bytea_output": "escape", "array_nulls": "off", "row_security": "off"},
        {"default_transaction_isolation": "serializable"},
        {"default_transaction_isolation": "read uncommitted", "transform_null_equals": "on", "jit": "off"},
    ],
    ids=", ".join,
)
def test_edits_are_noted_the_same_whatever_the_editor_has_set(
    editing: Editing, expected: list[Any], settings: dict[str, str]
) -> None:
    editing.edit(*EDITS, **settings)
    assert contents(editing) == expected


def test_who_sees_one_moment_alone_is_not_refused_for_what_another_has_forgotten_since(editing: Editing) -> None:
    with psycopg.connect(editing.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO geoserver.arrivals (layer, at, fids) VALUES ('plants', now() - interval '40 days', '{1}')"
        )
        with editing.connect(default_transaction_isolation="repeatable read") as editor, editor.transaction():
            editor.execute("SELECT FROM layers.plants")
            connection.execute("DELETE FROM geoserver.arrivals WHERE at < now() - interval '30 days'")
            for number in range(1000, 1600):  # one in a hundred would forget, too
                editor.execute(f"INSERT INTO layers.plants (number, geom) VALUES ({number}, {POINT})".encode())
    assert editing.state()[0] == 660


TRAPS = """
CREATE SCHEMA trap;
CREATE TABLE trap.caught (who text);
CREATE FUNCTION trap.catch() RETURNS void LANGUAGE sql AS 'INSERT INTO trap.caught VALUES (current_user)';
CREATE FUNCTION trap.st_envelope(public.geometry) RETURNS public.geometry
    LANGUAGE sql AS 'SELECT trap.catch(); SELECT NULL::public.geometry';
CREATE FUNCTION trap.st_isempty(public.geometry) RETURNS boolean LANGUAGE sql AS 'SELECT trap.catch(); SELECT true';
CREATE FUNCTION trap.st_xmin(public.geometry) RETURNS float8 LANGUAGE sql AS 'SELECT trap.catch(); SELECT 0.0::float8';
CREATE FUNCTION trap.st_x(public.geometry) RETURNS float8 LANGUAGE sql AS 'SELECT trap.catch(); SELECT 0.0::float8';
CREATE FUNCTION trap.array_agg(public.geometry) RETURNS public.geometry[]
    LANGUAGE sql AS 'SELECT trap.catch(); SELECT NULL::public.geometry[]';
CREATE FUNCTION trap.btrim(text, text) RETURNS text LANGUAGE sql AS $$SELECT trap.catch(); SELECT 'evil'$$;
CREATE FUNCTION trap.concat(text, bigint) RETURNS text LANGUAGE sql AS $$SELECT trap.catch(); SELECT 'evil'$$;
CREATE FUNCTION trap.length(text) RETURNS integer LANGUAGE sql AS 'SELECT trap.catch(); SELECT 0';
CREATE FUNCTION trap.setval(regclass, bigint) RETURNS bigint LANGUAGE sql AS 'SELECT trap.catch(); SELECT 1::bigint';
CREATE FUNCTION trap.more(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT trap.catch(); SELECT false';
CREATE OPERATOR trap.> (LEFTARG = integer, RIGHTARG = integer, FUNCTION = trap.more);
CREATE TABLE trap.edits (layer text);
CREATE TABLE trap.new_rows (fid bigint, geom public.geometry);
GRANT USAGE ON SCHEMA trap TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA trap TO PUBLIC;
"""
TEMPORARY = (
    "CREATE TEMP TABLE edits (layer text)",
    "CREATE TEMP TABLE new_rows (fid bigint, geom_3857 public.geometry)",
    "CREATE TYPE pg_temp.geometry AS ENUM ('evil')",
    "CREATE TYPE pg_temp.text AS ENUM ('evil')",
    "CREATE TYPE pg_temp.jsonb AS ENUM ('evil')",
    "CREATE TYPE pg_temp.regclass AS ENUM ('evil')",
)


def test_what_an_editor_has_planted_in_front_is_not_found(editing: Editing, expected: list[Any]) -> None:
    with psycopg.connect(editing.url, autocommit=True) as connection:
        connection.execute(TRAPS.encode())
    with editing.connect() as connection:
        for statement in TEMPORARY:
            connection.execute(statement.encode())
        connection.execute("SET search_path = trap, pg_temp, public, pg_catalog")
        for statement in EDITS:
            connection.execute(statement.encode())
    assert editing.ask("SELECT * FROM trap.caught") == []
    assert contents(editing) == expected


def test_a_table_of_the_editors_own_cannot_note_edits_of_a_layer(editing: Editing) -> None:
    with editing.connect() as connection:
        connection.execute("CREATE TEMP TABLE forged (fid bigint, geom_3857 geometry)")
        for function in ("layers.plants__note()", "geoserver.note_emptied('plants')", "geoserver.give_id()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(
                    "CREATE TRIGGER note AFTER INSERT ON forged REFERENCING NEW TABLE AS new_rows"
                    f" FOR EACH STATEMENT EXECUTE FUNCTION {function}".encode()
                )


@pytest.mark.parametrize("path", ["", "public"])
def test_postgis_may_live_in_a_schema_that_editors_have_to_name(
    make_database: Callable[..., str], tmp_path: Path, path: str
) -> None:
    """They need the right to use it, as for any geometry, and no place for it in their `search_path`."""
    url = make_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA extensions")
        connection.execute("CREATE EXTENSION postgis SCHEMA extensions")
        connection.execute("GRANT USAGE ON SCHEMA extensions TO PUBLIC")
    apply_migrations(url)
    folder = write_layers(tmp_path / "workspace")
    for name in ("plants", "walls"):
        load(read_layer(folder / "layers" / f"{name}.toml"), url)
    role = make_role(url, "plants", "walls")
    editing = Editing(url, folder, role)
    editing.edit(*EDITS, search_path=path)
    assert editing.state()[0] == 61
    assert editing.ask("SELECT count(*), count(visible_from) FROM layers.walls") == [(2, 2)]
    drop_role(url, role)


def test_ids_are_given_behind_those_that_editors_give(editing: Editing) -> None:
    editing.edit(
        f"INSERT INTO layers.plants (geom) VALUES ({POINT})",  # 61
        f"INSERT INTO layers.plants (fid, geom) VALUES (70, {POINT}), (65, {POINT})",
        f"INSERT INTO layers.plants (fid, geom) VALUES (NULL, {POINT})",
        "UPDATE layers.plants SET fid = 80 WHERE fid = 71",
        f"INSERT INTO layers.plants (geom) VALUES ({POINT})",
        f"INSERT INTO layers.plants (fid, geom) VALUES (1000, {POINT}), (62, {POINT})",
        "DELETE FROM layers.plants WHERE fid = 1000",
        f"INSERT INTO layers.plants (geom) VALUES ({POINT})",
    )
    assert ids(editing)[60:] == [61, 62, 65, 70, 80, 81, 1001]


def test_the_first_id_that_is_free_may_be_given_by_hand(editing: Editing) -> None:
    editing.edit(f"INSERT INTO layers.plants (fid, geom) VALUES (61, {POINT})")
    editing.edit(f"INSERT INTO layers.plants (geom) VALUES ({POINT})")
    assert ids(editing)[60:] == [61, 62]


def test_upserts_copies_and_merges_are_edits_as_any(editing: Editing) -> None:
    editing.edit(
        f"INSERT INTO layers.plants (number, name, geom) VALUES (5, 'kind 9', {POINT}), (600, 'kind 9', {POINT})"
        " ON CONFLICT (source_key) DO UPDATE SET name = excluded.name",
        "MERGE INTO layers.plants AS p USING (VALUES (5), (601)) AS v (number) ON p.number = v.number"
        " WHEN MATCHED THEN UPDATE SET note = 'merged'"
        f" WHEN NOT MATCHED THEN INSERT (number, name, geom) VALUES (v.number, 'kind 9', {POINT})",
    )
    rows = "COPY layers.plants (number, name, geom) FROM STDIN"
    with editing.connect() as connection, connection.cursor() as cursor, cursor.copy(rows) as copy:
        for number in range(900, 1000):
            copy.write_row((number, "kind 9", "SRID=4326;POINT(-28.6 45.2)"))
    assert editing.state()[0] == 60 + 2 + 100
    found = editing.ask("SELECT number, source_key, fid FROM layers.plants WHERE name = 'kind 9' ORDER BY number")
    assert [row[1] for row in found] == [str(row[0]) for row in found]
    assert len(found) == 103
    assert found[0] == (5, "5", 6)
    editing.fold()
    assert editing.state()[0] == 162
    assert editing.ask("SELECT count(*) FROM geoserver.edits") == [(0,)]


def test_rows_get_the_key_that_a_load_would_give_them_and_keep_their_id(editing: Editing) -> None:
    editing.edit(
        f"INSERT INTO layers.plants (number, name, geom) VALUES (61, 'by hand', {POINT}), (NULL, 'nameless', {POINT})",
        "UPDATE layers.plants SET number = 65 WHERE number = 7",
        "UPDATE layers.plants SET number = NULL WHERE number = 8",
        "UPDATE layers.plants SET name = 'another' WHERE number = 9",
        "INSERT INTO layers.walls (name, geom) SELECT 'by hand', geom FROM layers.walls",
    )
    keys = dict(editing.ask("SELECT fid, source_key FROM layers.plants"))
    assert [keys[fid] for fid in (61, 62, 8, 9, 10)] == ["61", "fid:62", "65", "fid:9", "9"]
    assert editing.ask("SELECT fid, source_key FROM layers.walls ORDER BY 1") == [(1, "W1"), (2, "fid:2")]
    write_plants(editing.workspace, range(70))
    editing.load("plants")
    fids = dict(editing.ask("SELECT number, fid FROM layers.plants"))
    assert (fids[61], fids[65], fids[9]) == (61, 8, 10)
    assert min(fids[7], fids[8], fids[62]) > 62  # ids of rows that are gone are not given again


def test_a_text_is_the_key_that_a_load_reads_in_it(editing: Editing) -> None:
    file = editing.workspace / "layers/walls.toml"
    file.write_text(WALLS + 'fields.code = { type = "text" }\n', encoding="utf-8")
    editing.load("walls")
    role = make_role(editing.url, "walls")
    other = Editing(editing.url, editing.workspace, role)
    for code in (r"' W\2 '", r"E'\tŵ ''3''\u00a0'", "'  '"):
        insert = f"INSERT INTO layers.walls (code, geom) SELECT {code}, geom FROM layers.walls LIMIT 1"
        other.edit(insert, search_path="")
    keys = [key for (key,) in editing.ask("SELECT source_key FROM layers.walls ORDER BY fid")]
    assert keys == ["W1", "W\\2", "ŵ '3'", "fid:4"]
    drop_role(editing.url, role)


def test_a_key_that_is_there_already_is_refused_and_named(editing: Editing) -> None:
    before = editing.state()
    with pytest.raises(psycopg.errors.UniqueViolation, match=r"plants__key(.|\n)*\(source_key\)=\(7\) already exists"):
        editing.edit(f"INSERT INTO layers.plants (number, geom) VALUES (7, {POINT})")
    assert editing.state() == before


def test_an_update_that_changes_nothing_is_not_noted(editing: Editing) -> None:
    before, walls = editing.state(), editing.state("walls")
    editing.edit(
        "UPDATE layers.plants SET name = name, number = number, planted = planted, geom = geom, note = note",
        "UPDATE layers.plants SET name = 'never' WHERE false",
        "UPDATE layers.walls SET geom = geom, name = name",
        "DELETE FROM layers.plants WHERE false",
    )
    assert (editing.state(), editing.state("walls")) == (before, walls)
    assert editing.ask("SELECT count(*) FROM geoserver.edits") == [(0,)]
    assert editing.delta() == []


def test_fields_that_no_bin_counts_are_noted_and_repack_nothing(editing: Editing) -> None:
    """Filters, items and their caches see every field: it is a new version, in the tiles of the rows alone."""
    before = editing.state()
    editing.edit("UPDATE layers.plants SET note = 'seen' WHERE number = 7")
    assert editing.state() == (before[0], before[1] + 1)
    assert len(editing.ask("SELECT jsonb_array_elements(tiles) FROM geoserver.edits")) == 1
    assert editing.delta() == []


@pytest.mark.parametrize(
    "change", ["name = 'another'", "planted = planted + 1", "geom = 'SRID=4326;POINT(-28.7 45.3)'"]
)
def test_what_bins_count_is_taken_away_and_added(editing: Editing, change: str) -> None:
    editing.edit(f"UPDATE layers.plants SET {change} WHERE number IN (7, 8)")
    added = [row[0] for row in editing.delta()]
    assert (sum(n for n in added if n < 0), sum(n for n in added if n > 0)) == (-2, 2)


def test_answers_follow_within_moments(editing: Editing) -> None:
    app = create_app(Settings(workspace=editing.workspace, database_url=None), editing.url)
    with TestClient(app, base_url="http://127.0.0.1") as client:

        def wait_for(count: int) -> None:
            query = "/api/layers/plants/summary?filter=note='by hand'"
            deadline = time.monotonic() + 30
            while client.get(query).json()["count"] != count:
                assert time.monotonic() < deadline, "it does not follow"
                time.sleep(0.05)

        wait_for(0)
        editing.edit(f"INSERT INTO layers.plants (number, note, geom) VALUES (500, 'by hand', {POINT})", search_path="")
        wait_for(1)
        editing.edit("UPDATE layers.plants SET note = 'by hand' WHERE number = 7", search_path="")
        wait_for(2)
        assert client.get("/ogc/collections/plants/items?note=by%20hand").json()["numberMatched"] == 2
        editing.edit("TRUNCATE layers.plants", search_path="")
        wait_for(0)


@pytest.mark.parametrize(
    "shape",
    ["'SRID=4326;POINT EMPTY'", *(f"ST_Point({x}, 45.2, 4326)" for x in ("'NaN'", "'Infinity'"))],
)
def test_a_shape_that_is_nowhere_is_refused(editing: Editing, shape: str) -> None:
    before = editing.state()
    for statement in (
        f"INSERT INTO layers.plants (name, geom) VALUES ('kind 1', {shape})",
        f"UPDATE layers.plants SET geom = {shape} WHERE fid = 3",
    ):
        with pytest.raises(psycopg.errors.CheckViolation, match="geom has finite coordinates"):
            editing.edit(statement)
    assert editing.state() == before


@pytest.mark.parametrize("fid", [-7, 0, 1 << 53, (1 << 63) - 1])
def test_an_id_that_tiles_or_browsers_cannot_say_is_refused_and_the_next_one_is_not_behind_it(
    editing: Editing, fid: int
) -> None:
    for statement in (
        f"INSERT INTO layers.plants (fid, geom) VALUES ({fid}, {POINT})",
        f"UPDATE layers.plants SET fid = {fid} WHERE fid = 3",
    ):
        with pytest.raises(psycopg.errors.CheckViolation, match="fid is a whole number"):
            editing.edit(statement)
    editing.edit(f"INSERT INTO layers.plants (fid, geom) VALUES ({(1 << 53) - 1000}, {POINT})")
    editing.edit(f"INSERT INTO layers.plants (geom) VALUES ({POINT})")
    assert ids(editing)[-1] == (1 << 53) - 999


def test_a_key_that_a_field_has_under_another_name_is_that_fields_text(editing: Editing) -> None:
    file = editing.workspace / "layers/walls.toml"
    file.write_text(WALLS + 'fields.number = { type = "text", column = "code" }\n', encoding="utf-8")
    editing.load("walls")
    editing.edit(
        "INSERT INTO layers.walls (number, geom) SELECT 'W2', geom FROM layers.walls",
        "INSERT INTO layers.walls (name, geom) SELECT 'of none', geom FROM layers.walls LIMIT 1",
        "UPDATE layers.walls SET number = 'W3' WHERE number = 'W2'",
    )
    assert editing.ask("SELECT number, source_key FROM layers.walls ORDER BY fid") == [
        ("W1", "W1"),
        ("W3", "W3"),
        (None, "fid:3"),
    ]
    with pytest.raises(psycopg.errors.UniqueViolation, match="walls__key"):
        editing.edit("INSERT INTO layers.walls (number, geom) SELECT 'W1', geom FROM layers.walls LIMIT 1")
