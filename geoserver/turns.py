"""Turns: so many may work at once, clients take turns at it, and who finds the queue full is told so at once.

Who asks for the same at the same time shares one reading of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geoserver.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Mapping

__all__ = ["Shared", "Turns", "client_of", "outlast"]

MOST_WAITING = 256
MOST_WAITING_EACH = 64  # of one client, so that it leaves room in the queue for others
LONGEST_WAIT = 30.0  # seconds that a question waits; few clients would hear of it later
_NETWORK = 64  # bits of an IPv6 address that name a household; the rest is its own to choose


class Turns:
    """A semaphore that goes round between clients: `slots` in all, and of one client no more than `each`."""

    def __init__(
        self,
        slots: int,
        *,
        each: int | None = None,
        most: int = MOST_WAITING,
        most_each: int = MOST_WAITING_EACH,
        patience: float = LONGEST_WAIT,
    ) -> None:
        self._slots = slots
        self._each = slots if each is None else each
        self._most = most
        self._most_each = most_each
        self._patience = patience
        self._taken: Counter[str] = Counter()
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # whose turn is next comes first
        self.refused = 0

    @property
    def running(self) -> int:
        return self._taken.total()

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    @contextlib.asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Hold a slot; raises UnavailableError when too many wait for one, or none comes."""
        try:
            async with asyncio.timeout(self._patience):
                await self._take(client)
        except TimeoutError:
            self.refused += 1
            raise UnavailableError("The questions before this one took too long; try again in a few seconds.") from None
        try:
            yield
        finally:
            self._give_back(client)

    async def _take(self, client: str) -> None:
        # Whoever waits while a slot is free waits for its own client's work, and is not overtaken by this.
        if client not in self._queues and self.running < self._slots and self._taken[client] < self._each:
            self._taken[client] += 1
            return
        queue = self._queues.setdefault(client, deque())
        if len(queue) >= self._most_each or self.waiting >= self._most:
            self._forget_empty(client)
            self.refused += 1
            raise UnavailableError("Too many questions wait for their turn; try again in a few seconds.")
        called = asyncio.get_running_loop().create_future()
        queue.append(called)
        try:
            await called
        except asyncio.CancelledError:
            if called.cancelled():
                with contextlib.suppress(ValueError):  # it was passed over already
                    queue.remove(called)
                self._forget_empty(client)
            else:  # the slot came in the same moment
                self._give_back(client)
            raise

    def _give_back(self, client: str) -> None:
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]
        if client in self._queues:  # it had its turn
            self._queues.move_to_end(client)
        self._call()

    def _call(self) -> None:
        """Give free slots away: to the first of each client in turn, as far as it may run now."""
        for client in list(self._queues):
            if self.running >= self._slots:
                return
            if self._taken[client] < self._each and (first := self._pop(client)) is not None:
                self._taken[client] += 1
                first.set_result(None)

    def _pop(self, client: str) -> asyncio.Future[None] | None:
        """The first of a client that waits still: who has just left stands in the queue for a moment yet."""
        queue, first = self._queues[client], None
        while queue and first is None:
            called = queue.popleft()
            first = None if called.cancelled() else called
        self._queues.move_to_end(client)  # no two in a row while others wait
        self._forget_empty(client)
        return first

    def _forget_empty(self, client: str) -> None:
        if client in self._queues and not self._queues[client]:
            del self._queues[client]


def client_of(scope: Mapping[str, Any]) -> str:
    """Who asks, by the address of the connection, or the one that a trusted proxy forwards (uvicorn puts it there)."""
    host = str((scope.get("client") or ("",))[0])
    if ":" in host:
        with contextlib.suppress(ValueError):
            address = ipaddress.IPv6Address(host.partition("%")[0])
            # A socket for both kinds names the old one in the new one's way, and all of those are in one network.
            return str(address.ipv4_mapped or ipaddress.ip_network((address, _NETWORK), strict=False))
    return host


async def outlast[T](work: Coroutine[Any, Any, T]) -> T:
    """Do it to its end, even when the one who waits is cancelled meanwhile; that is told after the end."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # nobody else asks for it
        raise


class Shared[K: Hashable, T]:
    """One reading for all who ask the same; it is given up when all of them have left."""

    def __init__(self) -> None:
        self._reads: dict[K, _Read[T]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._reads

    async def get(self, key: K, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the reading gives, begun now if it is not under way; raises what it raises."""
        shared = self._reads.get(key)
        if shared is None:
            shared = self._reads[key] = _Read(asyncio.ensure_future(read()))
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        finally:
            shared.waiting -= 1
            if not shared.waiting or shared.task.done():
                shared.task.cancel()
                if self._reads.get(key) is shared:
                    del self._reads[key]

    def is_current(self, key: K) -> bool:
        """Inside a reading: whether others may still join it."""
        shared = self._reads.get(key)
        return shared is not None and shared.task is asyncio.current_task()

    def part(self, fits: Callable[[K], bool]) -> None:
        """Let nobody else join these readings; who waits for one gets it."""
        for key in [key for key in self._reads if fits(key)]:
            del self._reads[key]

    async def stop(self) -> None:
        """End all readings."""
        tasks = [shared.task for shared in self._reads.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class _Read[T]:
    task: asyncio.Task[T]
    waiting: int = 0
