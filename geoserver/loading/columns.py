"""The declared fields of one source: their values converted batch by batch, and what became of them counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from geoserver.fieldtypes import FIELD_TYPES
from geoserver.loading.convert import SUPPRESSED, Converter, Misfit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geoserver.loading.report import Notes
    from geoserver.model import Field
    from geoserver.sources import Batch, Opened

__all__ = ["Columns", "Converted"]


@dataclass(frozen=True, slots=True)
class Converted:
    """One field's values of a batch, null where they did not fit."""

    field: Field
    values: pa.Array
    misfits: list[Misfit]

    def rejections(self) -> Iterable[tuple[np.ndarray, str]]:
        """Masks of the values that did not fit, each with the reason for rejecting such rows."""
        for misfit in self.misfits:
            joined = (
                f"{self.field.name} is {misfit.why}"
                if misfit.why.startswith("no ")
                else f"{self.field.name}: {misfit.why}"
            )
            yield _as_mask(misfit.mask), joined


@dataclass(slots=True)
class Columns:
    """Converts and counts. `filled` and `lost` are values that are there, and that could not be read, by field."""

    fields: tuple[Field, ...]
    notes: Notes
    filled: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    _guessed: str = ""
    _converters: list[Converter] = field(default_factory=list)

    def open(self, opened: Opened) -> None:
        """Prepare for the texts of a source."""
        self._guessed = opened.guessed
        self._converters = [
            Converter(item, opened.decimal, opened.samples.get(item.source_column)) for item in self.fields
        ]

    def convert(self, batch: Batch) -> list[Converted]:
        """The declared values of a batch."""
        return [
            Converted(each.field, *each.convert(batch.columns[each.field.source_column])) for each in self._converters
        ]

    def declared(self, batch: Batch) -> dict[str, pa.Array]:
        """What of a rejected row may be shown: declared fields, and nothing where columns may be out of place."""
        return {} if batch.ragged else {item.name: batch.columns[item.source_column] for item in self.fields}

    def count(self, batch: Batch, converted: list[Converted], kept: np.ndarray) -> None:
        """Note what became null in the rows that are kept, and letters that may be others."""
        for item in converted:
            name = item.field.name
            if self._guessed and FIELD_TYPES[item.field.type].kind == "text":
                self._count_foreign(name, item.values.filter(pa.array(kept)))
            self.filled[name] += int((~np.asarray(item.values.is_null()) & kept).sum())
            for misfit in item.misfits:
                rows = np.flatnonzero(_as_mask(misfit.mask) & kept)
                if not len(rows):
                    continue
                example = None
                if misfit.why != SUPPRESSED:
                    self.lost[name] += len(rows)
                    example = None if batch.ragged else batch.columns[item.field.source_column][int(rows[0])].as_py()
                self.notes.add(f"{misfit.why}, left empty", len(rows), name=name, example=example)

    def _count_foreign(self, name: str, texts: pa.Array) -> None:
        """Texts whose letters depend on the encoding, which was guessed."""
        foreign = texts.filter(pc.invert(pc.string_is_ascii(texts)))
        if len(foreign):
            what = f"read as {self._guessed}, a guess; if letters are wrong, say encoding under [csv]"
            self.notes.add(what, len(foreign), name=name, example=foreign[0].as_py())


def _as_mask(column: pa.Array) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)
