"""Data sources: one kind per module, found by being here or by an entry point `geoserver.sources`."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, cast

from geoserver.catalog.files import is_file, is_folder
from geoserver.catalog.names import clean_name
from geoserver.sources.apart import open_apart
from geoserver.sources.base import (
    FEATURE_ID,
    Batch,
    Broken,
    Limits,
    Opened,
    Request,
    SourceKind,
    read_parts,
    summarise,
)
from geoserver.sources.identify import refuse_what_is_no_data
from geoserver.sources.names import parse_table
from geoserver.sources.swapping import swap_axes
from geoserver.sources.whole import refuse_what_is_cut

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FEATURE_ID",
    "Batch",
    "Broken",
    "Limits",
    "Opened",
    "Request",
    "SourceKind",
    "find_kind",
    "open_here",
    "open_source",
    "parse_table",
    "read_kinds",
    "read_parts",
    "read_suffixes",
]


@cache
def read_kinds() -> tuple[SourceKind, ...]:
    """Every kind of source: those of other packages first, so that one of them may take over a file ending."""
    outside = [cast("SourceKind", point.load()) for point in entry_points(group="geoserver.sources")]
    modules = [importlib.import_module(f"{__name__}.{item.name}") for item in pkgutil.iter_modules(__path__)]
    own = [cast("SourceKind", module.KIND) for module in modules if hasattr(module, "KIND")]
    return (*outside, *own)


def read_suffixes() -> tuple[str, ...]:
    """The endings of every kind of file that can be read."""
    return tuple(suffix for kind in read_kinds() for suffix in kind.suffixes)


def find_kind(request: Request) -> SourceKind:
    """The kind that opens this source, by the ending of its name; raises LoadError that lists the endings."""
    kinds = read_kinds()
    if request.path is None:
        return next(kind for kind in kinds if not kind.suffixes)
    name = request.path.name.lower()
    for kind in kinds:
        if kind.suffixes and name.endswith(kind.suffixes):
            return kind
    endings = sorted(suffix for kind in kinds for suffix in kind.suffixes)
    raise request.fail(f"no reader for this kind of file; expected {summarise(endings, len(endings))}")


def open_source(request: Request) -> Opened:
    """Open a table, or a file in a process of its own; raises LoadError that says which source and why not."""
    kind = find_kind(request)
    if request.path is None:
        return _in_order(request, kind.open(request))
    if is_folder(request.path):
        raise request.fail(f"is a folder; zip it ({request.path.name}.zip)")
    if not is_file(request.path):
        raise request.fail("there is no such file")
    return open_apart(request)


def open_here(request: Request) -> Opened:
    """Open a file in this process, which a broken or hostile one may end; `open_source` calls it in another."""
    assert request.path is not None  # noqa: S101 - a table is opened by `open_source`
    kind = find_kind(request)
    refuse_what_is_no_data(request, request.path)
    refuse_what_is_cut(request, request.path)
    return _in_order(request, kind.open(request))


def _in_order(request: Request, opened: Opened) -> Opened:
    """Columns under the names that were asked for, where the source spells them otherwise; axes the right way round."""
    spelled = {clean_name(name): texts for name, texts in opened.samples.items()}
    asked = {name: spelled[clean_name(name)] for name in request.columns if clean_name(name) in spelled}
    opened.samples = {**opened.samples, **asked}
    opened.batches = _name_as_asked(opened.batches, request.columns)
    return swap_axes(opened) if request.swap_axes else opened


def _name_as_asked(batches: Iterator[Batch], names: tuple[str, ...]) -> Iterator[Batch]:
    for batch in batches:
        if tuple(batch.columns) != names:
            batch.columns = dict(zip(names, batch.columns.values(), strict=True))
        yield batch
