"""The provider that pygeoapi is given: one collection over one PostGIS table, through psycopg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from pygeoapi.provider.base import BaseProvider, ProviderInvalidQueryError, ProviderItemNotFoundError

from geoserver.database.keyset import SortKey
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering import build
from geoserver.ogc.crs import CRS84, Crs, list_crs
from geoserver.ogc.page import ItemsQuery, Page, fetch_feature, read_feature, read_page

if TYPE_CHECKING:
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Field, Layer

__all__ = ["PROVIDER", "PostgisProvider", "ServedLayer", "describe_field"]

PROVIDER = "geoserver.ogc.provider.PostgisProvider"
MAX_FID = 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class ServedLayer:
    """What a provider reads from: pygeoapi's `data`. pygeoapi copies its configuration deeply; this it shares."""

    database: Database
    layer: Layer
    status: LayerStatus

    def __deepcopy__(self, _: dict[int, object]) -> ServedLayer:
        return self


class PostgisProvider(BaseProvider):  # type: ignore[misc]  # pygeoapi has no types
    """Features as GeoJSON texts that PostgreSQL made. Our routes read them on the event loop, by `fetch_text`; what
    pygeoapi calls is for its threads.
    """

    def __init__(self, provider_def: dict[str, Any]) -> None:
        super().__init__(provider_def)
        self.source: ServedLayer = provider_def["data"]
        self._fields = self.get_fields()

    def get_fields(self) -> dict[str, dict[str, Any]]:
        """JSON Schema of each field; new dicts every time, because pygeoapi writes into them."""
        return {item.name: describe_field(item) for item in self.source.layer.listed_fields}

    def read(self, query: ItemsQuery) -> Page:
        """One page; raises BadParameterError, UnavailableError."""
        return read_page(self.source.database, self.source.layer, self.source.status, query)

    def read_text(self, identifier: str, crs: Crs = CRS84) -> str:
        """One feature as GeoJSON text; raises NotFoundError, UnavailableError."""
        source = self.source
        fid = _parse_fid(identifier)
        text = None if fid is None else read_feature(source.database, source.layer, source.status, fid, crs)
        return self._demand(identifier, text)

    async def fetch_text(self, identifier: str, crs: Crs = CRS84) -> str:
        """The same on the event loop."""
        source = self.source
        fid = _parse_fid(identifier)
        text = None if fid is None else await fetch_feature(source.database, source.layer, source.status, fid, crs)
        return self._demand(identifier, text)

    def _demand(self, identifier: str, text: str | None) -> str:
        if text is None:
            expected = f"the id of a feature of {self.source.layer.id}, a whole number"
            raise NotFoundError("feature", identifier, expected)
        return text

    def get(self, identifier: str, crs_transform_spec: Any = None, **_: Any) -> dict[str, Any]:
        """One feature as pygeoapi wants it; raises ProviderItemNotFoundError."""
        try:
            feature: dict[str, Any] = orjson.loads(self.read_text(str(identifier), self._crs(crs_transform_spec)))
        except NotFoundError as error:
            raise ProviderItemNotFoundError(user_msg=str(error)) from error
        return feature

    def query(
        self,
        *,
        offset: int = 0,
        limit: int = 10,
        resulttype: str = "results",
        bbox: list[float] | None = None,
        datetime_: str | None = None,
        properties: list[tuple[str, str]] | None = None,
        sortby: list[dict[str, str]] | None = None,
        select_properties: list[str] | None = None,
        skip_geometry: bool = False,
        crs_transform_spec: Any = None,
        filterq: Any = None,
        **_: Any,
    ) -> dict[str, Any]:
        """A page as pygeoapi's own functions want it; raises ProviderInvalidQueryError."""
        source = self.source
        if filterq is not None:
            raise ProviderInvalidQueryError(user_msg="filter: pass the text to our routes; a parsed one is not read")
        if bbox and source.status.srid != CRS84.srid:
            raise ProviderInvalidQueryError(user_msg="bbox: pass it to our routes; pygeoapi has already reprojected it")
        fields = source.layer.fields
        try:
            where = build(
                source.layer,
                source.status,
                bbox=",".join(map(repr, bbox)) if bbox else None,
                datetime=datetime_,
                properties=dict(properties or []),
            )
            sort = tuple(SortKey(fields[item["property"]], item["order"] == "-") for item in sortby or [])
            page = self.read(
                ItemsQuery(
                    limit=limit,
                    offset=offset,
                    sort=sort,
                    where=where,
                    crs=self._crs(crs_transform_spec),
                    fields=tuple(select_properties) if select_properties else None,
                    skip_geometry=skip_geometry,
                    hits=resulttype == "hits",
                )
            )
        except BadParameterError as error:
            raise ProviderInvalidQueryError(user_msg=str(error)) from error
        return {
            "type": "FeatureCollection",
            "features": [orjson.loads(text) for text in page.features],
            "numberMatched": page.matched,
            "numberReturned": len(page.features),
        }

    def _crs(self, spec: Any) -> Crs:
        return list_crs(self.source.status)[spec.target_crs_uri] if spec else CRS84


def _parse_fid(identifier: str) -> int | None:
    digits = identifier.isascii() and identifier.isdecimal() and len(identifier) <= len(str(MAX_FID))
    return int(identifier) if digits and int(identifier) <= MAX_FID else None


def describe_field(item: Field) -> dict[str, Any]:
    """A field as JSON Schema, with the words that people are shown."""
    schema: dict[str, Any] = {"title": item.title, **FIELD_TYPES[item.type].schema}
    if item.description:
        schema["description"] = item.description
    if item.unit:
        schema["x-ogc-unit"] = item.unit
    return schema
