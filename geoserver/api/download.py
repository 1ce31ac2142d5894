"""`/download/{layer}.{format}`: rows of a layer as a file, streamed from a process of its own."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated, cast
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from geoserver import styling
from geoserver.api import params
from geoserver.api.answers import UNCHANGED, unchanged
from geoserver.api.sending import KeptFile, MadeFile
from geoserver.catalog.languages import in_language, words_for
from geoserver.database.exports import read_widths
from geoserver.errors import TooManyError
from geoserver.etags import build_etag
from geoserver.formats import apart, find_format, read_formats
from geoserver.formats.asking import Asked, build_extract
from geoserver.formats.listing import READINGS, list_downloads
from geoserver.questions import FILTERS, split_filters
from geoserver.turns import client_of

if TYPE_CHECKING:
    from geoserver.access import View
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.filtering import Where
    from geoserver.formats import Extract, Format, Subject
    from geoserver.formats.kept import Place, Shelf
    from geoserver.model import Layer
    from geoserver.questions import Questions
    from geoserver.services import Services

__all__ = ["Slots", "describe_downloads", "router", "sweep_kept"]

router = APIRouter(tags=["files"], responses=UNCHANGED)

CACHE_CONTROL = "public, max-age=0, must-revalidate"
_OWN = ("fields", "crs", "sort", "lang")
_WAIT = 10  # seconds after which a client that found no place may ask again

_MEDIA_TYPES = sorted({item.media_type.partition(";")[0] for item in read_formats().values()})

FormatName = Annotated[str, Path(description="A format, as `downloads` of the layer lists them.", examples=["csv"])]
FieldNames = Annotated[
    str | None, Query(description="Fields to give, with commas between; all of them if absent.", examples=["category"])
]
Crs = Annotated[
    str | None,
    Query(
        description="CRS of coordinates, as a URI or `EPSG:25832`; longitude and latitude by default. x comes first,"
        " as in files of these formats.",
        examples=["EPSG:3857"],
    ),
]
Sort = Annotated[
    str | None, Query(description="Fields to sort by, each with + or - before it.", examples=["-reported_at"])
]


def _declare(*, fields: FieldNames = None, crs: Crs = None, sort: Sort = None, lang: params.Lang = None) -> None:
    """Say in the API's description which parameters there are."""


