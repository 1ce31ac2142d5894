"""Filters that are read in a process of their own mean the same, and whatever becomes of it, an answer comes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import State, make_layer

from geoserver.errors import BadParameterError, UnavailableError
from geoserver.filtering import apart, build, split
from geoserver.filtering.apart import Apart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from geoserver.model import Layer

FILTERS = [
    {"filter": "n > 5 AND name LIKE 'o%'"},
    {"filter": " OR ".join(f"name = 'a''{n}%'" for n in range(100))},
    {"filter": "S_INTERSECTS(geometry, POLYGON((-29 45, -28 45, -28 46, -29 45)))"},
    {"filter": '{"op": "=", "args": [{"property": "n"}, 7]}', "filter_lang": "cql2-json"},
    {"bbox": "-28.7,45.1,-28.5,45.3", "datetime": "2020/2021"},
    {"properties": {"name": "it's", "lit": "true"}},
    {},
]
WRONG = [
    {"filter": "nosuch = 1"},
    {"filter": "n = "},
    {"filter": "n > 'five'"},
    {"filter": "S_INTERSECTS(geometry, POINT(1))"},
    {"filter": "n = 1", "filter_lang": "sql"},
    {"bbox": "1,2,3"},
    {"properties": {"height": "high"}},
]


STATUS = State(4326)


@pytest.fixture(scope="module")
def layer() -> Layer:
    return make_layer()


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@contextlib.asynccontextmanager
async def started() -> AsyncIterator[Apart]:
    made = Apart()
    try:
        yield made
    finally:
        await made.stop()


@pytest.mark.parametrize("arguments", FILTERS, ids=str)
def test_a_filter_read_apart_selects_the_same_rows(layer: Layer, arguments: dict[str, Any]) -> None:
    async def scene() -> Any:
        async with started() as process:
            return await process.build(layer, STATUS, arguments)

    where, own = asyncio.run(scene()), build(layer, STATUS, **arguments)
    assert where.params == own.params
    assert where.sql.as_string(None) == own.sql.as_string(None)
    assert bool(where.canonical) == bool(own.canonical)
    assert len(where.canonical) <= apart.LONG
    fields = layer.fields
    assert split(where.tree, fields, "name", "seen_at") == split(own.tree, fields, "name", "seen_at")


@pytest.mark.parametrize("arguments", WRONG, ids=str)
def test_a_wrong_filter_is_refused_in_the_same_words(layer: Layer, arguments: dict[str, Any]) -> None:
    async def scene() -> None:
        async with started() as process:
            await process.build(layer, STATUS, arguments)

    with pytest.raises(BadParameterError) as own:
        build(layer, STATUS, **arguments)
    with pytest.raises(BadParameterError) as refused:
        asyncio.run(scene())
    assert str(refused.value) == str(own.value)
    assert refused.value.members() == own.value.members()


def test_a_process_that_was_killed_is_replaced_and_ends_with_the_server(layer: Layer) -> None:
    async def scene() -> list[int]:
        pids = []
        async with started() as process:
            assert process.pid is None, "it is started by the first question"
            for _ in range(2):
                await process.build(layer, STATUS, FILTERS[0])
                pids.append(process.pid)
                os.kill(process.pid, signal.SIGKILL)
            await process.build(layer, STATUS, FILTERS[1])
            pids.append(process.pid)
        return pids

    pids = asyncio.run(scene())
    assert len(set(pids)) == 3
    assert not any(lives(pid) for pid in pids)


def test_a_filter_that_ends_the_process_is_one_refused_request(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    # What ends a process is mended where it is found; this stands for the next one.
    crash = "import os\ndef crash(*_, **__):\n    os._exit(1)\n"
    deadly = apart._COMMAND.replace("; serve", "; from geoserver.filtering import apart; apart.build = crash; serve")
    command = apart._COMMAND

    async def scene() -> None:
        async with started() as process:
            monkeypatch.setattr(apart, "_COMMAND", crash + deadly)
            with pytest.raises(BadParameterError, match="a filter that can be read"):
                await process.build(layer, STATUS, FILTERS[0])
            monkeypatch.setattr(apart, "_COMMAND", command)
            assert (await process.build(layer, STATUS, FILTERS[0])).canonical

    asyncio.run(scene())


def test_a_filter_that_takes_for_ever_is_cut(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with started() as process:
            await process.build(layer, STATUS, FILTERS[0])
            os.kill(process.pid, signal.SIGSTOP)
            monkeypatch.setattr(apart, "LONGEST_READING", 0.2)
            with pytest.raises(UnavailableError, match="shorten"):
                await process.build(layer, STATUS, FILTERS[0])
            monkeypatch.undo()
            assert (await process.build(layer, STATUS, FILTERS[0])).canonical

    asyncio.run(scene())


def test_a_process_without_questions_ends_and_comes_back(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        async with started() as process:
            monkeypatch.setattr(apart, "IDLE", 0.05)
            await process.build(layer, STATUS, FILTERS[0])
            async with asyncio.timeout(30):
                while process.pid is not None:  # noqa: ASYNC110 - it tells nobody that it sleeps
                    await asyncio.sleep(0.02)
            monkeypatch.undo()
            assert (await process.build(layer, STATUS, FILTERS[0])).canonical
            assert process.pid

    asyncio.run(scene())


def test_the_process_knows_filters_and_nothing_of_the_web() -> None:
    code = "import sys, geoserver.filtering.apart; print(*sys.modules)"
    known = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"geoserver.filtering.build", "shapely"} <= set(known)
    assert not {"fastapi", "starlette", "pygeoapi", "pandas", "geopandas", "pyarrow", "pydantic"} & set(known)
