"""A chart as SVG, of what `chart_model` makes of numbers: bars beside values or areas, columns over times."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from geoserver.drawing.overlay import cut, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Drawing", "Place", "Series", "draw_chart"]

_FONT = "Noto Sans, DejaVu Sans, Liberation Sans, Arial, sans-serif"
_COLOURS = {
    "light": {
        "ink": "#1b2124",
        "soft": "#4d575c",
        "rule": "#d5dbde",
        "paper": "#ffffff",
        "bar": "#17616a",
        "edge": "#79858b",
    },
    "dark": {
        "ink": "#f0f3f4",
        "soft": "#b8c1c5",
        "rule": "#3a4247",
        "paper": "#16191c",
        "bar": "#6ec2c9",
        "edge": "#7c858c",
    },
}
_PAD, _HEAD, _FOOT = 12, 34, 26
_ROW = 24  # pixels of a bar beside its label, at least
_TEXT, _TITLE, _SMALL = 12, 15, 10
_SWATCH = 10
_BREAK = 0.9  # where a bar that is too long is broken off


@dataclass(frozen=True, slots=True)
class Place:
    """A place on the axis; a `key` below 0 is none that is listed: all others, or rows without a value."""

    label: str
    key: int = 0
    incomplete: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """What splits each bar, with its colours; one without a label stands for all."""

    label: str = ""
    light: str = ""
    dark: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """`cells` are numbers, or None, by place and by series. `along` says that places have an order of their own, and
    `stacks` that numbers can be added up.
    """

    size: tuple[int, int]
    theme: str
    title: str
    source: str
    empty: str  # what is said where there is nothing
    places: Sequence[Place]
    cells: Sequence[Sequence[float | None]]
    along: bool
    write: Callable[[float], str]
    write_others: Callable[[int], str] = str
    series: Sequence[Series] = field(default=(Series(),))
    stacks: bool = True

    def colour(self, name: str) -> str:
        return _COLOURS[self.theme][name]


def draw_chart(told: Drawing) -> str:
    """The whole SVG; every text is escaped, and cut where it has no room."""
    width, height = told.size
    parts = [
        f'<rect width="{width}" height="{height}" fill="{told.colour("paper")}"/>',
        _write(_PAD, 22, told.title, "ink", told, size=_TITLE, room=width - 2 * _PAD, weight="bold"),
        _write(_PAD, height - 9, told.source, "soft", told, size=_SMALL, room=width - 2 * _PAD),
    ]
    if any(value for row in told.cells for value in row):
        parts += _draw_columns(told) if told.along else _draw_bars(told)
    else:
        parts.append(_write(width / 2, height / 2, told.empty, "soft", told, room=width - 2 * _PAD, anchor="middle"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    label = f' role="img" aria-label="{escape(cut(told.title, 1, 200))}" font-family="{_FONT}">'
    return f"{head}{label}{''.join(parts)}</svg>"


def _add(row: Sequence[float | None]) -> float | None:
    known = [value for value in row if value is not None]
    return sum(known) if known else None


def _draw_bars(told: Drawing) -> Iterator[str]:
    """A bar a line, the longest first; those that have no room are one, where they can be added up."""
    width, height = told.size
    rows = _arrange(told, max(1, (height - _HEAD - _FOOT) // _ROW))
    step = min(36.0, (height - _HEAD - _FOOT) / len(rows))
    values = [value or 0 for _, value in rows]
    # All that are not listed may be many times the longest of those that are: then their bar is broken off.
    most = max([0, *(value or 0 for place, value in rows if place.key >= 0)]) or max(0, *values)
    least = min(0, *values)
    texts = ["-" if value is None else told.write(value) for _, value in rows]
    left = _PAD + min(0.4 * width, max(measure(place.label, _TEXT) for place, _ in rows)) + 8
    right = width - _PAD - max(measure(text, _TEXT) for text in texts) - 6
    scale = max(10.0, right - left) / ((most - least) or 1)
    for at, ((place, value), text) in enumerate(zip(rows, texts, strict=True)):
        y = _HEAD + at * step
        start, end = (left + (min(most, edge) - least) * scale for edge in (min(0, value or 0), max(0, value or 0)))
        yield _write(left - 8, y + step / 2 + 4, place.label, "ink", told, room=left - 8 - _PAD, anchor="end")
        if value:
            high, top = step * 0.7, y + step * 0.15
            yield _bar((start, top, max(end - start, 1), high), told.colour("bar" if place.key >= 0 else "edge"))
            if value > most:
                x = start + (end - start) * _BREAK
                gap = f"M{x:.1f} {top + high + 2:.1f}l6 {-high - 4:.1f}h5l-6 {high + 4:.1f}z"
                yield f'<path d="{gap}" fill="{told.colour("paper")}"/>'
        yield _write(end + 6, y + step / 2 + 4, text, "soft", told, room=width - end - 6)
    zero = left - least * scale
    yield f'<path d="M{zero:.1f} {_HEAD}V{_HEAD + step * len(rows):.1f}" stroke="{told.colour("edge")}"/>'


def _arrange(told: Drawing, most: int) -> list[tuple[Place, float | None]]:
    rows = [(place, _add(row)) for place, row in zip(told.places, told.cells, strict=True)]
    if len(rows) <= most or not told.stacks or most < 2:  # noqa: PLR2004 - one of them, and the others
        return rows[:most]
    listed = [row for row in rows if row[0].key >= 0]
    shown = listed[: most - 1]
    rest = [row for row in rows if row not in shown]
    return [*shown, (Place(told.write_others(len(rest)), -1), _add([value for _, value in rest]))]


def _draw_columns(told: Drawing) -> Iterator[str]:
    """Columns along a time or a number, on each other or, where they cannot stand so, as lines."""
    width, height = told.size
    head = _HEAD + 6
    if len(told.series) > 1:
        yield from _draw_legend(told)
        head += 22
    lines = len(told.series) > 1 and not told.stacks
    heights = [value for row in told.cells for value in (row if lines else _ends(row)) if value is not None]
    ticks = _list_ticks(min([0, *heights]), max([0, *heights]))
    left = _PAD + max(measure(told.write(tick), _TEXT) for tick in ticks) + 8
    bottom = max(height - _FOOT - 20, head + 1)
    scale = (bottom - head) / (ticks[-1] - ticks[0])
    place = _Along(left, (width - _PAD - left) / max(1, len(told.places)), bottom + ticks[0] * scale, scale)
    for tick in ticks:
        y = place.y(tick)
        yield f'<path d="M{left:.1f} {y:.1f}H{width - _PAD}" stroke="{told.colour("rule" if tick else "edge")}"/>'
        yield _write(left - 6, y + 4, told.write(tick), "soft", told, room=left, anchor="end")
    yield from _draw_lines(told, place) if lines else _draw_stacks(told, place)
    longest = max(measure(each.label, _TEXT) for each in told.places)
    every = max(1, math.ceil((longest + 16) / place.wide))
    for at, each in enumerate(told.places):
        x = left + at * place.wide
        if at % every == 0 and (x + longest < width or not at):
            yield _write(x, bottom + 16, each.label, "soft", told, room=width - x)


def _ends(row: Sequence[float | None]) -> tuple[float, float]:
    """How high and how low what stands on each other reaches."""
    return sum(max(0, value or 0) for value in row), sum(min(0, value or 0) for value in row)


@dataclass(frozen=True, slots=True)
class _Along:
    """Where columns are: the first begins at `left`, each is `wide`, and 0 is at `zero`."""

    left: float
    wide: float
    zero: float
    scale: float

    def y(self, value: float) -> float:
        return self.zero - value * self.scale


def _draw_stacks(told: Drawing, along: _Along) -> Iterator[str]:
    for at, (place, row) in enumerate(zip(told.places, told.cells, strict=True)):
        up = down = 0.0
        for series, value in zip(told.series, row, strict=True):
            if not value:
                continue
            base = up if value > 0 else down
            top, low = along.y(max(base, base + value)), along.y(min(base, base + value))
            up, down = (base + value, down) if value > 0 else (up, base + value)
            # What is there is seen, however small; what is not complete is pale.
            box = along.left + (at + 0.08) * along.wide, min(top, low - 0.7), along.wide * 0.84, max(low - top, 0.7)
            yield _bar(box, _paint(series, told), pale=place.incomplete)


def _draw_lines(told: Drawing, along: _Along) -> Iterator[str]:
    for number, series in enumerate(told.series):
        d, drawn = "", False
        for at, row in enumerate(told.cells):
            value = row[number]
            if value is not None:
                d += f"{'L' if drawn else 'M'}{along.left + (at + 0.5) * along.wide:.1f} {along.y(value):.1f}"
                d += "" if drawn else "h.1"  # a point between two gaps is seen
            drawn = value is not None
        look = 'fill="none" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"'
        yield f'<path d="{d}" stroke="{escape(_paint(series, told))}" {look}/>' if d else ""


def _draw_legend(told: Drawing) -> Iterator[str]:
    """One line; what has no room is left out, and told by dots."""
    x, y, end = float(_PAD), _HEAD + 8, told.size[0] - _PAD
    for at, series in enumerate(told.series):
        text = cut(series.label, _TEXT, 160)
        long = _SWATCH + 6 + measure(text, _TEXT) + 14
        if x + long > end and at:
            yield _write(x, y + 4, "…", "soft", told, room=20)
            return
        yield _bar((x, y - _SWATCH / 2, _SWATCH, _SWATCH), _paint(series, told))
        yield _write(x + _SWATCH + 6, y + 4, text, "soft", told, room=end - x - _SWATCH - 6)
        x += long


def _list_ticks(low: float, high: float) -> list[float]:
    """Round numbers from below the least to above the greatest, some five of them, 0 among them."""
    step = _round_up(((high - low) or 1) / 4)
    return [step * at for at in range(math.floor(low / step), math.ceil(high / step) + 1)]


def _round_up(size: float) -> float:
    """The next of 1, 2, 5, 10, 20, ..."""
    unit = 10.0 ** math.floor(math.log10(size))
    return next(unit * times for times in (1, 2, 5, 10) if unit * times >= size * 0.999)


def _paint(series: Series, told: Drawing) -> str:
    return (series.dark if told.theme == "dark" else series.light) or told.colour("bar")


def _bar(box: tuple[float, float, float, float], fill: str, *, pale: bool = False) -> str:
    x, y, width, height = box
    look = f'fill="{escape(fill)}"'
    if pale:
        look += f' fill-opacity="0.45" stroke="{escape(fill)}" stroke-dasharray="3 2"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" {look}/>'


def _write(
    x: float,
    y: float,
    text: str,
    colour: str,
    told: Drawing,
    *,
    room: float,
    size: int = _TEXT,
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    kept = cut(text, size * (1.06 if weight == "bold" else 1), max(room, size))
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
        f' fill="{told.colour(colour)}">{escape(kept)}</text>'
    )
