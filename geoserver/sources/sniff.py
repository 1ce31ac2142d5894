"""What a text file does not say about itself: encoding, separator, decimal sign, number of lines; with samples."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import charset_normalizer

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["Dialect", "open_binary", "sniff"]

_CHUNK = 1 << 20
_HEAD = 1 << 16
_PIECE = 1 << 12  # read from each chunk, so that the samples come from all over the file
_PIECES = 400
_FOREIGN = 1 << 18  # bytes of lines with non-ASCII letters that the guess of the encoding looks at
_SEPARATORS = ",;\t|"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written. `lines` counts line ends; `samples` are texts per column from all over the file."""

    encoding: str
    separator: str
    header: tuple[str, ...]
    lines: int
    samples: dict[str, list[str]]


def open_binary(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked when it is gzipped."""
    return cast("IO[bytes]", gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb"))


def sniff(request: Request, path: Path) -> Dialect:
    """Read the file once, quickly; raises LoadError when it is empty, truncated or not text."""
    try:
        survey = _survey(path)
    except (OSError, EOFError, zlib.error) as error:
        raise request.fail(f"cannot be read: {error}") from error
    if not survey.head.strip():
        raise request.fail("is empty")
    encoding = request.csv.encoding or survey.encoding
    try:
        text = survey.head.decode(encoding, errors="strict" if len(survey.head) < _HEAD else "ignore")
    except (UnicodeDecodeError, LookupError) as error:
        raise request.fail(f"is not text in {encoding}; set [csv] encoding ({error})") from error
    if "\0" in text:
        raise request.fail("is not a text file")
    separator = request.csv.separator or _find_separator(text)
    rows = list(csv.reader(io.StringIO(_whole_lines(text, complete=len(survey.head) < _HEAD)), delimiter=separator))
    header = _name_columns(rows[0])
    for piece in survey.pieces:
        lines = piece.decode(encoding, errors="ignore").splitlines()[1:-1]
        rows += csv.reader(lines, delimiter=separator)
    samples: dict[str, list[str]] = {name: [] for name in header}
    for row in rows[1:]:
        if len(row) == len(header):
            for name, value in zip(header, row, strict=True):
                samples[name].append(value)
    return Dialect(encoding, separator, header, survey.lines, samples)


@dataclass(slots=True)
class _Survey:
    head: bytes
    pieces: list[bytes]
    lines: int
    encoding: str


def _survey(path: Path) -> _Survey:
    head, lines, foreign = b"", 0, bytearray()
    pieces: list[bytes] = []
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    with open_binary(path) as file:
        while chunk := file.read(_CHUNK):
            if not head:
                head = chunk[:_HEAD]
            elif len(pieces) < _PIECES:
                pieces.append(chunk[:_PIECE])
            lines += chunk.count(b"\n")
            if not chunk.isascii() and len(foreign) < _FOREIGN:
                foreign += b"\n".join(line for line in chunk.splitlines() if not line.isascii())[:_FOREIGN]
            if decoder:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    decoder = None
    encoding = next((name for bom, name in _BOMS if head.startswith(bom)), "")
    if not encoding and decoder:
        encoding = "utf-8"
    return _Survey(head, pieces, lines, encoding or _guess_encoding(head, bytes(foreign)))


def _guess_encoding(head: bytes, foreign: bytes) -> str:
    """For bytes that are not UTF-8: UTF-16 without a mark by its zeros, else what charset-normalizer finds likely."""
    if head[1:200:2].count(0) > 0.7 * len(head[1:200:2]):
        return "utf-16-le"
    if head[0:200:2].count(0) > 0.7 * len(head[0:200:2]):
        return "utf-16-be"
    likely = charset_normalizer.from_bytes(foreign, cp_isolation=["cp1252", "cp1250", "cp1251", "cp1253", "mac_roman"])
    best = likely.best()
    return best.encoding if best and best.encoding != "mac_roman" else "cp1252"


def _find_separator(text: str) -> str:
    """The sign that gives the same number of values, more than one, on most of the first lines."""
    lines = text.splitlines()[:200]

    def score(separator: str) -> tuple[int, int]:
        rows = [len(row) for row in csv.reader(lines, delimiter=separator)]
        wide = rows[0] if rows else 0
        return (sum(width == wide for width in rows) if wide > 1 else 0, wide)

    return max(_SEPARATORS, key=score)


def _whole_lines(text: str, *, complete: bool) -> str:
    return text if complete else text[: text.rfind("\n") + 1] or text


def _name_columns(row: list[str]) -> tuple[str, ...]:
    """Header cells as unique names: blanks and repeats get the number of their column."""
    names: list[str] = []
    for number, cell in enumerate(row, 1):
        name = re.sub(r"\s+", " ", cell.lstrip("\ufeff")).strip()
        names.append(f"column {number}" if not name else f"{name} {number}" if name in names else name)
    return tuple(names)
