"""The files that layers name: MapLibre fragments in `styles/`, SQL recipes in `tiles/`."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from geoserver import assets
from geoserver.catalog.files import list_files, read_text
from geoserver.errors import CatalogError
from geoserver.model import GEOMETRIES

__all__ = ["find_geometry", "is_product_style", "list_source_layers", "read_recipes", "read_styles"]

_GEOMETRY = re.compile(rf"^--\s*(?:bins|geometry):\s*({'|'.join(GEOMETRIES)})\s*$", re.MULTILINE)
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


def is_product_style(name: str, style: Mapping[str, Any]) -> bool:
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
