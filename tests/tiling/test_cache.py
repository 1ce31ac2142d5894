"""The cache of tiles by itself: what it keeps, what it lets go of, and that its bytes are counted honestly."""

from __future__ import annotations

import gc
import random
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from geoserver.tiling.cache import Entry, Key, TileCache
from geoserver.tiling.ranges import TileRange, touches

MIB = 2**20


def key(x: int = 0, y: int = 0, *, z: int = 10, layers: tuple[str, ...] = ("a",), text: str = "") -> Key:
    return Key(layers, z, x, y, tuple(text for _ in layers))


def entry(name: Key, body: bytes = b"x") -> Entry:
    return Entry(name, ("v",), body)


def test_the_least_recently_used_go_first() -> None:
    cache = TileCache(4 * entry(key(), bytes(1000)).size)
    for x in range(4):
        cache.store(entry(key(x), bytes(1000)))
    cache.find(key(0))
    cache.store(entry(key(4), bytes(1000)))
    assert [x for x in range(5) if cache.find(key(x))] == [0, 2, 3, 4]
    assert cache.counts.evicted == 1
    assert cache.bytes <= cache.limit


def test_what_outgrows_the_whole_limit_is_not_kept_and_drives_nothing_out() -> None:
    cache = TileCache(10_000)
    cache.store(entry(key(0)))
    cache.store(entry(key(1), bytes(20_000)))
    assert cache.find(key(0))
    assert cache.find(key(1)) is None


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = TileCache(0)
    cache.store(entry(key()))
    assert len(cache) == cache.bytes == 0


def test_compressed_bytes_take_the_place_of_the_plain_ones_until_those_are_asked_for() -> None:
    cache = TileCache(MIB)
    kept = entry(key(), bytes(50_000))
    cache.store(kept)
    before = cache.bytes
    packed = kept.encode("gzip")
    cache.keep(kept, "gzip", packed)
    assert list(kept.encodings) == ["gzip"]
    assert cache.bytes == before - 50_000 + len(packed)
    assert kept.encode("gzip") is packed
    assert kept.read_body() == bytes(50_000)
    cache.keep(kept, "identity", kept.encode("identity"))
    cache.keep(kept, "br", kept.encode("br"))
    assert set(kept.encodings) == {"gzip", "br", "identity"}
    assert cache.bytes == kept.size


def test_a_change_makes_what_it_touches_stale_alone_and_as_part_of_several_layers() -> None:
    cache = TileCache(MIB)
    alone, other = entry(key(5, 5)), entry(key(5, 5, layers=("b",)))
    both, far = entry(key(5, 5, layers=("a", "b"))), entry(key(9, 9))
    filtered = entry(key(5, 5, text="f"))
    for item in (alone, other, both, far, filtered):
        cache.store(item)
    assert cache.drop_tiles("a", [TileRange(10, 5, 5, 5, 5)]) == 3
    assert [item.fresh for item in (alone, other, both, far, filtered)] == [False, True, False, True, False]
    assert cache.find(key(5, 5)) is alone, "its last good bytes stay"
    assert cache.drop_tiles("a", [TileRange(10, 5, 5, 5, 5)]) == 0
    assert cache.drop_layer("b") == 1
    cache.forget_layer("b")
    assert cache.find(key(5, 5, layers=("b",))) is None
    assert cache.find(key(5, 5, layers=("a", "b"))) is None
    assert len(cache) == 3


def test_a_shortcut_goes_with_its_entry_and_there_are_not_endlessly_many() -> None:
    cache = TileCache(20_000)
    first = entry(key(0))
    cache.store(first)
    for number in range(50):
        cache.add_shortcut(first, number, "answer", 10)
    assert len(cache.shortcuts) == 8
    assert 49 in cache.shortcuts
    assert cache.bytes == first.size
    cache.drop_layer("a")
    assert cache.shortcuts == {}
    cache.add_shortcut(first, "late", "answer", 10)
    assert cache.shortcuts == {}, "a stale tile is not answered without a look"
    second = entry(key(1))
    cache.store(second)
    cache.add_shortcut(second, "way", "answer", 10)
    for x in range(2, 40):
        cache.store(entry(key(x)))
    assert cache.shortcuts == {}
    assert cache.bytes <= cache.limit


def test_an_entry_in_place_of_another_leaves_no_trace_of_it() -> None:
    cache = TileCache(MIB)
    cache.store(entry(key(), bytes(1000)))
    new = entry(key(), bytes(10))
    cache.store(new)
    assert cache.bytes == new.size
    assert len(cache) == 1
    assert cache.drop_layer("a") == 1


moves = st.one_of(
    st.tuples(st.just("store"), st.integers(0, 3), st.integers(0, 30), st.sampled_from([("a",), ("b",), ("a", "b")])),
    st.tuples(st.just("drop"), st.integers(0, 3), st.integers(0, 30), st.sampled_from(["a", "b"])),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(moves, max_size=120))
def test_after_any_changes_the_right_ones_are_fresh_and_the_sum_is_right(
    steps: list[tuple[str, int, int, str]],
) -> None:
    cache = TileCache(40_000)
    stale: set[Key] = set()
    for step, z, seed, who in steps:
        x, y = seed % (1 << z), seed // 3 % (1 << z)
        if step == "store":
            name = Key(tuple(who), z, x, y, ("",) * len(who))
            cache.store(entry(name, bytes(seed * 20)))
            cache.add_shortcut(cache.find(name) or entry(name), name, None, 5)
            stale.discard(name)
        else:
            changed = [TileRange(z, x, y, x, y)]
            cache.drop_tiles(who, changed)
            stale |= {name for name in cache._entries if who in name.layers and touches(changed, *name[1:4])}
    kept = cache._entries
    assert {name for name, item in kept.items() if not item.fresh} == stale & set(kept)
    assert cache.bytes == sum(item.size for item in kept.values()) <= cache.limit
    assert set(cache.shortcuts) <= {name for name, item in kept.items() if item.fresh}


def test_what_is_counted_is_not_less_than_what_is_held() -> None:
    source = random.Random(1)
    cache = TileCache(1000 * MIB)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(3_000):
            body = source.randbytes(source.choice([0, 300, 3_000]))
            item = Entry(key(number, number + 1, z=16, text="f" * 50 + str(number)), ("v" + str(number),), body)
            cache.store(item)
            if body:
                cache.keep(item, "gzip", item.encode("gzip"))
            cache.add_shortcut(item, (b"/tiles/a/16/" + str(number).encode(), "gzip"), [number, b"h" * 80], 40)
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held <= cache.bytes <= 2 * held + MIB
