"""How a frozen map is made: rows copied in one snapshot, then files of them, tiles and documents, then put in place."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
import psycopg

from geoserver import __version__
from geoserver.database.copies import Copy, copy_rows, held_copies
from geoserver.database.extents import read_extent
from geoserver.database.pool import Database
from geoserver.database.status import build_plan
from geoserver.drawing.camera import fit
from geoserver.errors import GeoserverError, SetupError, UnavailableError
from geoserver.filtering import Where
from geoserver.formats import apart
from geoserver.formats.asking import Asked, build_extract
from geoserver.formats.geoparquet import GeoParquet
from geoserver.freezing.changes import name_version
from geoserver.freezing.documents import ARCHIVE, build_citation, build_tilejsons, fit_style, gather_languages
from geoserver.freezing.frame import build_frame, find_deepest, find_home, show_home
from geoserver.freezing.order import Frozen, Order, Sight, TooLargeError
from geoserver.freezing.store import STOPPED, digest_file
from geoserver.freezing.tiles import Drawn, Tiles
from geoserver.mapstates import Camera
from geoserver.tasks import do_together
from geoserver.tiling import look_ahead

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.freezing.store import Making, Store
    from geoserver.settings import Settings

__all__ = ["REASONS", "make"]

log = logging.getLogger("geoserver")

_PAUSE = 0.3  # seconds between two questions whether it is one's turn
_POOL = 4  # connections while one is made
_CUT = 600.0  # seconds after which a query is cut: nobody waits for one
_SHARP = 14  # zoom at which positions in a tile are of half a metre, so that points need no deeper ones
_MOST_BASE = 700  # tiles of the basemap
_MOST_DATA = 50_000  # tiles of data at all zooms; below the last of them a map draws its tiles larger
_SCREEN = (1_200, 800)  # pixels into which is fitted what a map opens on
_TOLD_EACH = 2_000  # rows that count as one step
_FORMAT = GeoParquet("snappy")
_WORK = f"{ARCHIVE}.work"  # where tiles are kept until all of them are made


# Why one failed, which its status tells in the languages of the page: with these very words (web/src/messages).
_DISK = "It cannot be written: the disk of the server may be full. Whoever runs it can make room."
_FAILED = "It could not be made; the log of the server says why."
_LARGE = "It takes more than {most} MiB; narrow the filter or the area, or show fewer layers."
_ROLE = "The server's role may not make tables; its operator can grant that."
_DATABASE = "The database cannot be reached; try again in a few seconds."
REASONS = (STOPPED, _DISK, _FAILED, _LARGE, _ROLE, _DATABASE)


async def make(store: Store, making: Making, order: Order, url: str, settings: Settings) -> None:
    """Make the frozen map, and tell how far it is; what goes wrong is told, too, and leaves nothing behind."""
    try:
        await _wait_for_turn(store, making, order, url, settings)
    except asyncio.CancelledError:
        store.fail(making, STOPPED)
        raise
    except (OSError, SetupError):  # with paths of this machine, which are for its log alone
        log.exception("The map %s cannot be written", making.id)
        store.fail(making, _DISK)
    except (GeoserverError, TooLargeError) as error:
        store.fail(making, str(error))
    except Exception:
        log.exception("The map %s could not be frozen", making.id)
        store.fail(making, _FAILED)
    finally:
        making.close()


async def _wait_for_turn(store: Store, making: Making, order: Order, url: str, settings: Settings) -> None:
    while True:
        with store.turn() as ours:
            if ours:
                private = await _Work(making, order, url, settings).run()
                await asyncio.to_thread(store.finish, making, private)
                return
        await asyncio.sleep(_PAUSE)


class _Work:
    """One that is being made, by its own connections."""

    def __init__(self, making: Making, order: Order, url: str, settings: Settings) -> None:
        more = {"pool_size": _POOL, "ogc_threads": 2, "statement_timeout": _CUT}
        self.database = Database(url, settings.model_copy(update=more))
        self.making = making
        self.order = order
        self.folder = making.public
        self.url = url
        self.moment = datetime.now(UTC)
        self.done = 0
        self.total = 0
        self._told = -1.0

    async def run(self) -> dict[str, Any]:
        """All of it; gives what is kept beside it."""
        await self.database.open()
        try:
            async with contextlib.AsyncExitStack() as stack:
                held = held_copies(self.url, self.making.id)
                connection = await asyncio.to_thread(held.__enter__)
                stack.push_async_callback(asyncio.to_thread, held.__exit__, None, None, None)
                self.tell("rows")
                frozen = [*await asyncio.to_thread(self._copy, connection), *self._list_rowless()]
                return await self._write(frozen)
        except psycopg.errors.InsufficientPrivilege as error:
            log.warning("No map can be frozen: %s (GRANT CREATE ON SCHEMA layers)", error)
            raise UnavailableError(_ROLE) from error
        except psycopg.Error as error:
            raise UnavailableError(_DATABASE) from error
        finally:
            await self.database.close()

    def tell(self, part: str, steps: int = 0) -> None:
        """Note so many steps, and tell of them now and then."""
        self.done += steps
        now = asyncio.get_event_loop().time() if steps else 0.0
        if not steps or now - self._told > _PAUSE:
            self._told = now
            self._check_size()
            self.making.tell(state="working", part=part, done=min(self.done, self.total), total=self.total)

    def _copy(self, connection: psycopg.Connection) -> list[Frozen]:
        """The rows of all layers out of one snapshot, each with a plan of its own; in a thread."""
        shown = [one for one in self.order.shown if one.layer.has_rows]
        wanted = [
            Copy(
                one.layer.id,
                one.layer.table,
                one.status.loaded_at,
                tuple(sorted(one.layer.fields)),
                one.where.sql,
                one.where.params,
            )
            for one in shown
        ]
        frozen = []
        for one, copied in zip(shown, copy_rows(connection, self.making.id, wanted), strict=True):
            layer = replace(one.layer, copied_to=copied.table, rows=None, hidden={}, facet=one.layer.facet)
            rows, bounds = read_extent(self.database, layer, one.status.srid, Where(asked=False))
            with self.database.connection_sync() as own, own.transaction():
                document = look_ahead(
                    own,
                    layer,
                    self.order.catalog.recipes,
                    geometry_type=one.status.geometry_type,
                    table=copied.table,
                    rows=rows,
                )
            status = replace(
                one.status, version=copied.version, rows=rows, bounds=bounds, plan=build_plan(document), preparing=None
            )
            frozen.append(Frozen(layer.deepened(status.plan), status, one.where, copied.digest))
        return frozen

    def _list_rowless(self) -> list[Frozen]:
        return [Frozen(one.layer, one.status, one.where) for one in self.order.shown if not one.layer.has_rows]

    async def _write(self, frozen: Sequence[Frozen]) -> dict[str, Any]:
        order = self.order
        ids = [one.layer.id for one in order.shown]
        frozen = sorted(frozen, key=lambda one: ids.index(one.layer.id))
        languages = await gather_languages(order, self.database, frozen, f"frozen-{self.making.id}")
        cities = {language: told.pop("city") for language, told in languages.items()}
        home = find_home(order, frozen, next(iter(cities.values()), {"limits": None}))
        cities = {language: city | {"home": show_home(home)} for language, city in cities.items()}
        cameras = [home if isinstance(home, Camera) else fit(home, _SCREEN), order.state.camera]
        frame = build_frame((one.status.bounds for one in frozen), filter(None, cameras))
        tiles = self._plan_tiles(frozen, frame)
        self.total = tiles.count() + sum(one.status.rows for one in frozen) // _TOLD_EACH
        rows: dict[str, dict[str, Any]] = {}
        # Tiles wait for the database, and rows for a process of their own.
        await do_together(self._write_all_rows(frozen, rows), tiles.write(self.folder / ARCHIVE))
        self._check_size()
        self.tell("documents")
        manifest = await self._build_manifest(frozen, tiles, rows)
        manifest |= {"languages": languages, "cities": cities}
        manifest["city"] = cities.get(order.language) or next(iter(cities.values()), None)
        style = manifest["styles"][order.state.base or "light"]
        sight = Sight(tuple(frozen), style, self.folder / ARCHIVE, order.state.camera or home) if style else None
        await self._write_pictures(sight)
        manifest["files"], sums = await asyncio.to_thread(self._list_files)
        body = orjson.dumps(manifest)
        (self.folder / "manifest.json").write_bytes(body)
        sums["manifest.json"] = (len(body), zlib.crc32(body))
        told = {"frozen": manifest["frozen"], "title": order.title, "cite": manifest["cite"]}
        told["digests"] = {one.layer.id: one.digest for one in frozen}
        told["versions"] = {one.layer.id: name_version(one.status) for one in frozen}
        told["files"] = sums
        told["counts"] = {one.layer.id: one.status.rows for one in frozen if one.layer.has_rows}
        return {**order.private, **told}

    def _plan_tiles(self, frozen: Sequence[Frozen], frame: Any) -> Tiles:
        seen = [(one.layer, one.status) for one in frozen]
        last = max((self._find_last(one) for one in frozen), default=0)
        deepest = max((layer.maxzoom for layer, _ in self.order.base), default=0)
        base = Drawn(self.order.base, find_deepest(frame, deepest, _MOST_BASE))
        return Tiles(
            self.database,
            self.order.catalog,
            Drawn(seen, last),
            base,
            frame,
            _MOST_DATA,
            advance=lambda steps: self.tell("tiles", steps),
        )

    def _find_last(self, one: Frozen) -> int:
        """The last zoom of a layer's tiles: points are as exact as need be before lines and areas are."""
        layer = one.layer
        if layer.geometry == "points":
            return max(one.status.plan.features_from, min(layer.maxzoom, _SHARP))
        return layer.maxzoom

    async def _write_all_rows(self, frozen: Sequence[Frozen], told: dict[str, dict[str, Any]]) -> None:
        for one in frozen:
            if one.layer.has_rows:
                told[one.layer.id] = await self._write_rows(one)

    async def _write_pictures(self, sight: Sight | None) -> None:
        drawn = await self.order.draw(sight) if sight else b""
        for name, body in {"picture.png": drawn, **self.order.pictures}.items():
            if body:
                await asyncio.to_thread((self.folder / name).write_bytes, body)

    async def _write_rows(self, one: Frozen) -> dict[str, Any]:
        asked = Asked(address=self.order.original, language=self.order.language)
        extract = replace(build_extract(one.layer, one.status, _FORMAT, Where(asked=False), asked), version=None)
        name = f"data/{one.layer.id}.parquet"
        export = await apart.start(self.url, _FORMAT, extract)
        try:
            with (self.folder / name).open("wb") as file:
                async for block in export.blocks():
                    await asyncio.to_thread(file.write, block)
                    self._check_size()
        except apart.BrokenOffError as error:  # no reader has begun to receive it: what ended it can be told
            raise error.__cause__ or error from None
        finally:
            export.close()
        self.tell("rows", max(one.status.rows // _TOLD_EACH, 1))
        digest, _ = await asyncio.to_thread(digest_file, self.folder / name)
        return {"file": name, "count": export.rows, "sha256": digest}

    def _check_size(self) -> None:
        """Raise TooLargeError as soon as it is; the tiles are as many bytes in their work file as in the archive."""
        sizes: dict[str, int] = {}
        for path in self.folder.rglob("*.*"):
            with contextlib.suppress(FileNotFoundError):  # what is there while tiles are put together
                sizes[path.relative_to(self.folder).as_posix()] = path.stat().st_size
        whole = {name: size for name, size in sizes.items() if not name.startswith(f"{ARCHIVE}.")}
        if sum(whole.values()) + (0 if ARCHIVE in whole else sizes.get(_WORK, 0)) > self.order.most_bytes:
            most = self.order.most_bytes >> 20
            raise TooLargeError(_LARGE.format(most=f"{most:,}"))

    async def _build_manifest(
        self, frozen: Sequence[Frozen], tiles: Tiles, rows: dict[str, dict[str, Any]]
    ) -> dict[str, Any]:
        order, stamp = self.order, self.moment.isoformat(timespec="seconds").replace("+00:00", "Z")
        told = build_tilejsons(order.catalog, frozen, tiles.data_last)
        return {
            "version": 1,
            "id": self.making.id,
            "title": order.title,
            "frozen": stamp,
            "license": ", ".join(dict.fromkeys(one.layer.license for one in frozen if one.layer.license)),
            "attribution": ", ".join(dict.fromkeys(one.layer.attribution for one in frozen if one.layer.attribution)),
            "cite": build_citation(order, frozen, self.moment),
            "query": order.query,
            "language": order.language,
            "styles": {name: await self._build_style(name, frozen, told, tiles) for name in ("light", "dark")},
            "rows": rows,
            "tilejson": told,
            "original": order.original,
            "program": __version__,
        }

    async def _build_style(
        self, name: str, frozen: Sequence[Frozen], told: dict[str, Any], tiles: Tiles
    ) -> dict[str, Any] | None:
        ids = ",".join(one.layer.id for one in frozen)
        plans = ",".join(str(one.status.plan.features_from) if one.layer.has_rows else "" for one in frozen)
        query = f"?layers={ids}&features-from={plans}" if ids else ""
        style = await self.order.ask(f"styles/{name}.json{query}", self.order.language)
        return None if style is None else fit_style(style, self.order.site, told, tiles.base.last)

    def _list_files(self) -> tuple[dict[str, dict[str, Any]], dict[str, tuple[int, int]]]:
        """Every file but the manifest, with its size and SHA-256, and with its size and CRC-32; in a thread."""
        told, sums = {}, {}
        for path in sorted(path for path in self.folder.rglob("*") if path.is_file()):
            name, size = path.relative_to(self.folder).as_posix(), path.stat().st_size
            digest, crc = digest_file(path)
            told[name], sums[name] = {"size": size, "sha256": digest}, (size, crc)
        return told, sums
