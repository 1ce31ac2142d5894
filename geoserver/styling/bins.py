"""Bins, square cells that stand for many features: how a style draws them."""

from __future__ import annotations

import colorsys
import copy
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from geoserver.grid import most_cells
from geoserver.model import BINS, TilePlan
from geoserver.styling.colours import list_colours, parse_hex, shades
from geoserver.styling.expressions import flat, is_number
from geoserver.tiling.bins import find_bins

if TYPE_CHECKING:
    from geoserver.catalog import Catalog
    from geoserver.model import Layer

__all__ = [
    "CASING",
    "MARKS",
    "NOTE",
    "ODD",
    "SIZES",
    "SUFFIX",
    "WORLD",
    "Ladder",
    "add_bins",
    "bins_layers",
    "find_ladder",
    "has_bins",
    "note_faults",
    "read_note",
    "share_bins",
]

SUFFIX = f":{BINS}"  # ends the name of the MVT layer that holds a layer's bins
WORLD = ("world", "graticule")  # the sources of what lies around a city, whose layers are none of the catalogue's
MARKS, CASING = "-marks", "-casing"  # end the ids of what is drawn in the middle of each bin
ODD = "-odd"  # comes after them where it is drawn for tiles of odd zooms
SIZES = "geoserver:marks"  # in the metadata of marks: whether they are frames, their widths for few and for many
NOTE = "geoserver:bins"  # in the metadata of a layer's style: false, or an object with colors, dark, breaks, opacity

Style = dict[str, Any]

_CLASSES = 6
_FEWEST = 2  # the first break in bins of 16 pixels at the last zoom that has any
_GROWTH = 2.5  # by which a bin of twice the width counts more: things lie along streets and in clusters
_PER_DECADE = 3  # breaks are 1, 2, 5, 10, ...
_DEEP = 7  # zooms before the last one that have classes of their own
_TILE = 512  # pixels across a tile
_NEARBY = 32  # bins across a tile that are 16 pixels wide
# Widths of the marks of few and of many, as parts of their bin's: by how many layers of bins are on the map, and
# by which of them it is. The first layer's marks are filled; those of the next are frames around them.
_SHARES = (
    ((0.42, 0.86),),
    ((0.36, 0.52), (0.78, 0.94)),
    ((0.28, 0.34), (0.56, 0.64), (0.86, 0.94)),
)
_FRAME = 0.1  # the same of the line of a frame
_CASED = 1.6  # pixels by which the casing of a mark is wider
_WIDE = 2.0  # pixels of the line around a bin whose width is not known
_PALE = {"light": "#ffffff", "dark": "#0d1216"}  # the casing that tells a mark from what it lies on
_MOST_BREAKS = 6
_CLEAR = 0.25  # saturation from which a colour has a hue of its own
_COLOUR = {"circle": "circle-color", "line": "line-color", "fill": "fill-color"}
# Sequential schemes of ColorBrewer (https://colorbrewer2.org) in nine classes, light to dark, all of them safe for
# colour-blind eyes; each with the hue, in degrees, up to which a layer's own colour asks for it.
_SCHEMES = (
    (40, "fff7ec fee8c8 fdd49e fdbb84 fc8d59 ef6548 d7301f b30000 7f0000"),
    (70, "ffffe5 fff7bc fee391 fec44f fe9929 ec7014 cc4c02 993404 662506"),
    (190, "ffffe5 f7fcb9 d9f0a3 addd8e 78c679 41ab5d 238443 006837 004529"),
    (250, "fff7fb ece7f2 d0d1e6 a6bddb 74a9cf 3690c0 0570b0 045a8d 023858"),
    (348, "fff7f3 fde0dd fcc5c0 fa9fb5 f768a1 dd3497 ae017e 7a0177 49006a"),
    (360, "fff7ec fee8c8 fdd49e fdbb84 fc8d59 ef6548 d7301f b30000 7f0000"),
)
_GREY = "ffffd9 edf8b1 c7e9b4 7fcdbb 41b6c4 1d91c0 225ea8 253494 081d58"  # for a layer without a hue


