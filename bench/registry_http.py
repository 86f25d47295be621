"""Metadata requests: ours against a bare Starlette route that answers the same bytes, over 64 kept connections.

Both run in a process of their own on the same uvicorn protocol (h11); the load comes from a third process.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

CONNECTIONS = 64
_TICKS = os.sysconf("SC_CLK_TCK")


async def _talk(port: int, paths: Iterator[str]) -> int:
    """One connection, requests one after the other; bytes of the bodies."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    total = 0
    for path in paths:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"{path}: {head.decode(errors='replace')}")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        total += len(await reader.readexactly(length))
    writer.close()
    return total


async def _load(port: int, paths: list[str]) -> int:
    shared = iter(paths)
    return sum(await asyncio.gather(*(_talk(port, shared) for _ in range(CONNECTIONS))))


def bare(port: int, answers: str) -> None:
    """Serve the answers of a JSON file (path: body) by a bare Starlette route."""
    import uvicorn  # noqa: PLC0415 - this program alone
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    known = {path: body.encode() for path, body in json.loads(Path(answers).read_text("utf-8")).items()}

    async def answer(request: Any) -> Response:
        return Response(known[request.url.path], media_type="application/json")

    app = Starlette(routes=[Route("/api/models/{publisher}/{name}", answer)])
    uvicorn.run(app, port=port, http="h11", log_level="error", access_log=False)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@contextmanager
def serving(arguments: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[int]:
    """A server process that answers on `port`; its process id."""
    import socket  # noqa: PLC0415

    process = subprocess.Popen(arguments, env=env, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def load(port: int, paths: list[str]) -> tuple[float, int]:
    """Ask for all paths from another process; seconds, and bytes of the answers."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(paths, file)
        file.flush()
        done = subprocess.run(
            [sys.executable, __file__, "load", str(port), file.name], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds, size = done.stdout.split()
    return float(seconds), int(size)


def main() -> None:
    """`load PORT PATHS` or `bare PORT ANSWERS`."""
    what, port, file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    if what == "bare":
        bare(port, file)
        return
    paths = json.loads(Path(file).read_text("utf-8"))
    start = time.perf_counter()
    size = asyncio.run(_load(port, paths))
    print(time.perf_counter() - start, size)


if __name__ == "__main__":
    main()
