"""A chart as SVG, of what `api.aggregate` counts: bars beside values or areas, columns over times and numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Drawing", "draw_chart"]

_FONT = "Noto Sans, DejaVu Sans, Liberation Sans, Arial, sans-serif"
_COLOURS = {
    "light": {"ink": "#1b2124", "soft": "#4d575c", "rule": "#d5dbde", "paper": "#ffffff", "bar": "#17616a"},
    "dark": {"ink": "#f0f3f4", "soft": "#b8c1c5", "rule": "#3a4247", "paper": "#16191c", "bar": "#6ec2c9"},
}
_PAD, _HEAD, _FOOT = 12, 34, 26
_ROW = 24  # pixels of a bar beside its label, at least
_LETTER = 0.58  # the width of a letter, roughly, in parts of its height
_TEXT, _TITLE, _SMALL = 12, 15, 10


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is drawn: a number or None for each label. `along` says that the labels have an order of their own."""

    size: tuple[int, int]
    theme: str
    title: str
    source: str
    empty: str  # what is said where there is nothing
    labels: Sequence[str]
    values: Sequence[float | None]
    along: bool
    write: Callable[[float], str]


def draw_chart(told: Drawing) -> str:
    """The whole SVG; every text is escaped, and cut where it has no room."""
    width, height = told.size
    colours = _COLOURS[told.theme]
    top = max((value for value in told.values if value is not None), default=0.0)
    body = _draw_columns if told.along else _draw_bars
    parts = [
        f'<rect width="{width}" height="{height}" fill="{colours["paper"]}"/>',
        _write(_PAD, 22, told.title, "ink", told, size=_TITLE, room=width - 2 * _PAD, weight="bold"),
        _write(_PAD, height - 9, told.source, "soft", told, size=_SMALL, room=width - 2 * _PAD),
    ]
    if top > 0 or any(value for value in told.values):
        parts += body(told, max(top, 0.0) or 1.0)
    else:
        parts.append(_write(width / 2, height / 2, told.empty, "soft", told, room=width - 2 * _PAD, anchor="middle"))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    label = f' role="img" aria-label="{escape(_clean(told.title)[:200])}" font-family="{_FONT}">'
    return f"{head}{label}{''.join(parts)}</svg>"


def _draw_bars(told: Drawing, top: float) -> Iterator[str]:
    width, height = told.size
    shown = min(len(told.labels), max(1, (height - _HEAD - _FOOT) // _ROW))
    row = min(36.0, (height - _HEAD - _FOOT) / shown)
    longest = max((len(label) for label in told.labels[:shown]), default=0)
    left = _PAD + min(0.4 * width, longest * _TEXT * _LETTER) + 8
    most = max(len(told.write(value)) for value in told.values if value is not None)
    room = max(10.0, width - left - _PAD - most * _TEXT * _LETTER - 6)
    for at, (label, value) in enumerate(zip(told.labels[:shown], told.values[:shown], strict=True)):
        y = _HEAD + at * row
        yield _write(left - 8, y + row / 2 + 4, label, "ink", told, room=left - 8 - _PAD, anchor="end")
        if value is not None:
            long = max(0.0, value / top * room)
            yield _bar(left, y + row * 0.15, long, row * 0.7, told)
            yield _write(left + long + 6, y + row / 2 + 4, told.write(value), "soft", told, room=width)


def _draw_columns(told: Drawing, top: float) -> Iterator[str]:
    width, height = told.size
    step = _round_up(top / 4)
    ticks = [step * at for at in range(math.ceil(top / step) + 1)]
    top = ticks[-1]
    left = _PAD + max(len(told.write(tick)) for tick in ticks) * _TEXT * _LETTER + 8
    bottom, high = height - _FOOT - 20, height - _FOOT - 20 - _HEAD - 6
    for tick in ticks:
        y = bottom - tick / top * high
        yield f'<path d="M{left:.1f} {y:.1f}H{width - _PAD}" stroke="{_COLOURS[told.theme]["rule"]}"/>'
        yield _write(left - 6, y + 4, told.write(tick), "soft", told, room=left, anchor="end")
    wide = (width - _PAD - left) / max(1, len(told.values))
    longest = max((len(label) for label in told.labels), default=0)
    every = max(1, round((longest * _TEXT * _LETTER + 16) / wide + 0.5))
    for at, (label, value) in enumerate(zip(told.labels, told.values, strict=True)):
        x = left + at * wide
        if value:
            long = max(0.0, value / top * high)
            yield _bar(x + wide * 0.08, bottom - long, wide * 0.84, long, told)
        if at % every == 0 and x + longest * _TEXT * _LETTER < width:
            yield _write(x, bottom + 16, label, "soft", told, room=width - x)


def _round_up(size: float) -> float:
    """The next of 1, 2, 5, 10, 20, ..."""
    unit = 10.0 ** math.floor(math.log10(size))
    return next(unit * times for times in (1, 2, 5, 10) if unit * times >= size * 0.999)


def _bar(x: float, y: float, width: float, height: float, told: Drawing) -> str:
    fill = _COLOURS[told.theme]["bar"]
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}"/>'


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
    most = max(1, int(room / (size * _LETTER)))
    plain = _clean(text)
    cut = plain if len(plain) <= most else plain[: most - 1].rstrip() + "…"
    fill = _COLOURS[told.theme][colour]
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
        f' fill="{fill}">{escape(cut)}</text>'
    )


def _clean(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
