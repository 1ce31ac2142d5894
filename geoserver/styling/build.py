"""A style as it leaves the server: addresses absolute, data laid under the labels, dark colours where asked for."""

from __future__ import annotations

import copy
import html
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from geoserver.catalog import Catalog
from geoserver.errors import NotFoundError
from geoserver.model import Layer
from geoserver.styling.bins import SUFFIX, WORLD, Ladder, add_bins, find_ladder, has_bins, share_bins
from geoserver.styling.colours import list_colours
from geoserver.styling.flat import flatten
from geoserver.styling.fonts import add_font_faces
from geoserver.styling.legible import make_legible
from geoserver.styling.outlines import OUTLINED, areas_in, outline_areas
from geoserver.styling.plain import plain_fragment
from geoserver.styling.ready_made import ReadyMade, find_ready_made, redraw
from geoserver.tiling.tilejson import join_bounds

if TYPE_CHECKING:
    from geoserver.database.status import LayerStatus

__all__ = [
    "BASE",
    "BELOW",
    "BINS_BELOW",
    "DATA_BELOW",
    "FILLS_BELOW",
    "build_style",
    "darken",
    "drawn_layers",
    "fragment_of",
    "list_drawn",
    "style_names",
]

BASE = "base"  # the source of every basemap
FILLS_BELOW = "geoserver:fills-below"  # id of the basemap layer that areas go under
BINS_BELOW = "geoserver:bins-below"  # id of the basemap layer that bins go under: its first street
DATA_BELOW = "geoserver:data-below"  # id of the basemap layer that lines and points go under: its first greater label
WITHOUT_LAND = "geoserver:without-land"  # layer id -> paint where no `land` is loaded, so that it is not all sea
WITHOUT_BASE = "geoserver:without-base"  # the same where nothing of a basemap is loaded
BELOW = "geoserver:below"  # in the metadata of a fragment's layer: the basemap layer that it goes under instead
Style = dict[str, Any]

_STACK = {"raster": -1, "fill": 0, "line": 1, "circle": 2}
_OUTLINES, _BINS = 0.25, 0.5  # over areas, under lines


def style_names(catalog: Catalog) -> list[str]:
    """Every name that `build_style` knows: the files in styles/, and the layers, which have a plain look at least."""
    return list(dict.fromkeys([*catalog.styles, *(layer.id for layer in catalog.datasets())]))


def drawn_layers(catalog: Catalog, name: str) -> list[str]:
    """Ids of the data layers that the style `name` draws. Raises NotFoundError for an unknown style."""
    items = [item for item in _find(catalog, name)["layers"] if item.get("source") not in WORLD]
    drawn = dict.fromkeys(item.get("source-layer", "").removesuffix(SUFFIX) for item in items)
    return [layer_id for layer_id in drawn if layer_id in catalog.layers and not catalog.layers[layer_id].basemap]


def list_drawn(style: Mapping[str, Any], name: str, layers: Iterable[str]) -> set[str]:
    """Ids of all layers that a made style tells of: `name`, if it is one, `layers`, and what its basemap draws."""
    drawn = {str(item.get("source-layer", "")).removesuffix(SUFFIX) for item in style["layers"]}
    sources = [
        address.partition("/tiles/")[2].partition("/")[0].removesuffix(".json")
        for source in style["sources"].values()
        for address in _addresses(source)
    ]
    return {name, *layers, *drawn, *(layer_id for ids in sources for layer_id in ids.split(","))}


def _addresses(source: Mapping[str, Any]) -> list[str]:
    return [*source.get("tiles", []), *([source["url"]] if "url" in source else [])]


