"""Results in memory: planned to fit, bounded by bytes, read once for all, and given up when nobody waits."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from known_shapes import Shapes

from geoserver.model import Layer, Tile, TilePlan
from geoserver.tiling import BUDGET, Result, ResultKey, Results
from geoserver.tiling.cells import LEVEL, NO_DAY, place_points
from geoserver.tiling.held import Points
from geoserver.tiling.mvt import build_texts
from geoserver.tiling.plans import ROOM, lower_plan, plan_cells, plan_features

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

PLAN = TilePlan(features_from=16, weight=40.0, level=23)


def make_points(count: int, seed: int = 1, names: int = 50, length: int = 20) -> Points:
    """Points in clusters, each with a name of that length out of so many."""
    random = np.random.default_rng(seed)
    x, y = (random.normal(middle, 5_000, count) for middle in (-3_183_000, 5_650_000))
    curve = place_points(x, y)
    order = np.argsort(curve, kind="stable")
    texts = pa.array([f"{number:0{length}}".encode() for number in range(names)], pa.binary())
    column = build_texts("name", random.integers(0, names, count), texts)
    return Points(
        curve[order],
        np.zeros(count, dtype=np.uint8),
        np.full(count, NO_DAY, dtype=np.int32),
        LEVEL,
        x=x[order],
        y=y[order],
        fid=np.arange(count),
        columns=(column,),
    )


def largest_tile(points: Points, layer: Layer, zoom: int) -> int:
    """Bytes of the largest tile of a zoom, with all of its points as features."""
    keys = np.unique(points.spread(zoom)[0])
    return max(len(points.render_features(layer, Tile(zoom, int(key) >> 32, int(key) & 0xFFFFFFFF))) for key in keys)


@pytest.mark.parametrize(
    ("count", "names", "length"), [(40_000, 50, 20), (40_000, 40_000, 60), (3_000, 3_000, 400), (30_000, 1, 5)]
)
def test_a_plan_is_the_first_zoom_whose_largest_tile_fits(shapes: Shapes, count: int, names: int, length: int) -> None:
    layer = shapes.layers[shapes.make(f"fits-{count}-{names}", "points", [])]
    points = make_points(count, names=names, length=length)
    start = plan_features(layer, PLAN, points)
    assert 0 < start <= 16
    assert largest_tile(points, layer, start) <= BUDGET
    assert largest_tile(points, layer, start + 1) <= BUDGET
    assert largest_tile(points, layer, start - 1) > 0.7 * ROOM  # it could not begin much earlier
    assert plan_features(layer, PLAN, points) == start


def test_few_points_are_planned_from_the_first_zoom_and_none_later_than_the_layers_own(shapes: Shapes) -> None:
    layer = shapes.layers[shapes.make("from-the-first", "points", [])]
    assert plan_features(layer, PLAN, make_points(5_000)) == plan_cells(layer, PLAN, make_points(5_000)) == 0
    assert plan_features(layer, PLAN, make_points(0)) == plan_cells(layer, PLAN, make_points(0)) == 0
    own = TilePlan(features_from=3, weight=40.0)
    assert plan_features(layer, own, make_points(100_000)) == plan_cells(layer, own, make_points(100_000)) == 3
    assert lower_plan(PLAN, 20) == PLAN


def key(number: int, layer: str = "crime") -> ResultKey:
    return ResultKey(layer, "v", 1, f"filter {number}")


def test_results_are_bounded_by_bytes_and_the_least_used_goes_first() -> None:
    async def run() -> None:
        one = Result(0, make_points(1_000))
        results = Results(4 * (one.size + 2_000))

        async def read() -> Result:
            return one

        for number in range(4):
            await results.get(key(number), read)
        assert results.find(key(0)) is one
        await results.get(key(4), read)
        assert results.find(key(1)) is None
        assert results.find(key(0)) is one
        assert len(results) == 4
        assert 4 * one.size < results.bytes <= results.limit
        results.drop("other")
        results.drop("crime", keep=1)  # the state that they are of
        assert len(results) == 4
        results.drop("crime", keep=2)
        assert (len(results), results.bytes) == (0, 0)
        small = Results(5_000)
        assert (await small.get(key(1), read)) is one
        assert small.find(key(1)) == Result(one.features_from)  # the plan without the points
        assert 0 < small.bytes <= small.limit
        none = Results(0)
        assert (await none.get(key(1), read)) is one
        assert none.find(key(1)) == Result(one.features_from)
        for number in range(2_000):
            await none.get(key(number), read)
        assert none.find(key(1)) is None
        assert 500_000 < none.bytes <= 2**20

    asyncio.run(run())


def test_one_reading_is_for_all_who_ask_and_ends_with_the_last_of_them() -> None:
    async def run() -> None:
        results, reads, ended = Results(10**6), 0, asyncio.Event()

        async def read() -> Result:
            nonlocal reads
            reads += 1
            try:
                await asyncio.sleep(30)
            finally:
                ended.set()
            return Result(0)

        tasks = [asyncio.ensure_future(results.get(key(1), read)) for _ in range(5)]
        await asyncio.sleep(0.01)
        assert reads == 1
        assert results.knows(key(1))
        for task in tasks[:4]:
            task.cancel()
        await asyncio.sleep(0.01)
        assert not ended.is_set()
        tasks[4].cancel()
        await asyncio.wait_for(ended.wait(), 10)
        assert not results.knows(key(1))

    asyncio.run(run())


def test_a_reading_that_an_edit_overtakes_is_neither_joined_nor_kept() -> None:
    async def run() -> None:
        results, going = Results(10**6), asyncio.Event()

        async def read_old() -> Result:
            await going.wait()
            return Result(1)

        async def read_new() -> Result:
            return Result(2)

        first = asyncio.create_task(results.get(key(1), read_old))
        await asyncio.sleep(0.01)
        results.drop(key(1).layer)
        assert (await results.get(key(1), read_new)).features_from == 2
        going.set()
        assert (await first).features_from == 1
        found = results.find(key(1))
        assert found
        assert found.features_from == 2

    asyncio.run(run())


def test_what_failed_is_asked_again_and_what_took_too_long_after_a_while() -> None:
    async def run() -> None:
        results = Results(10**6)

        async def fail() -> Result:
            raise ValueError

        async def late() -> Result:
            return Result(7, expires=time.monotonic() + 1.5)

        for _ in range(2):
            with pytest.raises(ValueError, match=r"^$"):
                await results.get(key(1), fail)
        assert not results.knows(key(1))
        assert (await results.get(key(2), late)).features_from == 7
        assert results.knows(key(2))
        await asyncio.sleep(1.6)
        assert not results.knows(key(2))
        assert results.bytes == 0

    asyncio.run(run())


def test_readings_go_client_after_client_however_many_one_of_them_asks() -> None:
    async def run() -> None:
        results, order = Results(10**6), list[str]()

        def read_for(client: str) -> Callable[[], Coroutine[None, None, Result]]:
            async def read() -> Result:
                order.append(client)
                await asyncio.sleep(0)
                return Result(1)

            return read

        many = [asyncio.create_task(results.get(key(number), read_for("many"), "many")) for number in range(20)]
        await asyncio.sleep(0)
        few = [asyncio.create_task(results.get(key(100 + at), read_for("few"), "few")) for at in range(2)]
        await asyncio.gather(*many, *few)
        assert order.count("many") == 20
        assert order.index("few") <= 4
        assert max(at for at, client in enumerate(order) if client == "few") <= 6

    asyncio.run(run())
