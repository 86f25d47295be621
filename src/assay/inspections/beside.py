"""Processes beside this one that inspect large files, so that a directory takes all cores.

Only what depends on one file alone is asked of them (`local` inspectors, as for the result cache); the rest, and
whatever a process did not bring to an end, is done here. They are forked before anything hostile was read; what they
say crosses a pipe as JSON.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

    from assay.core.snapshot import FileEntry

Said = dict[str, Any] | None
Facts = dict[str, dict[str, Any]]  # by inspector: what it says of a run as a whole
_MOST_TASKS = 8_000  # numbers of 4 bytes that a pipe holds without anybody reading
_NUMBER = 4
_END = -1  # in place of a file's number
_CHUNK = 1 << 16


class Beside:
    """What processes say about files; in any order from them, in the caller's order to the caller.

    Args:
        entries: the files, in the order in which they will be asked for.
        work: says what there is to say about one file; None where it has to be done again here.
        count: of processes.
        end: called in a process when nothing is left to do; what it says is in `ended` when this is left.
    """

    def __init__(
        self, entries: Sequence[FileEntry], work: Callable[[FileEntry], Said], count: int, end: Callable[[], Facts]
    ) -> None:
        self.ended: list[Facts] = []
        self._entries = entries[:_MOST_TASKS]
        self._number = {entry.path: number for number, entry in enumerate(self._entries)}
        self._said: dict[int, tuple[Said, float]] = {}
        self._buffers: dict[int, bytearray] = {}
        self._children: list[int] = []
        self._selector = selectors.DefaultSelector()
        tasks, feed = os.pipe()
        os.write(feed, b"".join(number.to_bytes(_NUMBER, "little") for number in range(len(self._entries))))
        for _ in range(count):
            ours, theirs = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(feed)
                self._serve(tasks, theirs, work, end)
            os.close(theirs)
            self._children.append(child)
            self._buffers[ours] = bytearray()
            self._selector.register(ours, selectors.EVENT_READ)
        os.close(feed)
        os.close(tasks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Everything was taken, or this process gives up."""
        for child in self._children if kind else ():
            os.kill(child, signal.SIGTERM)
        while self._buffers and not kind:
            for key, _ in self._selector.select():
                self._read(key.fd)
        for descriptor in list(self._buffers):
            self._close(descriptor)
        self._selector.close()
        for child in self._children:
            os.waitpid(child, 0)

    def take(self, entry: FileEntry) -> tuple[Said, float]:
        """What was said about a file, and the seconds it took; waits for it. None when it has to be inspected here."""
        number = self._number.get(entry.path, -1)
        if number < 0:
            return None, 0.0
        while number not in self._said and self._buffers:
            for key, _ in self._selector.select():
                self._read(key.fd)
        return self._said.pop(number, (None, 0.0))

    def _read(self, descriptor: int) -> None:
        data = os.read(descriptor, _CHUNK)
        if not data:
            self._close(descriptor)
            return
        buffer = self._buffers[descriptor]
        buffer += data
        while len(buffer) >= _NUMBER:
            length = int.from_bytes(buffer[:_NUMBER], "little")
            if len(buffer) < _NUMBER + length:
                return
            number, said, seconds = json.loads(buffer[_NUMBER : _NUMBER + length])
            del buffer[: _NUMBER + length]
            if number == _END:
                self.ended.append(said)
            else:
                self._said[number] = said, seconds

    def _close(self, descriptor: int) -> None:
        del self._buffers[descriptor]
        self._selector.unregister(descriptor)
        os.close(descriptor)

    def _serve(self, tasks: int, results: int, work: Callable[[FileEntry], Said], end: Callable[[], Facts]) -> None:
        """The life of a process: numbers in, what is said out. Never returns."""
        status = 1
        try:
            try:
                while len(raw := os.read(tasks, _NUMBER)) == _NUMBER:
                    number = int.from_bytes(raw, "little")
                    started = time.monotonic()
                    said = work(self._entries[number])
                    _tell(results, [number, said, time.monotonic() - started])
            finally:
                facts = end()
            _tell(results, [_END, facts, 0.0])
            status = 0
        finally:
            os._exit(status)


def _tell(results: int, what: list[Any]) -> None:
    body = json.dumps(what).encode()
    message = memoryview(len(body).to_bytes(_NUMBER, "little") + body)
    while message:
        message = message[os.write(results, message) :]


def join(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Add what another process says of its part of a run: counts are summed, what held must have held everywhere."""
    for key, value in theirs.items():
        present = ours.setdefault(key, value)
        if present is value:
            continue
        if isinstance(value, int) and isinstance(present, int):
            ours[key] = present + value
        elif isinstance(value, dict) and isinstance(present, dict):
            ours[key] = {**present, **{name: held and present.get(name, held) for name, held in value.items()}}