def build_style(
    catalog: Catalog,
    statuses: Mapping[str, LayerStatus],
    name: str,
    base_url: str,
    layers: Iterable[str] = (),
    *,
    features_from: Mapping[str, int] | None = None,
    plain: bool = False,
) -> Style:
    """A complete MapLibre style: the basemap or fragment `name`, with the fragments of `layers` under its labels.

    `statuses` tells by id what is loaded; a basemap draws those layers of it that it knows, and each layer of points
    has bins below the zoom of its plan, or below the one in `features_from` where that is less: of what few rows
    are left by a filter no mark is then very small. `base_url` has no slash at its end. Raises NotFoundError for an
    unknown style or layer. `plain` is for programs that know few expressions: bins are filled, and no value depends
    on the zoom and the feature at once.
    """
    style = _find(catalog, name)
    _fill_addresses(style, base_url)
    if BASE in style["sources"]:
        _fit_base(style, catalog, statuses, base_url)
        if not any("icon-image" in item.get("layout", {}) for item in style["layers"]):
            style.pop("sprite", None)  # no map waits for a picture that it has no use for
    dark = style.get("metadata", {}).get("geoserver:theme") == "dark"
    asked = features_from or {}
    ladders = {name: find_ladder(status.plan, asked.get(name)) for name, status in statuses.items()}
    add_bins(style, catalog, ladders, dark=dark, marked=not plain)
    fragments = [fragment_of(catalog, catalog.layer(layer_id)) for layer_id in dict.fromkeys(layers)]
    _add_fragments(style, fragments, catalog, ladders, base_url, marked=not plain)
    add_font_faces(style, base_url, _list_languages(catalog, statuses))
    make_legible(style, [name for name, zoom in asked.items() if zoom < _own_switch(statuses, name)])
    if plain:
        flatten(style)
    return style


def _list_languages(catalog: Catalog, statuses: Mapping[str, LayerStatus]) -> list[str]:
    """Languages of the names of places, the most common first; of an archive, which may have any, one with signs."""
    if find_ready_made(catalog, statuses):
        return ["zh"]
    places = catalog.layers.get("places")
    return [name.removeprefix("name_").partition("_")[0] for name in (places.fields if places else ())]


def _add_fragments(
    style: Style,
    fragments: list[Style],
    catalog: Catalog,
    ladders: Mapping[str, Ladder],
    base_url: str,
    *,
    marked: bool,
) -> None:
    """Put layers on the basemap, with their bins, so that each can be seen beside the others.

    Layers in bins share them. Areas are filled where they are alone, and outlined under layers of another kind;
    of several layers of areas the first is filled.
    """
    dark = style.get("metadata", {}).get("geoserver:theme") == "dark"
    counted = [name for fragment in fragments if (name := _counted_in(fragment, catalog, ladders))]
    shared = dict(zip(counted, share_bins([ladders[name] for name in counted]), strict=True))
    filled = all(map(areas_in, fragments))
    outlined = [each for each in fragments if areas_in(each) and not (filled and each is fragments[0])]
    if outlined:
        style["metadata"] = style.get("metadata", {}) | {OUTLINED: sorted(set().union(*map(areas_in, outlined)))}
    taken: set[str] = set()
    for fragment in fragments:
        _fill_addresses(fragment, base_url)
        if dark:
            darken(fragment)
        if fragment in outlined:
            outline_areas(fragment)
        apart = len(fragments) > 1 and not (filled and fragment is fragments[0])
        known = {**ladders, **shared}
        add_bins(fragment, catalog, known, dark=dark, taken=taken, marked=marked, shared=apart)
        if _counted_in(fragment, catalog, ladders):
            taken |= {colour for item in fragment["layers"] if _is_bin(item) for colour in list_colours(item["paint"])}
    _merge(style, fragments, {name for name, ladder in ladders.items() if ladder})


def _counted_in(fragment: Mapping[str, Any], catalog: Catalog, ladders: Mapping[str, Ladder]) -> str | None:
    """Id of the layer of points whose bins it has at some zooms; bins of lines and areas stand for few."""
    drawn = {item.get("source-layer") for item in fragment["layers"]}
    return next(
        (
            layer.id
            for layer in catalog.layers.values()
            if layer.id in drawn and layer.geometry == "points" and ladders.get(layer.id)
            if has_bins(catalog, layer, fragment)
        ),
        None,
    )


