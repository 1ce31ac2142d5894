"""A city's logo and icon: SVG or PNG out of its workspace, looked at before they are served."""

from __future__ import annotations

import hashlib
import os
import stat
import xml.parsers.expat
from pathlib import Path

from geoserver.errors import CatalogError
from geoserver.model import Picture

__all__ = ["read_picture"]

_LARGEST = 512 << 10  # bytes; it is part of every first visit
_PNG = b"\x89PNG\r\n\x1a\n"
_SVG = "http://www.w3.org/2000/svg"
_ACTIVE = frozenset({"script", "foreignobject", "iframe", "object", "embed", "handler", "listener"})


def read_picture(path: Path, key: str, name: str) -> Picture:
    """The picture of that name beside `path`, the file that names it; raises CatalogError."""
    try:
        body = _read(path.parent, name)
        media_type = "image/png" if body.startswith(_PNG) else _prove_svg(body)
    except ValueError as error:
        raise CatalogError(str(path), key, f"{error}; got {name!r}") from error
    return Picture(media_type, body, hashlib.blake2b(body, digest_size=8).hexdigest())


def _read(folder: Path, name: str) -> bytes:
    """The file's bytes; ValueError says what was expected. Nothing outside of the folder is read."""
    if "\0" in name:
        raise ValueError("the name of a file")
    target = Path(os.path.realpath(folder / name))  # which takes links in a circle as they are
    if not target.is_relative_to(folder.resolve()):
        raise ValueError("a file inside the folder of city.toml")
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe is not waited for
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("a file; it is a folder, a pipe or a device")
            body = file.read(_LARGEST + 1)
    except OSError as error:
        raise ValueError(f"a readable SVG or PNG: {error.strerror}") from error
    if len(body) > _LARGEST:
        raise ValueError(f"an SVG or PNG of at most {_LARGEST >> 10} KiB")
    return body


def _prove_svg(body: bytes) -> str:
    """Raises ValueError for what is no SVG, or one that does more than be drawn.

    It is also served under a policy that lets no script run (`site/city.py`): this tells its owner in time.
    """
    first: list[str] = []

    def begin(name: str, attributes: dict[str, str]) -> None:
        first.append(name) if not first else None
        kind = name.rsplit(" ", 1)[-1].lower()
        if kind in _ACTIVE:
            raise ValueError(f"an SVG without <{kind}>; save it as plain SVG")
        for attribute, value in attributes.items():
            plain = attribute.rsplit(" ", 1)[-1].lower()
            if plain.startswith("on") or "".join(value.split()).lower().startswith("javascript:"):
                raise ValueError(f"an SVG without scripts; it has {plain!r}, so save it as plain SVG")

    def refuse(*_: object) -> None:
        raise ValueError("an SVG without entities; save it as plain SVG")

    parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = begin
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(body, True)
    except (xml.parsers.expat.ExpatError, LookupError) as error:  # LookupError: an encoding that nobody knows
        raise ValueError(f"an SVG or PNG; as an SVG it cannot be read ({error})") from error
    if first[:1] != [f"{_SVG} svg"]:
        raise ValueError("an SVG or PNG; its first element is no <svg> of SVG's namespace")
    return "image/svg+xml"
