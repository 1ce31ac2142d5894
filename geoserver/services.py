"""What one running server holds: settings, catalogue, database and the state of the layers, kept up to date.

Nothing here cannot be rebuilt from files and database, so any number of workers may run side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier
from watchfiles import awatch

from geoserver import assets
from geoserver.catalog import LiveCatalog, layer_folders
from geoserver.database.connecting import connect_async
from geoserver.database.migrate import apply_migrations
from geoserver.database.notices import Notice, parse_notice
from geoserver.database.pool import Database
from geoserver.database.status import CHANNEL, LayerStatus, read_statuses
from geoserver.errors import GeoserverError, NotFoundError, SetupError, UnavailableError
from geoserver.grid import join
from geoserver.tilesets import Tilesets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geoserver.model import Layer
    from geoserver.settings import Settings

__all__ = ["Services"]

log = logging.getLogger("geoserver")

_RETRY = 2.0  # seconds between attempts to reach a database that is away
_BREATH = 0.25  # seconds between two readings of the loaded state, however many changes there are


class Services:
    """Handed to every router by the app. `statuses` maps layer ids to what is loaded of them."""

    def __init__(self, settings: Settings, database_url: str, revive: Callable[[], object] | None = None) -> None:
        """`revive` brings a database that we look after ourselves back; it is called when the database is away."""
        self.settings = settings
        self.live = LiveCatalog(settings)
        self.database = Database(database_url, settings)
        self.tilesets = Tilesets()
        self.statuses: dict[str, LayerStatus] = {}
        self.database_problem = "not connected yet"
        self._found: dict[str, tuple[Layer, tuple[Layer, LayerStatus]]] = {}  # what `find` made of a layer's file
        self._revive = revive
        self._callbacks: list[Callable[[], None]] = []
        self._listeners: list[Callable[[Notice], None]] = []
        self._seen: dict[str, int] = {}  # the newest version of each layer whose notice was handed on
        self._since: dict[str, LayerStatus] = {}  # what notices told since the reading of the state began
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back, in the event loop, after the catalogue or the rows of a layer changed."""
        self._callbacks.append(callback)

    def on_notice(self, listener: Callable[[Notice], None]) -> None:
        """Call back, in the event loop and at once, when rows of a layer changed; a change is told at least once."""
        self._listeners.append(listener)

    def layer(self, layer_id: str) -> tuple[Layer, LayerStatus]:
        """A layer and its loaded state; raises NotFoundError, or UnavailableError while nothing is known yet."""
        if (found := self.find(layer_id)) is not None:
            return found
        if not self.live.current.layer(layer_id).has_rows:
            raise NotFoundError("layer", layer_id, "a layer that can be served; /readyz says what is wrong with it")
        if self.database_problem:
            raise UnavailableError("The database cannot be reached; try again in a few seconds.")
        raise NotFoundError("layer", layer_id, f"a loaded layer; this one has no rows yet: geoserver load {layer_id}")

    def site_url(self, seen: str) -> str:
        """The address under which clients know us, without a slash at its end; `seen` is the one they asked at."""
        return (self.settings.public_url or seen).rstrip("/")

    def loaded(self) -> list[tuple[Layer, LayerStatus]]:
        """Every layer that can be served, in display order."""
        return [found for layer_id in self.live.current.layers if (found := self.find(layer_id)) is not None]

    def find(self, layer_id: str) -> tuple[Layer, LayerStatus] | None:
        """A layer that can be served, and its state."""
        layer = self.live.current.layers.get(layer_id)
        if layer is not None and not layer.has_rows:
            return self.tilesets.held.get(layer_id)
        status = self.statuses.get(layer_id)
        if layer is None or status is None:
            return None
        known = self._found.get(layer_id)
        if known is None or known[0] is not layer or known[1][1] is not status:
            known = self._found[layer_id] = (layer, (layer.deepened(status.plan), status))
        return known[1]

    async def start(self) -> None:
        """Open the pools and begin to watch; waits for a first answer of the database, though not for long."""
        await asyncio.to_thread(self.tilesets.refresh, self.live.current)
        self._report_problems()
        await self.database.open()
        ready = asyncio.Event()
        self._tasks = [
            asyncio.create_task(self._follow_database(ready), name="follow database"),
            asyncio.create_task(self._follow_changes(), name="follow changes"),
            asyncio.create_task(self._follow_files(), name="follow files"),
        ]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), timeout=5)

    async def stop(self) -> None:
        """End the watching tasks and close every connection."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.database.close()

    async def refresh(self) -> None:
        """Read the loaded state again and tell those who asked to be told."""
        self._since = {}
        read = await read_statuses(self.database)
        # A notice may have overtaken the reading: what it said stays until the next reading, which it has asked for.
        newer = {key: told for key, told in self._since.items() if key in read and told.version > read[key].version}
        self.statuses = read | newer
        self.database_problem = ""
        self._tell()

    def _tell(self) -> None:
        for callback in self._callbacks:
            callback()

    async def _follow_database(self, ready: asyncio.Event) -> None:
        """Migrate, then LISTEN for as long as we run; on a lost connection start over, so that no change is missed."""
        while True:
            established = False
            try:
                await asyncio.to_thread(apply_migrations, self.database.url)
                connection = await connect_async(self.database.url)
                async with connection:
                    await connection.execute(SQL("LISTEN {}").format(Identifier(CHANNEL)))
                    await self.refresh()
                    self._catch_up()
                    established = True
                    ready.set()
                    await self._listen(connection)
            except (psycopg.Error, GeoserverError, OSError) as error:
                if established:  # perhaps only this connection was lost: look at once
                    continue
                self._note_problem(error)
                await self._bring_back()
            await asyncio.sleep(_RETRY)

    async def _listen(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            async for message in connection.notifies(timeout=30):
                if (notice := parse_notice(message.payload)) is None:
                    log.warning("A notice of a change could not be read: %.200s", message.payload)
                else:
                    self._take(notice)
                self._changed.set()
            await connection.execute("SELECT 1")  # notices a server that went away without a word

    def _take(self, notice: Notice) -> None:
        """Hand a notice on. Bounds grow before that, so that no tile is taken for empty that is so no more."""
        if (status := self.statuses.get(notice.layer)) is not None and notice.tiles is not None:
            status = replace(status, version=notice.version, bounds=join(status.bounds, notice.bounds))
            self.statuses[notice.layer] = self._since[notice.layer] = status
        self._seen[notice.layer] = notice.version
        self._hand_on(notice)

    def _hand_on(self, notice: Notice) -> None:
        for listener in self._listeners:
            listener(notice)

    def _catch_up(self) -> None:
        """After a time without a connection: everything of a layer whose version moved meanwhile may have changed."""
        for layer_id, status in self.statuses.items():
            if self._seen.get(layer_id, status.version) != status.version:
                self._take(Notice(layer_id, status.version))
        self._seen = {layer_id: status.version for layer_id, status in self.statuses.items()}

    async def _follow_changes(self) -> None:
        """Read the loaded state after changes: once for all that come together, and not without a breath between."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.refresh()
            except GeoserverError as error:
                log.warning("The loaded state could not be read: %s", error)
                self._changed.set()
                await asyncio.sleep(_RETRY)
            await asyncio.sleep(_BREATH)

    async def _bring_back(self) -> None:
        if self._revive is None:
            return
        try:
            await asyncio.to_thread(self._revive)
        except (GeoserverError, OSError) as error:
            log.warning("The private PostGIS could not be started again: %s", error)

    def _note_problem(self, error: Exception) -> None:
        problem = str(error) if isinstance(error, SetupError) else "The database cannot be reached."
        if problem != self.database_problem:
            log.warning("%s Trying again every %g s. (%s)", problem, _RETRY, error)
        self.database_problem = problem

    async def _follow_files(self) -> None:
        """Reload the catalogue when a layer, style or recipe file changes, or a folder of them comes or goes."""
        while not self._stopping.is_set():
            folders = self._folders()
            watch = awatch(
                *folders, stop_event=self._stopping, debounce=200, step=50, rust_timeout=2000, yield_on_timeout=True
            )
            async for changes in watch:
                moved = self._folders() != folders
                if changes or moved:
                    await asyncio.to_thread(self.live.reload)
                # Archives lie anywhere, and are looked at each time that the watch wakes up.
                renewed = await asyncio.to_thread(self.tilesets.refresh, self.live.current)
                if changes or moved or renewed:
                    self._report_problems()
                    self._tell()
                for layer, status in self.tilesets.renew():
                    self._hand_on(Notice(layer.id, status.version))
                if moved:
                    break

    def _folders(self) -> list[Path]:
        workspace = self.settings.workspace
        folders = [*layer_folders(self.settings), *assets.roots("styles", workspace), *assets.roots("tiles", workspace)]
        return list(dict.fromkeys(folders))

    def _report_problems(self) -> None:
        for problem in [*self.live.current.problems, *self.tilesets.problems]:
            log.error("Catalogue: %s (the last good state stays in service)", problem)
