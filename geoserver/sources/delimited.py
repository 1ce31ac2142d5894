"""CSV and its relatives, plain or gzipped, by pyarrow's streaming reader: memory holds one block of the file."""

from __future__ import annotations

import csv
import io
import re
import sys
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from geoserver.errors import LoadError
from geoserver.sources.base import Batch, Broken, Opened
from geoserver.sources.headers import look_like_data, read_cells
from geoserver.sources.sniff import Dialect, open_binary, sniff
from geoserver.sources.swallowed import MANY, fail_for_swallowed
from geoserver.sources.tables import NULLS, TableReader

if TYPE_CHECKING:
    from _csv import Reader
    from collections.abc import Iterator
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["KIND", "Delimited"]

_BLOCK = 1 << 20  # keeps what is in flight, some copies of it, at a few MB
_ENCODINGS = {"utf-8-sig": "utf-8", "utf-8": "utf-8", "ascii": "utf-8"}  # pyarrow skips a UTF-8 mark by itself
_GUARDED = r"^'('*[=+\-@\t\r\n\x{ff1d}\x{ff0b}\x{ff0d}\x{ff20}])"  # see docs/downloads.md


@dataclass(frozen=True, slots=True)
class Delimited:
    """Text with separators; what the file does not say about itself is found out or stands in the layer file."""

    name: str = "csv"
    suffixes: tuple[str, ...] = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")

    def open(self, request: Request) -> Opened:
        assert request.path is not None  # noqa: S101 - found by the ending of a path
        dialect = sniff(request, request.path)
        try:
            reader = TableReader.plan(request, dialect.header, dialect.samples, dialect.separator)
        except LoadError as error:
            if look_like_data(dialect.first):
                hint = "; its first line looks like data: set header = false under [csv] if there are no names above it"
                raise LoadError(f"{error}{hint}") from error
            raise
        return Opened(
            _read(request.path, dialect, reader),
            assume_lonlat=True,
            total=max(dialect.lines - dialect.line, 0),
            decimal=reader.decimal,
            samples=dialect.samples,
            guessed=dialect.encoding if dialect.guessed else "",
            columns=dialect.header,
        )


KIND = Delimited()


@dataclass(slots=True)
class _Ragged:
    """Rows with more or fewer values than the header, as pyarrow hands them over; it reads ahead, so they queue up."""

    numbers: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __call__(self, row: pa.csv.InvalidRow) -> str:
        self.numbers.append(row.number)
        self.texts.append(row.text)
        return "skip"


def _read(path: Path, dialect: Dialect, reader: TableReader) -> Iterator[Batch]:
    ragged = _Ragged()
    number = 1  # of the next row below the header
    try:
        with _open_text(path, dialect) as file, _open_stream(file, dialect, reader, ragged) as stream:
            for block in stream:
                rows = np.arange(number, number + len(block) + len(ragged.numbers))
                rows = rows[~np.isin(rows, ragged.numbers)][: len(block)]
                number = int(rows[-1]) + 1 if len(rows) else number
                texts = {name: _unguard(block.column(name)) for name in reader.names}
                yield reader.build_batch(rows + dialect.line, texts, [])
                if ragged.numbers and ragged.numbers[0] < number:
                    number += sum(n == number for n in ragged.numbers)
                    yield _mend(reader, dialect, ragged)
            if ragged.numbers:
                yield _mend(reader, dialect, ragged)
        if dialect.quote and dialect.lines - dialect.line - (number - 1) >= MANY and not reader.request.sample:
            _look_for_swallowed(path, dialect, reader.request)
    except (pa.ArrowException, UnicodeError, OSError, EOFError, zlib.error, StopIteration) as error:
        if "Empty CSV file" in str(error):
            return
        raise reader.request.fail(f"cannot be read: {_explain(error)}") from error


def _look_for_swallowed(path: Path, dialect: Dialect, request: Request) -> None:
    """There are more lines than rows: some are blank, or stand in values, where texts or rows may be."""
    csv.field_size_limit(sys.maxsize)
    with open_binary(path) as file:
        file.read(dialect.start)
        with io.TextIOWrapper(file, dialect.encoding, errors="replace", newline="") as text:
            reader = read_cells(text, dialect.separator, dialect.quote)
            fail_for_swallowed(request, _number(reader, dialect.line), dialect.separator, dialect.samples)


