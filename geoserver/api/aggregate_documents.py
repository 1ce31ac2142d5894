"""The document of aggregates, as OpenAPI describes it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from geoserver.api.schemas import sometimes

__all__ = ["AggregateAnswer"]


class MeasureEntry(BaseModel):
    """What is told of each cell."""

    of: Literal["count", "sum", "avg", "min", "max", "median"]
    field: str = sometimes("The number that is measured.")
    title: str = sometimes()
    unit: str = sometimes()


class TimeGroup(BaseModel):
    """Buckets of time, in UTC, one after the other from the first to the last that has a row, those without rows too;
    or hours, days of the week (1 is Monday) or months of whatever time.
    """

    kind: Literal["time"]
    field: str
    title: str
    bucket: str = Field(description="As it was asked for; with `auto` the one that was found.")
    values: list[str] | list[int] = Field(description="The day or hour in which each bucket begins; or its number.")
    ends: list[str] = sometimes("When each ends, and the next one begins.")
    incomplete: list[str] = sometimes(
        "The first or the last of `values`, where the layer's rows begin or end within it, whatever the filter."
    )


class CategoryGroup(BaseModel):
    """Values of a field, the most frequent first."""

    kind: Literal["category"]
    field: str
    title: str
    values: list[str] | list[bool] | list[float]
    labels: list[str] = Field(description="What people read for each value.")
    distinct: int = Field(description="How many values there are.")
    others: int = Field(description="How many of them are not listed: their cells have the number -1.")


class NumberGroup(BaseModel):
    """Bins of a number: from each edge up to, not including, the next; the last bin includes its end."""

    kind: Literal["number"]
    field: str
    title: str
    unit: str
    edges: list[float]


class AreaGroup(BaseModel):
    """Rows of a layer of polygons, each with all rows whose point, or a point on them, touches it."""

    kind: Literal["area"]
    layer: str
    title: str
    values: list[int] = Field(description="The ids of its features.")
    labels: list[str]


class AggregateAnswer(BaseModel):
    """What a filter leaves of a layer, by groups."""

    layer: str
    version: str = Field(description="Of the layer's rows.")
    count: int = Field(description="Rows that the filter leaves.")
    measure: MeasureEntry
    groups: list[TimeGroup | CategoryGroup | NumberGroup | AreaGroup]
    overlaps: bool = sometimes("True where a row is in several areas, so that counts add up to more than `count`.")
    cells: list[list[int | float]] = Field(
        description="Those that have rows: for each group the number of a value, from 0, or of a bin; then what was"
        " measured. -1 stands for all values that are not listed, -2 for no value, none that is finite, or no area."
    )