def has_bins(catalog: Catalog, layer: Layer, style: Mapping[str, Any]) -> bool:
    """Whether the bins of a layer are drawn: those of a basemap are not, nor where the style says `false`."""
    made = find_bins(catalog.recipes.get(layer.kind, ""))
    return bool(made) and not layer.basemap and style.get("metadata", {}).get(NOTE) is not False


@dataclass(frozen=True, slots=True)
class Rung:
    """The bins of a zoom: how many there are across a tile, and the counts at which their classes change."""

    zoom: int
    cells: int
    breaks: tuple[float, ...]
    place: int = 0  # among the layers that are in bins
    mark: tuple[float, float] = _SHARES[0][0]  # widths for few and for many, as parts of the bin's


type Ladder = list[Rung]  # by zoom, up to the last one that has bins as a rule; none where there is no such zoom


def find_ladder(plan: TilePlan, start: int | None = None) -> Ladder:
    """Classes for the bins of each zoom before `start`, the zoom from which features are drawn.

    The fullest tile before that holds about as many features whatever the layer and the filter, which moves `start`: so
    do its bins, and from zoom to zoom they count some 2.5 times less.
    """
    last = (plan.features_from if start is None else min(start, plan.features_from)) - 1
    ladder: Ladder = []
    for zoom in range(max(0, last - _DEEP), last + 1):
        cells = plan.zooms[zoom].cells if zoom < len(plan.zooms) else most_cells(zoom)
        ladder.append(Rung(zoom, cells, _breaks_of(last - zoom + math.log2(_NEARBY / cells))))
    return ladder


def share_bins(ladders: Sequence[Ladder]) -> list[Ladder]:
    """The same, for layers that are on the map together: the marks of each leave room for those of the others.

    They do at every zoom: where the others are features, these are better seen between small marks, too.
    """
    shares = _SHARES[min(len(ladders), len(_SHARES)) - 1]
    marks = [shares[min(place, len(shares) - 1)] for place in range(len(ladders))]
    return [
        [replace(rung, place=place, mark=mark) for rung in ladder]
        for place, (mark, ladder) in enumerate(zip(marks, ladders, strict=True))
    ]


