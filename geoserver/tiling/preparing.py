"""What is found and computed from a layer's rows while they are loaded: its plan, packed points, and ready tiles.

The plan is measured, not guessed: the densest tile of each zoom is made, and what fits the budget is chosen. Tiles that
hold very many features are kept ready, since counting them takes long; all others are made when they are asked for.
"""

from __future__ import annotations

import io
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
from psycopg.sql import SQL, Identifier, Literal

from geoserver.filtering import Where
from geoserver.model import Tile, TilePlan, ZoomPlan
from geoserver.tiling.bins import MOST_VALUES, Source, Subject, anchor_of, build_cells, find_bins
from geoserver.tiling.compose import BUDGET, build_statements, recipe_digest
from geoserver.tiling.packing import build_pack_statement, build_pack_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psycopg

    from geoserver.model import Layer

__all__ = ["Prepared", "prepare"]

_ROOM = 460_000  # bytes that the densest tile may take when it is planned; others, and edits, may need a little more
_MOST_DRAWN = 20_000  # features that a tile within the budget could hold at the very most
_HEAVY = 8_000  # features behind a tile that is kept ready, at least; and the share of the layer, so that they stay few
_SHARE = 400
_FEW = 12  # ready tiles of a zoom that are made of counted cells
_MOST_CODES = 500  # values of the main choice field that packed points tell apart
_BLOCK = 60_000  # points in the largest packed block, so that an edit packs no more than those anew
_SIDE = 15  # bits of a position inside a block
_FARTHEST = 18  # zoom from which features are drawn at the latest, where a layer's own last zoom is not set
_DEEPEST = 19  # zoom of the last tiles kept ready
_FINEST = 29  # level of the smallest cells
_NAME = 63  # bytes of a column's name


@dataclass(frozen=True, slots=True)
class Prepared:
    """The plan as `geoserver.layers` keeps it, and the statement by which an edit packs points anew (or none)."""

    plan: dict[str, Any]
    pack: str = ""
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
    progress: Callable[[], None] = lambda: None,
) -> Prepared:
    """Plan the layer from the rows of `table`, and fill `NAME__packed` and `NAME__bins` (both with `suffix`).

    Tiles with more than `heavy` features behind them are kept ready; else those with more than 8,000 and more than a
    400th of the layer.

    Runs inside the caller's transaction, which has to hold column `visible_from` for lines and polygons, and an index
    on `geom_3857`.
    """
    kind = find_bins(recipes.get(layer.kind, ""))
    work = _Work(connection, layer, recipes, kind, geometry_type, table, suffix, heavy or 0, progress)
    connection.execute("SET LOCAL work_mem = '128MB'")  # a load has few rows in many groups to sort, one at a time
    connection.execute("DELETE FROM geoserver.facets WHERE layer = %s", [layer.id])
    started = time.monotonic()
    return replace(work.run(), seconds=time.monotonic() - started) if kind else Prepared({})


@dataclass(slots=True)
class _Density:
    """How many features lie in the tiles of the layer's last zoom, by the zoom from which each can be seen."""

    zoom: int
    x: np.ndarray
    y: np.ndarray
    visible: np.ndarray
    n: np.ndarray

    def at(self, zoom: int, shown: int = 99) -> tuple[np.ndarray, np.ndarray]:
        """Keys (column << 32 | row) of the tiles at `zoom`, and in each the features visible at `shown`."""
        shift = self.zoom - zoom
        seen = self.visible <= shown
        keys = (self.x[seen] >> shift) << 32 | self.y[seen] >> shift
        tiles, places = np.unique(keys, return_inverse=True)
        return tiles, np.bincount(places, weights=self.n[seen], minlength=len(tiles)).astype(np.int64)

    def densest(self, zoom: int, shown: int = 99) -> tuple[Tile, int]:
        tiles, counts = self.at(zoom, shown)
        if not len(tiles):
            return Tile(zoom, 0, 0), 0
        best = int(np.argmax(counts))
        return _tile(zoom, int(tiles[best])), int(counts[best])


