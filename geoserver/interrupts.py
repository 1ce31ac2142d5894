"""Ends what a thread waits for when nobody waits for the thread: it cannot be cancelled, its query can."""

from __future__ import annotations

import contextlib
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING

from geoserver.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Interrupt", "interruptible"]


class Interrupt:
    """One request's; `with interrupt:` in the thread that works for it, `interrupt.happen()` anywhere else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], object] | None = None
        self._happened = False

    def __enter__(self) -> None:
        self._token = _current.set(self)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)

    def happen(self) -> None:
        """End what the thread waits for now, and whatever it would begin to wait for; may take a moment."""
        with self._lock:
            self._happened = True
            if self._end is not None:
                self._end()

    @contextlib.contextmanager
    def by(self, end: Callable[[], object]) -> Iterator[None]:
        """While this lasts, `end` is what ends it. Nothing else is hit: leaving waits for an `end` that was begun."""
        with self._lock:
            if self._happened:
                raise UnavailableError("The client has left.")
            self._end = end
        try:
            yield
        finally:
            with self._lock:
                self._end = None


_current: ContextVar[Interrupt | None] = ContextVar("interrupt", default=None)


def interruptible(end: Callable[[], object]) -> contextlib.AbstractContextManager[None]:
    """While this lasts, the interrupt of this thread's request, if it has one, calls `end`."""
    current = _current.get()
    return current.by(end) if current is not None else contextlib.nullcontext()
