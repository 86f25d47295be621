"""`assay scan`: one target for every file, exit statuses, hostile names, and nothing that is a traceback."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from assay.cli.main import main
from assay.core.errors import ContentError
from assay.inspections.cache import ResultCache
from assay.inspections.scan import scan
from assay.store.tree import DirectoryFiles
from tests.simulators.hub import HubSimulator


class Payload:
    def __reduce__(self):
        return os.system, ("touch /tmp/never-made-by-assay",)


def good(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    header = b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    header += b" " * (-len(header) % 8)
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A model\n")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(tmp_path_factory.mktemp("cache") / "scan"))


def run(capsys, *args: str) -> tuple[int, str, str]:
    status = main(["scan", *args])
    out, err = capsys.readouterr()
    return status, out, err


def as_json(capsys, *args: str) -> tuple[int, dict]:
    status, out, _ = run(capsys, *args, "--format", "json")
    return status, json.loads(out)


def test_clean_directory(capsys, tmp_path):
    status, document = as_json(capsys, str(good(tmp_path / "m")))
    assert status == 0
    assert document["schema"] == "assay.scan/v1"
    assert [Path(t["path"]).name for t in document["targets"]] == ["README.md", "config.json", "model.safetensors"]
    weights = document["targets"][2]
    data = (tmp_path / "m" / "model.safetensors").read_bytes()
    assert weights["sha256"] == hashlib.sha256(data).hexdigest()
    assert weights["size"] == len(data)
    assert (weights["format"], weights["outcome"]) == ("safetensors", "clean")
    assert document["summary"]["files"] == 3
    assert document["summary"]["findings"] == {}


def test_poisoned_directory_names_the_call(capsys, tmp_path):
    folder = good(tmp_path / "m")
    (folder / "extra.weights").write_bytes(pickle.dumps(Payload()))
    status, document = as_json(capsys, str(folder))
    assert status == 1
    (target,) = [t for t in document["targets"] if t["path"].endswith("extra.weights")]
    assert (target["format"], target["outcome"]) == ("pickle", "found")
    worst = target["findings"][0]
    assert worst["severity"] == "critical"
    assert "system('touch /tmp/never-made-by-assay')" in worst["facts"]["call"]
    assert worst["where"]["file"] == target["path"]
    assert worst["where"]["offset"] is not None
    assert worst["help"] == f"docs/reference/rules/{worst['rule']}.md"
    status, out, _ = run(capsys, str(folder))
    assert status == 1
    assert out.index("extra.weights") < out.index("files,")
    assert "touch /tmp/never-made-by-assay" in out
    assert not Path("/tmp/never-made-by-assay").exists()


def test_fail_on(capsys, tmp_path):
    folder = good(tmp_path / "m")
    (folder / "config.json").write_text('{"a": 1, "a": 2}')
    assert run(capsys, str(folder))[0] == 0
    assert run(capsys, str(folder), "--fail-on", "low")[0] == 1


def test_unknown_bytes_are_status_2(capsys, tmp_path):
    folder = good(tmp_path / "m")
    (folder / "weights.dat").write_bytes(bytes(range(256)) * 8)
    status, out, _ = run(capsys, str(folder))
    assert status == 2
    assert "unread" in out
    assert "everything read" not in out


def test_nothing_to_scan_is_not_clean(capsys, tmp_path):
    status, out, _ = run(capsys, str(tmp_path))
    assert status == 2
    assert "nothing was scanned" in out
    status, document = as_json(capsys, str(tmp_path))
    assert (status, document["targets"]) == (2, [])


def test_missing_path_is_one_line_and_3(capsys, tmp_path):
    status, out, err = run(capsys, str(tmp_path / "nowhere"))
    assert (status, out) == (3, "")
    assert err.count("\n") == 1
    assert err.startswith("assay: error: no such file")


def test_files_given_together_and_twice(capsys, tmp_path):
    folder = good(tmp_path / "m")
    other = good(tmp_path / "n")
    paths = [str(folder / "config.json"), str(other / "config.json"), str(folder / "config.json")]
    status, document = as_json(capsys, *paths)
    assert status == 0
    assert [t["path"] for t in document["targets"]] == sorted(set(paths))
    assert len(document["snapshots"]) == 1


@pytest.mark.parametrize(
    "name", ["new\nline.bin", "emoji-🙂.bin", "bidi-\u202egnp.bin", "esc-\x1b[31m.bin", " .bin", "-x"]
)
def test_strange_names(capsys, tmp_path, name):
    folder = good(tmp_path / "m")
    (folder / name).write_bytes(pickle.dumps(Payload()))
    status, document = as_json(capsys, str(folder))
    assert status == 1
    assert any(t["path"] == f"{folder}/{name}" and t["outcome"] == "found" for t in document["targets"])
    _, out, _ = run(capsys, str(folder))
    assert not {"\x1b", "\u202e"} & set(out)
    assert len([line for line in out.splitlines() if line.startswith(str(folder))]) == 1


def test_what_can_not_be_read_is_a_target(capsys, tmp_path):
    folder = good(tmp_path / "m")
    os.mkfifo(folder / "pipe")
    (folder / "broken").symlink_to("nowhere")
    (folder / "escape").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to("loop")
    (folder / os.fsdecode(b"bad-\xff-name")).write_text("x")
    status, document = as_json(capsys, str(folder))
    assert status == 2
    outcomes = {Path(t["path"]).name: t["outcome"] for t in document["targets"]}
    assert set(outcomes) >= {"pipe", "broken", "escape", "loop", "bad-\\xff-name"}
    assert all(outcomes[name] in {"error", "inconclusive"} for name in ("pipe", "broken", "escape", "loop"))
    assert all(t["unread"] for t in document["targets"] if not t["sha256"])


def test_a_file_that_can_not_be_opened(capsys, tmp_path, monkeypatch):
    folder = good(tmp_path / "m")
    really = DirectoryFiles.open

    def refuse(self, path):
        if path == "config.json":
            raise ContentError("can't open 'config.json': Permission denied")
        return really(self, path)

    monkeypatch.setattr(DirectoryFiles, "open", refuse)
    status, document = as_json(capsys, str(folder))
    assert status == 2
    (target,) = [t for t in document["targets"] if t["path"].endswith("config.json")]
    assert (target["outcome"], target["sha256"]) == ("error", "")
    assert "Permission denied" in target["unread"][0]["reason"]


def test_single_pipe_and_broken_link_are_targets(capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    status, document = as_json(capsys, str(tmp_path / "pipe"), str(tmp_path / "link"))
    assert status == 2
    assert [t["outcome"] for t in document["targets"]] == ["error", "error"]


def test_truncated_archive(capsys, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
        archive.writestr("archive/data/0", bytes(1000))
    (tmp_path / "model.pt").write_bytes(buffer.getvalue()[:600])
    status, document = as_json(capsys, str(tmp_path))
    assert status == 2
    assert document["targets"][0]["unread"]


def test_name_of_a_look_alike(capsys, tmp_path):
    folder = str(good(tmp_path / "m"))
    status, document = as_json(capsys, folder, "--name", "sentence-tranformers/all-MiniLM-L6-v2")
    assert status == 1
    assert document["snapshots"][0]["findings"][0]["rule"] == "look-alike-name"
    status, out, _ = run(capsys, folder, "--name", "sentence-tranformers/all-MiniLM-L6-v2")
    assert "look-alike-name" in out
    assert as_json(capsys, folder, "--name", "sentence-transformers/all-MiniLM-L6-v2")[0] == 0


def test_name_of_a_hub_cache(capsys, tmp_path):
    folder = tmp_path / "models--sentence-tranformers--all-MiniLM-L6-v2" / "snapshots" / "abc"
    folder.parent.mkdir(parents=True)
    _, document = as_json(capsys, str(good(folder)))
    assert document["snapshots"][0]["name"] == "sentence-tranformers/all-MiniLM-L6-v2"


def test_no_heavy_imports_and_quick_start():
    code = (
        "import sys; from assay.cli.main import main; main(['scan', sys.argv[1]]);"
        "print(sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code, __file__], capture_output=True, text=True, check=False)
    loaded = result.stderr
    for heavy in ("sqlalchemy", "dbos", "cryptography", "httpx", "starlette", "rich", "torch", "numpy", "obstore"):
        assert f"'{heavy}'" not in loaded, heavy


@pytest.mark.slow
def test_a_hundred_thousand_files(capsys, tmp_path):
    for folder in range(100):
        (tmp_path / str(folder)).mkdir()
        for number in range(1000):
            (tmp_path / str(folder) / f"{number}.txt").write_text("x")
    status, document = as_json(capsys, str(tmp_path))
    assert status == 0
    assert len(document["targets"]) == 100_000


def test_standard_input(tmp_path):
    data = pickle.dumps(Payload())
    command = [sys.executable, "-m", "assay.cli.main", "scan", "-", "--format", "json"]
    result = subprocess.run(command, input=data, capture_output=True, check=False)
    document = json.loads(result.stdout)
    assert result.returncode == 1
    (target,) = document["targets"]
    assert (target["path"], target["sha256"]) == ("-", hashlib.sha256(data).hexdigest())
    assert target["findings"][0]["where"]["file"] == "-"


def test_ignore_file_of_the_working_directory(capsys, tmp_path, monkeypatch):
    folder = good(tmp_path / "m")
    (folder / "lib.so").write_bytes(b"\x7fELF" + bytes(100))
    entry = '[[ignore]]\nrule = "native-code"\nreason = "our build"\nuntil = 2999-01-01\n'
    assert run(capsys, str(folder))[0] == 1
    (tmp_path / ".assayignore.toml").write_text(entry)
    monkeypatch.chdir(tmp_path)
    status, document = as_json(capsys, str(folder))
    assert status == 0
    assert document["summary"]["ignored"] == 1
    assert run(capsys, str(folder))[1].count("1 ignored") == 1
    (folder / ".assayignore.toml").write_text(entry)
    monkeypatch.chdir(folder)
    status, document = as_json(capsys, ".")
    assert status == 1
    assert "not used" in document["remarks"][0]
    assert run(capsys, ".", "--ignore-file", str(tmp_path / "nothing"))[0] == 3


@pytest.mark.parametrize("form", ["sarif", "html"])
def test_other_formats(capsys, tmp_path, form):
    folder = good(tmp_path / "m")
    (folder / "evil.pkl").write_bytes(pickle.dumps(Payload()))
    status, out, _ = run(capsys, str(folder), "--format", form)
    assert status == 1
    assert "touch /tmp/never-made-by-assay" in out


def test_a_model_on_a_hub(capsys):
    simulator = HubSimulator()
    simulator.add("sentence-tranformers/all-MiniLM-L6-v2", {"config.json": b"{}", "evil.bin": pickle.dumps(Payload())})
    reference = "hf://sentence-tranformers/all-MiniLM-L6-v2"
    with simulator.running() as url:
        status, document = as_json(capsys, reference, "--hub-url", url)
    assert status == 1
    assert [t["path"] for t in document["targets"]] == [f"{reference}@main/config.json", f"{reference}@main/evil.bin"]
    assert document["targets"][1]["outcome"] == "found"
    assert document["snapshots"][0]["findings"][0]["rule"] == "look-alike-name"


def test_a_hub_that_is_not_there(capsys, monkeypatch):
    monkeypatch.delenv("ASSAY_HUB_URL", raising=False)
    status, out, err = run(capsys, "hf://org/model")
    assert (status, out) == (3, "")
    assert "no hub" in err


def test_the_cache_and_going_without(capsys, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("ASSAY_CACHE_DIR", str(cache))
    monkeypatch.setattr(ResultCache, "worth_seconds", 0.0)
    folder = good(tmp_path / "m")
    (folder / "big.pkl").write_bytes(pickle.dumps([b"x" * 300_000, Payload()]))
    _, without = as_json(capsys, str(folder), "--no-cache")
    assert not cache.exists()
    _, first = as_json(capsys, str(folder))
    assert len(list(cache.glob("*/*.json"))) == 1
    _, second = as_json(capsys, str(folder))
    assert without["targets"] == first["targets"] == second["targets"]


def test_progress_of_a_large_file(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(40 << 20))
    calls: list[tuple[str, int, int]] = []
    scan([str(tmp_path)], progress=lambda *call: calls.append(call))
    hashing = [done for what, done, _ in calls if what.startswith("hashing")]
    assert len(hashing) > 1
    assert hashing == sorted(hashing)
    assert hashing[-1] == 40 << 20
