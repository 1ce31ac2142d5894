"""Numbers in JSON that GDAL's readers cannot hold: one of them must not fail a file, nor turn into another number."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["quote_numbers", "unclamp"]

_CHUNK = 1 << 20
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[-+.\w]+', re.DOTALL)
_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_WORDS = (b"true", b"false", b"null")
_EDGE = 2**63


def quote_numbers(path: Path, folder: Path) -> Path:
    """A copy of a JSON file with the numbers that GDAL refuses as texts, which the loader then tells of."""
    copy = folder / "quoted" / path.name  # under the same name, which may be the layer's
    copy.parent.mkdir()
    rest = b""
    with path.open("rb") as source, copy.open("wb") as target:
        while True:
            chunk = source.read(_CHUNK)
            rest += chunk
            done = 0
            for token in _TOKEN.finditer(rest):
                if chunk and token.end() == len(rest):
                    break  # it may go on in the next chunk
                target.write(rest[done : token.start()] + _quote(token[0]))
                done = token.end()
            rest = rest[done:]
            if not chunk:
                target.write(rest)
                return copy


def _quote(token: bytes) -> bytes:
    if token.startswith(b'"') or token in _WORDS:
        return token
    if _NUMBER.fullmatch(token):
        whole = token.lstrip(b"-").isdigit()
        if (whole and -_EDGE <= int(token[:25]) < _EDGE) or (not whole and abs(float(token)) != float("inf")):
            return token
    return b'"' + token + b'"'


def unclamp(column: pa.Array) -> pa.Array:
    """GDAL cuts integers beyond 64 bits to the ends of its range; give those as a text beyond it."""
    if not pa.types.is_int64(column.type):
        return column
    ends = pc.min_max(column).as_py()
    if ends["min"] != -_EDGE and ends["max"] != _EDGE - 1:
        return column
    texts = column.cast(pa.string())
    return pc.if_else(pc.is_in(column, value_set=pa.array([-_EDGE, _EDGE - 1])), str(_EDGE), texts)
