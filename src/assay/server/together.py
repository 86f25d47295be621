"""Questions to the index that wait together are asked together: at once where that is quick, else in a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

from starlette.concurrency import run_in_threadpool

from assay.core.errors import AssayError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

K = TypeVar("K")
V = TypeVar("V")
_MOST = 200  # asked in one go


class Together(Generic[K, V]):
    """For one event loop.

    Args:
        ask: answers a list of questions, in their order; runs in a thread.
        at_once: the same without waiting for anything; None: it can't be told so, and a thread has to ask.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[K]], Sequence[V]],
        at_once: Callable[[Sequence[K]], Sequence[V] | None] = lambda _asked: None,
    ) -> None:
        self._ask = ask
        self._at_once = at_once
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
                answers = self._at_once(asked)
                if answers is None:
                    answers = await run_in_threadpool(self._ask, asked)
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
