"""What an answer with a tile says beside the tile, for ASGI and as lines: made once for all that say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.access import BY_CALLER, PRIVATE
from geoserver.encodings import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from geoserver.tiling import TileContent

__all__ = ["RawHeaders", "TileHeaders", "encode_headers", "render_lines"]

type RawHeaders = list[tuple[bytes, bytes]]

_STALE_IF_ERROR = 86_400  # seconds for which a proxy may go on with what it has while we cannot answer
_REVALIDATE = 6  # times the age in which a proxy may answer with the old tile while it fetches the new one


class TileHeaders:
    """The headers of tiles; `everywhere` are those that every answer about open data carries, `fresh` how long a tile
    may be kept.
    """

    def __init__(self, everywhere: Mapping[str, str], age: int) -> None:
        """`age` is for how many seconds a tile is fresh."""
        self.everywhere = encode_headers(everywhere)
        self.fresh = (
            f"public, max-age={age}, stale-while-revalidate={_REVALIDATE * age}, stale-if-error={_STALE_IF_ERROR}"
        )
        self._shared: dict[tuple[int, str, str, bool], tuple[RawHeaders, bytes]] = {}

    def find(self, status: int, encoding: str, content: TileContent, *, private: bool) -> tuple[RawHeaders, bytes]:
        """Those that all fresh tiles of this kind share; `private` are tiles that not everybody sees."""
        key = (status, encoding, content.media_type, private)
        if (found := self._shared.get(key)) is None:
            headers = self._build(status, encoding, content, PRIVATE if private else self.fresh)
            found = self._shared[key] = (headers, render_lines(headers))
        return found

    def build_stale(self, status: int, encoding: str, content: TileContent, *, private: bool) -> RawHeaders:
        """Those of a tile that is older than its rows."""
        kept = PRIVATE if private else "public, max-age=0"
        return [*self._build(status, encoding, content, kept), (b"x-tile-stale", b"1")]

    def _build(self, status: int, encoding: str, content: TileContent, cache_control: str) -> RawHeaders:
        vary = f"Accept-Encoding, {BY_CALLER}" if cache_control == PRIVATE else "Accept-Encoding"
        lines = [(b"cache-control", cache_control.encode()), (b"vary", vary.encode()), *self.everywhere]
        if status != 200:  # noqa: PLR2004
            return lines
        coding = [] if encoding == IDENTITY else [(b"content-encoding", encoding.encode())]
        return [(b"content-type", content.media_type.encode()), *coding, *lines]


def encode_headers(headers: Mapping[str, str]) -> RawHeaders:
    """Headers as ASGI takes them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def render_lines(headers: Iterable[tuple[bytes, bytes]], *, end: bool = False) -> bytes:
    """Headers as they stand in an answer; `end` adds the empty line after them."""
    return b"".join(name + b": " + value + b"\r\n" for name, value in headers) + (b"\r\n" if end else b"")
