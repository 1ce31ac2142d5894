"""Where layers, recipes, styles, samples and the built viewer lie: in the checkout, in the wheel, in a workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

__all__ = ["Kind", "root", "roots"]

Kind = Literal["layers", "tiles", "styles", "data-samples", "web", "messages", "dress"]

_ELSEWHERE = {"web": "web/dist", "messages": "web/src/messages", "dress": "web/src/dress"}  # in the checkout
_PACKAGE = Path(__file__).parent


def root(kind: Kind) -> Path:
    """The product's own folder of that kind: in the checkout if we run from one, else inside the installed wheel."""
    checkout = _PACKAGE.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "tiles").is_dir():
        return checkout / _ELSEWHERE.get(kind, kind)
    return _PACKAGE / "_assets" / kind


def roots(kind: Kind, workspace: Path) -> list[Path]:
    """Folders to look in, first match wins: the workspace's own, then the product's."""
    found = [workspace / kind, root(kind)]
    return list(dict.fromkeys(path.resolve() for path in found if path.is_dir()))
