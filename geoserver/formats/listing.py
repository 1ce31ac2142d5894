"""Which files of a layer there are: the one list that API, pages, feeds and catalogues show."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from geoserver.catalog.sentences import say_sentences
from geoserver.formats import Subject, estimate, offered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["READINGS", "Download", "list_downloads"]

READINGS = "readings."  # before a format's name in the address of a file with readings
_SUBJECTS: tuple[Subject, ...] = ("features", "readings")


class Download(NamedTuple):
    """One file: `format` as in its address, about how large it is where that is known, and what it cannot hold.

    `lonlat`: its positions are longitude and latitude, whatever else is asked for.
    """

    format: str
    of: Subject
    title: str
    media_type: str
    href: str
    bytes: int | None
    limits: tuple[str, ...]
    lonlat: bool


def list_downloads(
    layer: Layer, status: LayerStatus, base: str, widths: Mapping[str, float] | None = None, language: str = "en"
) -> list[Download]:
    """The files of a layer as its reader sees it, in the order in which they are offered.

    `widths` are the average bytes of columns (`database.exports.read_widths`); without them no size is told.
    Limits are told in `language`.
    """
    return [
        Download(
            chosen.id,
            subject,
            chosen.title,
            chosen.media_type,
            f"{base}/download/{layer.id}.{READINGS if subject == 'readings' else ''}{chosen.id}",
            None if widths is None else estimate(chosen, layer, status, widths, subject),
            say_sentences(chosen.told(layer, status), language) if subject == "features" else (),
            chosen.lonlat,
        )
        for subject in _SUBJECTS
        for chosen in offered(layer, status, subject)
    ]