def fragment_of(catalog: Catalog, layer: Layer) -> Style:
    """The layer's own style as a fresh copy: the one that its file names, else a plain one for its kind."""
    found = catalog.styles.get(layer.style)
    return copy.deepcopy(dict(found)) if found else plain_fragment(layer)


def _own_switch(statuses: Mapping[str, LayerStatus], layer_id: str) -> int:
    return statuses[layer_id].plan.features_from if layer_id in statuses else 0


def _find(catalog: Catalog, name: str) -> Style:
    if name in catalog.styles:
        return copy.deepcopy(dict(catalog.styles[name]))
    if name in catalog.layers:
        return fragment_of(catalog, catalog.layers[name])
    raise NotFoundError("style", name, "one of " + ", ".join(style_names(catalog)))


def _fill_addresses(style: Style, base_url: str) -> None:
    for key in ("glyphs", "sprite"):
        if isinstance(style.get(key), str):
            style[key] = _absolute(style[key], base_url)
    for source in style["sources"].values():
        if "url" in source:
            source["url"] = _absolute(source["url"], base_url)
        if "tiles" in source:
            source["tiles"] = [_absolute(tile, base_url) for tile in source["tiles"]]


def _absolute(address: str, base_url: str) -> str:
    return base_url + address if address.startswith("/") else address


def _fit_base(style: Style, catalog: Catalog, statuses: Mapping[str, LayerStatus], base_url: str) -> None:
    """Ask for the basemap layers that are there, with their zooms and attribution, and draw no others."""
    if found := find_ready_made(catalog, statuses):
        _fit_ready_made(style, found, base_url)
        return
    drawn = dict.fromkeys(item["source-layer"] for item in style["layers"] if item.get("source") == BASE)
    known = [catalog.layers[name] for name in drawn if name in catalog.layers and name in statuses]
    present = [layer for layer in known if layer.basemap]  # others of these names are the city's own data
    names = {layer.id for layer in present}
    before = style["layers"]
    style["layers"] = [item for item in before if item.get("source") != BASE or item["source-layer"] in names]
    if "land" not in names:
        _override(style, WITHOUT_LAND)
    _move_anchors(style, [item["id"] for item in before])
    if not present:
        _stand_alone(style)
        return
    source = style["sources"][BASE]
    source["tiles"] = [f"{base_url}/tiles/{','.join(layer.id for layer in present)}/{{z}}/{{x}}/{{y}}.mvt"]
    source["minzoom"] = min(layer.minzoom for layer in present)
    source["maxzoom"] = max(layer.maxzoom for layer in present)
    places = [statuses[layer.id].bounds for layer in present]
    source["bounds"] = join_bounds([bounds for bounds in places if bounds]).as_list()
    credits_ = dict.fromkeys(layer.attribution for layer in present if layer.attribution)
    if credits_:
        source["attribution"] = ", ".join(html.escape(credit) for credit in credits_)


def _fit_ready_made(style: Style, found: ReadyMade, base_url: str) -> None:
    """Draw the basemap from an archive in another schema than ours."""
    before = [item["id"] for item in style["layers"]]
    style["layers"] = redraw(style["layers"], BASE, found)
    if not found.schema.land:
        _override(style, WITHOUT_LAND)
    if found.is_world:
        style["layers"] = [item for item in style["layers"] if item.get("source") not in WORLD]
        style["sources"] = {name: source for name, source in style["sources"].items() if name not in WORLD}
        _stop_fading(style["layers"][0])
    _move_anchors(style, before)
    source = style["sources"][BASE]
    source["tiles"] = [f"{base_url}/tiles/{found.layer.id}/{{z}}/{{x}}/{{y}}.mvt"]
    source["minzoom"], source["maxzoom"] = found.zooms
    source["bounds"] = found.status.archive.bounds.as_list()
    if found.attribution:
        source["attribution"] = html.escape(found.attribution)


