"""An answer for ranges of letters that no font of ours has, so that a map in any script still draws the rest."""

from __future__ import annotations

__all__ = ["RANGES", "empty_glyphs"]

RANGES = 256  # code points per file


def empty_glyphs(font: str, code_points: str) -> bytes:
    """A glyph file without glyphs (Protocol Buffers: glyphs.stacks = 1 {name = 1, range = 2})."""
    stack = _text(1, font) + _text(2, code_points)
    return _tagged(1, stack)


def _text(number: int, text: str) -> bytes:
    return _tagged(number, text.encode())


def _tagged(number: int, body: bytes) -> bytes:
    """A length-delimited field; names and ranges are far below the 128 bytes that one length byte can say."""
    assert len(body) < 0x80  # noqa: S101, PLR2004 - see above
    return bytes([number << 3 | 2, len(body)]) + body
