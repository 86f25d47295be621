"""How opcode modules register their handlers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.formats.pickle.machine import Machine

Handler = Callable[["Machine"], None]
Table = dict[int, Handler]


def entering(table: Table) -> Callable[[int | str], Callable[[Handler], Handler]]:
    """A decorator that enters a handler in `table` under an opcode."""

    def op(code: int | str) -> Callable[[Handler], Handler]:
        def enter(handler: Handler) -> Handler:
            table[ord(code) if isinstance(code, str) else code] = handler
            return handler

        return enter

    return op


def unsigned(m: Machine, size: int) -> int:
    """The next `size` bytes, little-endian."""
    return int.from_bytes(m.take(size), "little")


def signed(m: Machine, size: int) -> int:
    """The next `size` bytes, little-endian, two's complement."""
    return int.from_bytes(m.take(size), "little", signed=True)
