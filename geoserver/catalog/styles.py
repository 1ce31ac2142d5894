"""The files that layers name: MapLibre fragments in `styles/`, SQL recipes in `tiles/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from geoserver import assets
from geoserver.errors import CatalogError

__all__ = ["read_recipes", "read_styles"]


def read_styles(workspace: Path, problems: list[CatalogError]) -> dict[str, Mapping[str, Any]]:
    styles: dict[str, Mapping[str, Any]] = {}
    for folder in assets.roots("styles", workspace):
        for path in sorted(folder.glob("*.json")):
            if path.stem in styles:
                continue
            try:
                style = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                problems.append(CatalogError(str(path), "", f"valid JSON in UTF-8: {error}"))
                continue
            if fault := _style_fault(style):
                problems.append(CatalogError(str(path), *fault))
                continue
            styles[path.stem] = style
    return styles


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


def read_recipes(workspace: Path) -> dict[str, str]:
    """The SQL of every kind of tile by its name, and that of the bins that go with them."""
    recipes: dict[str, str] = {}
    for folder in reversed(assets.roots("tiles", workspace)):
        recipes |= {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.sql"))}
    return recipes
