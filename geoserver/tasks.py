"""Tasks that run for as long as a process serves, each with an owner that notices when it dies; and some that end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Keeper", "do_together", "explain"]

log = logging.getLogger("geoserver")

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds before a task is started again


async def do_together[T](*work: Coroutine[Any, Any, T]) -> list[T]:
    """All of it at the same time; what fails or is cancelled takes the others along, and is raised as it is alone."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


class Keeper:
    """Starts tasks again that end, whatever ended them; `problems` names what does not work now, and why."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def keep(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run it until `stop`."""
        self._tasks.append(asyncio.create_task(self._keep(name, run), name=name))

    async def stop(self) -> None:
        """End every task."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def note(self, name: str, problem: str, error: BaseException | None = None) -> None:
        """Something does not work: logged once, with its traceback, until it works again or fails otherwise."""
        if self.problems.get(name) != problem:
            log.error("%s: %s", name, problem, exc_info=error)
        self.problems[name] = problem

    def clear(self, name: str) -> None:
        """It works again."""
        if self.problems.pop(name, None) is not None:
            log.info("%s: works again", name)

    @contextlib.contextmanager
    def guarded(self, name: str) -> Any:
        """Let what fails inside be noted under this name, and do no other harm."""
        try:
            yield
        except Exception as error:
            self.note(name, explain(error), error)
        else:
            self.clear(name)

    async def _keep(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE
        while True:
            started = loop.time()
            # It counts as mended when it has lived as long as it was paused.
            mended = loop.call_later(pause, self.clear, name)
            try:
                await run()
            except asyncio.CancelledError as error:
                if self._stopping:
                    raise
                if (task := asyncio.current_task()) is not None:
                    task.uncancel()
                self.note(name, "it was cancelled and is started again", error)
            except Exception as error:
                self.note(name, f"it failed and is started again: {explain(error)}", error)
            else:
                self.note(name, "it ended and is started again")
            finally:
                mended.cancel()
            lived = loop.time() - started
            pause = _FIRST_PAUSE if lived > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)


def explain(error: BaseException) -> str:
    """An error in one line, with its kind where its words alone would say little."""
    text = " ".join(str(error).encode("utf-8", "replace").decode().split())  # for /readyz, which is UTF-8
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
