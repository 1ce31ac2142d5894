"""The shape of the house: who may import whom, and where libraries and SQL may appear."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "geoserver"

# From the top down; a row imports only from rows below it, never sideways, and freely inside one name.
ROWS = [
    {"__main__"},
    {"cli"},
    {"server"},
    {"app"},
    {"api", "ogc", "site"},
    {"basemap"},
    {"services", "check", "formats", "loading", "questions", "styling"},
    {"tiling"},
    {"tilesets"},
    {"filtering", "sources"},
    {"database"},
    {"catalog"},
    {"grid", "parameters"},
    {"model"},
    {"interrupts", "turns"},
    {"settings", "assets", "errors", "encodings", "tasks"},
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
