"""Rendered tiles in memory, bounded by bytes: the least recently used go first. Knows nothing of HTTP or database.

An entry is one tile of one layer, or of several in a row, under one filter. It keeps the encodings that were asked for,
and after a change of its rows its last good bytes, marked as stale, until it is rendered again or falls out. What
somebody looks at may be put off: for some time it is given as if it were fresh, so that it can be made anew behind.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from geoserver.encodings import IDENTITY, compress, decompress
from geoserver.tiling.ranges import find_touched

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from geoserver.tiling.ranges import TileRange

__all__ = ["Counts", "Entry", "Key", "TileCache"]

# What Python itself takes, measured; a test compares the sum with what is really allocated.
_ENTRY_BYTES = 1200
_ENCODING_BYTES = 150
_SHORTCUT_BYTES = 700
_SHORTCUTS = 8  # addresses of one entry that are remembered; equal filters can be written in endless ways


class Key(NamedTuple):
    """What is asked for: layers by id, the tile, and of each layer the canonical filter and the plan that it has.

    A plan is the zoom from which on features are drawn.
    """

    layers: tuple[str, ...]
    z: int
    x: int
    y: int
    filters: tuple[str, ...]
    plans: tuple[int, ...] = ()
    sights: tuple[str, ...] = ()  # names the rows that whoever asks may see of each; empty for all


class Entry:
    """One tile in memory: its bytes by encoding, and the versions of its layers that they were made of."""

    __slots__ = (
        "digest",
        "encodings",
        "fresh",
        "hold",
        "key",
        "plain",
        "shortcuts",
        "size",
        "until",
        "used",
        "versions",
    )

    def __init__(self, key: Key, versions: tuple[str, ...], body: bytes, *, fresh: bool = True) -> None:
        self.key = key
        self.versions = versions
        self.fresh = fresh
        self.encodings = {IDENTITY: body}
        self.plain = False  # whether someone asked for the bytes as they are
        self.digest = blake2b(body, digest_size=12).hexdigest()
        self.shortcuts: dict[Hashable, int] = {}  # names in `TileCache.shortcuts`, with the bytes that they take
        self.until = 0.0  # until when (of `time.monotonic`) it may be given though rows have changed since
        self.used = 0.0  # when somebody last asked for it
        self.hold = 0.0  # until when (of the event loop's clock) no new rendering is tried
        self.size = _ENTRY_BYTES + sum(map(len, key.filters)) + _ENCODING_BYTES + len(body)

    @property
    def is_empty(self) -> bool:
        return self.encodings.get(IDENTITY) == b""

    def read_body(self) -> bytes:
        """The bytes as they are; taken from a compressed form where only that is kept."""
        if (body := self.encodings.get(IDENTITY)) is not None:
            return body
        name, packed = next(iter(self.encodings.items()))
        return decompress(packed, name)

    def encode(self, name: str) -> bytes:
        """The bytes in an encoding, made now if nobody asked for it before. `TileCache.keep` makes it count."""
        held = self.encodings.get(name)
        return compress(self.read_body(), name) if held is None else held


@dataclass(slots=True)
class Counts:
    """What happened since the start."""

    evicted: int = 0
    invalidated: int = 0


class TileCache:
    """Entries by key, indexed by layer, zoom and place; `limit` in bytes, 0 keeps nothing.

    `shortcuts` lead from whatever a caller names an answer by to that answer, as long as its entry is kept and fresh.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self.counts = Counts()
        self.shortcuts: dict[Hashable, object] = {}
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._index: dict[str, dict[int, dict[tuple[int, int], list[Entry]]]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Key) -> Entry | None:
        """The entry, fresh or stale; it counts as used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def peek(self, key: Key) -> Entry | None:
        """The same without its being used by that."""
        return self._entries.get(key)

    def use(self, entry: Entry) -> None:
        """Count an entry as used by somebody who asks for it now."""
        entry.used = time.monotonic()
        if entry.key in self._entries:
            self._entries.move_to_end(entry.key)

    def store(self, entry: Entry) -> None:
        """Keep an entry in place of the one of that key; one that outgrows the whole limit is not kept."""
        if entry.size > self.limit:
            return
        if (old := self._entries.get(entry.key)) is not None:
            entry.used = max(entry.used, old.used)
            self._remove(old)
        self._entries[entry.key] = entry
        self.bytes += entry.size
        for layer in entry.key.layers:
            places = self._index.setdefault(layer, {}).setdefault(entry.key.z, {})
            places.setdefault((entry.key.x, entry.key.y), []).append(entry)
        self._make_room()

    def keep(self, entry: Entry, name: str, body: bytes) -> None:
        """Add an encoding to an entry; the plain bytes go when only compressed ones are asked for."""
        if name == IDENTITY:
            entry.plain = True
        if entry.is_empty or entry.encodings.get(name) is body:
            return
        entry.encodings[name] = body
        growth = len(body) + _ENCODING_BYTES
        if not entry.plain and (plain := entry.encodings.pop(IDENTITY, None)) is not None:
            growth -= len(plain) + _ENCODING_BYTES
        self._grow(entry, growth)

    def add_shortcut(self, entry: Entry, name: Hashable, answer: object, length: int) -> None:
        """Let `shortcuts[name]` be that answer; `length` in bytes of what the two hold. Not for stale entries."""
        if not (entry.fresh or entry.until) or self._entries.get(entry.key) is not entry or name in self.shortcuts:
            return
        if len(entry.shortcuts) >= _SHORTCUTS:
            self._drop_shortcut(entry, next(iter(entry.shortcuts)))
        self.shortcuts[name] = answer
        entry.shortcuts[name] = length + _SHORTCUT_BYTES
        self._grow(entry, length + _SHORTCUT_BYTES)

    def drop_tiles(self, layer: str, changed: Sequence[TileRange]) -> int:
        """Mark as stale what a change of these ranges touches, at every zoom; gives how many were fresh."""
        return self._mark_stale(self._find_touched(layer, changed))

    def put_off(self, layer: str, changed: Sequence[TileRange], *, since: float, until: float) -> list[Entry]:
        """Mark as stale what a change of these touches; what was asked for after `since` may be given `until` then.

        Both are times of `time.monotonic`. Gives what is put off, to be made anew, the last asked for first.
        """
        now, found = time.monotonic(), []
        for entry in self._find_touched(layer, changed):
            given = entry.fresh or now < entry.until
            if given and entry.shortcuts and entry.used > since and not any(entry.key.sights):
                self.counts.invalidated += entry.fresh
                entry.fresh, entry.until = False, until if entry.fresh else min(entry.until, until)
                found.append(entry)
            else:
                self._mark_stale([entry])
        return sorted(found, key=lambda entry: -entry.used)

    def _find_touched(self, layer: str, changed: Sequence[TileRange]) -> Iterable[Entry]:
        zooms = self._index.get(layer, {})
        return (entry for z in zooms for bucket in find_touched(zooms[z], changed, z) for entry in bucket)

    def drop_layer(self, layer: str) -> int:
        """Mark everything of a layer as stale; gives how many were fresh."""
        return self._mark_stale(self._of(layer))

    def forget_layer(self, layer: str) -> None:
        """Remove everything of a layer, for its bytes must not be seen again."""
        for entry in list(self._of(layer)):
            self._remove(entry)

    def drop_shortcuts(self, layer: str) -> None:
        """Let every request for a layer be read again; the bytes stay."""
        for entry in self._of(layer):
            self._drop_shortcuts(entry)

    def clear(self) -> None:
        """Remove everything."""
        self._entries.clear()
        self._index.clear()
        self.shortcuts.clear()
        self.bytes = 0

    def _of(self, layer: str) -> Iterable[Entry]:
        places = self._index.get(layer, {}).values()
        return (entry for place in places for bucket in place.values() for entry in bucket)

    def _mark_stale(self, entries: Iterable[Entry]) -> int:
        count = 0
        for entry in entries:
            if entry.fresh or entry.until:
                count += entry.fresh
                entry.fresh, entry.until = False, 0.0
                self._drop_shortcuts(entry)
        self.counts.invalidated += count
        return count

    def _grow(self, entry: Entry, growth: int) -> None:
        entry.size += growth
        if self._entries.get(entry.key) is entry:
            self.bytes += growth
            self._make_room()

    def _make_room(self) -> None:
        while self.bytes > self.limit:
            self._remove(next(iter(self._entries.values())))
            self.counts.evicted += 1

    def _remove(self, entry: Entry) -> None:
        """Let go of an entry; whoever holds it at the moment still has its bytes."""
        self._drop_shortcuts(entry)
        del self._entries[entry.key]
        self.bytes -= entry.size
        place = (entry.key.x, entry.key.y)
        for layer in entry.key.layers:
            places = self._index[layer][entry.key.z]
            places[place].remove(entry)
            if not places[place]:
                del places[place]
            if not places:
                del self._index[layer][entry.key.z]
            if not self._index[layer]:
                del self._index[layer]

    def _drop_shortcuts(self, entry: Entry) -> None:
        for name in list(entry.shortcuts):
            self._drop_shortcut(entry, name)

    def _drop_shortcut(self, entry: Entry, name: Hashable) -> None:
        del self.shortcuts[name]
        size = entry.shortcuts.pop(name)
        entry.size -= size
        self.bytes -= size