@dataclass(slots=True)
class _Work:
    connection: psycopg.Connection
    layer: Layer
    recipes: Mapping[str, str]
    kind: str
    geometry_type: str
    table: str
    suffix: str
    most: int
    progress: Callable[[], None]
    source: Source = field(init=False)
    plan: TilePlan = field(default_factory=TilePlan)
    _made: dict[tuple[Tile, ZoomPlan | None], bytes] = field(default_factory=dict)  # tiles of one zoom

    def __post_init__(self) -> None:
        self.source = Source(self.table, f"{self.layer.table}__packed{self.suffix}")

    @property
    def subject(self) -> Subject:
        return Subject(self.recipes, self.layer, self.plan, self.geometry_type)

    @property
    def ready(self) -> str:
        return f"{self.layer.table}__bins{self.suffix}"

    def run(self) -> Prepared:
        density = self._read_density()
        if not len(density.n):
            return Prepared({})
        self._find_facet()
        pack = self._pack_points(density) if self.kind == "points" else ""
        self._plan_zooms(density)
        return Prepared(asdict(self.plan) | {"zooms": [[zoom.shown, zoom.cells] for zoom in self.plan.zooms]}, pack)

    def _read_density(self) -> _Density:
        zoom = self.layer.maxzoom
        query = SQL(
            "COPY (SELECT geoserver.cell(ST_X({anchor}), {zoom}), geoserver.cell(-ST_Y({anchor}), {zoom}), {visible},"
            " count(*) FROM {table} GROUP BY 1, 2, 3) TO STDOUT (FORMAT csv)"
        ).format(
            anchor=anchor_of(self.geometry_type),
            zoom=Literal(zoom),
            visible=SQL("0" if self.kind == "points" else "visible_from"),
            table=Identifier("layers", self.table),
        )
        with self.connection.cursor() as cursor, cursor.copy(query) as copy:
            text = b"".join(copy)
        if not text:
            return _Density(zoom, *(np.array([], dtype=np.int64) for _ in range(4)))
        names = ["x", "y", "visible", "n"]
        types = dict.fromkeys(names, pa.int64())
        found = pacsv.read_csv(
            io.BytesIO(text),
            pacsv.ReadOptions(column_names=names),
            convert_options=pacsv.ConvertOptions(column_types=types),
        )
        return _Density(zoom, *(found[name].to_numpy() for name in names))

    def _find_facet(self) -> None:
        """The main choice field and its values: the most frequent ones have codes below 12 and counts of their own."""
        layer = self.layer
        choices = [item.name for item in layer.fields.values() if item.filter == "choice"]
        facet = layer.facet or (choices[0] if choices else "")
        if not facet:
            return
        rows = self.connection.execute(
            SQL(
                "SELECT {facet}::text FROM {table} WHERE {facet} IS NOT NULL GROUP BY {facet}::text"
                " ORDER BY count(*) DESC, 1 LIMIT {most}"
            ).format(facet=Identifier(facet), table=Identifier("layers", self.table), most=Literal(_MOST_CODES + 1))
        ).fetchall()
        found = [str(row[0]) for row in rows]
        named = [value for value in found if len(f"{facet}:{value}".encode()) <= _NAME][:MOST_VALUES]
        others = [value for value in found[:_MOST_CODES] if value not in set(named)]
        codes = [*enumerate(named), *enumerate(others, start=MOST_VALUES)]
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO geoserver.facets (layer, code, value) VALUES (%s, %s, %s)",
                [(layer.id, code, value) for code, value in codes],
            )
        self.plan = replace(self.plan, facet=facet, values=tuple(named), whole=len(found) <= _MOST_CODES)

    def _pack_points(self, density: _Density) -> str:
        """Find from which zoom points are drawn, and pack them for the bins below it."""
        first = self.layer.features_from
        start = min(first, self.layer.maxzoom) if first is not None else self._find_features_from(density)
        if not start:
            return ""
        level = min(start + 7, _FINEST)
        block = next(zoom for zoom in range(max(0, level - _SIDE), level + 1) if self._block_fits(density, zoom, level))
        self.plan = replace(self.plan, features_from=start, level=level, block=block)
        pack, repack = build_pack_statement(
            self.layer,
            self.plan.facet,
            self.geometry_type,
            block=block,
            level=level,
            whole=self.plan.whole,
            table=self.table,
            packed=self.source.packed,
        )
        index = SQL("CREATE INDEX {} ON {} (x, y)").format(
            Identifier(f"{self.source.packed}_x_y"), Identifier("layers", self.source.packed)
        )
        analyze = SQL("ANALYZE {}").format(Identifier("layers", self.source.packed))
        for statement in (build_pack_table(self.layer, self.source.packed), pack, index, analyze):
            self.connection.execute(statement)
            self.progress()
        return repack.as_string(self.connection)

    def _block_fits(self, density: _Density, zoom: int, level: int) -> bool:
        return zoom >= min(density.zoom, level) or density.densest(zoom)[1] <= _BLOCK

    def _find_features_from(self, density: _Density) -> int:
        """The first zoom whose densest tile holds all of its features within the budget."""
        layer, weight = self.layer, self._weigh_feature(density)
        for zoom in range(layer.minzoom, layer.maxzoom + 1):
            if density.densest(zoom)[1] * weight <= _ROOM:
                return zoom if zoom > layer.minzoom else 0
        for zoom in range(layer.maxzoom + 1, _FARTHEST + 1) if layer.deepens else ():
            if self._count_densest(zoom) * weight <= _ROOM:
                return zoom
        self.plan = replace(self.plan, crowd=int(_ROOM / weight))
        return layer.maxzoom

    def _count_densest(self, zoom: int) -> int:
        """Features in the densest tile of a zoom beyond the layer's last one."""
        row = self.connection.execute(
            SQL(
                "SELECT max(n) FROM (SELECT count(*) AS n FROM {table}"
                " GROUP BY geoserver.cell(ST_X({anchor}), {zoom}), geoserver.cell(-ST_Y({anchor}), {zoom})) AS tiles"
            ).format(table=Identifier("layers", self.table), anchor=anchor_of(self.geometry_type), zoom=Literal(zoom))
        ).fetchone()
        return int(row[0]) if row else 0

    def _weigh_feature(self, density: _Density) -> float:
        """Bytes per feature in the fullest tile that could be drawn at all."""
        best: tuple[int, Tile] = (0, Tile(0, 0, 0))
        for zoom in range(self.layer.maxzoom, -1, -1):
            tiles, counts = density.at(zoom)
            counts = np.where(counts <= _MOST_DRAWN, counts, 0)
            place = int(np.argmax(counts))
            if counts[place] > best[0]:
                best = int(counts[place]), _tile(zoom, int(tiles[place]))
        count, tile = best
        return len(self._render(tile, None)) / count if count else _ROOM

    # -- zooms ------------------------------------------------------------------------------------------------------

    def _plan_zooms(self, density: _Density) -> None:
        """From the finest zoom down, find what its densest tile can hold, and make the tiles that are kept ready."""
        points = self.kind == "points"
        last = 0 if points else int(density.visible.max())
        most = self.most or max(_HEAVY, int(density.n.sum()) // _SHARE)
        start = self.plan.features_from if points else self.layer.maxzoom
        zooms: list[ZoomPlan | None] = []
        ready = -1
        for zoom in reversed(range(start)):
            if zoom > density.zoom:
                zooms.append(ZoomPlan(-1, 128))  # sparser than the zooms above, which are measured
                continue
            tiles, counts = density.at(zoom)
            heavy = [_tile(zoom, key) for key in tiles[counts > most].tolist()] if zoom <= _DEEPEST else []
            # Counted cells are all read for each tile: that pays for few tiles that hold most of the layer.
            by_cells = len(heavy) <= _FEW and counts[counts > most].sum() > counts.sum() / 3
            if not points or by_cells:
                self._count_cells(zoom)
            self._made.clear()
            step = self._fit_points(density, zoom) if points else self._fit_shapes(density, zoom, last)
            if step is None and not zooms:
                continue  # every feature is drawn from here on
            zooms.append(step)
            if heavy and ready < 0:
                self._make_ready_table()
            counted = self.source
            if not by_cells:
                self.source = replace(counted, cells="")
            for tile in heavy:
                self._keep_tile(tile, step or ZoomPlan(last, 64))
                ready = max(ready, zoom)
            self.source = counted
            self.progress()
        zooms.reverse()
        first = self.layer.features_from
        if first is not None and not points:
            zooms = zooms[:first] + [None] * (first - len(zooms))
        self.plan = replace(
            self.plan,
            features_from=len(zooms),
            zooms=tuple(zoom or ZoomPlan(last, 64) for zoom in zooms),
            prebuilt=ready,
            digest=recipe_digest(self.recipes, self.layer),
        )
        if self.source.cells:
            self.connection.execute(SQL("DROP TABLE {}").format(Identifier(self.source.cells)))

    def _count_cells(self, zoom: int) -> None:
        """Cells for the tiles of a zoom, counted from those of the zoom before where there are some."""
        level = min(zoom + 7, _FINEST)
        if self.source.cells and self.source.level == level:
            return
        cells = f"geoserver_cells_{level}"
        self.connection.execute(build_cells(self.subject, self.source, cells, level))
        if self.source.cells:
            self.connection.execute(SQL("DROP TABLE {}").format(Identifier(self.source.cells)))
        self.source = replace(self.source, cells=cells, level=level)

    def _fit_points(self, density: _Density, zoom: int) -> ZoomPlan:
        """The smallest bins with which the densest tile of a zoom keeps to the budget."""
        tile, _ = density.densest(zoom)
        for cells in (128, 64, 32):
            if len(self._render(tile, ZoomPlan(-1, cells))) <= _ROOM:
                return ZoomPlan(-1, cells)
        return ZoomPlan(-1, 16)

    def _fit_shapes(self, density: _Density, zoom: int, last: int) -> ZoomPlan | None:
        """What can be seen, or less where that is too much for the densest tile; None when that is everything."""
        fullest, _ = density.densest(zoom)
        for shown in range(min(zoom, last), -1, -1):
            tile, count = density.densest(zoom, shown)
            if count > _MOST_DRAWN:
                continue
            step = None if shown >= last else ZoomPlan(shown, 64)
            if all(len(self._render(one, step)) <= _ROOM for one in {tile, fullest}):
                return step
        return self._fit_points(density, zoom)

    # -- tiles ------------------------------------------------------------------------------------------------------

    def _make_ready_table(self) -> None:
        self.connection.execute(
            SQL(
                "CREATE TABLE {0} (z smallint, x integer, y integer, tile bytea NOT NULL, PRIMARY KEY (z, x, y));"
                "ALTER TABLE {0} ALTER COLUMN tile SET STORAGE EXTERNAL"  # reading it must cost nothing
            ).format(Identifier("layers", self.ready))
        )

    def _keep_tile(self, tile: Tile, planned: ZoomPlan) -> None:
        for step in (planned, ZoomPlan(-1, planned.cells // 2), ZoomPlan(-1, planned.cells // 4)):
            body = self._render(tile, step)
            if len(body) <= BUDGET:
                self.connection.execute(
                    SQL("INSERT INTO {} (z, x, y, tile) VALUES (%s, %s, %s, %s)").format(
                        Identifier("layers", self.ready)
                    ),
                    [tile.z, tile.x, tile.y, body],
                )
                return

    def _render(self, tile: Tile, step: ZoomPlan | None) -> bytes:
        if (known := self._made.get((tile, step))) is not None:
            return known
        parts: list[bytes] = []
        for statement, values in build_statements(self.subject, tile, step, Where(), self.source):
            with self.connection.cursor(binary=True) as cursor:
                row = cursor.execute(statement, values, prepare=False).fetchone()
            parts.append(bytes(row[0]) if row and row[0] else b"")
        self._made[tile, step] = b"".join(parts)
        return self._made[tile, step]


def _tile(zoom: int, key: int) -> Tile:
    return Tile(zoom, key >> 32, key & 0xFFFFFFFF)
