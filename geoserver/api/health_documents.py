"""The documents of `/healthz` and `/readyz`, as OpenAPI describes them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from geoserver.api.schemas import sometimes

__all__ = ["Health", "Readiness"]


class Health(BaseModel):
    status: Literal["alive"]


class Trouble(BaseModel):
    file: str
    key: str
    expected: str


class Preparing(BaseModel):
    layer: str
    done: float = Field(description="Part of its tiles that are prepared, from 0 to 1.")


class Outdated(BaseModel):
    layer: str
    changes: list[str] = Field(description="Keys of the layer file that say otherwise, each with what is loaded.")
    run: str = Field(description="The command that loads it as declared.")


class Failing(BaseModel):
    task: str = Field(description="A part of the server that follows files, changes or the database.")
    problem: str


class ClosedGrant(BaseModel):
    key: str = sometimes("Id of the key.")
    group: str = sometimes("Name of the group in access.toml.")
    layer: str
    expected: str


class Readiness(BaseModel):
    """Whether requests can be answered; `degraded` when something is not as declared, or does not work."""

    status: Literal["ready", "degraded", "unavailable"]
    database: str = sometimes("Like all that follows for operators alone.")
    layers: int = sometimes()
    notLoaded: list[str] = sometimes()  # noqa: N815 - as it stands in the answer
    preparing: list[Preparing] = sometimes()
    outdated: list[Outdated] = sometimes()
    problems: list[Trouble] = sometimes()
    tasks: list[Failing] = sometimes()
    closed: list[ClosedGrant] = sometimes("Grants that open nothing of a layer, for their row filter does not fit it.")
    search: str = sometimes("ready, or why it is slower than it could be.")
    pictures: str = sometimes("ready, or what is missing to draw pictures.")
