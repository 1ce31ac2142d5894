"""What a page tells of a dataset beside its layer file: what is known without a look at many rows."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from geoserver.catalog.languages import in_language
from geoserver.database import queries, summaries
from geoserver.database.exports import read_widths
from geoserver.errors import GeoserverError, UnavailableError
from geoserver.filtering import build
from geoserver.kept import Kept
from geoserver.site.datasets.pages import prepare_pages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from geoserver.database.status import LayerStatus
    from geoserver.database.summaries import Range
    from geoserver.model import Layer
    from geoserver.services import Services

__all__ = ["Known", "Reading"]

log = logging.getLogger("geoserver")

_FEW = 5_000  # rows whose values are counted while the page is made; least and greatest ones are had by an index
_PATIENCE = 0.03  # seconds for the values of more rows: mostly somebody has asked before
_AT_ONCE = 2  # layers whose values are counted behind pages
_LOADS = 50
_PAUSE = 300.0  # seconds until what took too long is tried again
_KEPT, _ROOM = 3_600.0, 16 * 2**20  # seconds and bytes of pictures; a change of rows makes another one


@dataclass(frozen=True, slots=True)
class Known:
    """`layer` is in the reader's language; choices and ranges are empty while they are still counted."""

    layer: Layer
    status: LayerStatus
    loads: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[Mapping[str, Any]] = ()
    choices: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    ranges: Mapping[str, Range | None] = field(default_factory=dict)
    widths: Mapping[str, float] | None = None  # average bytes of columns, by which sizes of files are told


type _Values = Mapping[str, Sequence[Mapping[str, Any]]]


class Reading:
    """One per process: reads it, and lets the values of large layers be counted behind the pages that ask first."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.pictures: Kept[str] = Kept(_KEPT, _ROOM)
        self._late: dict[object, float] = {}  # until when what took too long is not tried again
        self._behind: dict[tuple[object, ...], asyncio.Task[_Values]] = {}

    async def read(self, services: Services, layer: Layer, status: LayerStatus, language: str) -> Known:
        """All of it for a layer as its reader may see it; without what the database cannot tell now."""
        spoken = in_language(layer, (language,))
        if not layer.has_rows:
            return Known(spoken, status)
        try:
            loads, notes, ranges, choices, widths = await asyncio.gather(
                queries.read_loads(services.database, layer, _LOADS),
                queries.read_notes(services.database, layer),
                _read_ranges(services, layer, status),
                self._read_values(services, layer, status),
                read_widths(services.database, layer),
            )
        except UnavailableError as error:
            log.info("The page of %s goes without its figures: %s", layer.id, error)
            return Known(spoken, status)
        return Known(spoken, status, loads or [_build_load(status)], notes, choices, ranges, widths)

    async def _read_values(self, services: Services, layer: Layer, status: LayerStatus) -> _Values:
        if status.rows <= _FEW:
            return await _count_values(services, layer, status)
        key = (layer.id, layer.scope, status.version, status.loaded_at)
        task = self._behind.get(key)
        if task is None:
            if len(self._behind) >= _AT_ONCE or self.is_late(key):
                return {}
            work = _count_values(services, layer, status)
            task = self._behind[key] = asyncio.create_task(work, name=f"count values of {layer.id}")
            task.add_done_callback(lambda done: self._forget(key, done))
        done, _ = await asyncio.wait([task], timeout=_PATIENCE)
        return task.result() if done else {}

    def _forget(self, key: tuple[object, ...], task: asyncio.Task[_Values]) -> None:
        self._behind.pop(key, None)
        if task.cancelled() or (error := task.exception()) is None:
            return
        self.note_late(key)
        if not isinstance(error, GeoserverError):
            log.error("Values of %s could not be counted", key[0], exc_info=error)

    def is_late(self, key: object) -> bool:
        """Whether the database could not tell this in time a while ago: every reader would have it try again."""
        now = time.monotonic()
        self._late = {known: until for known, until in self._late.items() if until > now}
        return key in self._late

    def note_late(self, key: object) -> None:
        self._late[key] = time.monotonic() + _PAUSE

    def start(self, languages: Iterable[str]) -> None:
        """Have templates and languages read beside the start, so that the first reader does not wait for them."""
        self._tasks.add(asyncio.create_task(asyncio.to_thread(prepare_pages, tuple(languages)), name="prepare pages"))

    async def stop(self) -> None:
        """End what is being counted."""
        tasks = [*self._behind.values(), *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# Both as the API does it, which shares what it has counted.


async def _count_values(services: Services, layer: Layer, status: LayerStatus) -> _Values:
    by_choice = [item for item in layer.listed_fields if item.filter == "choice"]
    return await summaries.read_choices(services.database, layer, status, by_choice, build(layer, status))


async def _read_ranges(services: Services, layer: Layer, status: LayerStatus) -> Mapping[str, Range | None]:
    if layer.rows is not None and status.rows > _FEW:  # no index has the ends of a part
        return {}
    by_range = [item for item in layer.listed_fields if item.filter == "range"]
    return await summaries.read_ranges(services.database, layer, status, by_range, build(layer, status))


def _build_load(status: LayerStatus) -> dict[str, Any]:
    """The last load as the layer's state tells of it: for who sees some rows, and where there is no history yet."""
    read = status.rows + status.rejected
    told = {"at": status.loaded_at, "version": status.version, "read": read, "rows": status.rows}
    return told | {"rejected": status.rejected, "readings": status.readings, "changed": 0, "reasons": {}}
