"""Who may see a frozen map: whoever may see by now at least what was seen by whom it was frozen for.

It is compared layer by layer, and rather too strictly: a grant for other rows, though they hold the same, is not the
same. What was public stays public while the layer is, or when it is gone for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from geoserver.errors import NotFoundError
from geoserver.filtering.syntax import to_json
from geoserver.sights import restricted_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geoserver.access import View
    from geoserver.model import Layer

__all__ = ["is_public", "may_see", "remember", "render_rows"]


def remember(layers: Iterable[Layer]) -> dict[str, dict[str, Any]]:
    """What is seen of these layers, as JSON; they are as their reader sees them."""
    return {
        layer.id: {
            "access": layer.access,
            "rows": render_rows(layer),
            "fields": sorted(layer.fields),
            "scope": layer.scope,
        }
        for layer in layers
    }


def is_public(view: View, seen: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether all of it is for everybody now."""
    return all(_is_open(view, name, told) for name, told in seen.items())


async def may_see(view: View, seen: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether the caller may. Raises UnavailableError while that is not known."""
    for name, told in seen.items():
        if not _is_open(view, name, told) and not await _reaches(view, name, told):
            return False
    return True


def _is_open(view: View, name: str, told: Mapping[str, Any]) -> bool:
    layer = view.services.live.current.layers.get(name)
    if told["scope"]:
        return False
    if layer is None:
        return bool(told["access"] == "public")
    return layer.access == "public" and not restricted_fields(layer).intersection(told["fields"])


async def _reaches(view: View, name: str, told: Mapping[str, Any]) -> bool:
    try:
        layer, _ = await view.layer(name)
    except NotFoundError:
        return False
    whole = view.whole[name][0]
    hidden = restricted_fields(whole) - layer.fields.keys()
    return (layer.rows is None or render_rows(layer) == told["rows"]) and not hidden.intersection(told["fields"])


def render_rows(layer: Layer) -> str:
    """The filter of rows that its reader is bound to, the same text for the same one; empty for all rows."""
    return "" if layer.rows is None else orjson.dumps(to_json(layer.rows)).decode()  # type: ignore[arg-type]
