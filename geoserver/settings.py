"""Settings: one object, read when a program starts and never at import."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Everything an operator may set, by `GEOSERVER_*` environment variables or a `.env` file in the workspace."""

    model_config = SettingsConfigDict(env_prefix="GEOSERVER_", extra="ignore", frozen=True, populate_by_name=True)

    workspace: Path = Field(default_factory=Path.cwd, description="Folder with your layers/, styles/, tiles/ and data.")
    database_url: Annotated[
        str | None,
        NoDecode,
        Field(
            default=None,
            validation_alias=AliasChoices("GEOSERVER_DATABASE_URL", "DATABASE_URL"),
            description="PostGIS to use (postgresql://...). Without it the server runs its own private PostGIS.",
        ),
    ]
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    public_url: str | None = Field(
        default=None, description="Address that clients see (https://maps.example.org); else taken from the request."
    )
    samples: bool = Field(default=False, description="Serve the fictional sample city beside the workspace's layers.")
    pool_size: int = Field(default=8, ge=1, le=200, description="Database connections for tiles and API.")
    ogc_threads: int = Field(default=4, ge=1, le=64, description="Threads and connections for OGC API requests.")
    statement_timeout: float = Field(default=10.0, gt=0, description="Seconds after which a query is cut.")
    tile_cache_mb: int = Field(default=256, ge=0, description="MiB of rendered tiles kept by each worker; 0 for none.")
    tile_max_age: int = Field(
        default=10, ge=0, le=31_536_000, description="Seconds for which browsers and proxies may keep a tile unasked."
    )
    workers: int = Field(default=1, ge=1, le=64, description="Processes that answer requests.")
    max_items: int = Field(default=10_000, ge=1, description="Largest `limit` of one page of OGC items.")
    log_level: str = Field(default="info", description="debug, info, warning or error.")
