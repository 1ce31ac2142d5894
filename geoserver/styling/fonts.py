"""Fonts for scripts and letters that are in no glyph file: MapLibre fetches one when a label has such a letter."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import orjson

from geoserver import assets

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["add_font_faces"]


def add_font_faces(style: dict[str, Any], base_url: str) -> None:
    """Say in `font-faces`, for each font that labels name, from which file which code points are drawn.

    The files are those that `web/scripts/glyphs.mjs` laid beside the glyphs; a style without `glyphs` of ours is left
    as it is.
    """
    faces = _read_faces()
    if not faces or not str(style.get("glyphs", "")).startswith(f"{base_url}/"):
        return
    declared = [{"url": f"{base_url}/fonts/{face['file']}", "unicode-range": face["ranges"]} for face in faces]
    if names := sorted(set(_list_fonts(style["layers"]))):
        style["font-faces"] = dict.fromkeys(names, declared)


def _list_fonts(layers: list[dict[str, Any]]) -> Iterator[str]:
    for item in layers:
        fonts = item.get("layout", {}).get("text-font", [])
        yield from (font for font in fonts if isinstance(font, str) and font != "literal")


@functools.cache
def _read_faces() -> list[dict[str, Any]]:
    path = assets.root("web") / "fonts" / "faces.json"
    found: list[dict[str, Any]] = orjson.loads(path.read_bytes()) if path.is_file() else []
    return found
