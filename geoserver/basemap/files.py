"""The files of a basemap in a workspace: layer files that say whose data it is, and what lies where."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyproj import CRS

from geoserver.basemap.sheets import ATTRIBUTION, LICENCE, SHEETS, Sheet
from geoserver.basemap.writing import GEOMETRY
from geoserver.errors import LoadError, SetupError

if TYPE_CHECKING:
    from types import TracebackType

    import pyarrow as pa

__all__ = [
    "DATA",
    "STAGING",
    "Parquet",
    "check_places",
    "find_foreign",
    "is_ours",
    "list_served",
    "put_in_place",
    "render_layer_file",
    "staging_folder",
]

MARK = "# Made by `geoserver basemap`"
DATA = "data/basemap"
STAGING = ".basemap"
_ORDER = {name: 10 * (index + 1) for index, name in enumerate(SHEETS)}
_LABELS = {
    "house-numbers": "{street} {number}",
    "coast": "",
    "beyond": "",
    "afar": "",
    "boundaries": "",
    "road-numbers": "ref",
}


def render_layer_file(sheet: Sheet, extract: str, languages: Sequence[str]) -> str:
    """The layer file of one sheet. Attribution and licence are those of OpenStreetMap, always."""
    lines = [
        f"{MARK} from {_plain(extract)}, and made anew by it: what is changed here is lost then.",
        f"title = {_quote(sheet.title)}",
        f"description = {_quote(sheet.description)}",
        'theme = "Basemap"',
        'keywords = ["basemap"]',
        f"license = {_quote(LICENCE)}",
        f"attribution = {_quote(ATTRIBUTION)}",
        f"source = {_quote(f'{DATA}/{sheet.id}.parquet')}",
        f"kind = {_quote(sheet.recipe or sheet.kind)}",
        "basemap = true",
        f"order = {_ORDER[sheet.id]}",
    ]
    if label := _LABELS.get(sheet.id, "name"):
        lines.append(f"label = {_quote(label)}")
    if sheet.minzoom:
        lines.append(f"minzoom = {sheet.minzoom}")
    if sheet.maxzoom:
        lines.append(f"maxzoom = {sheet.maxzoom}")
    for name, kind in sheet.fields.items():
        lines += ["", f"[fields.{name}]", f"type = {_quote(kind)}"]
        if name in sheet.units:
            lines.append(f"unit = {_quote(sheet.units[name])}")
    for language in languages if sheet.languages else ():
        name = f"name_{language.lower().replace('-', '_')}"
        lines += ["", f"[fields.{name}]", f"title = {_quote(f'Name ({language})')}"]
        lines += ['description = "Where it is another than the local name."', 'type = "text"']
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _plain(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def is_ours(path: Path) -> bool:
    """Whether a layer file was made by this command."""
    try:
        return path.read_text("utf-8", errors="replace").startswith(MARK)
    except OSError:
        return False


def find_foreign(workspace: Path) -> list[str]:
    """Sheets whose layer files somebody wrote: they stay as they are."""
    folder = workspace / "layers"
    return [name for name in SHEETS if (path := folder / f"{name}.toml").is_file() and not is_ours(path)]


def list_served(workspace: Path) -> list[str]:
    """Sheets that are layers of the workspace now, made by this command."""
    return [name for name in SHEETS if is_ours(workspace / "layers" / f"{name}.toml")]


@contextlib.contextmanager
def staging_folder(workspace: Path) -> Iterator[Path]:
    """A folder laid out like the workspace, for what is not in service yet; one process at a time has it."""
    folder = workspace / STAGING
    with _only_one(folder, workspace):
        try:
            for left in folder.iterdir():  # of one that was killed
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
            (folder / "layers").mkdir()
            (folder / DATA).mkdir(parents=True)
            if (workspace / "tiles").is_dir():
                (folder / "tiles").symlink_to(workspace.resolve() / "tiles")
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _only_one(folder: Path, workspace: Path) -> Iterator[None]:
    """Make the folder, and lock it; raises SetupError where another process has it, whose folder stays as it is."""
    try:
        folder.mkdir(exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise SetupError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        if not _lock(descriptor, folder):
            raise SetupError(f"another `geoserver basemap` is at work in {workspace}; wait for it")
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> bool:
    """Whether the folder is ours from now on: nobody else has it, nor has anyone just taken it away."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def check_places(workspace: Path) -> None:
    """Raises SetupError where a basemap could not be put in place: rows go into service before their files."""
    for kind in (DATA, "layers"):
        folder = workspace / kind
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise SetupError(f"{folder} cannot be written: {there} is no folder that you may write to")
    for name in SHEETS:
        for path in _places(workspace, name):
            if path.is_dir():
                raise SetupError(f"{path} is a folder, where the basemap puts a file; move it away")


def put_in_place(staging: Path, workspace: Path, names: Sequence[str]) -> None:
    """Data first and then the layer files, each by a rename; what is there no longer goes.

    Raises LoadError where that fails, with the rows in service already.
    """
    try:
        for kind in (DATA, "layers"):
            (workspace / kind).mkdir(parents=True, exist_ok=True)
        for name in names:
            for made, place in zip(_places(staging, name), _places(workspace, name), strict=True):
                made.replace(place)
        for name in SHEETS.keys() - set(names):
            data, file = _places(workspace, name)
            if is_ours(file):
                file.unlink()
                data.unlink(missing_ok=True)
    except OSError as error:
        why = f"{error.filename2 or error.filename}: {error.strerror}"
        raise LoadError(f"The new rows are in service, but not all of their files: {why}; run it again") from error


def _places(workspace: Path, name: str) -> tuple[Path, Path]:
    """Where the data of a layer lie, and its file."""
    return workspace / DATA / f"{name}.parquet", workspace / "layers" / f"{name}.toml"


class Parquet:
    """A GeoParquet file for each layer, written batch by batch, as a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Parquet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._abandon()

    def write(self, name: str, rows: pa.RecordBatch) -> None:
        """Append rows to a layer's file."""
        if name not in self._files:
            self._files[name] = pq.ParquetWriter(
                self.folder / f"{name}.parquet",
                rows.schema.with_metadata({"geo": json.dumps(_describe())}),
                compression="zstd",
                compression_level=1,
                use_dictionary=[column for column in rows.schema.names if column != GEOMETRY],
                write_statistics=False,
            )
        self._files[name].write_batch(rows.cast(self._files[name].schema))

    def close(self) -> None:
        """Complete all files."""
        try:
            for file in self._files.values():
                file.close()
        except OSError:
            self._abandon()
            raise
        self._files.clear()

    def _abandon(self) -> None:
        """Let go of them as they are: they are deleted, and the disk may be too full for pyarrow to complete them."""
        for file in self._files.values():
            file.is_open = False
        self._files.clear()


def _describe() -> dict[str, Any]:
    """The metadata of GeoParquet 1.1."""
    column = {"encoding": "WKB", "geometry_types": [], "crs": CRS.from_epsg(3857).to_json_dict()}
    return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}
