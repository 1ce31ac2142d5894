"""What one running server holds: settings, catalogue, database and the state of the layers, kept up to date.

Nothing here cannot be rebuilt from files and database, so any number of workers may run side by side.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier

from geoserver import assets
from geoserver.catalog import LiveCatalog, find_access, find_city, layer_folders, list_city_files, read_signature
from geoserver.catalog.schemas import schema_folders
from geoserver.database import keys
from geoserver.database.connecting import connect_async
from geoserver.database.expiry import expires
from geoserver.database.finding import has_trigrams
from geoserver.database.fitting import Fit, fit
from geoserver.database.migrate import apply_migrations
from geoserver.database.notices import Notice, parse_notice
from geoserver.database.pool import Database
from geoserver.database.status import CHANNEL, LayerStatus, read_statuses
from geoserver.editing import Editing
from geoserver.errors import GeoserverError, NotFoundError, SetupError, UnavailableError
from geoserver.expiring import Late
from geoserver.grid import join
from geoserver.shapes import Shapes
from geoserver.sights import Sights
from geoserver.tasks import Keeper
from geoserver.tiling import Rowless, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from geoserver.model import Layer
    from geoserver.settings import Settings

__all__ = ["Services"]

log = logging.getLogger("geoserver")

_RETRY = 2.0  # seconds between attempts to reach a database that is away
_LOOK = 0.5  # seconds between two looks at the files
_RESTLESS = 5.0  # seconds after which files are read though they do not hold still
_QUIET = 10.0  # seconds without a notice after which the loaded state is read all the same
_NO_TRIGRAMS = (
    "slower, and forgiving one typing mistake in a word instead of two, because this database has no pg_trgm: have"
    " CREATE EXTENSION pg_trgm run by who may, and load the layers once more with --force"
)
_BREATH = 0.25  # seconds between two readings of the loaded state, however many changes there are


class Services:
    """Handed to every router by the app. `statuses` maps layer ids to what is loaded of them."""

    def __init__(self, settings: Settings, database_url: str, revive: Callable[[], object] | None = None) -> None:
        """`revive` brings a database that we look after ourselves back; it is called when the database is away."""
        self.settings = settings
        self.live = LiveCatalog(settings)
        self.database = Database(database_url, settings)
        self.shapes = Shapes(self.database)
        self.rowless = Rowless()
        self.late = Late(self.database)
        self.sights = Sights(self.database, lambda: len(self.live.current.layers))
        self.statuses: dict[str, LayerStatus] = {}
        self.database_problem = "not connected yet"
        self.search_note = ""  # why searching is slower than it could be; empty where it is not
        self.keeper = Keeper()
        # What a layer's file and its rows came to, with the recipes that there were.
        self._fits: dict[str, tuple[Layer, LayerStatus, Mapping[str, str], Fit]] = {}
        self._outdated: dict[str, tuple[str, ...]] = {}  # as it was logged, and so
        self._problems: list[str] = []
        self._revive = revive
        self._callbacks: list[Callable[[], None]] = []
        self._listeners: list[Callable[[Notice], None]] = []
        self._access_listeners: list[Callable[[str], None]] = []
        self._seen: dict[str, int] = {}  # the newest version of each layer whose notice was handed on
        self._since: dict[str, LayerStatus] = {}  # what notices told since the reading of the state began
        self._untold = True  # whether something changed since everyone was told
        self._owed: set[str] = set()  # layers of which a notice did not reach every listener
        self._changed = asyncio.Event()
        self._reading = asyncio.Lock()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call back, in the event loop, after the catalogue or the rows of a layer changed."""
        self._callbacks.append(callback)

    def on_notice(self, listener: Callable[[Notice], None]) -> None:
        """Call back, in the event loop and at once, when rows of a layer changed; a change is told at least once."""
        self._listeners.append(listener)

    def on_access(self, listener: Callable[[str], None]) -> None:
        """Call back, in the event loop, with what is told of keys; with 'gone' when something was missed."""
        self._access_listeners.append(listener)

    def layer(self, layer_id: str) -> tuple[Layer, LayerStatus]:
        """A layer and its loaded state; raises NotFoundError, or UnavailableError while nothing is known yet."""
        if (found := self.find(layer_id)) is not None:
            return found
        if not self.live.current.layer(layer_id).has_rows:
            raise NotFoundError("layer", layer_id, "a layer that can be served; /readyz says what is wrong with it")
        if self.database_problem:
            raise UnavailableError("The database cannot be reached; try again in a few seconds.")
        self.late.check(layer_id)
        if changes := self.outdated().get(layer_id):
            raise NotFoundError(
                "layer", layer_id, f"a layer as it was loaded ({changes[0]}): geoserver load {layer_id}"
            )
        raise NotFoundError("layer", layer_id, f"a loaded layer; this one has no rows yet: geoserver load {layer_id}")

    def loaded(self) -> list[tuple[Layer, LayerStatus]]:
        """Every layer that can be served, in display order."""
        return [found for layer_id in self.live.current.layers if (found := self.find(layer_id)) is not None]

    def find(self, layer_id: str) -> tuple[Layer, LayerStatus] | None:
        """A layer that can be served, and its state."""
        layer = self.live.current.layers.get(layer_id)
        if layer is not None and not layer.has_rows:
            return self.rowless.held.get(layer_id)
        if layer is None or layer_id in self.late:
            return None
        return self._find_rows(layer)

    def _find_rows(self, layer: Layer) -> tuple[Layer, LayerStatus] | None:
        """A layer with rows as it is loaded, in service or not."""
        fitted = self._fit(layer)
        return None if fitted is None or fitted.layer is None else (fitted.layer, fitted.status)

    def _find_subject(self, layer_id: str) -> Subject | None:
        """What the tiles of a layer with rows are made of."""
        catalog = self.live.current
        declared = catalog.layers.get(layer_id)
        if declared is None or not declared.has_rows or (found := self._find_rows(declared)) is None:
            return None
        layer, status = found
        return Subject(catalog.recipes, layer, status.plan, status.geometry_type)

    def _list_expiring(self) -> list[Layer]:
        """Layers with rows that expire, in service or not."""
        declared = [layer for layer in self.live.current.layers.values() if layer.has_rows and expires(layer)]
        found = [self._find_rows(layer) for layer in declared]
        return [layer for layer, _ in filter(None, found) if expires(layer)]

    def outdated(self) -> dict[str, tuple[str, ...]]:
        """Layers of which something else is declared than is loaded, with what: `geoserver load` mends it."""
        fits = {layer.id: self._fit(layer) for layer in self.live.current.layers.values() if layer.has_rows}
        return {layer_id: fitted.changes for layer_id, fitted in fits.items() if fitted and fitted.changes}

    def _fit(self, layer: Layer) -> Fit | None:
        """What can be served of a layer; the same object as long as file and state are the same."""
        if (status := self.statuses.get(layer.id)) is None:
            return None
        known, recipes = self._fits.get(layer.id), self.live.current.recipes
        if known is None or known[0] is not layer or known[1] is not status or known[2] is not recipes:
            fitted = fit(layer, status, recipes)
            if known is not None and known[3].layer == fitted.layer:
                fitted = replace(fitted, layer=known[3].layer)  # and with it what was made from it
            if known is not None and known[3].status == fitted.status:
                fitted = replace(fitted, status=known[3].status)
            known = self._fits[layer.id] = (layer, status, recipes, fitted)
        return known[3]

    async def start(self) -> None:
        """Open the pools and begin to watch; waits for a first answer of the database, though not for long."""
        await asyncio.to_thread(self.rowless.refresh, self.live.current)
        self._report_problems()
        await self.database.open()
        ready = asyncio.Event()
        loop = asyncio.get_running_loop()

        def look_again() -> None:
            loop.call_soon_threadsafe(self._changed.set)

        self.database.on_surprise = look_again
        self.keeper.keep("follow database", lambda: self._follow_database(ready))
        self.keeper.keep("follow changes", self._follow_changes)
        self.keeper.keep("follow files", self._follow_files)
        editing = Editing(self.database.url, self._find_subject, self._list_expiring, self.keeper)
        self.keeper.keep("follow edits", editing.run)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), timeout=5)

    async def stop(self) -> None:
        """End the watching tasks and close every connection."""
        await self.keeper.stop()
        await self.sights.stop()
        await self.database.close()

    async def look_again(self) -> bool:
        """Read the loaded state, because something was not as expected; gives whether it is another one by now."""
        before = self.statuses
        with contextlib.suppress(GeoserverError):
            await self.refresh()
        return self.statuses is not before

    async def refresh(self) -> None:
        """Read the loaded state again, one at a time, and tell those who asked to be told."""
        async with self._reading:
            await self._refresh()

    async def _refresh(self) -> None:
        self._since = {}
        read = await read_statuses(self.database)
        late = await self.late.look(self.live.current, read)
        # A notice may have overtaken the reading: what it said stays until the next reading, which it has asked for.
        newer = {key: told for key, told in self._since.items() if key in read and told.version > read[key].version}
        statuses = read | newer
        if late or self._untold or self.database_problem or statuses != self.statuses:
            # Of a layer that stayed the same the very object is kept, and with it what was made from it.
            known = self.statuses
            self.statuses = {key: _keep(known.get(key), new) for key, new in statuses.items()}
            self.database_problem = ""
            self._tell()
        for layer_id in list(self._owed):
            self._owed.discard(layer_id)
            if (status := self.statuses.get(layer_id)) is not None:
                self._hand_on(Notice(layer_id, status.version))  # which part of it changed is not known any more

    def _tell(self) -> None:
        """Call everyone back; who fails is called again a little later, and keeps nobody else from being called."""
        self._untold = False
        self._report_outdated()
        for callback in self._callbacks:
            if not self._call(callback):
                self._untold = True
        if self._untold:
            self._come_back()

    def _call(self, function: Callable[..., None], *arguments: object) -> bool:
        """Whether it came to its end; what went wrong is noted until it does."""
        name = f"tell {getattr(function, '__qualname__', function)}"
        with self.keeper.guarded(name):
            function(*arguments)
        return name not in self.keeper.problems

    def _come_back(self) -> None:
        """Have the loaded state read again, and those told who were not, after a pause."""
        asyncio.get_running_loop().call_later(_RETRY, self._changed.set)

    async def _follow_database(self, ready: asyncio.Event) -> None:
        """Migrate, then LISTEN for as long as we run; on a lost connection start over, so that no change is missed."""
        while True:
            established = False
            try:
                await asyncio.to_thread(apply_migrations, self.database.url)
                connection = await connect_async(self.database.url)
                async with connection:
                    for channel in (CHANNEL, keys.CHANNEL):
                        await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
                    self._tell_access("gone")
                    await self.refresh()
                    self._catch_up()
                    await self._note_search()
                    established = True
                    ready.set()
                    await self._listen(connection)
            except (psycopg.Error, GeoserverError, OSError) as error:
                if established:  # perhaps only this connection was lost: look at once
                    continue
                self._note_problem(error)
                await self._bring_back()
            await asyncio.sleep(_RETRY)

    async def _note_search(self) -> None:
        note = "" if await has_trigrams(self.database) else _NO_TRIGRAMS
        if note and note != self.search_note:
            log.warning("Search: %s", note)
        self.search_note = note

    async def _listen(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            async for message in connection.notifies(timeout=_QUIET):
                if message.channel == keys.CHANNEL:
                    self._tell_access(message.payload)
                    continue
                if (notice := parse_notice(message.payload)) is None:
                    log.warning("A notice of a change could not be read: %.200s", message.payload)
                else:
                    self._take(notice)
                self._changed.set()
            # Notices a server that went away without a word, and what was changed by hand without a notice.
            await connection.execute("SELECT 1")
            self._changed.set()

    def _take(self, notice: Notice) -> None:
        """Hand a notice on. Bounds grow before that, so that no tile is taken for empty that is so no more."""
        if (status := self.statuses.get(notice.layer)) is not None and notice.tiles is not None:
            bounds, edited = join(status.bounds, notice.bounds), notice.edited or status.edited_at
            status = replace(status, version=notice.version, bounds=bounds, edited_at=edited)
            self.statuses[notice.layer] = self._since[notice.layer] = status
        self._seen[notice.layer] = notice.version
        self._untold = True
        self._hand_on(notice)

    def _tell_access(self, payload: str) -> None:
        for listener in self._access_listeners:
            self._call(listener, payload)

    def _hand_on(self, notice: Notice) -> None:
        for listener in self._listeners:
            if not self._call(listener, notice):
                self._owed.add(notice.layer)
                self._come_back()

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
                self.keeper.note("read the loaded state", str(error))
                self._come_back()
                await asyncio.sleep(_RETRY)
            else:
                self.keeper.clear("read the loaded state")
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
        if isinstance(error, SetupError):
            self.statuses = {}  # what is behind this address is not to be trusted, so nothing of it is given out

    async def _follow_files(self) -> None:
        """Reload the catalogue when a layer, style or recipe file changes, or a folder of them comes or goes.

        By looking, not by the system's notices, which do not tell of network drives and of folders that are put in the
        place of others, and are limited in number. A change is read when it has held still from one look to the next.
        """
        read: object = None  # the state of the files when they were last read
        seen, since = await asyncio.to_thread(read_signature, self._folders, self._city_files), time.monotonic()
        while True:
            before, seen = seen, await asyncio.to_thread(read_signature, self._folders, self._city_files)
            if seen == read:
                since = time.monotonic()
            changed = seen != read and (seen == before or time.monotonic() - since > _RESTLESS)
            catalog = self.live.current
            if changed:
                catalog = await asyncio.to_thread(self.live.read)
                read, since = seen, time.monotonic()
            # Archives lie anywhere, and are looked at each time.
            looked = await asyncio.to_thread(self.rowless.look, catalog)
            # In one step with telling of it: nobody may ask between the two, and keep what was open before.
            self.live.current = catalog
            renewed = self.rowless.take(looked)
            if changed or renewed:
                self._report_problems()
                self._tell()
                self._changed.set()  # rows may expire that did not
            for layer, status in self.rowless.renew():
                self._hand_on(Notice(layer.id, status.version))
            await asyncio.sleep(_LOOK)

    def _folders(self) -> list[Path]:
        workspace = self.settings.workspace
        folders = [*layer_folders(self.settings), *assets.roots("styles", workspace), *assets.roots("tiles", workspace)]
        return list(dict.fromkeys([*folders, *schema_folders(workspace)]))

    def _city_files(self) -> list[Path]:
        access = find_access(self.settings)
        return [*list_city_files(find_city(self.settings)), *([access] if access else [])]

    def _report_problems(self) -> None:
        """Log what is broken, once."""
        granting = str(self.live.current.access_file)
        problems = {
            str(problem): "what it grants is closed"
            if problem.file == granting
            else "the last good state stays in service"
            for problem in (*self.live.current.problems, *self.rowless.problems)
        }
        for problem, told in problems.items():
            if problem not in self._problems:
                log.error("Catalogue: %s (%s)", problem, told)
        self._problems = list(problems)

    def _report_outdated(self) -> None:
        """Log once what of each layer is declared otherwise than loaded."""
        outdated = self.outdated()
        for layer_id, changes in outdated.items():
            if self._outdated.get(layer_id) != changes:
                told = "; ".join(changes)
                kept = "is out of service" if self.find(layer_id) is None else "stays in service as it was loaded"
                log.warning("Layer %s %s (%s): run geoserver load %s", layer_id, kept, told, layer_id)
        self._outdated = outdated


def _keep(known: LayerStatus | None, new: LayerStatus) -> LayerStatus:
    """The known object if nothing changed, else the new one, with the known plan if that did not change.

    Statements are kept by the plan object, and an edit of rows does not change the plan.
    """
    if known is None or known == new:
        return known or new
    return replace(new, plan=known.plan) if known.plan == new.plan else new
