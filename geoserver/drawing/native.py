"""A style as MapLibre Native draws it like MapLibre GL JS, for which ours are written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["adapt"]

_UNKNOWN = ("font-faces", "metadata")  # what it has no use for


def adapt(style: Mapping[str, Any]) -> dict[str, Any]:
    """The style without what Native does not know, and with lines that it draws as a browser does."""
    kept = {name: value for name, value in style.items() if name not in _UNKNOWN}
    return kept | {"layers": [_adapt_layer(item) for item in style["layers"]]}


def _adapt_layer(item: Mapping[str, Any]) -> dict[str, Any]:
    """Round joins of an outline that is moved inwards stick out of it as rays; mitred ones do not."""
    layer = {name: value for name, value in item.items() if name != "metadata"}
    if "line-offset" in item.get("paint", {}) and item.get("layout", {}).get("line-join") == "round":
        layer["layout"] = item["layout"] | {"line-join": "miter"}
    return layer
