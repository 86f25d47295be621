"""Read a stopped guest's memory from outside: strings, addresses, messages. Nothing of it is trusted."""

from __future__ import annotations

import os
import socket
import struct

PAGE = 4096
MAX_STRING = 4096  # PATH_MAX
MAX_ARGUMENTS = 64
_MAX_PAYLOAD = 1024
_MSGHDR = struct.Struct("=QI4xQQQQi4x")
_MMSGHDR_BYTES = _MSGHDR.size + 8
_MAX_MESSAGES = 8
_VSOCK = struct.Struct("=HHII")
_DNS_HEADER = 12
_MAX_LABEL = 63


class Memory:
    """Memory of one process (`/proc/PID/mem`). What can't be read is empty."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @property
    def readable(self) -> bool:
        """Whether the process could be opened."""
        return self._descriptor >= 0

    def read(self, address: int, size: int) -> bytes:
        """Up to `size` bytes."""
        if not address or self._descriptor < 0 or address >= 1 << 63:
            return b""
        try:
            return os.pread(self._descriptor, size, address)
        except OSError:
            return b""

    def string(self, address: int) -> str:
        """A C string of at most `MAX_STRING` bytes."""
        out = b""
        while len(out) < MAX_STRING:
            part = self.read(address + len(out), PAGE - (address + len(out)) % PAGE)
            if not part:
                break
            head, end, _ = part.partition(b"\0")
            out += head
            if end:
                break
        return out[:MAX_STRING].decode("utf-8", "backslashreplace")

    def strings(self, address: int) -> list[str]:
        """A NULL-terminated array of C strings."""
        out: list[str] = []
        while len(out) < MAX_ARGUMENTS:
            pointer = int.from_bytes(self.read(address + 8 * len(out), 8), "little")
            if not pointer:
                break
            out.append(self.string(pointer)[:MAX_STRING])
        return out

    def number(self, address: int, size: int = 8) -> int:
        """An unsigned little-endian number."""
        return int.from_bytes(self.read(address, size), "little")

    def messages(self, address: int, count: int, *, many: bool) -> list[tuple[bytes, bytes]]:
        """`struct msghdr` (or `mmsghdr`s): the address and the head of the payload of each."""
        out = []
        for index in range(min(count, _MAX_MESSAGES) if many else 1):
            raw = self.read(address + index * _MMSGHDR_BYTES, _MSGHDR.size)
            if len(raw) < _MSGHDR.size:
                break
            name, name_size, vectors, vector_count, *_ = _MSGHDR.unpack(raw)
            payload = b""
            for vector in range(min(vector_count, _MAX_MESSAGES)):
                base, size = self.number(vectors + 16 * vector), self.number(vectors + 16 * vector + 8)
                payload += self.read(base, min(size, _MAX_PAYLOAD - len(payload)))
            out.append((self.read(name, min(name_size, 128)) if name else b"", payload))
        return out


def address_text(raw: bytes) -> tuple[str, int]:
    """A socket address as text, and its port (0 where there is none)."""
    family = int.from_bytes(raw[:2], "little")
    if family == socket.AF_INET and len(raw) >= 8:  # noqa: PLR2004 - struct sockaddr
        port = int.from_bytes(raw[2:4], "big")
        return f"{socket.inet_ntop(socket.AF_INET, raw[4:8])}:{port}", port
    if family == socket.AF_INET6 and len(raw) >= 24:  # noqa: PLR2004 - struct sockaddr
        port = int.from_bytes(raw[2:4], "big")
        return f"[{socket.inet_ntop(socket.AF_INET6, raw[8:24])}]:{port}", port
    if family == socket.AF_UNIX:
        path = raw[2:]
        shown = b"@" + path[1:].rstrip(b"\0") if path[:1] == b"\0" else path.partition(b"\0")[0]
        return f"unix:{shown.decode('utf-8', 'backslashreplace')}", 0
    if family == socket.AF_VSOCK and len(raw) >= _VSOCK.size:
        _, _, port, cid = _VSOCK.unpack(raw[: _VSOCK.size])
        return f"vsock:{cid}:{port}", port
    return f"family {family}", 0


def dns_name(payload: bytes) -> str:
    """The name that a DNS query asks for; empty when it is none."""
    if len(payload) <= _DNS_HEADER or int.from_bytes(payload[4:6], "big") != 1:
        return ""
    labels, position = [], _DNS_HEADER
    while position < len(payload) and (size := payload[position]):
        if size > _MAX_LABEL:
            return ""
        labels.append(payload[position + 1 : position + 1 + size])
        position += 1 + size
    return b".".join(labels).decode("utf-8", "backslashreplace")
