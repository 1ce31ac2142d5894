"""What is found and computed from a layer's rows: its plan, packed points, and ready tiles.

A first plan is guessed from a sample, so that the rows can be served at once: its tiles are right, and slower. Behind
that the plan is measured: the densest tile of each zoom is made, and what fits the budget is chosen. Tiles that hold
very many features are kept ready, since counting them takes long; all others are made when they are asked for.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from geoserver.errors import LoadError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.grid import most_cells
from geoserver.model import Tile, TilePlan, ZoomPlan
from geoserver.tiling.bins import CountedTables, Subject, build_cells, find_bins
from geoserver.tiling.compose import recipe_digest
from geoserver.tiling.counted import encode_fitting, fit
from geoserver.tiling.counting import UncountableError, count_tiles
from geoserver.tiling.density import EVERYTHING, Density, count_densest, read_density, tile_at
from geoserver.tiling.facets import find_facet, write_codes, write_missing_codes
from geoserver.tiling.packing import build_pack_index, build_packing
from geoserver.tiling.plans import MOST_DRAWN, ROOM
from geoserver.tiling.reading import can_hold
from geoserver.tiling.ready import ReadyTiles, make_tile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geoserver.filtering import Where
    from geoserver.model import Layer
    from geoserver.tiling.facets import Facet

__all__ = ["Prepared", "look_ahead", "prepare"]

_WEIGHED = 10_000  # features of the tile that tells a first plan what one takes, where there is such a tile
_HEAVY = 20_000  # features behind a tile that is kept ready, at least; fewer are counted in some 20 ms
_SHARE = 400  # the least part of the layer behind such a tile, so that they stay few
_FEW = 12  # ready tiles of a zoom that are made of counted cells
_BLOCK = 4_000  # points in the largest packed block, so that an edit packs no more than those again
_ARRAY = 8  # points of one value in a packed block, on an average, at least: each array costs time of its own
_ROOMY = 0.9  # of the features in tiles that can hold theirs: enough to draw them, though some zoom deeper all could
_SIDE = 15  # bits of a position inside a block
_WAIT = 600.0  # seconds for which editors are waited for
_LOOK = 0.1  # seconds between two looks whether they have ended
_FARTHEST = 18  # zoom from which features are drawn at the latest, where a layer's own last zoom is not set
_DEEPEST = 19  # zoom of the last tiles kept ready
_COARSEST = 16  # bins across a tile by a plan, at the fewest
_FINEST = 29  # level of the smallest cells


@dataclass(frozen=True, slots=True)
class Prepared:
    """The plan as `geoserver.layers` keeps it."""

    plan: dict[str, Any]
    seconds: float = 0.0  # that all of it took


def prepare(
    connection: psycopg.Connection,
    layer: Layer,
    recipes: Mapping[str, str],
    *,
    geometry_type: str,
    table: str,
    suffix: str = "",
    heavy: int | None = None,
    helper: psycopg.Connection | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> Prepared:
    """Plan the layer from the rows of `table`, and fill `NAME__packed` and `NAME__bins` (both with `suffix`).

    Tiles with more than `heavy` features behind them are kept ready; else those with more than 20,000 and more than a
    400th of the layer.

    Needs column `visible_from` for lines and polygons, and an index on `geom_3857`. Runs inside the caller's
    transaction; with a `helper`, a second connection in autocommit that makes half of the tiles, it commits step by
    step. `progress` is told the share that is done.
    """
    kind = find_bins(recipes.get(layer.kind, ""))
    if not kind:
        return Prepared({})
    started = time.monotonic()
    work = _Work(connection, layer, recipes, kind, geometry_type, table, suffix, heavy or 0, helper, progress)
    return replace(work.run(), seconds=time.monotonic() - started)


def look_ahead(
    connection: psycopg.Connection,
    layer: Layer,
    recipes: Mapping[str, str],
    *,
    geometry_type: str,
    table: str,
    rows: int,
    where: Where = EVERYTHING,
) -> dict[str, Any]:
    """A plan guessed from a sample of so many rows, with which they can be served at once; nothing is written.

    `where` leaves these rows of the table.
    """
    kind = find_bins(recipes.get(layer.kind, ""))
    if not (kind and rows):
        return {}
    return _Work(connection, layer, recipes, kind, geometry_type, table, "", where=where).look_ahead(rows)


@dataclass(slots=True)
class _Work:
    connection: psycopg.Connection
    layer: Layer
    recipes: Mapping[str, str]
    kind: str
    geometry_type: str
    table: str
    suffix: str
    most: int = 0
    helper: psycopg.Connection | None = None
    progress: Callable[[float], None] = lambda _: None
    where: Where = EVERYTHING
    counted: CountedTables = field(init=False)
    ready: ReadyTiles = field(init=False)
    plan: TilePlan = field(default_factory=TilePlan)
    _made: dict[tuple[Tile, ZoomPlan | None], bytes] = field(default_factory=dict)  # tiles of one zoom

    def __post_init__(self) -> None:
        self.counted = CountedTables(self.table, f"{self.layer.table}__packed{self.suffix}")
        self.ready = ReadyTiles(self.connection, f"{self.layer.table}__bins{self.suffix}", self.helper)

    @property
    def subject(self) -> Subject:
        return Subject(self.recipes, self.layer, self.plan, self.geometry_type)

    @property
    def document(self) -> dict[str, Any]:
        return asdict(self.plan) | {"zooms": [[zoom.shown, zoom.cells] for zoom in self.plan.zooms]}

    def run(self) -> Prepared:
        self._begin()
        density = self._read_density()
        if not len(density.n):
            return Prepared({})
        if facet := self._find_facet():
            write_codes(self.connection, self.layer, facet)
        self.progress(0.1)
        if self.kind == "points":
            self._pack_points(density)
        self.most = self.most or max(_HEAVY, int(density.n.sum()) // _SHARE)
        if density.n.sum() > self.most:
            self.ready.create()
        self._settle()
        self.progress(0.4)
        if not self._plan_points(density):
            with self.ready.helped():
                self._plan_zooms(density)
        if self.plan.prebuilt < 0:
            self.ready.drop()
        return Prepared(self.document)

    def _begin(self) -> None:
        """Away with what an interrupted preparation left; few rows in many groups will be sorted, one at a time."""
        self.connection.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier("layers", self.counted.packed)))
        self.ready.drop()
        self.connection.execute("DELETE FROM geoserver.facets WHERE layer = %s", [self.layer.id])
        self.connection.execute("SET LOCAL work_mem = '128MB'")

    def _settle(self) -> None:
        """Let the helper see what was made."""
        if self.helper:
            self.connection.commit()
            self.connection.execute("SET LOCAL work_mem = '128MB'")

    def look_ahead(self, rows: int) -> dict[str, Any]:
        """See `look_ahead`."""
        density = self._read_density(rows)
        if not len(density.n):
            return {}
        self._find_facet(rows)
        weight = self._weigh_feature(density, _WEIGHED)
        first, points = self.layer.features_from, self.kind == "points"
        last = int(density.visible.max())
        zooms: list[ZoomPlan | None]
        if points:
            start = self._find_features_from(density, weight) if first is None else min(first, self.layer.maxzoom)
            zooms = [ZoomPlan(-1, most_cells(zoom)) for zoom in range(start)]
        else:
            zooms = [self._guess_shapes(density, zoom, last, weight) for zoom in range(self.layer.maxzoom)]
            while zooms and zooms[-1] is None:
                zooms.pop()
        self._set_zooms(zooms, last)
        return self.document

    def _guess_shapes(self, density: Density, zoom: int, last: int, weight: float) -> ZoomPlan | None:
        """What of the shapes that can be seen fits into the densest tile; None when that is everything."""
        for shown in range(min(zoom, last), -1, -1):
            if density.densest(zoom, shown)[1] * weight <= ROOM:
                return None if shown >= last else ZoomPlan(shown, most_cells(zoom))
        return ZoomPlan(-1, most_cells(zoom))

    def _set_zooms(self, zooms: list[ZoomPlan | None], last: int) -> None:
        first = self.layer.features_from
        if first is not None and self.kind != "points":
            zooms = zooms[:first] + [None] * (first - len(zooms))
        self.plan = replace(
            self.plan,
            features_from=len(zooms),
            zooms=tuple(step or ZoomPlan(last, most_cells(zoom)) for zoom, step in enumerate(zooms)),
        )

    def _read_density(self, rows: int = 0) -> Density:
        """Of all rows; where `rows` says how many there are, of a sample."""
        points = self.kind == "points"
        return read_density(
            self.connection,
            self.table,
            self.layer.maxzoom,
            geometry_type=self.geometry_type,
            points=points,
            rows=rows,
            where=self.where,
        )

    def _find_facet(self, rows: int = 0) -> Facet | None:
        """The main choice field, of a sample where `rows` says how many rows there are; the plan says it, too."""
        facet = find_facet(self.connection, self.layer, self.table, self.where, rows)
        if facet:
            self.plan = replace(self.plan, facet=facet.field, values=facet.named, whole=facet.whole)
        return facet

    def _pack_points(self, density: Density) -> None:
        """Find from which zoom points are drawn, and pack them for the bins below it."""
        first = self.layer.features_from
        weight = self._weigh_feature(density)
        start = self._find_features_from(density, weight) if first is None else min(first, self.layer.maxzoom)
        if not start:
            return
        level = min(start + 7, _FINEST)
        block = self._choose_block(density, start, level)
        self.plan = replace(self.plan, features_from=start, level=level, block=block, weight=weight)
        packing = build_packing(
            self.layer,
            self.plan,
            self.geometry_type,
            table=self.table,
            packed=self.counted.packed,
        )
        delta = Identifier("layers", self._note_points(packing.noted))
        if self.helper:  # rows and notes are those of one moment
            self.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            self.connection.execute("SET LOCAL work_mem = '128MB'")
            self._keep_from_emptying()  # before that moment
            if self.plan.facet and self.plan.whole:
                write_missing_codes(self.connection, self.layer, self.table, self.plan.facet)
        self.connection.execute(SQL("DELETE FROM {}").format(delta))
        self.connection.execute(packing.fill)
        self.connection.execute(build_pack_index(self.counted.packed))

    def _keep_from_emptying(self) -> None:
        """Who empties the table has done so by now, or waits for the end of the transaction."""
        self.connection.execute(SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(Identifier("layers", self.table)))

    def _note_points(self, how: dict[str, Any]) -> str:
        """From here on edits note points beside the rows, in a table whose name this gives."""
        layer, delta = self.layer, f"{self.layer.table}__delta{self.suffix}"
        time_type = FIELD_TYPES[layer.fields[layer.time].type].column if layer.time else "timestamptz"
        table = Identifier("layers", self.table).as_string(self.connection)
        self.connection.execute("SELECT geoserver.make_delta(%s, %s)", [delta, time_type])
        self.connection.execute("SELECT geoserver.follow_edits(%s::regclass, %s, %s)", [table, layer.id, Jsonb(how)])
        if self.helper:
            self.connection.commit()
            self._wait_for_editors(self.helper, table)
        return delta

    def _wait_for_editors(self, connection: psycopg.Connection, table: str) -> None:
        """Until those have ended who changed rows before points were noted; raises LoadError for a very long edit."""
        editors = SQL(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND relation = %s::regclass"
            " AND mode = 'RowExclusiveLock' AND granted"
        )
        waiting = {name for (name,) in connection.execute(editors, [table]).fetchall()}
        since = time.monotonic()
        while waiting:
            if time.monotonic() - since > _WAIT:
                raise LoadError(f"{self.layer.id}: an edit has been under way for very long; load it when that is done")
            time.sleep(_LOOK)
            waiting &= {name for (name,) in connection.execute(editors, [table]).fetchall()}

    def _choose_block(self, density: Density, start: int, level: int) -> int:
        """The zoom of the blocks: best that of the last tiles with bins, so that none counts more points than its own.

        Not so deep where that would make very many arrays of very few points, for some questions read all of them.
        """
        largest = next(
            zoom for zoom in range(max(0, level - _SIDE), level + 1) if self._block_fits(density, zoom, level)
        )
        for zoom in range(start - 1, largest, -1):
            known = min(zoom, density.zoom)
            blocks = len(density.at(known)[0]) << 2 * (zoom - known)
            if blocks * (len(self.plan.values) or 1) * _ARRAY <= density.n.sum():
                return zoom
        return largest

    def _block_fits(self, density: Density, zoom: int, level: int) -> bool:
        return zoom >= min(density.zoom, level) or density.densest(zoom)[1] <= _BLOCK

    def _find_features_from(self, density: Density, weight: float) -> int:
        """The first zoom whose densest tile holds all of its features, of so many bytes each, within the budget.

        Where there is none, the first at which most features are in tiles that do, if there is one.
        """
        layer, most, kind = self.layer, ROOM / weight, self.geometry_type
        for zoom in range(layer.minzoom, layer.maxzoom + 1):
            if density.densest(zoom)[1] <= most:
                return zoom if zoom > layer.minzoom else 0
        counts = density.at(layer.maxzoom)[1]
        left = (1 - _ROOMY) * counts.sum()  # features that may be in fuller tiles
        roomy = [layer.maxzoom] if counts[counts > most].sum() <= left else []
        for zoom in range(layer.maxzoom + 1, _FARTHEST + 1) if layer.deepens else ():
            densest, crowded = count_densest(
                self.connection,
                self.table,
                zoom,
                density=density,
                most=most,
                geometry_type=kind,
                where=self.where,
            )
            if densest <= most:
                return zoom
            if crowded <= left:
                roomy.append(zoom)
        self.plan = replace(self.plan, crowd=int(most))
        return next(iter(roomy), layer.maxzoom)

    def _weigh_feature(self, density: Density, most: int = MOST_DRAWN) -> float:
        """Bytes per feature in the fullest tile of at most so many, else in the fullest that could be drawn at all."""
        for limit in (most, MOST_DRAWN):
            best: tuple[int, Tile] = (0, Tile(0, 0, 0))
            for zoom in range(self.layer.maxzoom, -1, -1):
                tiles, counts = density.at(zoom)
                counts = np.where(counts <= limit, counts, 0)
                place = int(np.argmax(counts))
                if counts[place] > best[0]:
                    best = int(counts[place]), tile_at(zoom, int(tiles[place]))
            count, tile = best
            if count:
                return max(len(self._render(tile, None)) / count, 1.0)  # its tile may be empty: parts lie elsewhere
        return ROOM

    # -- zooms ------------------------------------------------------------------------------------------------------

    def _plan_zooms(self, density: Density) -> None:
        """From the finest zoom down, find what its densest tile can hold, and make the tiles that are kept ready."""
        points = self.kind == "points"
        last = 0 if points else int(density.visible.max())
        start = self.plan.features_from if points else self.layer.maxzoom
        zooms: list[ZoomPlan | None] = []
        ready = -1
        for zoom in reversed(range(start)):
            if zoom < self.layer.minzoom and not zooms:
                break  # no tile that is asked for needs anything but features
            if zoom > density.zoom or zoom < self.layer.minzoom:
                zooms.append(ZoomPlan(-1, most_cells(zoom)))  # sparser than zooms that are measured, or never asked for
                continue
            counts = density.at(zoom)[1]
            heavy = self._find_heavy(density, zoom)
            # Counted cells are all read for each tile: that pays for few tiles that hold most of the layer.
            by_cells = len(heavy) <= _FEW and counts[counts > self.most].sum() > counts.sum() / 3
            if by_cells:
                self._count_cells(zoom)
            self._made.clear()
            step = self._fit_points(density, zoom) if points else self._fit_shapes(density, zoom, last)
            if step is None and not zooms:
                continue  # every feature is drawn from here on
            zooms.append(step)
            self._keep(heavy, step or ZoomPlan(last, most_cells(zoom)), by_cells=by_cells)
            ready = max(ready, zoom) if heavy else ready
            self.progress(0.4 + 0.4 * (start - zoom) / start)
        if self.counted.cells:
            self.connection.execute(SQL("DROP TABLE {}").format(Identifier(self.counted.cells)))
        zooms.reverse()
        self._set_zooms(zooms, last)
        self.plan = replace(self.plan, prebuilt=ready, digest=recipe_digest(self.recipes, self.layer))

    def _plan_points(self, density: Density) -> bool:
        """The same for packed points, which are counted here; False where only PostgreSQL can count them."""
        start = self.plan.features_from
        if self.plan.block < 0 or not can_hold(self.recipes, self.layer):
            return False
        zooms = range(self.layer.minzoom, min(start, density.zoom + 1))
        heavy = {zoom: self._find_heavy(density, zoom) for zoom in zooms}
        densest = {zoom: density.densest(zoom)[0] for zoom in zooms}
        wanted = {tile: most_cells(zoom) for zoom in zooms for tile in (*heavy[zoom], densest[zoom])}
        self._keep_from_emptying()  # what is counted is of points that are there when it is kept
        try:
            counted = count_tiles(self.connection, self.layer, self.plan, wanted, self.counted.packed)
        except UncountableError:
            return False
        self.progress(0.8)
        steps: list[ZoomPlan | None] = [ZoomPlan(-1, most_cells(zoom)) for zoom in range(start)]
        for zoom in zooms:
            cells = most_cells(zoom)
            if densest[zoom] in counted:  # parts of its features may lie elsewhere
                _, cells = encode_fitting(self.layer, self.plan, counted[densest[zoom]], cells, ROOM, least=_COARSEST)
            steps[zoom] = ZoomPlan(-1, cells)
            for tile in heavy[zoom]:
                if tile in counted:
                    self.ready.keep_counted(self.connection, tile, fit(counted[tile], most_cells(zoom), cells))
        self.progress(0.95)
        self._set_zooms(steps, 0)
        ready = max((zoom for zoom in zooms if heavy[zoom]), default=-1)
        self.plan = replace(self.plan, prebuilt=ready, digest=recipe_digest(self.recipes, self.layer))
        return True

    def _find_heavy(self, density: Density, zoom: int) -> list[Tile]:
        """Tiles of a zoom that are kept ready."""
        tiles, counts = density.at(zoom)
        return [tile_at(zoom, key) for key in tiles[counts > self.most].tolist()] if zoom <= _DEEPEST else []

    def _keep(self, tiles: list[Tile], step: ZoomPlan, *, by_cells: bool) -> None:
        """Tiles from counted cells are made at once, because no one else sees those."""
        if not by_cells:
            self.ready.add(self.subject, replace(self.counted, cells=""), [(tile, step) for tile in tiles])
        for tile in tiles if by_cells else ():
            self.ready.keep(self.connection, self.subject, self.counted, tile, step)

    def _count_cells(self, zoom: int) -> None:
        """Cells for the tiles of a zoom, counted from those of the zoom before where there are some."""
        level = min(zoom + 7, _FINEST)
        if self.counted.cells and self.counted.level == level:
            return
        cells = f"geoserver_cells_{level}"
        self.connection.execute(build_cells(self.subject, self.counted, cells, level), {})
        if self.counted.cells:
            self.connection.execute(SQL("DROP TABLE {}").format(Identifier(self.counted.cells)))
        self.counted = replace(self.counted, cells=cells, level=level)

    def _fit_points(self, density: Density, zoom: int) -> ZoomPlan:
        """The smallest bins with which the densest tile of a zoom keeps to the budget."""
        tile, _ = density.densest(zoom)
        cells = most_cells(zoom)
        while cells > _COARSEST and len(self._render(tile, ZoomPlan(-1, cells))) > ROOM:
            cells //= 2
        return ZoomPlan(-1, cells)

    def _fit_shapes(self, density: Density, zoom: int, last: int) -> ZoomPlan | None:
        """What can be seen, or less where that is too much for the densest tile; None when that is everything."""
        fullest, _ = density.densest(zoom)
        for shown in range(min(zoom, last), -1, -1):
            tile, count = density.densest(zoom, shown)
            if count > MOST_DRAWN:
                continue
            step = None if shown >= last else ZoomPlan(shown, most_cells(zoom))
            if step:
                self._count_cells(zoom)
            if all(len(self._render(one, step)) <= ROOM for one in {tile, fullest}):
                return step
        self._count_cells(zoom)
        return self._fit_points(density, zoom)

    def _render(self, tile: Tile, step: ZoomPlan | None) -> bytes:
        if (known := self._made.get((tile, step))) is None:
            known = self._made[tile, step] = make_tile(
                self.connection, self.subject, tile, step, self.counted, where=self.where
            )
        return known
