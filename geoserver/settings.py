"""Settings: one object, read when a program starts and never at import."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

__all__ = ["Settings", "parse_prefix"]

_HOST = re.compile(r"\*|\.?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*|\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")

_ANCESTOR = re.compile(
    r"\*|'self'|'none'|https?:|(?:https?://)?(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::(?:\d{1,5}|\*))?"
)

_PUBLIC = "expected the address that people see, such as https://maps.example.org or https://example.org/maps/"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


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
        default=None,
        description="Address that clients see (https://maps.example.org, https://example.org/maps/); else taken from"
        " the request.",
    )
    allowed_hosts: Annotated[
        tuple[str, ...],
        NoDecode,
        Field(
            default=(),
            description="Names besides localhost and this machine's own under which clients may ask when there is no"
            " public_url, with commas between; .example.org is every name below it, * any.",
        ),
    ]
    embed_ancestors: str = Field(
        default="*",
        description="Pages that may show widgets (/embed), as in `frame-ancestors`: * for any, 'self' for this site's"
        " own, or addresses with blanks between: https://news.example.org https://*.example.net.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses whose X-Forwarded-For, -Proto and -Prefix are believed, with commas between; none.",
    )
    max_connections: int = Field(default=1_000, ge=1, le=100_000, description="Connections that a worker holds open.")
    max_streams: int = Field(
        default=400,
        ge=0,
        description="Streams of changes that a worker holds open, at most half of max_connections, and of one client at"
        " most an eighth of them; 0 for none: maps look for changes every 15 seconds then.",
    )
    request_timeout: float = Field(
        default=10.0, gt=0, description="Seconds in which a request's head must be complete, and then its body."
    )
    samples: bool = Field(default=False, description="Serve the fictional sample city beside the workspace's layers.")
    pool_size: int = Field(default=8, ge=1, le=200, description="Database connections for tiles and API.")
    ogc_threads: int = Field(default=4, ge=1, le=64, description="OGC API requests at a time.")
    statement_timeout: float = Field(default=10.0, gt=0, description="Seconds after which a query is cut.")
    tile_cache_mb: int = Field(default=256, ge=0, description="MiB of rendered tiles kept by each worker; 0 for none.")
    results_mb: int = Field(
        default=64, ge=0, description="MiB of what filters leave kept by each worker, to make tiles from; 0 for none."
    )
    tile_max_age: int = Field(
        default=10, ge=0, le=31_536_000, description="Seconds for which browsers and proxies may keep a tile unasked."
    )
    workers: int = Field(default=1, ge=1, le=64, description="Processes that answer requests.")
    max_items: int = Field(default=10_000, ge=1, description="Largest `limit` of one page of OGC items.")
    downloads: int = Field(
        default=10, ge=1, le=100, description="Files that a worker makes at once, each on a connection of its own."
    )
    downloads_mb: int = Field(
        default=1024, ge=0, description="MiB of whole layers as files that are kept in the workspace's .geoserver/; 0."
    )
    picture_workers: int | None = Field(
        default=None,
        ge=1,
        le=32,
        description="Processes that draw pictures for each worker, one started with it; else one for two cores.",
    )
    freeze: Literal["manage", "anyone", "off"] = Field(
        default="manage",
        description="Who may freeze a map: manage (whoever may manage all layers that it shows), anyone, off (nobody).",
    )
    frozen_mb: int = Field(default=4_096, ge=0, description="MiB of all frozen maps, in the workspace's .geoserver/.")
    frozen_map_mb: int = Field(default=256, ge=1, description="MiB of one frozen map, at most.")
    frozen_rows: int = Field(default=1_000_000, ge=1, description="Rows of one frozen map, at most.")
    frozen_daily: int = Field(default=100, ge=1, description="Maps that one client may freeze within a day.")
    oidc_issuer: str | None = Field(
        default=None, description="OpenID Connect: address of the provider by which people sign in; none."
    )
    oidc_client_id: str = Field(default="", description="OpenID Connect: the name under which the provider knows us.")
    oidc_client_secret: SecretStr | None = Field(
        default=None, description="OpenID Connect: the secret that goes with it; none for a public client."
    )
    oidc_groups_claim: str = Field(
        default="groups",
        min_length=1,
        description="OpenID Connect: the claim that names a person's groups; realm_access.roles is one inside another.",
    )
    oidc_scopes: str = Field(default="openid profile", description="OpenID Connect: what the provider is asked for.")
    oidc_title: str = Field(default="", description="OpenID Connect: what people call it; else the provider's host.")
    signin_link: bool | None = Field(
        default=None, description="Whether the map links to /signin; without it, where there is OpenID Connect."
    )
    session_hours: float = Field(default=12.0, gt=0, le=8760, description="Hours after which one signs in again.")
    operators: Literal["local", "open", "key", "off"] = Field(
        default="local",
        description="Who sees /metrics and the details of /readyz: local (this machine itself, or a key that may manage"
        " everything), key (such a key alone), open (everybody), off (nobody). Where nothing is said, key"
        " with a public_url that is not this machine's: a proxy on it is not to be told from programs.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error."
    )

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, given: str | None) -> str | None:
        """An address without a query, or nothing at all, as an empty line in a compose file gives it."""
        if not given or not given.strip():
            return None
        try:
            parts = urlsplit(given.strip())
            host = (parts.hostname or "").encode("idna").decode()
            port = "" if parts.port is None else f":{parts.port}"
            path = parse_prefix(parts.path)
        except ValueError as error:  # a port, a name or a path that is none
            raise ValueError(f"{_PUBLIC}; {error}") from error
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(_PUBLIC)
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}{path}"

    @field_validator("embed_ancestors")
    @classmethod
    def _check_ancestors(cls, given: str) -> str:
        """Sources of a Content-Security-Policy; nothing at all leaves it to anybody."""
        for source in given.split():
            if not _ANCESTOR.fullmatch(source):
                raise ValueError(
                    f"got {source!r}; expected *, 'self', 'none' or addresses such as https://news.example.org"
                )
        return " ".join(given.split()) or "*"

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower(cls, given: object) -> object:
        return given.lower() if isinstance(given, str) else given

    @field_validator("oidc_issuer")
    @classmethod
    def _check_issuer(cls, given: str | None) -> str | None:
        """An address that nobody between us can change the answers of, or nothing at all."""
        if not given or not given.strip():
            return None
        parts = urlsplit(given.strip())
        here = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if (
            not parts.hostname
            or parts.query
            or parts.fragment
            or not (parts.scheme == "https" or (here and parts.scheme == "http"))
        ):
            raise ValueError("expected the provider's address, such as https://login.example.org/realms/city")
        return given.strip()

    @field_validator("oidc_scopes")
    @classmethod
    def _check_scopes(cls, given: str) -> str:
        if "openid" not in given.split():
            raise ValueError(f"got {given!r}; expected scopes with blanks between, openid among them")
        return given

    @model_validator(mode="after")
    def _check_client(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError("GEOSERVER_OIDC_ISSUER needs GEOSERVER_OIDC_CLIENT_ID, as the provider gave it")
        return self

    @property
    def operated_by(self) -> Literal["local", "open", "key", "off"]:
        """`operators`; where nothing is said, and others come by a proxy, it is not to be told from this machine."""
        host = urlsplit(self.public_url or "").hostname or "localhost"
        here = host == "localhost" or _is_loopback(host)
        return self.operators if here or "operators" in self.model_fields_set else "key"

    @property
    def links_to_signin(self) -> bool:
        return self.oidc_issuer is not None if self.signin_link is None else self.signin_link

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, given: object) -> object:
        return tuple(name for name in re.split(r"[,\s]+", given) if name) if isinstance(given, str) else given

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for name in given:
            if not _HOST.fullmatch(name):
                raise ValueError(f"got {name!r}; expected names such as maps.example.org, .example.org or *")
        return tuple(name.lower() for name in given)


def parse_prefix(text: str) -> str:
    """The path under which a proxy serves us, as `/maps`; "" for none. Raises ValueError for what leads elsewhere."""
    parts = [unquote(part, errors="strict") for part in text.split("/") if part]
    for part in parts:
        if part in (".", "..") or "/" in part or not part.isprintable():
            raise ValueError(f"got the path {text!r}, which has {part!r} in it")
    return "".join("/" + quote(part) for part in parts)
