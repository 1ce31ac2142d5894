"""What a text file does not say about itself: encoding, separator, where its header is; with samples."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

import charset_normalizer

from geoserver.sources.headers import find_header, name_columns, read_cells
from geoserver.sources.swallowed import fail_for_swallowed
from geoserver.sources.unpacking import Bounded

if TYPE_CHECKING:
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["Dialect", "open_binary", "sniff"]

_CHUNK = 1 << 20
_HEAD = 1 << 16
_PIECE = 1 << 12  # read from each chunk, so that the samples come from all over the file
_PIECES = 400
_FEW_PIECES = 30  # where a sample is enough
_FOREIGN = 1 << 18  # bytes of lines with non-ASCII letters that the guess of the encoding looks at
_SEPARATORS = ",;\t|"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")  # lines as programs end them; not at U+2028 and its like
_ZEROS = 0.01  # share of zero bytes that a text may have; they are left out of values
_LONGEST = 1 << 29  # bytes of a line


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written. `start` is where the first row of data begins, in bytes, and `line` the one before it."""

    encoding: str
    guessed: bool  # one of several code pages that would do
    separator: str
    quote: str
    comment: str  # sign that begins lines to be left out; empty for none
    header: tuple[str, ...]
    start: int
    line: int
    lines: int  # line ends in the file
    longest: int  # bytes without a line end, about
    samples: dict[str, list[str]]
    first: tuple[str, ...]  # the cells that were taken for the header


def open_binary(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked when it is gzipped."""
    return cast("IO[bytes]", gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb"))


def sniff(request: Request, path: Path) -> Dialect:
    """Read the file once, quickly; raises LoadError when it is empty, truncated or not text."""
    try:
        survey = _survey(request, path)
    except (OSError, EOFError, zlib.error) as error:
        raise request.fail(f"cannot be read: {error}") from error
    if not survey.head.strip():
        raise request.fail("is empty")
    encoding, bom = _find_encoding(request, survey)
    complete = len(survey.head) < _HEAD
    try:
        text = survey.head[len(bom) :].decode(encoding, errors="strict" if complete else "ignore")
    except (UnicodeDecodeError, LookupError) as error:
        raise request.fail(f"is not text in {encoding}; set [csv] encoding ({error})") from error
    if text.count("\0") > _ZEROS * len(text):
        raise request.fail("is not a text file")
    lines: list[str] = _LINE.findall(text)
    if not complete and len(lines) > 1:
        lines.pop()
    given = request.csv
    mark = re.match(r"sep=(.)\s*$", lines[0], re.IGNORECASE)
    separator = given.separator or (mark[1] if mark else _find_separator(lines, given.quote))
    found = find_header(lines, separator, request)
    header = name_columns(found.cells)
    samples: dict[str, list[str]] = {name: [] for name in header}
    begins = (end - _count_ends(row) for end, row in zip(found.ends, found.rows, strict=True))
    looked_at = list(zip(begins, found.rows, strict=True))
    rows = found.rows
    for piece in survey.pieces:
        rows += read_cells(_LINE.findall(piece.decode(encoding, errors="ignore"))[1:-1], separator, given.quote)
    for row in rows:
        if len(row) == len(header):
            for name, value in zip(header, row, strict=True):
                samples[name].append(value)
    fail_for_swallowed(request, looked_at, separator, samples)
    return Dialect(
        encoding,
        not given.encoding and not encoding.startswith("utf-"),
        separator,
        given.quote,
        found.comment,
        header,
        start=len(bom) + len("".join(lines[: found.line]).encode(encoding)),
        line=found.line,
        lines=survey.lines,
        longest=survey.longest,
        samples=samples,
        first=tuple(found.cells) if given.header else (),
    )


def _count_ends(row: list[str]) -> int:
    """Ends of lines inside a row's values; the end of a text that a quotation mark holds open is none."""
    return len(re.findall(r"\r\n|\r|\n", "".join(row).rstrip("\r\n")))


@dataclass(slots=True)
class _Survey:
    head: bytes
    pieces: list[bytes]
    lines: int
    longest: int
    utf8: bool
    foreign: bytes


def _survey(request: Request, path: Path) -> _Survey:
    head, feeds, returns, foreign, run, longest = b"", 0, 0, bytearray(), 0, 0
    pieces: list[bytes] = []
    bound = Bounded(request, path.stat().st_size)
    decoder: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    with open_binary(path) as file:
        while chunk := file.read(_CHUNK):
            bound.add(len(chunk))
            if request.sample and len(pieces) >= _FEW_PIECES:
                break
            if not head:
                head = chunk[:_HEAD]
            elif len(pieces) < _PIECES:
                pieces.append(chunk[:_PIECE])
            feeds += chunk.count(b"\n")
            returns += chunk.count(b"\r") if not feeds else 0
            last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            run = len(chunk) - last if last >= 0 else run + len(chunk)
            longest = max(longest, run)
            if longest > _LONGEST:
                raise request.fail(f"has a line of more than {_LONGEST >> 20} MB")
            if not chunk.isascii() and len(foreign) < _FOREIGN:
                foreign += b"\n".join(line for line in chunk.splitlines() if not line.isascii())[:_FOREIGN]
            if decoder:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    decoder = None
    return _Survey(head, pieces, feeds or returns, longest, decoder is not None, bytes(foreign))


def _find_encoding(request: Request, survey: _Survey) -> tuple[str, bytes]:
    """The encoding that is given or found, and the mark at the start of the file."""
    bom, marked = next(((bom, name) for bom, name in _BOMS if survey.head.startswith(bom)), (b"", ""))
    given = request.csv.encoding
    if given:
        utf = given.lower().replace("_", "-")
        if utf == "utf-16":
            return marked or "utf-16-le", bom
        return ("utf-8" if utf == "utf-8-sig" else given), bom if marked else b""
    if marked or (survey.utf8 and survey.head.count(0) <= _ZEROS * len(survey.head)):
        return marked or "utf-8", bom
    return _guess_encoding(survey.head, survey.foreign), b""


def _guess_encoding(head: bytes, foreign: bytes) -> str:
    """For bytes that are not UTF-8: UTF-16 without a mark by its zeros, else what charset-normalizer finds likely."""
    if head[1:200:2].count(0) > 0.7 * len(head[1:200:2]):
        return "utf-16-le"
    if head[0:200:2].count(0) > 0.7 * len(head[0:200:2]):
        return "utf-16-be"
    likely = charset_normalizer.from_bytes(foreign, cp_isolation=["cp1252", "cp1250", "cp1251", "cp1253", "mac_roman"])
    best = likely.best()
    return best.encoding if best and best.encoding != "mac_roman" else "cp1252"


def _find_separator(lines: list[str], quote: str) -> str:
    """The sign that gives the same number of values, more than one, on most of the first lines."""

    def score(separator: str) -> tuple[int, int]:
        widths = Counter(len(row) for row in read_cells(lines[:200], separator, quote))
        del widths[1], widths[0]
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        return count, width

    return max(_SEPARATORS, key=score)
