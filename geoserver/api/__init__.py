"""Our own HTTP API: one router per resource, each found by being a module here that exports `router`."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from fastapi import APIRouter

__all__ = ["find_routers"]


def find_routers() -> list[APIRouter]:
    """The router of every module in this package that has one."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [import_module(f"{__name__}.{name}") for name in names]
    return [module.router for module in modules if isinstance(getattr(module, "router", None), APIRouter)]
