"""Checkpoints in the layout before PyTorch 1.6, loaded by `torch.load` one storage at a time.

PyTorch can't map that layout, and would hold every storage at once. Here its own loader builds the tensors, and where
it would read a storage it only notes where the bytes lie; they are read when the tensors over them are compared, and
let go of after. Where PyTorch has no such place to note it, the file is read whole.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_READER = "_set_from_file"  # of UntypedStorage: file, offset or None, whether to read directly, bytes of an element
_PIECE = 4 << 20  # bytes that are read at a time
_COUNT = 8  # bytes before a storage: its number of elements


class Storages:
    """Storages of a file, by their address: where their bytes lie."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[torch.UntypedStorage, int]] = {}

    def note(self, storage: torch.UntypedStorage, file: BinaryIO, offset: int | None, width: int) -> None:
        """In place of reading: note, and go on behind the bytes."""
        start = file.tell() if offset is None else offset
        file.seek(start)
        count = int.from_bytes(file.read(_COUNT), "little")
        if count * width != storage.nbytes():
            raise ValueError("a storage has another size than its tensors say")
        self._places[storage.data_ptr()] = storage, start + _COUNT
        file.seek(start + _COUNT + storage.nbytes())

    def cover(self, tensors: dict[str, torch.Tensor]) -> bool:
        """Whether every tensor lies in a storage that was noted."""
        return all(one.untyped_storage().data_ptr() in self._places for one in tensors.values())

    def in_turn(self, tensors: dict[str, torch.Tensor], file: BinaryIO) -> Iterator[tuple[str, torch.Tensor]]:
        """The tensors, storage after storage as they lie in the file; each is good until the next is asked for."""
        names: dict[int, list[str]] = {}
        for name, tensor in tensors.items():
            names.setdefault(tensor.untyped_storage().data_ptr(), []).append(name)
        for address, (storage, start) in self._places.items():
            if address in names:
                _fill(storage, file, start)
                yield from ((name, tensors[name]) for name in names[address])
            storage.resize_(0)


def _fill(storage: torch.UntypedStorage, file: BinaryIO, start: int) -> None:
    room = torch.empty(0, dtype=torch.uint8).set_(storage)
    file.seek(start)
    piece = bytearray(min(_PIECE, storage.nbytes()))
    bits = torch.frombuffer(piece, dtype=torch.uint8) if piece else room
    at = 0
    while at < storage.nbytes():
        got = file.readinto(memoryview(piece)[: storage.nbytes() - at])  # type: ignore[attr-defined]
        if not got:
            raise ValueError("the checkpoint is cut off")
        room[at : at + got] = bits[:got]
        at += got


@contextmanager
def noting() -> Iterator[Storages | None]:
    """While it lasts, `torch.load` notes storages of the old layout; None where PyTorch reads them in another way."""
    reader = getattr(torch.UntypedStorage, _READER, None)
    if reader is None:
        yield None
        return
    found = Storages()
    own = _READER in vars(torch.UntypedStorage)

    def note(storage: torch.UntypedStorage, file: BinaryIO, offset: int | None, _directly: bool, width: int) -> None:
        found.note(storage, file, offset, width)

    setattr(torch.UntypedStorage, _READER, note)
    try:
        yield found
    finally:
        if own:
            setattr(torch.UntypedStorage, _READER, reader)
        else:
            delattr(torch.UntypedStorage, _READER)