def _stop_fading(background: Style) -> None:
    """Give the background the colour that it has from nearby at every zoom: no sea has to be seen from afar."""
    colour = background.get("paint", {}).get("background-color")
    if isinstance(colour, list):
        background["paint"] = background["paint"] | {"background-color": colour[-1]}


def _stand_alone(style: Style) -> None:
    """Without a basemap the world around the city is all there is, at every zoom."""
    del style["sources"][BASE]
    _override(style, WITHOUT_BASE)
    for item in style["layers"]:
        if item.get("source") in WORLD:
            item.pop("maxzoom", None)


def _override(style: Style, key: str) -> None:
    for item in style["layers"]:
        override_layer(item, style.get("metadata", {}).get(key, {}).get(item["id"], {}))


def _move_anchors(style: Style, before: list[str]) -> None:
    """An anchor whose layer is not drawn becomes the next one above it that is."""
    metadata = style.get("metadata", {})
    left = {item["id"] for item in style["layers"]}
    for key in (FILLS_BELOW, BINS_BELOW, DATA_BELOW):
        if (anchor := metadata.get(key)) in before:
            above = (layer_id for layer_id in before[before.index(anchor) :] if layer_id in left)
            metadata[key] = next(above, None)


def _merge(style: Style, fragments: list[Style], many: Collection[str]) -> None:
    """Put fragments where the basemap keeps room: areas under its buildings, lines and points under its labels.

    The points of layers that have very `many` lie under those of others, which would be lost beneath them.
    """
    metadata = style.get("metadata", {})
    for fragment in fragments:
        style["sources"] |= fragment["sources"]
    items = [item for fragment in fragments for item in fragment["layers"]]
    for item in sorted(items, key=lambda item: (_stack_of(item), item.get("source-layer") not in many)):
        anchor = item.get("metadata", {}).get(BELOW) or _anchor_of(metadata, item)
        style["layers"].insert(_place(style["layers"], item, anchor), item)


def _place(layers: list[Style], item: Mapping[str, Any], anchor: str | None) -> int:
    """Index for a new layer: under its anchor; without one under the first label; labels of its own on top of all."""
    if item["type"] == "symbol":
        return len(layers)
    wanted = (i for i, existing in enumerate(layers) if existing["id"] == anchor)
    labels = (i for i, existing in enumerate(layers) if existing["type"] == "symbol")
    return next(wanted, next(labels, len(layers)))


def _anchor_of(metadata: Mapping[str, Any], item: Mapping[str, Any]) -> str | None:
    if item["type"] not in ("fill", "raster"):
        return metadata.get(DATA_BELOW)
    return (metadata.get(BINS_BELOW) if _is_bin(item) else None) or metadata.get(FILLS_BELOW)


def _is_bin(item: Mapping[str, Any]) -> bool:
    return str(item.get("source-layer", "")).endswith(SUFFIX)


def _stack_of(item: Mapping[str, Any]) -> float:
    """Pictures, areas, their outlines, bins, lines, points, labels: what is higher lies above."""
    if _is_bin(item):
        return _BINS
    if item.get("metadata", {}).get(OUTLINED):
        return _OUTLINES
    return _STACK.get(item["type"], len(_STACK))


def darken(fragment: Style) -> None:
    """Put the fragment's values for a dark basemap in the place of its own."""
    overrides = fragment.get("metadata", {}).get("geoserver:dark", {})
    for item in fragment["layers"]:
        override_layer(item, overrides.get(item["id"], {}))


def override_layer(item: Style, override: Mapping[str, Any]) -> None:
    """Put paint and layout values of a `geoserver:dark` entry in the place of the layer's own."""
    for group in ("paint", "layout"):
        if group in override:
            item[group] = item.get(group, {}) | override[group]
