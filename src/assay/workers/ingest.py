"""Put files together from Xet objects, in a confined child: `python -I -m assay.sandbox.confine assay.workers.ingest`.

A message with a descriptor holds a shard (`{"shard": size}`) and is answered by its files, or a xorb (`{"xorb": size,
"start": a, "stop": b}`) and is answered by messages with the bytes of those chunks, the last of them `{"end": true}`.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from assay.core.errors import ContentError
from assay.formats.pickle import wire
from assay.formats.xet import read_chunks, read_shard

_MESSAGE = 4 << 20  # bytes of one answer


def main(layers: dict[str, Any]) -> int:
    """Serve over the socket on descriptor 0 until the peer closes it."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=0)
    wire.send(channel, {"layers": layers})
    while (message := wire.receive(channel)) is not None:
        header, _, descriptors = message
        try:
            _answer(channel, header, descriptors[0])
        except ContentError as error:
            wire.send(channel, {"problem": str(error)})
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
    return 0


def _answer(channel: socket.socket, header: dict[str, Any], descriptor: int) -> None:
    if "shard" in header:
        files = read_shard(_read(descriptor, int(header["shard"])))
        shown = [
            {"sha256": one.sha256, "segments": [[part.xorb, part.start, part.stop] for part in one.segments]}
            for one in files
        ]
        wire.send(channel, {"files": shown})
        return
    out = bytearray()
    for chunk in read_chunks(_read(descriptor, int(header["xorb"])), int(header["start"]), int(header["stop"])):
        out += chunk
        if len(out) >= _MESSAGE:
            wire.send(channel, {}, bytes(out))
            out.clear()
    wire.send(channel, {"end": True}, bytes(out))


def _read(descriptor: int, size: int) -> bytes:
    parts, at = [], 0
    while at < size:
        part = os.pread(descriptor, min(size - at, 1 << 20), at)
        if not part:
            raise ContentError("a Xet object is shorter than it was")
        parts.append(part)
        at += len(part)
    return b"".join(parts)
