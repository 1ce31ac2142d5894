"""Fonts for scripts and letters that are in no glyph file: MapLibre fetches one when a label has such a letter."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import orjson

from geoserver import assets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["add_font_faces"]


SIGNS = "geoserver:han"  # what a page adds to the style where the reader's system has no such signs
_HAN = [
    "U+2E80-2FDF",
    "U+3000-303F",
    "U+3200-4DBF",
    "U+4E00-9FFF",
    "U+F900-FAFF",
    "U+FE30-FE4F",
    "U+FF00-FF64",
    "U+20000-2FA1F",
]
_WRITTEN_AS = {"ja": "jp", "zh": "sc"}  # signs that are the same look otherwise where another language is written


def add_font_faces(style: dict[str, Any], base_url: str, signs: Sequence[str] = ()) -> None:
    """Say in `font-faces`, for each font that labels name, from which file which code points are drawn.

    The files are those that `web/scripts/glyphs.mjs` laid beside the glyphs; a style without `glyphs` of ours is left
    as it is. `signs` are languages of the names, the most common first: those with signs of which nearly all systems
    have fonts have files here, too, which the style names apart.
    """
    faces = _read_faces("faces")
    style.setdefault("metadata", {})
    if not faces or not str(style.get("glyphs", "")).startswith(f"{base_url}/"):
        return
    names = sorted(set(_list_fonts(style["layers"])))
    if not names:
        return
    declared = [_declare(face, base_url) for face in faces]
    style["font-faces"] = dict.fromkeys(names, declared)
    if spoken := [language for language in signs if language in ("ja", "zh", "ko")]:
        written = next((_WRITTEN_AS[language] for language in spoken if language in _WRITTEN_AS), "sc")
        more = [_declare(face, base_url) for face in _read_faces("signs")]
        for face in more:
            if face["url"].endswith(f"-{written}.woff2"):
                face["unicode-range"] = [*face["unicode-range"], *_HAN]
        both = [*declared, *more]
        style["metadata"][SIGNS] = {"font-faces": dict.fromkeys(names, both)}


def _declare(face: dict[str, Any], base_url: str) -> dict[str, Any]:
    return {"url": f"{base_url}/fonts/{face['file']}", "unicode-range": face["ranges"]}


def _list_fonts(layers: list[dict[str, Any]]) -> Iterator[str]:
    for item in layers:
        fonts = item.get("layout", {}).get("text-font", [])
        yield from (font for font in fonts if isinstance(font, str) and font != "literal")


@functools.cache
def _read_faces(kind: str) -> list[dict[str, Any]]:
    path = assets.root("web") / "fonts" / f"{kind}.json"
    found: list[dict[str, Any]] = orjson.loads(path.read_bytes()) if path.is_file() else []
    return found
