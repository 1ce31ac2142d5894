"""Several layers loaded as one: their rows come as they are made, and all of them go into service in one transaction.

So a reader never sees the new rows of one beside the old rows of another, and where one fails all stay as they were.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from geoserver.catalog import read_recipes
from geoserver.errors import LoadError, UnstorableError
from geoserver.loading.arrival import Arrival, read_before
from geoserver.loading.behind import prepare_behind
from geoserver.loading.faults import explain_fault
from geoserver.loading.fingerprint import read_fingerprint
from geoserver.loading.load import clean_up, connect_to_load, explain_preparation, take_turn
from geoserver.loading.rejects import Rejects
from geoserver.loading.report import PREPARING, Progress, ignore_progress
from geoserver.loading.staging import Copier, drop_leftovers, swap
from geoserver.sources import Opened

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from geoserver.loading.report import LoadReport
    from geoserver.model import Layer
    from geoserver.sources import Batch

__all__ = ["Loading", "Together", "load_together"]

_AT_ONCE = 3  # layers that are indexed, or whose tiles are prepared, side by side


@dataclass(slots=True)
class Together:
    """What came of it: reports in the order of the layers, and what went wrong with tiles that were to be prepared."""

    reports: list[LoadReport] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


type Loading = Callable[[str], AbstractContextManager[Progress]]
"""Called with the id of a layer when work on its rows begins; gives whom to tell how far it is."""


def load_together(
    layers: Sequence[Layer],
    batches: Iterable[tuple[str, Batch] | None],
    crs: str,
    database_url: str,
    *,
    loading: Loading,
    force: bool = False,
    served: Collection[str] = (),
) -> Together:
    """Load batches, each with the id of its layer, all in one CRS; after the last, the layers' files are complete.

    A None among them says that all layers that had rows so far are complete: they are indexed while rows of others are
    still made. Layers that get no row are left as they are and out of the reports; the rows of those whose file is the
    one that was loaded before are not touched. Raises LoadError where one of them fails, or, unless `force`, loses
    much, such as all rows of one that is `served`: all stay.
    """
    started = time.monotonic()
    with ExitStack() as stack:
        try:
            turn = stack.enter_context(connect_to_load(database_url))
            recipes = read_recipes(layers[0].file.parent.parent)
            copier = stack.enter_context(closing(Copier(stack.enter_context(connect_to_load(database_url)))))
            arrivals = {}
            for layer in sorted(layers, key=lambda layer: layer.id):  # one order, so that two never wait for each other
                take_turn(turn, layer)
                rejects = stack.enter_context(closing(Rejects(layer.id)))
                drop_leftovers(copier.connection, layer)
                before = read_before(copier.connection, layer)
                multi = layer.geometry == "polygons"
                arrivals[layer.id] = Arrival(
                    copier, layer, database_url, rejects, before, started, recipes, multi=multi
                )
            copier.connection.commit()
            work = _Work(copier, database_url, [arrivals[layer.id] for layer in layers], loading, served, force=force)
            return work.run(batches, crs)
        except psycopg.Error as error:
            raise LoadError(explain_fault(error)) from error


@dataclass(slots=True)
class _Work:
    copier: Copier
    database_url: str
    arrivals: list[Arrival]
    loading: Loading
    served: Collection[str]
    force: bool
    made: Together = field(default_factory=Together)
    opened: dict[str, Arrival] = field(default_factory=dict)  # and not complete
    fresh: list[Arrival] = field(default_factory=list)
    kept: list[Arrival] = field(default_factory=list)

    def run(self, batches: Iterable[tuple[str, Batch] | None], crs: str) -> Together:
        """What fails leaves nothing behind."""
        connection = self.copier.connection
        try:
            with ThreadPoolExecutor(_AT_ONCE, "geoserver-together") as pool:
                try:
                    self._fill(batches, crs, pool)
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
            swap(connection, [arrival.layer for arrival in self.fresh], self.database_url)
            reports = [arrival.put_into_service(read_fingerprint(arrival.layer)) for arrival in self.fresh]
            connection.commit()
        except BaseException:
            self.copier.close()
            clean_up(connection, self.database_url, [arrival.layer for arrival in self.arrivals])
            raise
        with ThreadPoolExecutor(_AT_ONCE, "geoserver-together") as pool:
            _wait([pool.submit(self._prepare_behind, arrival) for arrival in self.kept])
        by_id = {report.layer_id: report for report in (*self.made.reports, *reports)}
        self.made.reports = [by_id[arrival.layer.id] for arrival in self.arrivals if arrival.layer.id in by_id]
        return self.made

    def _fill(self, batches: Iterable[tuple[str, Batch] | None], crs: str, pool: ThreadPoolExecutor) -> None:
        """All rows, and the indexes of all of them."""
        by_id = {arrival.layer.id: arrival for arrival in self.arrivals}
        indexing: list[Future[None]] = []
        for item in batches:
            if item is None:
                indexing += self._complete(pool)
                continue
            name, batch = item
            if name not in self.opened:
                self.opened[name] = by_id[name]
                by_id[name].open(Opened(iter(()), crs=crs))
            by_id[name].features.add(batch)
        indexing += self._complete(pool)
        self._check_missing()
        _wait(indexing)

    def _check_missing(self) -> None:
        """Raises LoadError where a layer that is served has no row any more, which is the most that one can lose."""
        come = {arrival.layer.id for arrival in (*self.fresh, *self.kept)}
        losses = [
            f"{arrival.layer.source}: no rows where {arrival.before.rows:,} are in service; they stay."
            f" If that is as it should be: geoserver load {arrival.layer.id} --force"
            for arrival in self.arrivals
            if arrival.before and arrival.before.rows and arrival.layer.id in self.served
            if arrival.layer.id not in come
        ]
        if losses and not self.force:
            raise LoadError(" ".join(losses))

    def _complete(self, pool: ThreadPoolExecutor) -> list[Future[None]]:
        """Complete what has been opened, and let it be indexed, the large ones first; none is opened any more."""
        self.copier.wait()
        fresh = sorted(self._find_fresh(), key=lambda arrival: -arrival.rows)
        self.copier.connection.commit()  # for others to see the rows; nobody else looks at them
        self.opened.clear()
        self.fresh += fresh
        return [pool.submit(self._index, arrival) for arrival in fresh]

    def _find_fresh(self) -> list[Arrival]:
        """Complete all of them, and leave out those that are what was loaded before."""
        losses, complete = [], []
        for arrival in self.opened.values():
            try:
                arrival.features.finish()
            except UnstorableError as error:
                if self.force:
                    self.made.warnings.append(f"{error}; the layer is left out")
                    drop_leftovers(self.copier.connection, arrival.layer)
                else:
                    hint = f" If that is as it should be: geoserver load {arrival.layer.id} --force"
                    losses.append(f"{error}.{hint}")
                continue
            complete.append(arrival)
            try:
                arrival.complete(ignore_progress, accepting=self.force)
            except LoadError as error:
                losses.append(str(error))
        if losses:
            raise LoadError(" ".join(losses))
        fresh = []
        for arrival in complete:
            before = arrival.before
            if not self.force and before and before.fingerprint == read_fingerprint(arrival.layer):
                drop_leftovers(self.copier.connection, arrival.layer)
                self.made.reports.append(before.as_report(arrival.layer))
                self.kept.append(arrival)
            else:
                fresh.append(arrival)
        return fresh

    def _index(self, arrival: Arrival) -> None:
        """All that comes before the swap, which is done at once then."""
        with connect_to_load(self.database_url) as connection, self.loading(arrival.layer.id) as tell:
            # Such rows are asked for by their place alone, of which a few thousand tell enough.
            connection.execute("SET default_statistics_target = 30")
            arrival.index([connection], tell)
            tell(arrival.rows, arrival.rows, "preparing tiles")
            try:
                with connection.transaction():
                    arrival.prepare(connection)
            except Exception as error:
                self._warn(arrival, error)
                arrival.look_ahead(connection)

    def _prepare_behind(self, arrival: Arrival) -> None:
        """The tiles of rows that stay, if that has been interrupted."""
        with (
            connect_to_load(self.database_url) as connection,
            connect_to_load(self.database_url, autocommit=True) as helper,
            self.loading(arrival.layer.id) as tell,
        ):
            try:
                prepare_behind(
                    connection,
                    helper,
                    arrival.layer,
                    arrival.recipes,
                    lambda _: tell(arrival.rows, arrival.rows, PREPARING),
                )
            except Exception as error:
                self._warn(arrival, error)

    def _warn(self, arrival: Arrival, error: Exception) -> None:
        self.made.warnings.append(f"loaded, without its tiles prepared: {explain_preparation(arrival.layer, error)}")


def _wait(work: Sequence[Future[None]]) -> None:
    """Until all of it is done, or one fails."""
    for done in as_completed(work):
        done.result()
