"""Whether the rows of a frozen map are others by now, under the very question that was frozen.

A layer whose version stayed is the same. Of another one the rows are counted and digested as they were when they were
frozen, so that what was edited elsewhere is no change; that is done once for each version.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from geoserver import mapstates
from geoserver.database.copies import Copy, build_digest
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.freezing.seeing import render_rows
from geoserver.turns import Shared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.access import View
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.questions import Questions

__all__ = ["Asking", "Changes", "Found", "name_version"]

_KEPT = 1_000


class Asking(NamedTuple):
    """Who asks, and by what."""

    view: View
    questions: Questions
    client: str


class Found(NamedTuple):
    """What is left of a layer now: its rows where they are known, and whether they are those that were frozen."""

    changed: bool
    now: int | None


def name_version(status: LayerStatus) -> str:
    """Differs with any edit or load."""
    return f"{status.version} {status.loaded_at.isoformat()}"


class Changes:
    """One per process; keeps what it found. After an edit all readers of a map come to ask, and it is found once."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], Found] = OrderedDict()
        self._shared: Shared[tuple[str, ...], Found] = Shared()

    async def find(self, asking: Asking, frozen_id: str, private: Mapping[str, Any]) -> dict[str, Any]:
        """`changed`, and by layer how many rows there were (`then`) and are (`now`; null where there is no such layer
        any more, or its rows are for the caller other ones). Raises UnavailableError.
        """
        state = mapstates.parse_link(private["query"])
        layers = {}
        for layer_id, then in private["counts"].items():
            found = await self._look(asking, (frozen_id, layer_id), private, state)
            layers[layer_id] = (found, then)
        return {
            "changed": any(found.changed for found, _ in layers.values()),
            "layers": {name: {"then": then, "now": found.now} for name, (found, then) in layers.items()},
        }

    async def _look(
        self,
        asking: Asking,
        name: tuple[str, str],
        private: Mapping[str, Any],
        state: mapstates.MapState,
    ) -> Found:
        layer_id, told = name[1], private["layers"][name[1]]
        try:
            layer, status = await asking.view.layer(layer_id)
        except NotFoundError:
            return Found(changed=True, now=None)
        version = name_version(status)
        if version == private["versions"][layer_id]:
            return Found(changed=False, now=private["counts"][layer_id])
        if render_rows(layer) != told["rows"] or not layer.fields.keys() >= set(told["fields"]) or not layer.has_rows:
            return Found(changed=True, now=None)
        key = (*name, version, layer.scope)
        if (known := self._kept.get(key)) is not None:
            return known

        async def look() -> Found:
            rows = await _digest(asking, (layer, status), state, told["fields"])
            found = Found(rows[1] != private["digests"][layer_id], rows[0]) if rows else Found(changed=True, now=None)
            self._kept[key] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return found

        return await self._shared.get(key, look)


async def _digest(
    asking: Asking,
    seen: tuple[Layer, LayerStatus],
    state: mapstates.MapState,
    fields: list[str],
) -> tuple[int, str] | None:
    """Count and digest now; None where the question fits the layer no more."""
    layer, status = seen
    filters = {"filter": text} if (text := state.question(layer)) else {}
    try:
        asked = await asking.questions.read(asking.client, layer, status, filters, None, find_shape=asking.view.shape)
    except BadParameterError:
        return None
    wanted = Copy(layer.id, layer.table, status.loaded_at, tuple(fields), asked.where.sql)
    async with asking.questions.turn(asking.client, replace(asked, costly=True)):  # it reads every value of every row
        row = await asking.view.services.database.fetch_row(build_digest(wanted), asked.where.params)
    return (int(row["n"]), str(row["digest"])) if row else None