def _number(reader: Reader, above: int) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line that each begins on."""
    begins = above + 1
    for row in reader:
        yield begins, row
        begins = above + reader.line_num + 1


def _explain(error: Exception) -> str:
    """What pyarrow says, and what is behind it."""
    if "straddl" in str(error) or "out of sync" in str(error):
        return 'a quotation mark is not closed; set quote = "" under [csv] if quotation marks mean nothing in it'
    return str(error)


def _open_text(path: Path, dialect: Dialect) -> IO[bytes]:
    """The file from its first row of data on, without comments."""
    file = open_binary(path)
    file.read(dialect.start)
    return cast("IO[bytes]", _WithoutComments(file, dialect)) if dialect.comment else file


class _WithoutComments(io.RawIOBase):
    """Text without the lines that begin with the sign of comments."""

    def __init__(self, file: IO[bytes], dialect: Dialect) -> None:
        self._file = file
        sign, *ends = (text.encode(dialect.encoding) for text in (dialect.comment, "\n", "\r"))
        self._ends = ends
        start = b"|".join(b"(?<=" + re.escape(end) + b")" for end in ends)
        not_end = b"(?:(?!" + b"|".join(map(re.escape, ends)) + b").)*"
        self._line = re.compile(b"(?:\\A|" + start + b")" + re.escape(sign) + not_end, re.DOTALL)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while True:
            block = self._file.read(max(size, 1 << 16))
            text = self._rest + block
            cut = len(text) if not block else max(text.rfind(end) + len(end) for end in self._ends)
            text, self._rest = text[:cut], text[cut:]
            if text or not block:
                return self._line.sub(b"", text)

    def close(self) -> None:
        self._file.close()
        super().close()


def _open_stream(file: object, dialect: Dialect, reader: TableReader, ragged: _Ragged) -> pa.csv.CSVStreamingReader:
    return pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(
            use_threads=False,  # row numbers of ragged rows are only told without threads
            block_size=max(_BLOCK, 2 * dialect.longest),
            column_names=dialect.header,
            encoding=_ENCODINGS.get(dialect.encoding, dialect.encoding),
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=dialect.separator,
            quote_char=dialect.quote or False,
            newlines_in_values=bool(dialect.quote),
            ignore_empty_lines=True,
            invalid_row_handler=ragged,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(dialect.header, pa.string()),
            include_columns=reader.names,
            null_values=NULLS,
            strings_can_be_null=True,
        ),
    )


def _mend(reader: TableReader, dialect: Dialect, ragged: _Ragged) -> Batch:
    """Short rows are filled with blanks, blanks beyond the header are cut; more values than that are a broken row."""
    width = len(dialect.header)
    numbers, rows, broken = [], [], []
    csv.field_size_limit(sys.maxsize)
    for below, text in zip(ragged.numbers, ragged.texts, strict=True):
        number = below + dialect.line
        row: list[str] = next(read_cells([text], dialect.separator, dialect.quote), [])
        if any(cell.strip() for cell in row[width:]):
            broken.append(Broken(number, f"{len(row)} values where the header has {width}", text))
        else:
            numbers.append(number)
            rows.append([*row[:width], *[""] * (width - len(row))])
    ragged.numbers.clear()
    ragged.texts.clear()
    columns = dict(zip(dialect.header, zip(*rows, strict=True), strict=True)) if rows else {}
    texts = {
        name: _unguard(pa.array([None if cell in NULLS else cell for cell in columns.get(name, ())], pa.string()))
        for name in reader.names
    }
    batch = reader.build_batch(np.array(numbers, dtype=np.int64), texts, broken)
    batch.ragged = True
    return batch


def _unguard(texts: pa.Array) -> pa.Array:
    """Without the apostrophe that keeps a spreadsheet from running a text as a formula: our own files have it, and
    those of others who follow the same advice.
    """
    if not pc.any(pc.starts_with(texts, "'")).as_py():
        return texts
    return pc.replace_substring_regex(texts, _GUARDED, r"\1")
