"""What is laid over a map: title, legend, marker and whose data it is, as an SVG of the map's size."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Overlay", "Section", "build_overlay", "cut", "measure"]

_FONT = "Noto Sans, DejaVu Sans, Liberation Sans, Arial, sans-serif"
_PAD = 8  # pixels around text
_WIDTH = {"W": 1.0, "F": 1.0}  # of a letter, in parts of its height; of all others:
_LETTER, _NARROW, _CAPITAL = 0.62, 0.35, 0.76  # of DejaVu Sans, which is wide
_COLOURS = {
    "light": {"ink": "#1b2124", "quiet": "#4d575c", "paper": "#ffffff", "accent": "#17616a"},
    "dark": {"ink": "#f0f3f4", "quiet": "#b8c1c5", "paper": "#16191c", "accent": "#6ec2c9"},
}
_ROW, _TEXT, _TITLE, _SMALL = 18, 12, 16, 10
_SHARE, _BREADTH = 0.4, 0.75  # of a picture's height and width that a legend takes at most
_PHONE = 420  # CSS pixels; a picture that is less wide gives texts more of it
_SWATCH = 26
_UNSEEN = ("Cc", "Cf", "Cn", "Cs")  # categories of signs: controls, marks of direction, and what is no letter at all


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a legend: a layer's title, and entries as `styling.build_legend` makes them."""

    title: str
    entries: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Overlay:
    """All that is laid over; `marker` is a place in CSS pixels from the top left."""

    size: tuple[int, int]
    theme: str = "light"
    title: str = ""
    sections: Sequence[Section] = field(default=())
    credit: str = ""
    marker: tuple[float, float] | None = None


def build_overlay(told: Overlay) -> str:
    """The SVG; empty where nothing is laid over. Every text is escaped, and cut where it has no room."""
    parts = [*_draw_marker(told), *_draw_title(told), *_draw_legend(told), *_draw_credit(told)]
    if not parts:
        return ""
    width, height = told.size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    return f'{head} font-family="{_FONT}">{"".join(parts)}</svg>'


def measure(text: str, size: float) -> float:
    """Pixels that a text takes, roughly and rather more."""
    return size * sum(
        _WIDTH.get(unicodedata.east_asian_width(sign))
        or (_NARROW if sign in "iljtfrI.,:;'|!()[] " else _CAPITAL if sign.isupper() else _LETTER)
        for sign in text
    )


def cut(text: str, size: float, room: float) -> str:
    """As much of a text as there is room for; one line, without signs that turn or break it, or that XML refuses."""
    text = " ".join("".join(sign for sign in text if unicodedata.category(sign) not in _UNSEEN).split())
    if measure(text, size) <= room:
        return text
    kept, room = 0, room - measure("…", size)
    for kept, sign in enumerate(text):  # noqa: B007 - as far as it comes
        room -= measure(sign, size)
        if room < 0:
            break
    return text[:kept].rstrip() + "…" if kept else ""


def _write(text: str, at: tuple[float, float], size: float, colour: str, more: str = "") -> str:
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size}" fill="{colour}"{more}>{escape(text)}</text>'


def _box(box: tuple[float, float, float, float], colour: str, opacity: float = 0.92) -> str:
    x, y, width, height = box
    at = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect {at} rx="4" fill="{colour}" fill-opacity="{opacity}"/>'


def _draw_title(told: Overlay) -> Iterator[str]:
    colours = _COLOURS[told.theme]
    text = cut(told.title, _TITLE, told.size[0] - 4 * _PAD)
    if text:
        yield _box((_PAD, _PAD, measure(text, _TITLE) * 1.04 + 2 * _PAD, _TITLE + 2 * _PAD), colours["paper"])
        yield _write(text, (2 * _PAD, _PAD + _TITLE + _PAD * 0.6), _TITLE, colours["ink"], ' font-weight="500"')


def _draw_credit(told: Overlay) -> Iterator[str]:
    """In the corner where maps have it; in two lines where one is too short."""
    width, height = told.size
    colours, room = _COLOURS[told.theme], width - 2 * _PAD
    lines: list[str] = []
    rest = told.credit
    while rest and len(lines) < 2:  # noqa: PLR2004
        line = rest if measure(rest, _SMALL) <= room else _break(rest, room)
        lines.append(line)
        rest = rest[len(line) :].strip(" ·")
    if rest and lines:
        lines[-1] = cut(f"{lines[-1]} {rest}", _SMALL, room)
    lines = [cut(line, _SMALL, room) for line in lines]
    for number, text in enumerate(reversed(lines)):
        wide, high = measure(text, _SMALL) + _PAD, _SMALL + 5
        top = height - (number + 1) * high
        yield _box((width - wide, top, wide, high), colours["paper"], 0.75)
        yield _write(text, (width - _PAD / 2, top + _SMALL), _SMALL, colours["quiet"], ' text-anchor="end"')


