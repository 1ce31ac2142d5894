"""The documents of `/api/keys`, as OpenAPI describes them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["GrantEntry", "KeyEntry", "KeyList", "KeyWish", "NewKey"]


class GrantEntry(BaseModel):
    """What a key may do with some layers."""

    model_config = ConfigDict(extra="forbid")

    layers: list[str] = Field(description="Ids of layers, or * for all of them.", min_length=1)
    may: list[Literal["read", "write", "manage"]] = Field(default=["read"], min_length=1)
    rows: str = Field(default="", description="CQL2: these rows and no others; all of them if empty.")
    fields: list[str] = Field(default=[], description="Restricted fields that may be seen, or * for all of them.")


class KeyWish(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid")

    label: str = Field(description="Who or what it is for.")
    grants: list[GrantEntry] = Field(min_length=1, max_length=100)
    expires: str | None = Field(default=None, description="The last day (2030-12-31), or a time with its offset.")
    rate: int | None = Field(default=None, description="Requests a minute; null for any number.")
    quota: int | None = Field(default=None, description="Requests a day (UTC); null for any number.")


class KeyEntry(BaseModel):
    """A key, without the key itself."""

    id: str
    label: str
    state: Literal["holds", "expired", "revoked"]
    grants: list[GrantEntry]
    rate: int | None
    quota: int | None
    created: str
    created_by: str
    expires: str | None = Field(description="The instant from which it holds no more.")
    revoked: str | None
    last_used: str | None
    used_today: int


class KeyList(BaseModel):
    keys: list[KeyEntry]
    next: str | None = Field(
        description="The address of the keys that were made after these; null where there are none."
    )


class NewKey(KeyEntry):
    key: str = Field(description="The key: shown this once, and kept nowhere.")
