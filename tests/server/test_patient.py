"""Slow clients: headers that do not come in time, on a new connection and on one that was kept."""

import socket
import time
from contextlib import contextmanager
from threading import Thread

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from assay.server import patient
from assay.server.patient import PatientProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


LARGE = 48 << 20  # bytes: more than the buffers of both sides


async def app(scope, receive, send):
    content = bytes(LARGE) if scope["path"] == "/large" else "fine"
    await PlainTextResponse(content)(scope, receive, send)


@contextmanager
def connection(port):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
        yield sock


@pytest.fixture
def port(monkeypatch):
    monkeypatch.setattr(patient, "HEADER_SECONDS", 1.0)
    monkeypatch.setattr(patient, "TAKE_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        config = uvicorn.Config(app, http=PatientProtocol, log_level="critical", lifespan="off", timeout_keep_alive=30)
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield sock.getsockname()[1]
        server.should_exit = True
        thread.join(10)


def test_headers_that_do_not_come_end_the_connection(port):
    def answer(sock):
        got = b""
        while not got.endswith(b"fine") and (part := sock.recv(4096)):
            got += part
        return got

    with connection(port) as silent, connection(port) as slow, connection(port) as kept:
        slow.sendall(REQUEST[:20])
        kept.sendall(REQUEST)
        assert answer(kept).startswith(b"HTTP/1.1 200")
        time.sleep(1.5)  # nothing under way: the timeout of idle connections is another one
        kept.sendall(REQUEST)
        assert answer(kept).startswith(b"HTTP/1.1 200")
        kept.sendall(REQUEST[:20])
        assert silent.recv(4096) == b""
        assert slow.recv(4096) == b""
        assert kept.recv(4096) == b""


def test_a_reader_that_takes_nothing_ends_the_connection(port, caplog):
    def read(sock):
        whole = 0
        while whole < LARGE and (part := sock.recv(1 << 20)):
            whole += len(part)
        return whole

    with connection(port) as idle, connection(port) as reading:
        for one in (idle, reading):
            one.sendall(REQUEST.replace(b"GET /", b"GET /large"))
        assert read(reading) >= LARGE
        deadline = time.monotonic() + 60
        while "cut off a reader" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert read(idle) < LARGE  # what the kernel held, and the end