def _break(text: str, room: float) -> str:
    """The beginning of a text that fits, up to the end of a part or a word."""
    end = len(text)
    while end and measure(text[:end], _SMALL) > room:
        end -= 1
    for sign in (" · ", " "):
        if (at := text.rfind(sign, end // 2, end)) > 0:
            return text[:at]
    return text[:end]


def _draw_marker(told: Overlay) -> Iterator[str]:
    """A drop whose tip is the place."""
    if told.marker is None:
        return
    x, y = told.marker
    colours = _COLOURS[told.theme]
    drop = "M0 0C-3-8-10-13-10-21A10 10 0 0 1 10-21C10-13 3-8 0 0Z"
    yield f'<g transform="translate({x:.1f} {y:.1f})"><path d="{drop}" fill="{colours["accent"]}"'
    yield f' stroke="{colours["paper"]}" stroke-width="2"/><circle cy="-21" r="4" fill="{colours["paper"]}"/></g>'


def _draw_legend(told: Overlay) -> Iterator[str]:
    """Below the title at the left, in columns where that keeps it low; left out where there is no room for two rows."""
    colours = _COLOURS[told.theme]
    width, height = told.size
    top = _PAD + (_TITLE + 3 * _PAD if told.title else 0)
    rows = [*_list_rows(told.sections, width * (0.5 if width > _PHONE else 0.7))]
    fitting = int((min(height * _SHARE, height - top - 5 * _PAD) - _PAD) // _ROW)
    if fitting < min(2, len(rows)) or not rows:
        return
    text_at = _SWATCH + 6
    across = max(measure(text, _TEXT) * 1.05 + (text_at if entry else 0) for text, entry in rows) + 2 * _PAD
    columns = max(1, min(math.ceil(len(rows) / fitting), int((width * _BREADTH) // across)))
    if len(rows) > columns * fitting:
        rows = [*rows[: columns * fitting - 1], ("…", None)]
    high = math.ceil(len(rows) / columns)
    columns = math.ceil(len(rows) / high)
    yield _box((_PAD, top, columns * across, high * _ROW + _PAD), colours["paper"])
    for number, (text, entry) in enumerate(rows):
        left = 2 * _PAD + number // high * across
        middle = top + _PAD / 2 + (number % high + 0.5) * _ROW
        if entry is not None:
            yield _draw_swatch(entry, left + _SWATCH / 2, middle)
        weight = "" if entry else ' font-weight="500"'
        at = left + (text_at if entry else 0), middle + _TEXT * 0.36
        yield _write(text, at, _TEXT, colours["ink"], weight)


def _list_rows(sections: Sequence[Section], room: float) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    """Texts with what is drawn before them; a layer that has one look is one row."""
    for section in sections:
        if len(section.entries) == 1:
            yield cut(section.title, _TEXT, room - _SWATCH), section.entries[0]
            continue
        yield cut(section.title, _TEXT, room), None
        for entry in section.entries:
            yield cut(str(entry.get("label", "")), _TEXT, room - _SWATCH), entry


def _draw_swatch(entry: Mapping[str, Any], x: float, y: float) -> str:
    colour = escape(str(entry.get("color", "#888")))
    stroke = escape(str(entry.get("stroke", "none")))
    opacity = float(entry.get("opacity", 1))
    size = float(entry.get("size", 4))
    look = f'fill="{colour}" stroke="{stroke}" opacity="{opacity}"'
    if entry.get("kind") == "circle":
        width = min(float(entry.get("stroke_width", 1)), 3)
        return f'<circle cx="{x}" cy="{y}" r="{min(max(size, 2.5), 8)}" {look} stroke-width="{width}"/>'
    if entry.get("kind") == "line":
        dash = entry.get("dash")
        dashed = f' stroke-dasharray="{" ".join(str(float(part) * size) for part in dash)}"' if dash else ""
        ends = f'x1="{x - 11}" x2="{x + 11}" y1="{y}" y2="{y}"'
        return f'<line {ends} stroke="{colour}" stroke-width="{min(max(size, 1.5), 8)}" opacity="{opacity}"{dashed}/>'
    return f'<rect x="{x - 9}" y="{y - 6}" width="18" height="12" {look}/>'
