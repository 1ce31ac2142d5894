"""The documents about where rows stand in an order, as OpenAPI describes them."""

from __future__ import annotations

from pydantic import BaseModel, Field

__all__ = ["RowMarks", "RowPlace"]


class RowMarks(BaseModel):
    """Cursors at evenly spaced rows."""

    layer: str
    count: int = Field(description="Rows that the filter leaves.")
    every: int = Field(description="Rows from one cursor to the next.")
    cursors: list[str | None] = Field(
        description="The first leads to the page of items that begins after `every` rows, the second after twice as"
        " many; null where the values to sort by are too long for one."
    )


class RowPlace(BaseModel):
    """Where one feature stands."""

    layer: str
    fid: int
    count: int = Field(description="Rows that the filter leaves.")
    row: int | None = Field(description="How many of them stand before it; null where the filter leaves it out.")
