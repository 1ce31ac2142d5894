"""What files say of who may see what: `access` and `restricted` of layer files, and the groups of access.toml."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from geoserver import styling
from geoserver.catalog import LiveCatalog, read_catalog, read_layer
from geoserver.check import check_files
from geoserver.errors import CatalogError
from geoserver.model import Grant
from geoserver.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

PERMITS = """
title = "Permits"
license = "CC0-1.0"
source = "data/permits.csv"
kind = "points"
key = "number"
fields.number = { type = "text" }
fields.status = { type = "text", filter = "choice", labels = { "a" = "Asked", "g" = "Given" } }
fields.applied = { type = "date", filter = "range" }
fields.applicant = { type = "text", restricted = true, filter = "choice", labels = { "1" = "One", "2" = "Two" } }
fields.born = { type = "date", restricted = true }
"""
CLOSED = PERMITS.replace('kind = "points"', 'kind = "points"\naccess = "restricted"')


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for folder in ("layers", "styles", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "data/permits.csv").write_text("number\n")
    return tmp_path


def settings_for(workspace: Path) -> Settings:
    return Settings(workspace=workspace, database_url=None)


def write_layer(workspace: Path, text: str, name: str = "permits") -> Path:
    path = workspace / f"layers/{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def write_access(workspace: Path, text: str) -> Path:
    path = workspace / "access.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_layer_is_public_unless_its_file_says_otherwise(workspace: Path) -> None:
    assert read_layer(write_layer(workspace, PERMITS)).access == "public"
    assert read_layer(write_layer(workspace, CLOSED)).access == "restricted"


def test_no_restricted_field_is_in_a_tile(workspace: Path) -> None:
    write_layer(workspace, PERMITS)
    (layer,) = read_catalog(settings_for(workspace)).layers.values()
    assert layer.tile_fields == ("status", "applied")


READINGS = """
[readings]
source = "data/r.csv"
key = "number"
time = "at"
fields.at = { type = "timestamp", restricted = true }
"""


@pytest.mark.parametrize(
    ("more", "key", "name"),
    [
        ('time = "born"', "time", "born"),
        ('facet = "applicant"', "facet", "applicant"),
        ('label = "applicant"', "label", "applicant"),
        ('label = "{status}, {applicant}"', "label", "applicant"),
        (
            'language = "en"\nlanguages.fr = { title = "Permis", label = "{status} {born}" }',
            "languages.fr.label",
            "born",
        ),
        (READINGS, "readings.time", "at"),
    ],
)
def test_what_is_made_for_everybody_depends_on_no_restricted_field(
    workspace: Path, more: str, key: str, name: str
) -> None:
    path = write_layer(workspace, PERMITS + more)
    (problem,) = read_catalog(settings_for(workspace)).problems
    assert (problem.file, problem.key) == (str(path), key)
    assert "not restricted" in problem.expected
    assert repr(name) in problem.expected


def test_tiles_of_a_function_cannot_hold_a_field_back(workspace: Path) -> None:
    text = 'title = "A"\nlicense = "CC0-1.0"\nsource = "public.f"\nkind = "function"\n'
    write_layer(workspace, text + 'fields.secret = { type = "text", restricted = true }')
    (problem,) = read_catalog(settings_for(workspace)).problems
    assert problem.key == "fields.secret.restricted"


def style_of(source_layer: str, field: str) -> str:
    drawn = {"id": source_layer, "type": "circle", "source": "permits", "source-layer": source_layer}
    drawn |= {"paint": {"circle-radius": ["match", ["get", field], "1", 3, 5]}}
    return json.dumps({"version": 8, "sources": {"permits": {"type": "vector"}}, "layers": [drawn]})


def test_a_style_that_draws_by_a_restricted_field_is_named(workspace: Path) -> None:
    write_layer(workspace, PERMITS + 'style = "permits"')
    (workspace / "styles/permits.json").write_text(style_of("permits", "applicant"))
    catalog = read_catalog(settings_for(workspace))
    (problem,) = catalog.problems
    assert problem.key == "fields.applicant.restricted"
    assert "styles/permits.json" in problem.expected
    assert "applicant" not in catalog.layers["permits"].tile_fields


def test_a_style_whose_bins_count_a_restricted_field_is_named(workspace: Path) -> None:
    write_layer(workspace, PERMITS + 'style = "permits"')
    (workspace / "styles/permits.json").write_text(style_of("permits:bins", "applicant:1"))
    problems = [str(problem) for problem in styling.check(read_catalog(settings_for(workspace)))]
    assert any("applicant:1" in problem for problem in problems)


def test_a_layer_without_a_style_is_coloured_by_no_restricted_field(workspace: Path) -> None:
    text = PERMITS.replace(', labels = { "a" = "Asked", "g" = "Given" }', "")
    write_layer(workspace, text)
    catalog = read_catalog(settings_for(workspace))
    made = styling.build_style(catalog, {}, "light", "http://map", ["permits"])
    assert "applicant" not in json.dumps(made)


@pytest.mark.parametrize(
    "text",
    [
        CLOSED + "colour = 'red'",
        CLOSED.replace('"restricted"', '"restrictd"'),
        CLOSED.replace('"restricted"', "restricted"),
        PERMITS + "fields.more = { type = 'text', restricted = true, filtr = 'none' }",
        PERMITS + 'facet = "secret"\nfields.secret = { type = "text", restricted = true }',
    ],
)
def test_a_file_that_breaks_while_it_closes_something_closes_the_layer(workspace: Path, text: str) -> None:
    path = write_layer(workspace, PERMITS)
    live = LiveCatalog(settings_for(workspace))
    path.write_text(text, encoding="utf-8")
    assert live.reload().layers["permits"].access == "restricted"
    assert live.current.problems
    path.write_text(PERMITS, encoding="utf-8")
    assert live.reload().layers["permits"].access == "public"


BYTES = {
    "Latin-1": CLOSED.replace("Permits", "Genehmigungen für Bürger").encode("latin-1"),
    "UTF-16": CLOSED.encode("utf-16"),
    "a zero byte": CLOSED.encode() + b"\0",
    "too large": PERMITS.encode() + b"#" * (8 << 20),
    "not at the start of a line": b'title = "x"; access = "restricted"',
    "a slip of the pen": PERMITS.encode() + b'acess = "restricted"',
    "at the wrong place": PERMITS.encode() + b'fields.more = { type = "text", access = "restricted" }',
}


@pytest.mark.parametrize("damage", BYTES)
def test_what_cannot_be_read_as_toml_still_closes(workspace: Path, damage: str) -> None:
    path = write_layer(workspace, PERMITS)
    live = LiveCatalog(settings_for(workspace))
    path.write_bytes(BYTES[damage])
    assert live.reload().layers["permits"].access == "restricted"
    assert live.current.problems


@pytest.mark.parametrize("access", ["public", "restricted"])
@pytest.mark.parametrize(
    "fault", ["", "style = 'none-such'\n", "colour = 'red'\n", "[fields.status\n", "fields.status]\n"]
)
def test_restricting_another_field_holds_in_a_broken_file_at_once(workspace: Path, access: str, fault: str) -> None:
    head, *tables = PERMITS.replace('key = "number"', f'access = "{access}"\nkey = "number"').split("fields.", 1)
    before = head + "".join(f"fields.{part}" for part in tables)
    path = write_layer(workspace, before)
    live = LiveCatalog(settings_for(workspace))
    assert "status" in live.current.layers["permits"].tile_fields
    moved = before.replace("restricted = true, filter", "filter").replace('filter = "range"', "filter = 'range'")
    text = moved.replace('"text", filter', '"text", restricted = true, filter', 1)
    at_end = fault.startswith(("[", "fields"))
    path.write_text(text + fault if at_end else text.replace("license", f"{fault}license"), encoding="utf-8")
    layer = live.reload().layers["permits"]
    assert layer.fields["status"].restricted
    assert "status" not in layer.tile_fields
    assert bool(live.current.problems) is bool(fault)


def test_a_draft_stays_one_whatever_breaks(workspace: Path) -> None:
    path = write_layer(workspace, CLOSED)
    live = LiveCatalog(settings_for(workspace))
    draft = CLOSED.replace('access = "restricted"', 'access = "draft"')
    slip = CLOSED.replace('access = "restricted"', 'access = "draft')
    path.write_text(PERMITS, encoding="utf-8")
    assert live.reload().layers["permits"].access == "public"
    for text, access in (
        (CLOSED + "t =", "restricted"),
        (slip, "draft"),
        (draft + "t =", "draft"),
        (CLOSED + "t =", "draft"),
    ):
        path.write_text(text, encoding="utf-8")
        assert live.reload().layers["permits"].access == access
    path.write_text(draft + "style = 'none-such'", encoding="utf-8")
    assert live.reload().layers["permits"].access == "draft"


def test_a_slip_in_a_file_with_restricted_fields_closes_nothing_more(workspace: Path) -> None:
    text = PERMITS + "[fields.place]\ntype = 'text'\nrestricted = true\n"
    path = write_layer(workspace, text)
    live = LiveCatalog(settings_for(workspace))
    before = live.current.layers["permits"]
    path.write_text(text + "[fields.more\n", encoding="utf-8")
    assert live.reload().layers["permits"] == before
    assert live.current.problems


@pytest.mark.parametrize(
    "text", [PERMITS + "colour = 'red'", 'access = "public"\ncolour = "red"\n' + PERMITS, "# access = 'draft'\nt ="]
)
def test_a_file_that_breaks_otherwise_leaves_the_layer_as_open_as_it_was(workspace: Path, text: str) -> None:
    path = write_layer(workspace, PERMITS)
    live = LiveCatalog(settings_for(workspace))
    path.write_text(text, encoding="utf-8")
    assert live.reload().layers["permits"].access == "public"


def test_groups_are_given_grants(workspace: Path) -> None:
    write_layer(workspace, CLOSED)
    write_access(
        workspace,
        """
        [groups."/city/planners"]
        layers = ["permits"]
        rows = "status = 'g'"
        fields = ["applicant"]

        [[groups.editors]]
        layers = ["*"]
        may = ["read", "write"]

        [[groups.editors]]
        layers = ["permits"]
        may = ["manage"]
        fields = ["*"]

        [groups."*"]
        layers = ["permits"]
        rows = "status = 'a'"
        """,
    )
    catalog = read_catalog(settings_for(workspace))
    assert check_files(settings_for(workspace), catalog) == []
    everybody = Grant(frozenset({"permits"}), rows="status = 'a'")
    planner = Grant(frozenset({"permits"}), rows="status = 'g'", fields=frozenset({"applicant"}))
    assert set(catalog.grants_of(["/city/planners", "unknown"])) == {planner, everybody}
    assert {frozenset(grant.may) for grant in catalog.groups["editors"]} == {
        frozenset({"read", "write"}),
        frozenset({"manage"}),
    }
    assert catalog.grants_of([]) == (everybody,)


@pytest.mark.parametrize(
    ("line", "key", "expected"),
    [
        ('layers = ["permit"]', "layers", "did you mean 'permits'?"),
        ('layers = ["permits"]\nfields = ["status"]', "fields", "restricted fields of its layers: applicant, born"),
        ("layers = []", "layers", "at least 1"),
        ("rows = ''", "layers", "required"),
        ('layers = ["permits"]\nmay = ["reed"]', "may.0", "did you mean 'read'?"),
        ('layers = ["permits"]\nmay = []', "may", "at least 1"),
        ('layers = ["permits"]\nrow = "a = 1"', "row", "did you mean 'rows'?"),
        ('layers = ["permits"]\nrows = "  "', "rows", "no such key for all rows"),
        ('layers = ["permits"]\nrows = ""', "rows", "no such key for all rows"),
        ('layers = ["permits"]\nrows = "statos = 1"', "rows", "statos"),
        ('layers = ["permits"]\nrows = "status ="', "rows", "filter of the rows of permits"),
    ],
)
def test_a_mistake_in_access_toml_names_group_key_and_what_was_expected(
    workspace: Path, line: str, key: str, expected: str
) -> None:
    write_layer(workspace, CLOSED)
    path = write_access(workspace, f"[groups.planners]\n{line}\n")
    settings = settings_for(workspace)
    (problem,) = check_files(settings, read_catalog(settings))
    assert problem.file == str(path)
    assert problem.key.startswith("groups.planners")
    assert problem.key.endswith(key)
    assert expected in problem.expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('layers = "permits"', 'expected a list, in square brackets: ["permits"]'),
        ("layers = 3", "expected a list, in square brackets; got 3"),
        ("layers = [3]", "expected a text, in quotes; got 3"),
        ("layers = []", "expected at least 1 item in the list; got []"),
        ('layer = ["permits"]', "no such key; see docs/access.md for those there are; did you mean 'layers'?"),
        (
            'layers = ["permits"]\nmay = ["raed"]',
            "expected 'read', 'write' or 'manage'; got 'raed'; did you mean 'read'?",
        ),
    ],
)
def test_a_value_of_another_type_is_told_in_plain_words(workspace: Path, line: str, expected: str) -> None:
    write_layer(workspace, PERMITS)
    write_access(workspace, f"[groups.planners]\n{line}\n")
    (problem,) = read_catalog(settings_for(workspace)).problems
    assert problem.expected == expected


def test_access_toml_with_a_fault_grants_nothing(workspace: Path) -> None:
    write_layer(workspace, CLOSED)
    text = '[groups.planners]\nlayers = ["permits"]\n'
    path = write_access(workspace, text)
    live = LiveCatalog(settings_for(workspace))
    assert live.current.grants_of(["planners"])
    path.write_text(text + "[groups.others]\nlayers = 3", encoding="utf-8")
    assert live.reload().grants_of(["planners"]) == ()
    assert live.current.problems
    path.unlink()
    assert live.reload().problems == ()


def test_a_grant_for_a_layer_whose_file_is_broken_is_told_there_alone(workspace: Path) -> None:
    write_layer(workspace, "title =")
    write_access(workspace, '[groups.planners]\nlayers = ["permits"]\nfields = ["applicant"]')
    assert len(read_catalog(settings_for(workspace)).problems) == 1


def test_a_layer_file_says_access_in_one_of_three_words(workspace: Path) -> None:
    with pytest.raises(CatalogError, match="did you mean 'restricted'"):
        read_layer(write_layer(workspace, CLOSED.replace('"restricted"', '"restrictd"')))