class Slots:
    """How many files may be made at once: so many in all, and half of them for one client."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._each = max(1, most - most // 2)
        self._taken: Counter[str] = Counter()
        self.refused = 0

    @property
    def taken(self) -> int:
        return self._taken.total()

    def check(self, client: str) -> None:
        """Raises TooManyError when there is no place."""
        if self.taken >= self._most or self._taken[client] >= self._each:
            self.refused += 1
            whose = "yours" if self.taken < self._most else "others"
            detail = f"Too many files are being made at once ({whose}); try again in {_WAIT} seconds."
            raise TooManyError(detail, _WAIT)

    def take(self, client: str) -> None:
        """Raises TooManyError when there is no place."""
        self.check(client)
        self._taken[client] += 1

    def give_back(self, client: str) -> None:
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]


@router.get(
    "/download/{layer_id}.{ending}",
    summary="Rows of a layer as a file",
    response_class=Response,
    dependencies=[*params.FILTERS, Depends(_declare)],
    responses={
        200: {"description": "The file.", "content": {kind: {"schema": {"type": "string"}} for kind in _MEDIA_TYPES}},
        206: {"description": "The part that `Range` asks for, of a whole layer that is kept as a file."},
        416: {"description": "The file has no such part; `Content-Range` says how long it is."},
        429: {"description": "Too many files are being made; `Retry-After` says when to ask again."},
    },
)
async def download(request: Request, layer_id: params.LayerId, ending: FormatName) -> Response:
    """Every row that the filter leaves, without a limit, out of one state of the data.

    Readings of features are at `/download/{layer_id}.readings.csv` and `.parquet`; `filter` and `bbox` choose the
    features, and `datetime` the times of the readings. A file whose making fails is broken off: its transfer does not
    end as HTTP says it must.
    """
    view = params.view_of(request)
    name, _, rest = f"{layer_id}.{ending}".partition(".")  # a format may have a dot in it, an id has none
    subject: Subject = "readings" if rest.startswith(READINGS) else "features"
    found, status = await params.find_rows(view, name)
    await view.ready()
    chosen = find_format(found, status, rest.removeprefix(READINGS), subject)
    values = params.read_parameters(request, (*FILTERS, *_OWN), found.fields)
    languages, vary = params.read_languages(request, values.get("lang"))
    layer = in_language(found, languages)
    words = words_for(layer, languages)
    where, times = await _read_where(request, view, (layer, status), values, subject)
    asked = Asked(
        subject=subject,
        fields=values.get("fields"),
        crs=values.get("crs"),
        sort=values.get("sort"),
        datetime=times,
        decimal=words.point if "lang" in values else "",
        address=_address(params.base_url(request), f"{name}.{rest}", values),
        given={key: value for key, value in values.items() if key != "lang"},
        language=words.code,
        style=styling.build_qml(view.catalog, layer, words) if chosen.styled else "",
    )
    extract = build_extract(layer, status, chosen, where, asked)
    scope = [layer.scope] if layer.scope else []
    etag = build_etag(chosen.id, status.version, status.loaded_at, extract, *scope)
    if (same := unchanged(request, view, etag, vary)) is not None:
        same.headers["Content-Type"] = chosen.media_type  # by which it is known whether it varies by encoding
        return same
    headers = _headers(extract, f"{name}.{rest}") | {"ETag": etag, **view.headers(CACHE_CONTROL, vary)}
    is_whole = not view.scope and not values.keys() - {"lang"}
    shelf: Shelf = request.app.state.shelf
    place = shelf.place(layer.id, _name_version(layer, status), etag) if is_whole else None
    if (kept := shelf.find(place)) is not None:
        return KeptFile(kept, request.headers, headers, chosen.media_type)
    if request.scope.get("head"):
        request.app.state.slots.check(client_of(request.scope))
        told = Response(headers=headers, media_type=chosen.media_type)
        del told.headers["content-length"]  # nobody knows it yet
        return told
    return await _open(request, chosen, extract, headers, place)


async def describe_downloads(
    database: Database, layer: Layer, status: LayerStatus, base: str, language: str
) -> list[dict[str, object]]:
    """Every format that rows of the layer can be had in, with its size, roughly; what it cannot hold in a language."""
    if not layer.has_rows:
        return []
    widths = await read_widths(database, layer)
    return [download._asdict() for download in list_downloads(layer, status, base, widths, language)]


async def _read_where(
    request: Request, view: View, seen: tuple[Layer, LayerStatus], values: dict[str, str], subject: Subject
) -> tuple[Where, str | None]:
    """The condition on features, and of readings the times that are asked for."""
    filters, properties = split_filters({name: value for name, value in values.items() if name not in _OWN})
    arguments = cast("dict[str, str]", filters)
    times = arguments.pop("datetime", None) if subject == "readings" else None
    questions: Questions = request.app.state.questions
    asked = await questions.read(client_of(request.scope), *seen, arguments, properties, find_shape=view.shape)
    return asked.where, times


def sweep_kept(services: Services, shelf: Shelf) -> None:
    """Remove what is kept of rows that are others now, or not for everybody any more."""
    if services.database_problem:
        return  # what there is of them is not known
    found = filter(None, map(services.find, services.live.current.layers))
    seen = [(services.sights.narrow(layer, frozenset()), status) for layer, status in found]
    current = {(layer.id, _name_version(layer, status)) for layer, status in seen if not layer.scope}
    asyncio.get_running_loop().run_in_executor(None, shelf.sweep, current)


def _name_version(layer: Layer, status: LayerStatus) -> str:
    """Names the rows and fields that everybody sees."""
    return build_etag(status.version, status.loaded_at, sorted(layer.fields)).strip('"')


async def _open(
    request: Request, chosen: Format, extract: Extract, headers: dict[str, str], place: Place | None
) -> Response:
    services: Services = request.app.state.services
    slots: Slots = request.app.state.slots
    client = client_of(request.scope)
    slots.take(client)
    try:
        export = await apart.start(services.database.url, chosen, extract, place)
    except BaseException:
        slots.give_back(client)
        raise

    def end() -> None:
        slots.give_back(client)
        if place:  # the layer may have been closed, or loaded anew, while its file was made
            sweep_kept(services, request.app.state.shelf)

    return MadeFile(export, headers, chosen.media_type, end)


def _address(base: str, file: str, values: dict[str, str]) -> str:
    query = urlencode(values, quote_via=quote, safe=",:/")
    return f"{base}/download/{file}" + (f"?{query}" if query else "")


def _headers(extract: Extract, file: str) -> dict[str, str]:
    about = extract.readme.address.replace(f"/download/{file}", f"/download/{extract.id}.readme.txt", 1)
    return {
        "Content-Disposition": f'attachment; filename="{file}"',
        "Link": f'<{about}>; rel="describedby"; type="text/plain"',
    }
