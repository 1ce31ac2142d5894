"""Bins, the squares that stand for many features: how a style draws them."""

from __future__ import annotations

import colorsys
import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from geoserver.model import BINS
from geoserver.tiling.bins import find_bins

if TYPE_CHECKING:
    from geoserver.catalog import Catalog
    from geoserver.model import Layer

__all__ = [
    "BREAKS",
    "NOTE",
    "SUFFIX",
    "add_bins",
    "bins_layers",
    "has_bins",
    "note_faults",
    "read_note",
]

SUFFIX = f":{BINS}"  # ends the name of the MVT layer that holds a layer's bins
NOTE = "geoserver:bins"  # in the metadata of a layer's style: false, or an object with colors, dark, breaks, opacity
BREAKS = (3, 10, 30, 100, 300, 1000)  # the same at every zoom and under every filter, so that a colour means one number
# Few let the ground shine through, and many stand out: opacity of the first and of the last class, by basemap.
OPACITIES = {"light": (0.72, 0.92), "dark": (0.45, 0.92)}

Style = dict[str, Any]

_MOST_BREAKS = 6
_CLEAR = 0.25  # saturation from which a colour has a hue of its own
_HEX = re.compile(r"^#(?:[0-9a-f]{3}|[0-9a-f]{6})$", re.IGNORECASE)
_COLOUR = {"circle": "circle-color", "line": "line-color", "fill": "fill-color"}
# Sequential schemes of ColorBrewer (https://colorbrewer2.org) in nine classes, light to dark, all of them safe for
# colour-blind eyes; each with the hue, in degrees, up to which a layer's own colour asks for it.
_SCHEMES = (
    (40, "fff7ec fee8c8 fdd49e fdbb84 fc8d59 ef6548 d7301f b30000 7f0000"),
    (70, "ffffe5 fff7bc fee391 fec44f fe9929 ec7014 cc4c02 993404 662506"),
    (175, "ffffe5 f7fcb9 d9f0a3 addd8e 78c679 41ab5d 238443 006837 004529"),
    (250, "fff7fb ece7f2 d0d1e6 a6bddb 74a9cf 3690c0 0570b0 045a8d 023858"),
    (335, "fff7f3 fde0dd fcc5c0 fa9fb5 f768a1 dd3497 ae017e 7a0177 49006a"),
    (360, "fff7ec fee8c8 fdd49e fdbb84 fc8d59 ef6548 d7301f b30000 7f0000"),
)
_GREY = "ffffd9 edf8b1 c7e9b4 7fcdbb 41b6c4 1d91c0 225ea8 253494 081d58"  # for a layer without a hue


def has_bins(catalog: Catalog, layer: Layer, style: Mapping[str, Any]) -> bool:
    """Whether the squares of a layer are drawn: those of a basemap are not, nor where the style says `false`."""
    made = find_bins(catalog.recipes.get(layer.kind, ""))
    return bool(made) and not layer.basemap and style.get("metadata", {}).get(NOTE) is not False


def add_bins(style: Style, catalog: Catalog, *, dark: bool = False) -> None:
    """Draw, under the features of each layer in the style, the squares that stand for them at low zooms.

    Also at zooms that hold no squares as a rule: a tile that would grow too large has them anywhere.
    """
    drawn = dict.fromkeys(item.get("source-layer", "") for item in style["layers"])
    for layer in [catalog.layers[name] for name in drawn if name in catalog.layers]:
        if not has_bins(catalog, layer, style):
            continue
        if layer.id + SUFFIX not in drawn:
            first = next(i for i, item in enumerate(style["layers"]) if item.get("source-layer") == layer.id)
            style["layers"][first:first] = [_default_layer(style, layer.id, dark=dark)]


def bins_layers(style: Mapping[str, Any], layer_id: str, *, dark: bool = False) -> list[Style]:
    """The style's layers that draw the squares: its own when it has any, else the one that is added to it."""
    own = [item for item in style["layers"] if item.get("source-layer") == layer_id + SUFFIX]
    return copy.deepcopy(own) or [_default_layer(style, layer_id, dark=dark)]


