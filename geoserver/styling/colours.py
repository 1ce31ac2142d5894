"""Colours as numbers: how light they are, how well they stand out, and classes from a ramp that stand out enough."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

__all__ = ["HEX", "contrast", "list_colours", "luminance", "parse_hex", "shades"]

HEX = re.compile(r"^#(?:[0-9a-f]{3}|[0-9a-f]{6})$", re.IGNORECASE)
_WEIGHTS = (0.2126, 0.7152, 0.0722)  # of red, green and blue in what the eye takes for light

# Relative luminance of the first and of the last of several classes. The first has a contrast of at least 2:1 with all
# grounds of the basemaps (styles/light.json, styles/dark.json); the others are further from them.
_RANGES = {"light": (0.345, 0.03), "dark": (0.13, 0.62)}


def parse_hex(text: str) -> tuple[float, float, float]:
    """Red, green and blue of "#rgb" or "#rrggbb", 0 to 1; ValueError for any other text."""
    if not HEX.match(text):
        raise ValueError(f"a colour as #rrggbb; got {text!r}")
    digits = text[1:] if len(text) > 4 else "".join(2 * digit for digit in text[1:])  # noqa: PLR2004 - "#rgb"
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def list_colours(value: Any) -> Iterator[str]:
    """Every "#rrggbb" in a style value, or in several by name."""
    if isinstance(value, str):
        if HEX.match(value):
            yield value
    elif isinstance(value, list | Mapping):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from list_colours(part)


def luminance(colour: str | Sequence[float]) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    parts = parse_hex(colour) if isinstance(colour, str) else colour
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]  # noqa: PLR2004
    return sum(weight * part for weight, part in zip(_WEIGHTS, linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def shades(ramp: Sequence[str], count: int, *, dark: bool) -> list[str]:
    """So many colours of a ramp that goes from light to dark, each as far from the last as the eye sees it.

    On a light ground the first is the lightest, on a dark one the darkest.
    """
    first, last = _RANGES["dark" if dark else "light"]
    lightest, darkest = luminance(ramp[0]), luminance(ramp[-1])
    ends = [min(max(end, darkest), lightest) ** (1 / 3) for end in (first, last)]
    steps = max(count - 1, 1)
    return [_shade(ramp, (ends[0] + (ends[1] - ends[0]) * at / steps) ** 3) for at in range(count)]


def _shade(ramp: Sequence[str], wanted: float) -> str:
    """The colour of a ramp that is as light as wanted."""
    found = next((stops for stops in pairwise(ramp) if luminance(stops[1]) <= wanted), ramp[-2:])
    low, high = map(parse_hex, found)
    least, most = 0.0, 1.0
    mixed = low
    for _ in range(12):
        part = (least + most) / 2
        mixed = _mix(low, high, part)
        least, most = (part, most) if luminance(mixed) > wanted else (least, part)
    return "#" + "".join(f"{round(255 * value):02x}" for value in mixed)


def _mix(one: Sequence[float], other: Sequence[float], part: float) -> tuple[float, float, float]:
    red, green, blue = (a + (b - a) * part for a, b in zip(one, other, strict=True))
    return red, green, blue
