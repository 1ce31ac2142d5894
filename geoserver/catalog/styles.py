"""The files that layers name: MapLibre fragments in `styles/`, SQL recipes in `tiles/`."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import orjson

from geoserver import assets
from geoserver.catalog.files import list_files, read_text
from geoserver.errors import CatalogError
from geoserver.model import BINS, GEOMETRIES

__all__ = [
    "find_columns",
    "find_geometry",
    "find_misread",
    "keep_meant_styles",
    "list_source_layers",
    "read_recipes",
    "read_styles",
]

_GEOMETRY = re.compile(rf"^--\s*(?:bins|geometry):\s*({'|'.join(GEOMETRIES)})\s*$", re.MULTILINE)
_COLUMNS = re.compile(r"^--\s*columns:\s*(\w+ \w+(?:, *\w+ \w+)*)\s*$", re.MULTILINE)
_COMMENT = re.compile(r"--.*$", re.MULTILINE)
_WORD = re.compile(r"\w+")
_DEEPEST = 60
_GROUPS = ("paint", "layout")


def read_styles(workspace: Path, problems: list[CatalogError]) -> dict[str, Mapping[str, Any]]:
    styles: dict[str, Mapping[str, Any]] = {}
    for folder in assets.roots("styles", workspace):
        for path in list_files(folder, ".json", problems):
            if path.stem in styles:
                continue
            try:
                style = orjson.loads(read_text(path))
            except CatalogError as error:
                problems.append(error)
                continue
            except orjson.JSONDecodeError as error:
                problems.append(CatalogError(str(path), "", f"valid JSON: {error}"))
                continue
            if fault := _style_fault(style) or _words_fault(style) or _depth_fault(style):
                problems.append(CatalogError(str(path), *fault))
                continue
            styles[path.stem] = style
    return styles


def keep_meant_styles(styles: Mapping[str, Mapping[str, Any]], named: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Those of a city, basemaps, and of those for the sample city the ones that a layer names.

    A city's own `crime` is another than the sample city's: neither drawn nor judged by a style that it does not name.
    """
    return {
        name: style
        for name, style in styles.items()
        if name in named or "base" in style["sources"] or not _is_product_style(name, style)
    }


def _is_product_style(name: str, style: Mapping[str, Any]) -> bool:
    """Whether that is what comes with the product by this name, and no style of a city that has taken its place."""
    return style == _read_product_styles().get(name)


@functools.cache
def _read_product_styles() -> Mapping[str, Mapping[str, Any]]:
    found = {}
    for path in list_files(assets.root("styles"), ".json", []):
        found[path.stem] = orjson.loads(read_text(path))
    return found


def list_source_layers(style: Mapping[str, Any]) -> set[str]:
    """Names of the layers in tiles that a style draws."""
    return {item["source-layer"] for item in style["layers"] if "source-layer" in item}


def _style_fault(style: Any) -> tuple[str, str] | None:
    """Key and expectation where a style lacks the shape that everything here relies on."""
    if not isinstance(style, dict) or style.get("version") != 8 or not isinstance(style.get("layers"), list):  # noqa: PLR2004 - the style specification's version
        return "version", "a MapLibre style: version 8, with sources and layers"
    sources = style.get("sources")
    if not isinstance(sources, dict) or not all(isinstance(source, dict) for source in sources.values()):
        return "sources", "a table of sources by name"
    for index, drawn in enumerate(style["layers"]):
        if not isinstance(drawn, dict) or not all(isinstance(drawn.get(key), str) for key in ("id", "type")):
            return f"layers.{index}", "a layer with id and type"
        if drawn["type"] != "background" and not isinstance(drawn.get("source"), str):
            return f"layers.{index}.source", "the name of a source"
        for key in ("paint", "layout", "metadata"):
            if not isinstance(drawn.get(key, {}), dict):
                return f"layers.{index}.{key}", "a table"
    return None if isinstance(style.get("metadata", {}), dict) else ("metadata", "a table")


def _words_fault(style: Any) -> tuple[str, str] | None:
    """The same for addresses, names, and the values for the dark."""
    texts = {name: style[name] for name in ("glyphs", "sprite") if name in style}
    for name, source in style["sources"].items():
        texts |= {f"sources.{name}.url": source["url"]} if "url" in source else {}
        tiles = source.get("tiles", [])
        if not isinstance(tiles, list) or not all(isinstance(tile, str) for tile in tiles):
            return f"sources.{name}.tiles", "a list of addresses"
    for index, drawn in enumerate(style["layers"]):
        texts |= {f"layers.{index}.{key}": drawn[key] for key in ("source", "source-layer") if key in drawn}
    if wrong := [key for key, text in texts.items() if not isinstance(text, str)]:
        return wrong[0], "a text"
    dark = style.get("metadata", {}).get("geoserver:dark", {})
    entries = dark.values() if isinstance(dark, dict) else [None]
    groups = [entry.get(key, {}) if isinstance(entry, dict) else None for entry in entries for key in _GROUPS]
    if not all(isinstance(group, dict) for group in groups):
        return "metadata.geoserver:dark", "a table by layer of tables paint and layout"
    return None


def _depth_fault(style: Any) -> tuple[str, str] | None:
    """The same where it is nested deeper than those who walk through it can follow."""
    level = [style]
    for _ in range(_DEEPEST):
        inside = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        level = [part for parts in inside for part in parts]
    too_deep = any(isinstance(part, dict | list) for part in level)
    return ("layers", f"lists and tables that are nested at most {_DEEPEST} deep") if too_deep else None


def find_geometry(kind: str, recipe: str) -> str:
    """Which geometries a recipe is for, by its name or its head: points, lines or polygons; empty for any."""
    if kind in GEOMETRIES:
        return kind
    found = _GEOMETRY.search(recipe)
    return found[1] if found else ""


def find_columns(recipe: str) -> dict[str, str]:
    """Names and types of the fields that a layer must have for the recipe, as it says at its top."""
    found = _COLUMNS.search(recipe)
    return dict(part.split() for part in found[1].split(",")) if found else {}


def find_misread(kind: str, recipes: Mapping[str, str], fields: Collection[str]) -> tuple[str, str] | None:
    """A recipe behind this kind of tile that may read one of these fields by its name, and which."""
    for name in (kind, BINS):
        if found := _find_read(name, recipes.get(name, "")).intersection(fields):
            return name, min(found)
    return None


def _find_read(name: str, recipe: str) -> set[str]:
    """What a recipe may read beside the fields that it is given: what it says; of a city's own, any word in it."""
    said = set(find_columns(recipe))
    return said if recipe == _read_product_recipes().get(name) else said | set(_WORD.findall(_COMMENT.sub("", recipe)))


@functools.cache
def _read_product_recipes() -> Mapping[str, str]:
    return {path.stem: read_text(path) for path in list_files(assets.root("tiles"), ".sql", [])}


def read_recipes(workspace: Path, problems: list[CatalogError] | None = None) -> dict[str, str]:
    """The SQL of every kind of tile by its name, and that of the bins that go with them.

    In place of one that cannot be read stands ours of the same name, where there is one.
    """
    recipes: dict[str, str] = {}
    found = problems if problems is not None else []
    for folder in reversed(assets.roots("tiles", workspace)):
        for path in list_files(folder, ".sql", found):
            try:
                recipes[path.stem] = read_text(path)
            except CatalogError as error:
                found.append(error)
    return recipes
