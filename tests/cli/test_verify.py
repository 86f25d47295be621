import json
import os
import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from assay.cli.main import main
from assay.core.canonical import canonical_json
from tests.cli.published import publish
from tests.gate.admitted import FILES, NAME, put


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.delenv("ASSAY_KEY_PASSPHRASE", raising=False)
    monkeypatch.setenv("ASSAY_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


@pytest.fixture
def admission(data):
    return publish(data)


@pytest.fixture
def folder(admission, tmp_path):
    return admission.write(tmp_path / "model")


def test_a_folder_is_verified_in_numbered_steps(folder, capsys):
    assert main(["verify", str(folder)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line[:4] for line in out[:-1]] == [f"{n:>2} ✓" for n in range(1, 12)]
    assert out[-1].startswith(f"verified: {folder} is org/name sha256:")


def test_json_has_the_steps(folder, capsys):
    assert main(["verify", str(folder), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "assay.verify/v1"
    assert document["outcome"] == "verified"
    assert [set(step) for step in document["steps"]] == [{"n", "step", "ok", "detail"}] * 11


def test_one_changed_byte_is_exit_1(folder, capsys):
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[7] ^= 1
    (folder / "model.safetensors").write_bytes(data)
    assert main(["verify", str(folder)]) == 1
    out = capsys.readouterr().out
    assert " 5 ✗ " in out
    assert "refused at step 5: other bytes than in the manifest: model.safetensors" in out
    assert main(["verify", str(folder), "--quiet"]) == 1
    assert capsys.readouterr().out.count("\n") == 1


def test_an_old_view_is_exit_2(data, tmp_path, capsys):
    admission = publish(data, started=datetime.now(UTC) - timedelta(days=40))
    folder = admission.write(tmp_path / "model")
    assert main(["verify", str(folder)]) == 2
    assert "could not tell at step 10" in capsys.readouterr().out


def test_another_trust_file_refuses(folder, tmp_path, capsys):
    assert main(["init", "--data", str(tmp_path / "other"), "--quiet"]) == 0
    assert main(["verify", str(folder), "--trust", str(tmp_path / "other" / "trust.toml")]) == 1
    assert "refused at step 2" in capsys.readouterr().out


def test_no_trust_file_is_exit_3(folder, tmp_path, capsys):
    assert main(["verify", str(folder), "--trust", str(tmp_path / "none.toml")]) == 3
    assert "assay init" in capsys.readouterr().err


def test_a_trust_file_in_the_folder_is_not_used(folder, data, capsys):
    shutil.copy(data / "trust.toml", folder / "trust.toml")
    assert main(["verify", str(folder), "--trust", str(folder / "trust.toml")]) == 3
    assert "lies in the folder being verified" in capsys.readouterr().err


def test_settings_in_the_folder_are_not_used(folder, data, tmp_path, monkeypatch, capsys):
    """A model must not bring an assay.toml that points to a trust file of its own."""
    (folder / "assay.toml").write_text(f'trust = "{tmp_path / "evil.toml"}"\n')
    shutil.copy(data / "trust.toml", tmp_path / "evil.toml")
    monkeypatch.chdir(folder)
    for target in (".", str(folder)):
        assert main(["verify", target]) == 3
        assert "there is an assay.toml inside" in capsys.readouterr().err
    monkeypatch.chdir(folder / "sub")
    (folder / "sub" / "assay.toml").write_text("")
    assert main(["verify", ".."]) == 3
    monkeypatch.chdir(tmp_path)
    assert main(["verify", str(folder)]) == 1
    assert "not in the manifest: assay.toml" in capsys.readouterr().out


def test_a_stored_model_is_verified_with_its_bytes(data, admission, capsys):
    assert main(["verify", NAME]) == 0
    assert "verified: org/name is org/name sha256:" in capsys.readouterr().out
    blob = next(path for path in (data / "blobs").rglob("*") if path.is_file() and path.stat().st_size == 1000)
    blob.chmod(0o644)
    blob.write_bytes(b"\x01" + bytes(999))
    assert main(["verify", NAME]) == 1
    assert "refused at step 5" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["./nothing", "org/nothing", "nothing", "a/b/c", "org/name@" + "0" * 40])
def test_what_is_not_there_is_exit_3(admission, target, capsys):
    assert main(["verify", target]) == 3
    assert capsys.readouterr().err.startswith("assay: error: ")


def test_looking_up_a_name_makes_no_store(tmp_path, capsys):
    assert main(["verify", "org/name", "--data", str(tmp_path / "elsewhere")]) == 3
    assert "there is no store" in capsys.readouterr().err
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_no_folder(folder, capsys):
    assert main(["verify", str(folder / "config.json")]) == 3
    assert "not a directory" in capsys.readouterr().err
    assert main(["verify", "nowhere", "--as", NAME]) == 3


def test_the_name_may_be_asked_for(folder, capsys):
    assert main(["verify", str(folder), "--as", NAME]) == 0
    assert main(["verify", str(folder), "--as", "org/other"]) == 1
    assert "refused at step 3" in capsys.readouterr().out


class _Registry(BaseHTTPRequestHandler):
    answers: ClassVar[dict] = {}

    def do_GET(self):
        status, headers, body = self.answers.get(self.path, (404, {"X-Error-Message": "no such\x1b revision"}, b""))
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def registry(admission):
    statements = [{"kind": k, "envelope": e.to_json(), "bundle": b} for k, (e, b) in admission.envelopes.items()]
    body = canonical_json({"manifest": admission.snapshot.manifest(), "statements": statements, "verdict": {}})
    base = "/api/assay/v1/attestations/org"
    _Registry.answers = {
        f"{base}/name/main": (200, {}, body),
        f"{base}/name/{'c' * 40}": (200, {}, body),
        f"{base}/broken/main": (200, {}, b"nonsense"),
        f"{base}/odd/main": (200, {}, b'{"manifest": [], "statements": 3}'),
        f"{base}/down/main": (503, {}, b""),
        f"{base}/moved/main": (302, {"Location": f"{base}/name/main"}, b""),
    }
    with HTTPServer(("127.0.0.1", 0), _Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_statements_may_come_from_a_registry(registry, tmp_path, capsys):
    put(tmp_path / "pulled", FILES)
    assert main(["verify", str(tmp_path / "pulled"), "--registry", registry, "--as", NAME]) == 0
    cache = tmp_path / "models--org--name" / "snapshots" / ("c" * 40)
    put(cache, FILES)
    assert main(["verify", str(cache), "--registry", registry]) == 0
    put(cache, {"more.py": b""})
    assert main(["verify", str(cache), "--registry", registry]) == 1


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("org/absent", (1, "does not serve org/absent")),
        ("org/broken", (1, "not JSON")),
        ("org/odd", (1, "not a manifest")),
        ("org/moved", (1, "does not serve")),
        ("org/down", (2, "answered 503")),
    ],
)
def test_a_registry_that_does_not_vouch(registry, tmp_path, capsys, name, answer):
    put(tmp_path / "pulled", FILES)
    assert main(["verify", str(tmp_path / "pulled"), "--registry", registry, "--as", name]) == answer[0]
    out = capsys.readouterr().out
    assert answer[1] in out
    assert "\x1b" not in out


def test_an_unreachable_registry_is_exit_2(admission, tmp_path, capsys):
    put(tmp_path / "pulled", FILES)
    with HTTPServer(("127.0.0.1", 0), _Registry) as server:
        port = server.server_port
    command = ["verify", str(tmp_path / "pulled"), "--as", NAME, "--registry"]
    assert main([*command, f"http://127.0.0.1:{port}"]) == 2
    assert "could not tell at step 1" in capsys.readouterr().out
    assert main([*command, "ftp://x"]) == 1
    assert main(["verify", str(tmp_path / "pulled"), "--registry", "http://127.0.0.1:1"]) == 3
    assert "--as" in capsys.readouterr().err


def test_the_steps_print_where_only_ascii_can_be_shown(folder):
    put(folder, {"sub/ümlaut.txt": b""})
    command = [sys.executable, "-m", "assay.cli.main", "verify", str(folder)]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "ASSAY_DATA": str(folder.parent / "data")}
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert result.returncode == 1, result.stderr
    assert result.stderr == ""
    assert "refused at step 4: not in the manifest: sub/\\xfcmlaut.txt" in result.stdout
    assert result.stdout.startswith(" 1 ok ")
