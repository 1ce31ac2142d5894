"""The document about what is around a place, as OpenAPI describes it."""

from __future__ import annotations

from pydantic import BaseModel, Field

__all__ = ["Here"]


class Nearest(BaseModel):
    """The feature that is nearest to a place."""

    fid: int
    distance: float = Field(description="Metres on the ground; 0 where the place is on or in it.")
    title: str = Field(description="What it is called, by the layer's label; empty where it has none.")
    at: tuple[float, float] = Field(description="Longitude and latitude of what of it is nearest.")


class Around(BaseModel):
    """What of one layer is there."""

    layer: str
    count: int = Field(description="Features that the circle touches, of those that the layer's filter leaves.")
    nearest: Nearest | None = Field(description="The nearest of them; null where there is none.")


class Here(BaseModel):
    """What is within so many metres of a place."""

    at: tuple[float, float] = Field(description="Longitude and latitude.")
    radius: float = Field(description="Metres.")
    layers: list[Around] = Field(description="In the order of the layers that were asked for, or of the catalogue.")
