"""Messages between the inspector and the tracing child: a length, a JSON header, then raw bytes.

`<u32 header length> <u64 body length> header body`, little-endian. Descriptors travel with the first byte of a message
(SCM_RIGHTS). The receiver trusts nothing: lengths are bounded.
"""

from __future__ import annotations

import json
import os
import socket
import struct

from assay.core.errors import SandboxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PREFIX = struct.Struct("<IQ")
_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: there is a message for every small file
MAX_HEADER_BYTES = 64 << 20  # all events of one pickle
MAX_BODY_BYTES = 64 << 20  # pickles sent inline are far smaller


def send(channel: socket.socket, header: dict[str, Any], body: bytes = b"", descriptors: tuple[int, ...] = ()) -> None:
    """Send one message (OSError when the peer is gone)."""
    text = _encode(header).encode()
    message = _PREFIX.pack(len(text), len(body)) + text
    if descriptors:
        sent = socket.send_fds(channel, [message[:1]], list(descriptors))
        message = message[sent:]
    channel.sendall(message + body if len(body) < 1 << 16 else message)
    if len(body) >= 1 << 16:
        channel.sendall(body)


def receive(channel: socket.socket) -> tuple[dict[str, Any], bytes, list[int]] | None:
    """The next message, or None when the peer has closed the channel between two messages.

    Raises:
        SandboxError: for a broken message.
        OSError: when the channel breaks or times out.
    """
    first, descriptors, _flags, _address = socket.recv_fds(channel, _PREFIX.size, 4)
    if not first:
        return None
    try:
        header_size, body_size = _PREFIX.unpack(first + _exactly(channel, _PREFIX.size - len(first)))
        if header_size > MAX_HEADER_BYTES or body_size > MAX_BODY_BYTES:
            header_size = body_size = 0  # no JSON in no bytes: broken
        header = json.loads(_exactly(channel, header_size))
        body = _exactly(channel, body_size) if body_size else b""
    except (ValueError, RecursionError, SandboxError) as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise SandboxError("the tracing child sent a broken message") from error
    return header, body, descriptors


def _exactly(channel: socket.socket, count: int) -> bytes:
    parts = []
    while count > 0:
        part = channel.recv(min(count, 1 << 20))
        if not part:
            raise SandboxError("the channel ended in the middle of a message")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
