"""CSV and its relatives, plain or gzipped, by pyarrow's streaming reader: memory holds one block of the file."""

from __future__ import annotations

import csv
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv

from geoserver.sources.base import Batch, Broken, Opened
from geoserver.sources.sniff import Dialect, open_binary, sniff
from geoserver.sources.tables import NULLS, TableReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geoserver.sources.base import Request

__all__ = ["KIND", "Delimited"]

_BLOCK = 1 << 20  # keeps what is in flight, some copies of it, at a few MB
_ENCODINGS = {"utf-8-sig": "utf-8", "utf-8": "utf-8", "ascii": "utf-8"}  # pyarrow skips a UTF-8 mark by itself


@dataclass(frozen=True, slots=True)
class Delimited:
    """Text with separators; what the file does not say about itself is found out or stands in the layer file."""

    name: str = "csv"
    suffixes: tuple[str, ...] = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt")

    def open(self, request: Request) -> Opened:
        assert request.path is not None  # noqa: S101 - found by the ending of a path
        dialect = sniff(request, request.path)
        reader = TableReader.plan(request, dialect.header, dialect.samples, dialect.separator)
        return Opened(
            _read(request.path, dialect, reader),
            assume_lonlat=True,
            total=max(dialect.lines - 1, 0),
            decimal=reader.decimal,
            samples=dialect.samples,
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
    number = 2  # of the next row; the header is row 1
    try:
        with open_binary(path) as file, _open_stream(file, dialect, reader, ragged) as stream:
            for block in stream:
                rows = np.arange(number, number + len(block) + len(ragged.numbers))
                rows = rows[~np.isin(rows, ragged.numbers)][: len(block)]
                number = int(rows[-1]) + 1 if len(rows) else number
                texts = {name: block.column(name) for name in reader.names}
                yield reader.build_batch(rows, texts, [])
                if ragged.numbers and ragged.numbers[0] < number:
                    number += sum(n == number for n in ragged.numbers)
                    yield _mend(reader, dialect, ragged)
            if ragged.numbers:
                yield _mend(reader, dialect, ragged)
    except (pa.ArrowException, UnicodeError, OSError, EOFError, zlib.error, StopIteration) as error:
        raise reader.request.fail(f"cannot be read: {error}") from error


def _open_stream(file: object, dialect: Dialect, reader: TableReader, ragged: _Ragged) -> pa.csv.CSVStreamingReader:
    return pa.csv.open_csv(
        file,
        read_options=pa.csv.ReadOptions(
            use_threads=False,  # row numbers of ragged rows are only told without threads
            block_size=_BLOCK,
            column_names=dialect.header,
            skip_rows_after_names=1,
            encoding=_ENCODINGS.get(dialect.encoding, dialect.encoding),
        ),
        parse_options=pa.csv.ParseOptions(
            delimiter=dialect.separator,
            newlines_in_values=True,
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
    for number, text in zip(ragged.numbers, ragged.texts, strict=True):
        row = next(csv.reader([text], delimiter=dialect.separator), [])
        if any(cell.strip() for cell in row[width:]):
            broken.append(Broken(number, f"{len(row)} values where the header has {width}", text))
        else:
            numbers.append(number)
            rows.append([*row[:width], *[""] * (width - len(row))])
    ragged.numbers.clear()
    ragged.texts.clear()
    columns = dict(zip(dialect.header, zip(*rows, strict=True), strict=True)) if rows else {}
    texts = {
        name: pa.array([None if cell in NULLS else cell for cell in columns.get(name, ())], pa.string())
        for name in reader.names
    }
    batch = reader.build_batch(np.array(numbers, dtype=np.int64), texts, broken)
    batch.ragged = True
    return batch
