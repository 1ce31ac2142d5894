"""What goes on of a layer whose file broke: its last good state, but closed where the file may mean to close more.

What the file means is taken from as much of it as can be read: from the layer in it, else from its tables, else from
its lines. In doubt something is closed: it is for as long as the file is broken.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, get_args

from geoserver.catalog.files import LARGEST, read_bytes
from geoserver.catalog.toml import read_toml
from geoserver.errors import CatalogError
from geoserver.model import ANY, AccessKind, Layer

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["close_broken"]

_LEVELS: tuple[AccessKind, ...] = get_args(AccessKind)  # from open to closed
_ACCESS = re.compile(r"""\bacc?ess?\b["']?\s*+[=:]\s*+(?!["']?public\b)["']?\w*["']?""", re.IGNORECASE)
_RESTRICTED = re.compile(r"restr\w*", re.IGNORECASE)
_WORDS = ("labels", "limits", "legend")  # tables in which keys are values of the data
_LONGEST = 20  # characters of what may be meant for one of our keys

type _Meant = tuple[
    AccessKind, frozenset[str]
]  # who may know of it; names of restricted fields, ANY for who knows which


def close_broken(layer: Layer, parsed: Layer | None) -> Layer:
    """The layer as it may go on being served; `parsed` is what its file says, where it says a layer."""
    if parsed is not None:
        return _close(layer, parsed.access, _restricted(parsed))
    try:
        content = read_bytes(layer.file)
    except CatalogError:
        return layer  # nothing can be read, so nothing there means anything
    if len(content) > LARGEST:
        return _close(layer, "restricted", frozenset({ANY}))
    try:
        document = read_toml(layer.file)
    except CatalogError:
        text = content.replace(b"\0", b"").decode("utf-8", "replace")  # UTF-16 is half zeros
        return _close(layer, *_read_lines(text, _restricted(layer)))
    return _close(layer, *_read_tables(document))


def _restricted(layer: Layer) -> frozenset[str]:
    return frozenset(name for name, item in layer.fields.items() if item.restricted)


def _close(layer: Layer, access: AccessKind, names: Collection[str]) -> Layer:
    """Fields by name, where they are known and nothing is made of them for everybody; else all of them."""
    new = frozenset(names) - _restricted(layer)
    made_by = {layer.time, layer.facet, layer.readings.time if layer.readings else ""}
    if not layer.has_rows and new:
        access, new = _stricter(access, "draft"), frozenset()
    elif not new <= layer.fields.keys() or new & made_by:
        access, new = _stricter(access, "restricted"), frozenset(layer.fields)
    access = _stricter(access, layer.access)
    if not new:
        return layer if access == layer.access else replace(layer, access=access)
    fields = {name: replace(item, restricted=True) if name in new else item for name, item in layer.fields.items()}
    readings = layer.readings
    if readings:
        measured = {name: replace(item, restricted=fields[name].restricted) for name, item in readings.fields.items()}
        readings = replace(readings, fields=measured)
    carried = tuple(name for name in layer.tile_fields if name not in new)
    return replace(layer, access=access, fields=fields, readings=readings, tile_fields=carried)


def _stricter(one: AccessKind, other: AccessKind) -> AccessKind:
    return max(one, other, key=_LEVELS.index)


def _read_tables(document: Mapping[str, Any]) -> _Meant:
    """Keys at the wrong place or with a slip of the pen in them count, too."""
    access: AccessKind = "public"
    names: set[str] = set()

    def walk(table: Mapping[str, Any], parent: str) -> None:
        nonlocal access
        for key, value in table.items():
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, dict) and key not in _WORDS:
                    walk(part, key)
            if isinstance(value, dict):
                continue
            if _is_like(key, "restricted") and value is not False:
                names.add(parent or ANY)
            elif _is_like(key, "access") and value != "public":
                access = _stricter(access, _read_level(str(value)))

    walk(document, "")
    return access, frozenset(names)


def _read_lines(text: str, known: frozenset[str]) -> _Meant:
    """Of a text that is no TOML. A word for restricting counts unless it stands with a field that was restricted
    before, once for each.
    """
    access: AccessKind = "public"
    names: set[str] = set()
    header = ""
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        for found in _ACCESS.findall(bare):
            access = _stricter(access, _read_level(found))
        bare = _ACCESS.sub(" ", bare)
        key, equals, _ = bare.partition("=")
        if bare.startswith("["):
            header, key = bare, ""
        elif not equals:
            header = ""  # it may be a header that broke
        if count := len(_RESTRICTED.findall(bare)):
            explained = known.intersection(re.findall(r"\w+", f"{header} {key}")) - names
            names |= explained if explained and count == 1 else {ANY}
    return access, frozenset(names)


def _read_level(said: str) -> AccessKind:
    return "draft" if "draft" in said.lower() else "restricted"


def _is_like(key: str, word: str) -> bool:
    return len(key) <= _LONGEST and bool(get_close_matches(key.lower(), [word], 1, 0.75))
