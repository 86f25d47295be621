"""Questions to the index that wait together are asked together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from assay.core.errors import AssayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

K = TypeVar("K")
V = TypeVar("V")
_MOST = 200  # asked in one go


class Together(Generic[K, V]):
    """For one event loop. `ask` answers a list of questions, in their order; never two lists at a time."""

    def __init__(self, ask: Callable[[Sequence[K]], Awaitable[Sequence[V]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, question: K) -> V:
        """The answer, as of after the question came (AssayError as `ask` raises it)."""
        mine: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, mine))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._run())
        return await mine

    async def _run(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
            asked = [question for question, _ in waiting]
            try:
                answers = await self._ask(asked)
                for (_, one), answer in zip(waiting, answers, strict=True):
                    if not one.done():  # its request may be gone
                        one.set_result(answer)
            except AssayError as problem:
                for _, one in waiting:
                    if not one.done():
                        one.set_exception(problem)
            finally:
                for _, one in waiting:
                    one.cancel()  # nobody waits for ever; what is done stays so