def _breaks_of(doublings: float) -> tuple[float, ...]:
    """Rising round numbers for bins that are so many times twice as wide as 16 pixels at the last zoom."""
    first = max(1, round(_PER_DECADE * math.log10(_FEWEST * _GROWTH**doublings)))
    return tuple((1, 2, 5)[at % _PER_DECADE] * 10 ** (at // _PER_DECADE) for at in range(first, first + _CLASSES - 1))


def add_bins(
    style: Style,
    catalog: Catalog,
    ladders: Mapping[str, Ladder],
    *,
    dark: bool = False,
    taken: Collection[str] = (),
    marked: bool = True,
    shared: bool = False,
) -> None:
    """Draw, under the features of each layer in the style, the bins that stand for them at low zooms.

    Also at zooms that hold no bins as a rule: a tile that would grow too large has them anywhere. Colours that are
    `taken`, by bins of another layer, are not used where the style does not ask for them. Unless they are `marked`,
    all bins are filled; where the map is `shared` with other layers, none is.
    """
    items = [item for item in style["layers"] if item.get("source") not in WORLD]
    drawn = dict.fromkeys(item.get("source-layer", "") for item in items)
    for layer in [catalog.layers[name] for name in drawn if name in catalog.layers]:
        if not has_bins(catalog, layer, style):
            continue
        if layer.id + SUFFIX not in drawn:
            first = next(i for i, item in enumerate(style["layers"]) if item.get("source-layer") == layer.id)
            ladder = ladders.get(layer.id, [])
            made = _default_layers(style, layer, ladder, dark=dark, taken=taken, marked=marked, shared=shared)
            style["layers"][first:first] = made


def bins_layers(style: Mapping[str, Any], layer: Layer, ladder: Ladder, *, dark: bool = False) -> list[Style]:
    """The style's layers that draw the bins: its own when it has any, else those that are added to it."""
    own = [item for item in style["layers"] if item.get("source-layer") == layer.id + SUFFIX]
    return copy.deepcopy(own) or _default_layers(style, layer, ladder, dark=dark)


def _default_layers(
    style: Mapping[str, Any],
    layer: Layer,
    ladder: Ladder,
    *,
    dark: bool,
    taken: Collection[str] = (),
    marked: bool = True,
    shared: bool = False,
) -> list[Style]:
    """Filled bins; for points, where a tile's bins are of a known size, a mark in the middle of each instead."""
    note = read_note(style)
    breaks = tuple(note.get("breaks", ()))
    ladder = [replace(rung, breaks=breaks or rung.breaks) for rung in ladder]
    rungs = ladder or [Rung(0, _NEARBY, breaks or _breaks_of(0))]
    items = [item for item in style["layers"] if item.get("source-layer") == layer.id]
    own = note.get("dark", note.get("colors", [])[::-1]) if dark else note.get("colors")
    possible = (shades(ramp, len(rungs[0].breaks) + 1, dark=dark) for ramp in _ramps_for(items))
    colours = own or next((found for found in possible if not {*found} & {*taken}), None)
    colours = colours or shades(next(_ramps_for(items)), len(rungs[0].breaks) + 1, dark=dark)
    filled: Style = {
        "id": layer.id + SUFFIX,
        "type": "fill",
        "source": next((item["source"] for item in items if "source" in item), layer.id),
        "source-layer": layer.id + SUFFIX,
        "paint": {
            "fill-color": _by_zoom((rung.zoom, _steps(rung.breaks, colours)) for rung in rungs),
            "fill-opacity": note.get("opacity", 1),
            "fill-antialias": False,  # no seams between neighbours
        },
    }
    pale = _PALE["dark" if dark else "light"]
    if not marked:
        edge = {"fill-antialias": True, "fill-outline-color": pale}
        return [filled | {"paint": filled["paint"] | edge}]
    sized = layer.geometry == "points" and ladder
    if not sized and not shared:
        return [filled]
    marks = [*(_marks(filled, ladder, pale=pale) if sized else _edges(filled, pale=pale))]
    # What is not filled is still there to be clicked, and to be counted.
    return [filled | {"paint": filled["paint"] | {"fill-opacity": 0}}, *marks]


def _edges(filled: Style, *, pale: str) -> Iterator[Style]:
    """A frame along the inside of each bin, however wide it is, with a casing."""
    for suffix, cased in ((CASING, _CASED), (MARKS, 0.0)):
        yield {
            "id": filled["id"] + suffix,
            "type": "line",
            "source": filled["source"],
            "source-layer": filled["source-layer"],
            "metadata": {SIZES: {"framed": True, "few": 1, "many": 1}} if suffix == MARKS else {},
            "layout": {"line-join": "miter"},
            "paint": {
                "line-color": filled["paint"]["fill-color"] if suffix == MARKS else pale,
                "line-width": _WIDE + cased,
                "line-offset": _WIDE,
                "line-opacity": filled["paint"]["fill-opacity"],
            },
        }


def _marks(filled: Style, ladder: Ladder, *, pale: str) -> Iterator[Style]:
    """A mark in the middle of each bin, the larger the more, with a casing: filled, or a frame.

    The outline of a square, moved inwards, is a frame; one that is half as wide as the frame leaves no hole in it. So
    no other shape is needed than the one that tiles hold.

    What depends on both zoom and count MapLibre works out for a tile's zoom and the next one, and mixes these two. A
    mark is twice as wide where the next zoom begins, and those of that zoom are small again: so tiles of even and of
    odd zooms have layers of their own.
    """
    framed, mark = ladder[0].place > 0, ladder[0].mark

    def width(part: float) -> float:
        return _FRAME if framed else part / 2

    def inside(part: float) -> float:
        return 0.5 - (part - width(part)) / 2

    for suffix, cased, odd in ((CASING, _CASED, 0), (CASING, _CASED, 1), (MARKS, 0.0, 0), (MARKS, 0.0, 1)):
        yield {
            "id": filled["id"] + suffix + (ODD if odd else ""),
            "type": "line",
            "source": filled["source"],
            "source-layer": filled["source-layer"],
            "filter": ["==", ["%", ["zoom"], 2], odd],
            "metadata": {SIZES: {"framed": framed, "few": mark[0], "many": mark[1]}} if suffix == MARKS else {},
            "layout": {"line-join": "miter" if framed else "round"},
            "paint": {
                "line-color": filled["paint"]["fill-color"] if suffix == MARKS else pale,
                "line-width": _growing(ladder, odd, width, cased if framed else cased / 2, _WIDE + cased),
                "line-offset": _growing(ladder, odd, inside, 0.0 if framed else -cased / 4, _WIDE),
                "line-opacity": filled["paint"]["fill-opacity"],
            },
        }


def _growing(ladder: Ladder, odd: int, share: Callable[[float], float], more: float, later: float) -> Any:
    """Pixels that are a share of a bin's width, by class, as the bins of even or of odd zooms grow until the next one.

    After the last zoom of the ladder nobody knows how wide a bin is: it belongs to a tile that was to hold features
    and has too many. There it is so many pixels: `later`.
    """
    stops: list[Any] = []
    for rung in ladder:
        if rung.zoom % 2 != odd:
            continue
        classes = len(rung.breaks) + 1
        few, many = rung.mark
        parts = [share(few + (many - few) * at / (classes - 1)) for at in range(classes)]
        for further in (0, 1):
            sizes = [round(part * _TILE / rung.cells * 2**further + more, 2) for part in parts]
            stops += [rung.zoom + further, _steps(rung.breaks, sizes) if len(set(sizes)) > 1 else sizes[0]]
    end = ladder[-1].zoom + 1
    return ["interpolate", ["exponential", 2], ["zoom"], *stops, end + (end % 2 != odd), later] if stops else later


def _by_zoom(rungs: Iterable[tuple[int, list[Any]]]) -> list[Any]:
    """A value that changes with the zoom, where it does."""
    (_, first), *rest = rungs
    different = [
        (zoom, value)
        for (zoom, value), before in zip(rest, [first, *(v for _, v in rest)], strict=False)
        if value != before
    ]
    return ["step", ["zoom"], first, *flat(different)] if different else first


def _steps(breaks: Sequence[float], values: Sequence[Any]) -> list[Any]:
    return ["step", ["get", "count"], values[0], *flat(zip(breaks, values[1:], strict=True))]


def read_note(style: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the style says of its bins; nothing when it says it wrongly."""
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
    breaks = note.get("breaks", range(_CLASSES - 1))
    rising = isinstance(breaks, list | range) and all(is_number(each) for each in breaks)
    if not rising or not 1 <= len(breaks) <= _MOST_BREAKS or any(low >= high for low, high in pairwise(breaks)):
        yield "breaks", f"1 to {_MOST_BREAKS} rising numbers; got {breaks!r}"
        return
    for key in ("colors", "dark"):
        colours = note.get(key)
        fits = isinstance(colours, list) and len(colours) == len(breaks) + 1 and all(map(_is_text, colours))
        if key in note and not fits:
            yield key, f"{len(breaks) + 1} colours, one more than breaks; got {colours!r}"
    if not (is_number(opacity := note.get("opacity", 1)) and 0 < opacity <= 1):
        yield "opacity", f"a number above 0 and at most 1; got {opacity!r}"
    if not _is_text(note.get("title", "")):
        yield "title", f"a text; got {note['title']!r}"


def _ramps_for(items: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Ramps from light to dark: first the one nearest in hue to the layer's own colour, then all others."""
    hue = next((hue for item in items for hue in _hues(_paint_colour(item))), None)
    scheme = _GREY if hue is None else next(colours for limit, colours in _SCHEMES if hue <= limit)
    for colours in dict.fromkeys([scheme, _GREY, *(other for _, other in _SCHEMES)]):
        yield [f"#{colour}" for colour in colours.split()]


def _paint_colour(item: Mapping[str, Any]) -> Any:
    return item.get("paint", {}).get(_COLOUR.get(item["type"], ""))


def _hues(value: Any) -> Iterator[float]:
    """Hues, in degrees, of the colours in a style value that have one."""
    for colour in list_colours(value):
        hue, _, saturation = colorsys.rgb_to_hls(*parse_hex(colour))
        if saturation >= _CLEAR:
            yield 360 * hue


def _is_text(value: Any) -> bool:
    return isinstance(value, str)
