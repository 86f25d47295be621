"""A time-stamp authority for the tests: `openssl ts`, the real tool, behind an HTTP server on loopback."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.provenance.authority import openssl

_CONFIG = """
[tsa]
default_tsa = one
[one]
serial = serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""
_LEAF = (
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n"
    "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)


class Stamper:
    """Where it listens, its root certificate, and how many stamps it gave."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.stamps, self.url, self.broken = folder, 0, "", False
        curve = ("-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
        openssl(
            folder, "req", "-x509", "-newkey", "ec", *curve, "-days", "3650", "-keyout", "root.key", "-out", "root.pem",
            "-subj", "/CN=Stamps", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip
        openssl(
            folder, "req", "-new", "-newkey", "ec", *curve, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=TSA"
        )
        (folder / "leaf.cnf").write_text(_LEAF)
        openssl(
            folder, "x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
            "-days", "3650", "-extfile", "leaf.cnf", "-out", "tsa.pem",
        )  # fmt: skip
        (folder / "tsa.cnf").write_text(_CONFIG)
        (folder / "serial").write_text("01\n")

    @property
    def root(self) -> str:
        return (self.folder / "root.pem").read_text()

    def answer(self, query: bytes) -> bytes:
        """The response of the real tool."""
        (self.folder / "query.tsq").write_bytes(query)
        openssl(
            self.folder, "ts", "-reply", "-queryfile", "query.tsq", "-config", "tsa.cnf", "-signer", "tsa.pem",
            "-inkey", "tsa.key", "-out", "reply.tsr",
        )  # fmt: skip
        self.stamps += 1
        return (self.folder / "reply.tsr").read_bytes()


def openssl_agrees(stamper: Stamper, response: bytes, data: bytes) -> bool:
    """Whether `openssl ts -verify` accepts a response about some bytes."""
    (stamper.folder / "given.tsr").write_bytes(response)
    (stamper.folder / "given.bin").write_bytes(data)
    command = ["openssl", "ts", "-verify", "-in", "given.tsr", "-data", "given.bin", "-CAfile", "root.pem"]
    return subprocess.run(command, cwd=stamper.folder, capture_output=True, check=False, timeout=60).returncode == 0


@contextmanager
def running(folder: Path) -> Iterator[Stamper]:
    """An authority that answers on loopback."""
    stamper = Stamper(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(503 if stamper.broken else 200)
            self.send_header("content-type", "application/timestamp-reply")
            self.end_headers()
            if not stamper.broken:
                self.wfile.write(stamper.answer(query))

        def log_message(self, *_) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stamper.url = f"http://127.0.0.1:{server.server_address[1]}/"
        yield stamper
        server.shutdown()
