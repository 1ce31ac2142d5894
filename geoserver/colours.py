"""Colours as numbers: how light they are, and how well one stands out from another."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["HEX", "contrast", "luminance", "mix", "parse_hex", "write_hex"]

HEX = re.compile(r"^#(?:[0-9a-f]{3}|[0-9a-f]{6})$", re.IGNORECASE)
_WEIGHTS = (0.2126, 0.7152, 0.0722)  # of red, green and blue in what the eye takes for light


def parse_hex(text: str) -> tuple[float, float, float]:
    """Red, green and blue of "#rgb" or "#rrggbb", 0 to 1; ValueError for any other text."""
    if not HEX.match(text):
        raise ValueError(f"a colour as #rrggbb; got {text!r}")
    digits = text[1:] if len(text) > 4 else "".join(2 * digit for digit in text[1:])  # noqa: PLR2004 - "#rgb"
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def write_hex(parts: Sequence[float]) -> str:
    """The colour as "#rrggbb"."""
    return "#" + "".join(f"{round(255 * value):02x}" for value in parts)


def luminance(colour: str | Sequence[float]) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    parts = parse_hex(colour) if isinstance(colour, str) else colour
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]  # noqa: PLR2004
    return sum(weight * part for weight, part in zip(_WEIGHTS, linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mix(one: Sequence[float], other: Sequence[float], part: float) -> tuple[float, float, float]:
    """A colour between two; `part` is the share of the second."""
    red, green, blue = (a + (b - a) * part for a, b in zip(one, other, strict=True))
    return red, green, blue