def _default_layer(style: Mapping[str, Any], layer_id: str, *, dark: bool) -> Style:
    note = read_note(style)
    breaks = note.get("breaks", BREAKS)
    own = note.get("dark", note.get("colors", [])[::-1]) if dark else note.get("colors")
    items = [item for item in style["layers"] if item.get("source-layer") == layer_id]
    colours = own or _scheme_of(items, dark=dark)[: len(breaks) + 1]
    opacity = note.get("opacity", _by_count(breaks, _between(*OPACITIES["dark" if dark else "light"], len(breaks))))
    return {
        "id": layer_id + SUFFIX,
        "type": "fill",
        "source": next((item["source"] for item in items if "source" in item), layer_id),
        "source-layer": layer_id + SUFFIX,
        "paint": {
            "fill-color": _by_count(breaks, colours),
            "fill-opacity": opacity,
            "fill-antialias": False,  # no seams between neighbours
        },
    }


def _by_count(breaks: Sequence[float], values: Sequence[Any]) -> list[Any]:
    return ["step", ["get", "count"], values[0], *_flat(zip(breaks, values[1:], strict=True))]


def _between(low: float, high: float, steps: int) -> list[float]:
    return [round(low + (high - low) * step / steps, 2) for step in range(steps + 1)]


def read_note(style: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the style says of its squares; nothing when it says it wrongly."""
    note = style.get("metadata", {}).get(NOTE)
    return note if isinstance(note, dict) and not [*note_faults(note)] else {}


def note_faults(note: Any) -> Iterator[tuple[str, str]]:
    """Each part of `geoserver:bins` that is not as it should be, and what was expected."""
    if note is False or note is None:
        return
    if not isinstance(note, dict):
        yield "", f"false, or an object with colors, dark, breaks, opacity and title; got {note!r}"
        return
    for key in sorted(note.keys() - {"colors", "dark", "breaks", "opacity", "title"}):
        yield key, "one of breaks, colors, dark, opacity, title"
    breaks = note.get("breaks", BREAKS)
    rising = isinstance(breaks, list | tuple) and all(_is_number(each) for each in breaks)
    if not rising or not 1 <= len(breaks) <= _MOST_BREAKS or any(low >= high for low, high in pairwise(breaks)):
        yield "breaks", f"1 to {_MOST_BREAKS} rising numbers; got {breaks!r}"
        return
    for key in ("colors", "dark"):
        colours = note.get(key)
        fits = isinstance(colours, list) and len(colours) == len(breaks) + 1 and all(map(_is_text, colours))
        if key in note and not fits:
            yield key, f"{len(breaks) + 1} colours, one more than breaks; got {colours!r}"
    if not (_is_number(opacity := note.get("opacity", 1)) and 0 < opacity <= 1):
        yield "opacity", f"a number above 0 and at most 1; got {opacity!r}"
    if not _is_text(note.get("title", "")):
        yield "title", f"a text; got {note['title']!r}"


def _scheme_of(items: Iterable[Mapping[str, Any]], *, dark: bool) -> list[str]:
    """Seven colours for few to many, near in hue to what the layer is drawn with; more is lighter in the dark."""
    hue = next((hue for item in items for hue in _hues(_paint_colour(item))), None)
    scheme = _GREY if hue is None else next(colours for limit, colours in _SCHEMES if hue <= limit)
    nine = [f"#{colour}" for colour in scheme.split()]
    return nine[:0:-1][:7] if dark else nine[2:]


def _paint_colour(item: Mapping[str, Any]) -> Any:
    return item.get("paint", {}).get(_COLOUR.get(item["type"], ""))


def _hues(value: Any) -> Iterator[float]:
    """Hues, in degrees, of the colours in a style value that have one."""
    if isinstance(value, list):
        for part in value:
            yield from _hues(part)
    elif isinstance(value, str) and _HEX.match(value):
        digits = value[1:] if len(value) > 4 else "".join(2 * digit for digit in value[1:])  # noqa: PLR2004 - "#rgb"
        red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
        hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
        if saturation >= _CLEAR:
            yield 360 * hue


def _flat(pairs: Iterable[tuple[Any, Any]]) -> list[Any]:
    return [part for pair in pairs for part in pair]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
