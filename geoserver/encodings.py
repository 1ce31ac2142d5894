"""Content encodings: which one a client takes, and bytes to and from each. Knows nothing of HTTP libraries."""

from __future__ import annotations

import functools
import re
import zlib
from typing import Any

import brotli
import zstandard
from isal import isal_zlib

__all__ = ["IDENTITY", "Packer", "choose_encoding", "compress", "decompress"]

IDENTITY = "identity"
_PREFERRED = ("br", "zstd", "gzip", IDENTITY)  # the order among those that a client weighs alike: the smallest first
_UNNAMED = 0.0005  # identity may always be sent unless it is refused, but whatever is named goes before it
_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_LONGEST = 300  # characters of a header that is worth to be kept in mind
# Measured on tiles of the sample city (docs/benchmarks.md): each is compressed once and sent many times.
_GZIP_LEVEL = 2  # of ISA-L: as small as zlib's level 1 in a fifth of its time
_BROTLI_LEVEL = 5
_ZSTD_LEVEL = 6
# The best, for what is packed once: zlib makes it smaller than ISA-L can, and brotli's 11 takes 3 s for a megabyte.
_BEST_GZIP, _BEST_ZSTD, _BEST_BROTLI, _GOOD_BROTLI = 9, 19, 11, 9
_LARGE = 2**18  # bytes from which on brotli's good has to be good enough


def choose_encoding(header: str) -> str:
    """The encoding for a client that sent this Accept-Encoding (RFC 9110, 12.5.3); identity when it takes none."""
    return _choose(header) if len(header) <= _LONGEST else _choose.__wrapped__(header)


@functools.lru_cache(maxsize=512)
def _choose(header: str) -> str:
    weights = _parse_weights(header)
    rest = weights.get("*")
    best, most = IDENTITY, 0.0
    for name in _PREFERRED:
        unnamed = rest if rest is not None else _UNNAMED if name == IDENTITY else 0.0
        weight = weights.get(name, unnamed)
        if weight > most:
            best, most = name, weight
    return best


def _parse_weights(header: str) -> dict[str, float]:
    """Weights from 0 to 1 by encoding; one that cannot be read refuses."""
    weights: dict[str, float] = {}
    for item in header.lower().split(","):
        name, _, parameters = item.partition(";")
        if name.strip():
            found = _WEIGHT.fullmatch(parameters.replace(" ", ""))
            weights[name.strip()] = float(found[1]) if found else 0.0 if parameters.strip() else 1.0
    return weights


def compress(body: bytes, name: str, *, best: bool = False) -> bytes:
    """The bytes in this encoding; equal bytes become equal bytes. Lets go of the interpreter's lock meanwhile.

    `best` makes them as small as can be, at a hundred times the cost.
    """
    match name:
        case "gzip" if best:
            return zlib.compress(body, _BEST_GZIP, wbits=31)
        case "gzip":
            return isal_zlib.compress(body, _GZIP_LEVEL, wbits=31)
        case "br":
            slowest = _BEST_BROTLI if len(body) < _LARGE else _GOOD_BROTLI
            packed: bytes = brotli.compress(body, quality=slowest if best else _BROTLI_LEVEL)
            return packed
        case "zstd":
            return zstandard.ZstdCompressor(level=_BEST_ZSTD if best else _ZSTD_LEVEL).compress(body)
    return body


def decompress(body: bytes, name: str) -> bytes:
    """The inverse of `compress`."""
    match name:
        case "gzip":
            return isal_zlib.decompress(body, wbits=31)
        case "br":
            plain: bytes = brotli.decompress(body)
            return plain
        case "zstd":
            return zstandard.ZstdDecompressor().decompressobj().decompress(body)  # its size may not be told
    return body


class Packer:
    """Compresses what comes in pieces; the pieces that it gives, in a row, are what `decompress` undoes."""

    def __init__(self, name: str) -> None:
        self._packer: Any
        match name:
            case "gzip":
                self._packer = isal_zlib.compressobj(_GZIP_LEVEL, wbits=31)
            case "br":
                self._packer = brotli.Compressor(quality=_BROTLI_LEVEL)
            case "zstd":
                self._packer = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
            case _:
                raise ValueError(name)
        self._is_brotli = name == "br"  # whose words are others

    def add(self, piece: bytes) -> bytes:
        """What there is to send by now; often nothing."""
        packed: bytes = self._packer.process(piece) if self._is_brotli else self._packer.compress(piece)
        return packed

    def finish(self) -> bytes:
        """The rest."""
        packed: bytes = self._packer.finish() if self._is_brotli else self._packer.flush()
        return packed
