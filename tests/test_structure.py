"""The shape of the house: who may import whom, and where libraries and SQL may appear."""

from __future__ import annotations

import ast
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from geoserver import assets
from geoserver.catalog.languages import read_words
from geoserver.fieldtypes import FIELD_TYPES, FieldType, type_of_column
from geoserver.formats import read_formats

PACKAGE = Path(__file__).parent.parent / "geoserver"

# From the top down; a row imports only from rows below it, never sideways, and freely inside one name.
ROWS = [
    {"__main__"},
    {"cli"},
    {"server"},
    {"app"},
    {"api", "ogc", "site"},
    {"gate", "freezing"},
    {"access", "basemap"},
    {"services", "check", "loading", "questions", "styling", "formats", "kept", "drawing"},
    {"sights", "shapes", "editing"},
    {"expiring"},
    {"tiling"},
    {"tilesets", "mapstates"},
    {"filtering", "sources"},
    {"database"},
    {"catalog"},
    {"grid", "parameters"},
    {"model"},
    {"fieldtypes"},
    {"interrupts", "turns", "nursery"},
    {"settings", "addresses", "assets", "colours", "coordinates", "errors", "encodings", "etags", "folding", "tasks"},
]
RANK = {name: rank for rank, row in enumerate(ROWS) for name in row}
WEB_LIBRARIES = {"fastapi", "starlette", "pygeoapi"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The name in ROWS that a file of the package belongs to; empty for the package's own __init__."""
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py") if first != "__init__.py" else ""


def imported_by(path: Path) -> set[str]:
    """Dotted names that a file imports, wherever in the file it does so."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide the direction"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rows_below_its_own(path: Path) -> None:
    own = part_of(path)
    if not own:
        return
    assert own in RANK, f"{own} has no place in the design; add it to a row"
    for name in imported_by(path):
        parts = name.split(".")
        if parts[0] != "geoserver" or len(parts) < 2 or parts[1] not in RANK:
            continue
        other = parts[1]
        if other == own:
            continue
        assert RANK[other] > RANK[own], f"{own} imports {other}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_web_libraries_stay_in_the_upper_rows(path: Path) -> None:
    used = {name.split(".")[0] for name in imported_by(path)} & WEB_LIBRARIES
    assert not used or part_of(path) in {"app", "api", "ogc", "site"}, f"{path.name} imports {used}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_sql_stays_where_it_belongs(path: Path) -> None:
    if part_of(path) in {"database", "filtering", "tiling", "loading", "services", "ogc", "sources"}:
        return
    assert not re.search(r"\b(SELECT\s+.+\s+FROM|INSERT INTO|CREATE TABLE)\b", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_connections_are_made_in_one_place_with_our_settings(path: Path) -> None:
    if path.name != "connecting.py":
        assert not re.search(r"psycopg\.connect\(|Connection\.connect\(", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_reads_the_environment_at_import(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    at_import = [
        node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    text = "\n".join(ast.unparse(node) for node in at_import)
    assert "environ" not in text
    assert "getenv" not in text


def test_a_type_of_field_is_one_entry() -> None:
    assert set(get_args(FieldType)) == set(FIELD_TYPES)
    names = re.compile(r"""["'](text|integer|number|boolean|date|timestamp)["']: """)
    for path in MODULES:
        told = {found[1] for found in names.finditer(path.read_text(encoding="utf-8"))}
        assert path.name == "fieldtypes.py" or len(told) < 4, f"{path.name} maps types anew: {told}"


def test_types_may_share_a_type_of_column(monkeypatch: pytest.MonkeyPatch) -> None:
    web_address = replace(FIELD_TYPES["text"], schema={"type": "string", "format": "uri"})
    monkeypatch.setitem(FIELD_TYPES, "url", web_address)  # type: ignore[arg-type]
    assert type_of_column("text", "url") == "url"  # type: ignore[arg-type]
    assert type_of_column("text", "text") == "text"
    assert type_of_column("text", "integer") == "text"
    assert type_of_column("bytea", "text") is None


def test_the_table_of_rows_is_the_one_that_is_proved() -> None:
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = [line.split("|")[2] for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    told = [set(re.findall(r"`(\w+)`", part)) for line in table for part in line.split(", then ")]
    assert [row for row in told if row] == [row - {"__main__"} for row in ROWS if row - {"__main__"}]


# To add a thing is to add a file.


def test_a_language_is_one_file(tmp_path: Path) -> None:
    messages = assets.root("messages")
    codes = {path.stem for path in messages.glob("*.ts")}
    assert codes == set(read_words())
    assert len({words.other for words in read_words().values()}) == len(codes), "one does not say its own words"
    names = "|".join(codes - {"en"})
    sources = [*PACKAGE.rglob("*.py"), *messages.parent.rglob("*.ts"), *messages.parent.rglob("*.svelte")]
    for path in sources:
        if path.parent != messages and not path.name.endswith(".test.ts"):
            told = re.search(rf"""messages/({names})\b|["']({names})["']\s*:""", path.read_text(encoding="utf-8"))
            assert not told, f"{path} knows a language by name: {told[0]}"
    shutil.copy(messages / "fr.ts", tmp_path / "oc.ts")
    assert read_words(tmp_path)["oc"] == replace(read_words()["fr"], code="oc")
    (tmp_path / "xx.ts").write_text('export default {};\nexport const server = {\n  other: "\\u00e9\\"",\n};\n')
    read_words.cache_clear()
    assert read_words(tmp_path)["xx"].other == 'é"'
    assert read_words(tmp_path)["xx"].yes == "Yes"


def test_an_export_format_is_one_file() -> None:
    folder = PACKAGE / "formats"
    for name in set(read_formats()) - {"csv", "readme.txt"}:  # where nothing is said, and what goes with all others
        knowing = [
            path
            for path in MODULES
            # a source of a MapLibre style may be of a type that is called like a format
            if re.search(rf"""(?<!"type": )["']{re.escape(name)}["']""", path.read_text(encoding="utf-8"))
            and part_of(path) != "sources"
        ]
        assert [path.parent for path in knowing] == [folder], f"{knowing} know the format {name} by name"
