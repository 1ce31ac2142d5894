"""Proof that styles name what exists: real layers, declared fields, anchors that are drawn, fonts that are shipped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from geoserver import assets
from geoserver.catalog import Catalog
from geoserver.catalog.names import near
from geoserver.errors import CatalogError
from geoserver.model import Layer
from geoserver.styling.basemap import check_basemap
from geoserver.styling.bins import NOTE, SUFFIX, WORLD, note_faults
from geoserver.styling.build import BASE, BINS_BELOW, DATA_BELOW, FILLS_BELOW
from geoserver.styling.expressions import fields_in
from geoserver.styling.outlines import LEGEND

__all__ = ["check"]

_TILES = re.compile(r"/tiles/([^/]+?)(?:\.json$|/)")
OF_BINS = frozenset({"count", "first", "last", "length", "area"})  # beside the counts by value


def check(catalog: Catalog) -> list[CatalogError]:
    """Every place where a style names a layer, field, source or font that there is not, and where words miss it."""
    words = [error for layer in catalog.layers.values() for error in _find_strange_words(catalog, layer)]
    return [*words, *check_basemap(catalog)] + [
        CatalogError(f"styles/{name}.json", key, expected)
        for name, style in catalog.styles.items()
        for key, expected in _problems(catalog, style)
    ]


def _find_strange_words(catalog: Catalog, layer: Layer) -> Iterator[CatalogError]:
    """Words of a legend that a layer file translates and its style does not say."""
    style = catalog.styles.get(layer.style, {"layers": []})
    notes = [style.get("metadata", {}).get(NOTE), *(item.get("metadata", {}).get(LEGEND) for item in style["layers"])]
    said = {text for note in notes for text in _list_texts(note)}
    for tag, words in layer.languages.items():
        for word in sorted(words.legend.keys() - said):
            expected = f"words that the legend of styles/{layer.style or '?'}.json says; got {word!r}" + near(
                word, sorted(said)
            )
            yield CatalogError(str(layer.file), f"languages.{tag}.legend", expected)


def _list_texts(note: Any) -> list[str]:
    if isinstance(note, dict):
        return [text for value in note.values() for text in _list_texts(value)]
    return [note] if isinstance(note, str) else []


def _problems(catalog: Catalog, style: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    ids = [item.get("id", "") for item in style["layers"]]
    for twice in sorted({layer_id for layer_id in ids if ids.count(layer_id) > 1}):
        yield f"layers.{twice}", "an id that no other layer of the style has"
    metadata = style.get("metadata", {})
    for key in (FILLS_BELOW, BINS_BELOW, DATA_BELOW):
        if key in metadata and metadata[key] not in ids:
            yield f"metadata.{key}", f"the id of one of the style's layers; got {metadata[key]!r}"
    for layer_id in metadata.get("geoserver:dark", {}):
        if layer_id not in ids:
            yield f"metadata.geoserver:dark.{layer_id}", "the id of one of the style's layers"
    for key, expected in note_faults(metadata.get(NOTE)):
        yield f"metadata.{NOTE}{key and '.'}{key}", expected
    fonts = _shipped_fonts()
    for item in style["layers"]:
        yield from _problems_of_layer(catalog, style, item, fonts)


def _problems_of_layer(
    catalog: Catalog, style: Mapping[str, Any], item: Mapping[str, Any], fonts: set[str]
) -> Iterator[tuple[str, str]]:
    where = f"layers.{item.get('id', '?')}"
    if item.get("type") == "background":
        return
    source, name = item.get("source"), item.get("source-layer", "")
    if source not in style.get("sources", {}):
        yield f"{where}.source", f"one of the style's sources; got {source!r}"
    # The layers inside ready-made tiles and those around a city have names and fields of their own.
    ready_made = _draws_ready_made(catalog, style.get("sources", {}).get(source, {}))
    layer = None if ready_made or source in WORLD else catalog.layers.get(name.removesuffix(SUFFIX))
    if layer is None or (source == BASE and not layer.basemap):
        if source not in (BASE, *WORLD) and not ready_made:  # a basemap draws what there is of its layers
            yield f"{where}.source-layer", f"a layer of the catalogue; got {name!r}"
        return
    for missing, known in _unknown_fields(layer, item):
        yield where, f"{known}; got {missing!r}"
    for font in item.get("layout", {}).get("text-font", []):
        if fonts and isinstance(font, str) and font not in fonts | {"literal"}:
            yield f"{where}.layout.text-font", f"one of {', '.join(sorted(fonts))}; got {font!r}"


def _draws_ready_made(catalog: Catalog, source: Mapping[str, Any]) -> bool:
    """Whether the source asks for a layer whose tiles are not made of rows."""
    addresses = [source.get("url", ""), *source.get("tiles", [])]
    found = [match for address in addresses if (match := _TILES.match(str(address)))]
    ids = {layer_id for match in found for layer_id in match[1].split(",")}
    return any(not catalog.layers[layer_id].has_rows for layer_id in ids & catalog.layers.keys())


def _unknown_fields(layer: Layer, item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each field that a style layer reads in vain, and which there are."""
    read = fields_in([item.get(key) for key in ("filter", "paint", "layout")])
    if item["source-layer"] == layer.id:
        yield from ((name, f"a field of layers/{layer.id}.toml") for name in sorted(read - layer.fields.keys()))
        return
    for name in sorted(read - OF_BINS):
        field, colon, _ = name.partition(":")
        if not colon or field not in layer.fields or layer.fields[field].restricted:
            known = (
                f"one of {', '.join(sorted(OF_BINS))}, or an open field of layers/{layer.id}.toml with :value behind"
            )
            yield name, known


def _shipped_fonts() -> set[str]:
    """Names of the built fonts; empty while the viewer has not been built."""
    folder = assets.root("web") / "fonts"
    return {path.name for path in folder.iterdir() if path.is_dir()} if folder.is_dir() else set()
