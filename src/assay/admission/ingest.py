"""An upload that came as Xet objects, put together: a confined child unpacks, and only the right SHA-256 is kept."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from assay.core.errors import ContentError, SandboxError, UsageError
from assay.core.limits import MIB
from assay.formats.pickle import wire
from assay.registry.uploads import SHARD, XORB, Upload, Uploads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.core.digest import Digest
    from assay.core.snapshot import FileEntry
    from assay.store.blobs import Blobs

_WORKER: Final = "assay.workers.ingest"
MAX_XORB: Final = 80 * MIB  # bytes; the protocol's most is 64 MiB
MAX_SHARD: Final = 128 * MIB
_LIMITS: Final = {"memory_bytes": 1024 * MIB, "cpu_seconds": 24 * 3600}
_ANSWER_SECONDS: Final = 300.0  # one xorb, on a busy machine
_NEEDED: Final = ("rlimits", "no_new_privs", "seccomp", "no_open", "no_socket", "empty_environment")


def ingest(upload: Upload, uploads: Uploads, blobs: Blobs) -> None:
    """Store every file of an upload that is still missing.

    Raises:
        UsageError: its bytes were never sent, or are not what the commit says.
        SandboxError: the child can't be confined.
    """
    missing = uploads.missing(upload)
    if not missing:
        return
    sent = uploads.xet_of(upload.name, upload.actor)
    with _Child() as child:
        plans = _plans(child, blobs, sent[SHARD])
        for entry in {one.digest: one for one in missing}.values():  # a file may stand in many places
            plan = plans.get(entry.digest.hex)
            if plan is None:
                raise UsageError(f"{entry.path[:200]!r} was never uploaded", hint="upload the model again")
            chunks = _bytes(child, blobs, plan, sent[XORB], entry)
            try:
                uploads.put_file(chunks, name=upload.name, actor=upload.actor, expect=entry.digest)
            except ContentError as error:
                raise UsageError(f"{entry.path[:200]!r}: {error}", hint="upload the model again") from error


_Plan = list[tuple[str, int, int]]  # xorb, first chunk, one past the last


def _plans(child: _Child, blobs: Blobs, shards: dict[str, Digest]) -> dict[str, _Plan]:
    plans: dict[str, _Plan] = {}
    for digest in shards.values():
        with _opened(blobs, digest, MAX_SHARD) as (descriptor, size):
            answer = child.ask({"shard": size}, descriptor)
        for file in answer.get("files", []):
            plan = [(str(xorb), int(start), int(stop)) for xorb, start, stop in file["segments"]]
            plans[str(file["sha256"])] = plan
    return plans


def _bytes(child: _Child, blobs: Blobs, plan: _Plan, xorbs: dict[str, Digest], entry: FileEntry) -> Iterator[bytes]:
    size = 0
    for xorb, start, stop in plan:
        digest = xorbs.get(xorb)
        if digest is None:
            raise ContentError(f"a part of it was never uploaded (xorb {xorb[:16]}…)")
        with _opened(blobs, digest, MAX_XORB) as (descriptor, length):
            for chunk in child.stream({"xorb": length, "start": start, "stop": stop}, descriptor):
                size += len(chunk)
                if size > entry.size:
                    raise ContentError(f"it is longer than the {entry.size} bytes that the commit says")
                yield chunk


@contextmanager
def _opened(blobs: Blobs, digest: Digest, most: int) -> Iterator[tuple[int, int]]:
    """A blob as a descriptor: its own file where the store is a directory, else a copy."""
    size = blobs.size(digest)
    if size > most:
        raise UsageError(f"a Xet object of {size} bytes: more than {most}")
    path = blobs.local_path(digest)
    if path is not None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor, size
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryFile() as copy:
        for chunk in blobs.stream(digest):
            copy.write(chunk)
        copy.flush()
        yield copy.fileno(), size


class _Child:
    """The confined child."""

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        command = [sys.executable, "-I", "-m", "assay.sandbox.confine", _WORKER, json.dumps(_LIMITS)]
        try:
            self._process = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, cwd="/"
            )
        except OSError as error:
            ours.close()
            raise SandboxError(f"can't start the ingest child: {error.strerror}", hint="check limits") from error
        finally:
            theirs.close()
        ours.settimeout(_ANSWER_SECONDS)
        self._channel = ours
        with ExitStack() as undo:
            undo.callback(self.__exit__)
            self._check_layers(self._receive()[0].get("layers", {}))
            undo.pop_all()
        return self

    @staticmethod
    def _check_layers(layers: dict[str, Any]) -> None:
        lacking = [name for name in _NEEDED if layers.get(name) is not True]
        if lacking:
            raise SandboxError(f"the ingest child is not confined: {lacking[0]} is missing", hint="see its layers")

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._process.kill()
        self._process.wait()

    def ask(self, header: dict[str, Any], descriptor: int) -> dict[str, Any]:
        """One question, one answer (UsageError when the object is broken)."""
        wire.send(self._channel, header, b"", (descriptor,))
        return self._receive()[0]

    def stream(self, header: dict[str, Any], descriptor: int) -> Iterator[bytes]:
        """One question, bytes until the child says that it is the end."""
        wire.send(self._channel, header, b"", (descriptor,))
        while True:
            answer, body = self._receive()
            if body:
                yield body
            if answer.get("end"):
                return

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        try:
            message = wire.receive(self._channel)
        except OSError as error:
            raise SandboxError(f"the ingest child does not answer: {error}") from error
        if message is None:
            raise SandboxError("the ingest child ended")
        header, body, descriptors = message
        for descriptor in descriptors:
            os.close(descriptor)
        if "problem" in header:
            raise UsageError(f"the upload is broken: {str(header['problem'])[:300]}", hint="upload it again")
        return header, body
