"""Messages between the supervisor and a guest: one JSON object in one packet of a SOCK_SEQPACKET pair.

The receiver trusts nothing: a packet has a bounded length, and what is no JSON object is a broken message.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from assay.core.errors import SandboxError

MAX_MESSAGE_BYTES = 128 << 10  # below the default net.core.wmem_max (208 KiB)
_MAX_DESCRIPTORS = 4

Message = dict[str, Any]


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(channel: socket.socket, message: Message, descriptors: tuple[int, ...] = ()) -> None:
    """Send one message (OSError when the peer is gone, SandboxError when it is too long)."""
    data = json.dumps(message, separators=(",", ":")).encode()
    if len(data) > MAX_MESSAGE_BYTES:
        raise SandboxError(f"a message of {len(data)} bytes is too long for the guest's channel")
    if descriptors:
        socket.send_fds(channel, [data], list(descriptors))
    else:
        channel.send(data)


def receive(channel: socket.socket) -> tuple[Message, list[int]] | None:
    """The next message and the descriptors that came with it, or None when the peer has closed.

    Raises:
        SandboxError: for anything that is not a JSON object; descriptors are closed then.
        OSError: when the channel breaks or times out.
    """
    data, descriptors, flags, _address = socket.recv_fds(channel, MAX_MESSAGE_BYTES, _MAX_DESCRIPTORS)
    if not data:
        return None
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict) or flags & socket.MSG_TRUNC:
        for descriptor in descriptors:
            os.close(descriptor)
        raise SandboxError("the guest sent a broken message")
    return message, descriptors
