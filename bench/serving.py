"""A 1 GB file to a raw HTTP client: ours embedded, ours behind nginx with X-Accel-Redirect, and nginx alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from limits import write_safetensors
from yardstick import ASSAY, Row, at_least, command, timed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAME = "bench/served"
ROUNDS = 9
NGINX = """
user root; daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx.log;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on; client_body_temp_path {work}/t1; proxy_temp_path {work}/t2;
  fastcgi_temp_path {work}/t3; uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  server {{
    listen 127.0.0.1:{port};
    location /plain/ {{ alias {plain}/; }}
    location /_blobs/ {{ internal; alias {blobs}/; }}
    location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_set_header Host 127.0.0.1:{upstream}; }}
  }}
}}
"""


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def drain(port: int, path: str) -> int:
    """GET `path` over a raw socket and count the body's bytes."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        buffer = memoryview(bytearray(1 << 20))
        head = b""
        while b"\r\n\r\n" not in head:
            head += sock.recv(1)
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise SystemExit(head.decode(errors="replace"))
        total = 0
        while read := sock.recv_into(buffer):
            total += read
        return total


@contextmanager
def running(*arguments: str, port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    """A server process that answers on `port`."""
    process = subprocess.Popen(arguments, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def bench_serving(work: Path, size: int) -> list[Row]:
    """Throughput in GB/s for one client."""
    nginx_binary = shutil.which("nginx") or "/usr/sbin/nginx"
    env = os.environ | {"ASSAY_DATA": str(work / "data")}
    command(*ASSAY, "init", env=env)
    model = work / "model"
    model.mkdir()
    (model / "config.json").write_text('{"model_type": "bert"}')
    write_safetensors(model / "model.safetensors", size)
    length = (model / "model.safetensors").stat().st_size
    command(*ASSAY, "vet", "--quiet", str(model), "--as", NAME, env=env)
    ours, accel, port = free_port(), free_port(), free_port()
    config = work / "nginx.conf"
    config.write_text(NGINX.format(work=work, port=port, plain=model, blobs=work / "data" / "blobs", upstream=accel))
    for folder in (work, work / "data", work / "data" / "blobs", model):
        folder.chmod(0o755)
    path = f"/{NAME}/resolve/main/model.safetensors"

    def rates(*asked: tuple[int, str]) -> list[float]:
        """Medians of rounds in turn, so that a machine that slows down slows all of them."""
        for at, what in asked:
            if (counted := drain(at, what)) != length:
                raise SystemExit(f"{what}: {counted} of {length} bytes")
        rounds = [[timed(lambda one=one: drain(*one), repeat=1) for one in asked] for _ in range(ROUNDS)]
        return [length / 1e9 / median(seconds) for seconds in zip(*rounds, strict=True)]

    serve = [*ASSAY, "serve", "--port"]
    with (
        running(*serve, str(ours), port=ours, env=env),
        running(*serve, str(accel), "--accel-prefix", "/_blobs", port=accel, env=env),
        running(nginx_binary, "-c", str(config), port=port),
    ):
        nginx, embedded, passed_on = rates((port, "/plain/model.safetensors"), (ours, path), (port, path))
        return [
            at_least(f"serve {size / 1e9:.1f} GB embedded (GB/s)", embedded, "nginx, same file", nginx, 0.7),
            at_least("… through X-Accel-Redirect (GB/s)", passed_on, "nginx, same file", nginx, 0.95),
        ]
