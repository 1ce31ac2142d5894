"""Content encodings: which one a client takes, and bytes to and from each. Knows nothing of HTTP libraries."""

from __future__ import annotations

import functools
import re

import brotli
import zstandard
from isal import isal_zlib

__all__ = ["IDENTITY", "accepts", "choose_encoding", "compress", "decompress"]

IDENTITY = "identity"
_PREFERRED = ("zstd", "br", "gzip", IDENTITY)  # the order among those that a client weighs alike
_UNNAMED = 0.0005  # identity may always be sent unless it is refused, but whatever is named goes before it
_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII)
_LONGEST = 300  # characters of a header that is worth to be kept in mind
# Measured on tiles of the sample city (docs/benchmarks.md): each is compressed once and sent many times.
_GZIP_LEVEL = 2  # of ISA-L: as small as zlib's level 1 in a fifth of its time
_BROTLI_LEVEL = 5
_ZSTD_LEVEL = 6


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


def accepts(header: str, name: str) -> bool:
    """Whether an encoding is named by the header, or is among `*`, and is not refused by `q=0`."""
    weights = _parse_weights(header)
    return weights.get(name, weights.get("*", 0.0)) > 0


def _parse_weights(header: str) -> dict[str, float]:
    """Weights from 0 to 1 by encoding; one that cannot be read refuses."""
    weights: dict[str, float] = {}
    for item in header.lower().split(","):
        name, _, parameters = item.partition(";")
        if name.strip():
            found = _WEIGHT.fullmatch(parameters.replace(" ", ""))
            weights[name.strip()] = float(found[1]) if found else 0.0 if parameters.strip() else 1.0
    return weights


def compress(body: bytes, name: str) -> bytes:
    """The bytes in this encoding; equal bytes become equal bytes. Lets go of the interpreter's lock meanwhile."""
    match name:
        case "gzip":
            return isal_zlib.compress(body, _GZIP_LEVEL, wbits=31)
        case "br":
            packed: bytes = brotli.compress(body, quality=_BROTLI_LEVEL)
            return packed
        case "zstd":
            return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
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
            return zstandard.ZstdDecompressor().decompress(body)
    return body
