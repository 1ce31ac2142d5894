"""Classes of colours from a ramp that stand out enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from geoserver.colours import HEX, contrast, luminance, mix, parse_hex, write_hex

__all__ = ["HEX", "contrast", "list_colours", "luminance", "parse_hex", "shades"]


# Relative luminance of the first and of the last of several classes. The first has a contrast of at least 2:1 with all
# grounds of the basemaps (styles/light.json, styles/dark.json); the others are further from them.
_RANGES = {"light": (0.345, 0.03), "dark": (0.13, 0.62)}


def list_colours(value: Any) -> Iterator[str]:
    """Every "#rrggbb" in a style value, or in several by name."""
    if isinstance(value, str):
        if HEX.match(value):
            yield value
    elif isinstance(value, list | Mapping):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from list_colours(part)


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
        mixed = mix(low, high, part)
        least, most = (part, most) if luminance(mixed) > wanted else (least, part)
    return write_hex(mixed)
