"""Binding, and the command `assay serve` as a process."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import warnings

import httpx
import pytest

from assay.core.errors import EnvironmentFault, UsageError
from assay.provenance.keys import KeyRing
from assay.registry.pulls import PullLedger
from assay.registry.tokens import Tokens
from assay.server.run import bind, url_of
from tests.server.conftest import FILES, NAME
from tests.support.forks import Running


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_loopback_can_be_bound(host):
    with bind(host, 0) as sock:
        assert url_of(sock).startswith("http://127.0.0.") or url_of(sock).startswith("http://[::1]")
        assert sock.proto == socket.IPPROTO_TCP  # else asyncio leaves Nagle's algorithm on: 40 ms for each answer


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "8.8.8.8", "", "0", "192.168.1.1"])
def test_nothing_else_can_be_bound(host):
    with pytest.raises(UsageError, match="not a loopback address"):
        bind(host, 0)


def test_any_address_can_be_bound_where_tokens_are_asked_for():
    with bind("0.0.0.0", 0, tokens=True) as sock:
        assert sock.getsockname()[0] == "0.0.0.0"


@pytest.mark.parametrize(
    "arguments", [("--host", "0.0.0.0"), ("--allow-host", "models.example.org"), ("--require-token",)]
)
def test_who_can_be_reached_by_others_asks_for_a_token(publisher, arguments):
    text, _ = Tokens(publisher.index).create(person="anna", roles=["developer"], name="t", by="root", now=publisher.now)
    process = start(publisher.root, "--quiet", *arguments)
    try:
        url = process.stdout.readline().split()[1].replace("0.0.0.0", "127.0.0.1")
        path = f"{url}/{NAME}/resolve/main/config.json"
        assert httpx.get(path).status_code == 401
        assert httpx.get(path, headers={"Authorization": f"Bearer {text}"}).content == FILES["config.json"]
    finally:
        process.terminate()
        err = process.communicate(timeout=20)[1]
    assert ("in the clear" in err) is ("--host" in arguments)


def test_tls_with_an_own_certificate(publisher, tmp_path):
    certificate = tmp_path / "cert.pem"
    request = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(certificate)]
    subprocess.run([*request, *names, *files], check=True, capture_output=True)
    process = start(publisher.root, "--quiet", "--tls-cert", str(certificate), "--tls-key", str(tmp_path / "key.pem"))
    try:
        url = process.stdout.readline().split()[1]
        assert url.startswith("https://")
        trusted = ssl.create_default_context(cafile=str(certificate))
        got = httpx.get(f"{url}/healthz", verify=trusted)
        assert got.status_code == 200
        assert got.headers["Strict-Transport-Security"]
        old = ssl.create_default_context(cafile=str(certificate))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz", verify=old)
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_a_port_in_use_and_a_host_that_is_none():
    with bind("127.0.0.1", 0) as sock, pytest.raises(EnvironmentFault, match=r"it is in use.*--port"):
        bind("127.0.0.1", sock.getsockname()[1])
    with pytest.raises(EnvironmentFault, match="can't listen on no such host"):
        bind("no such host", 0)


def start(data, *arguments, passphrase=None):
    env = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
    env |= {"ASSAY_KEY_PASSPHRASE": passphrase} if passphrase else {}
    return Running("serve", "--port", "0", "--no-worker", "--data", str(data), *arguments, env=env)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_a_signal(publisher, number):
    process = start(publisher.root)
    try:
        line = process.stdout.readline()
        url = line.split()[1]
        assert httpx.get(f"{url}/{NAME}/resolve/main/config.json").content == FILES["config.json"]
        assert "server" not in httpx.get(f"{url}/healthz").headers
    finally:
        process.send_signal(number)
        out, err = process.stdout.read(), process.communicate(timeout=20)[1]  # `readline` read ahead
    assert process.returncode == 0
    assert f"HF_ENDPOINT={url}" in out
    assert "HF_HOME=" in out
    assert "DISABLE_SAFETENSORS_CONVERSION=1" in out
    assert err == ""


@pytest.mark.parametrize("proxied", [True, False])
def test_who_is_there_is_believed_of_a_proxy_alone(publisher, proxied):
    process = start(publisher.root, "--quiet", *(["--allow-host", "models.example", "--anonymous"] if proxied else []))
    forwarded = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    host = {"Host": "models.example"} if proxied else {}
    try:
        url = process.stdout.readline().split()[1]
        file = httpx.get(f"{url}/{NAME}/resolve/main/config.json", headers=forwarded | host)
        page = httpx.get(f"{url}/api/models/{NAME}/tree/main?limit=1", headers=forwarded | host)
        other = httpx.get(f"{url}/healthz", headers=forwarded | {"Host": "other.example"})
    finally:
        process.terminate()
        process.communicate(timeout=20)
    (row,) = PullLedger(publisher.index).find(name=NAME)
    assert row.consumer.address == ("203.0.113.9" if proxied else "127.0.0.1")
    assert ("strict-transport-security" in file.headers) is proxied
    assert page.links["next"]["url"].startswith("https://models.example/" if proxied else f"{url}/")
    assert other.status_code == 421


def test_a_running_transfer_ends_before_the_server_does(publisher):
    process = start(publisher.root, "--quiet")
    url = process.stdout.readline().split()[1]
    got = bytearray()
    with httpx.stream("GET", f"{url}/{NAME}/resolve/main/weights.safetensors") as answer:
        for chunk in answer.iter_raw():
            if not got:
                process.send_signal(signal.SIGTERM)
                time.sleep(0.3)
            got += chunk
    out, err = process.communicate(timeout=20)
    assert bytes(got) == FILES["weights.safetensors"]
    assert (process.returncode, out, err) == (0, "", "")


def test_json_and_quiet(publisher):
    process = start(publisher.root, "--format", "json")
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout))
    reader.start()
    deadline = time.monotonic() + 20
    while "}\n" not in lines and time.monotonic() < deadline:
        time.sleep(0.05)
    process.terminate()
    process.wait(20)
    reader.join(5)
    process.stdout.close()
    process.stderr.close()
    document = json.loads("".join(lines))
    assert document["schema"] == "assay.serve/v1"
    assert document["url"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "0.0.0.0", "--anonymous"), "not a loopback address"),
        (("--anonymous", "--require-token"), "contradict"),
        (("--tls-cert", "x.pem"), "both --tls-cert and --tls-key"),
        (("--tls-cert", "/none.pem", "--tls-key", "/none.key"), "no TLS with /none.pem"),
        (("--port", "70000"), "not a port"),
        (("--port", "x"), "not a port"),
        (("--accel-prefix", "no slash"), "not a location"),
        (("--allow-host", "http://x"), "not a host name"),
        (("--data", "/nonexistent/data"), "run `assay init`"),
    ],
)
def test_what_it_can_not_do_is_one_line_and_exit_3(publisher, arguments, said):
    process = start(publisher.root, *arguments)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 3
    assert out == ""
    assert err.startswith("assay: error: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_port_in_use_is_one_line_and_exit_3(publisher):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        process = start(publisher.root, "--port", str(sock.getsockname()[1]))
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err.count("\n")) == (3, 1)
    assert "in use" in err


def test_encrypted_keys(publisher):
    shutil.rmtree(publisher.root / "keys")
    KeyRing.create(publisher.root / "keys", "correct horse")

    def kinds(passphrase):
        process = start(publisher.root, "--quiet", passphrase=passphrase)
        line = process.stdout.readline()
        try:
            url = f"{line.split()[1]}/api/assay/v1/attestations/{NAME}/main" if line else ""
            return [one["kind"] for one in httpx.get(url).json()["statements"]] if url else [], process
        finally:
            process.terminate()

    found, process = kinds(None)
    assert found[-1] == "approved"
    assert "without a signed view" in process.communicate(timeout=20)[1]
    found, process = kinds("correct horse")
    assert found[-1] == "view"
    assert process.communicate(timeout=20)[1] == ""
    found, process = kinds("wrong")
    _, err = process.communicate(timeout=20)
    assert (found, err.count("\n")) == ([], 1)
    assert "passphrase" in err
