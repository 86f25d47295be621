"""docs/howto/scan.md says what the scanner does: its transcript is made again, its ignore file applied."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "docs/howto/scan.md").read_text()
ASSAY = Path(sys.executable).parent / "assay"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "pytorch_model.bin").write_bytes(b"\x80\x04cposix\nsystem\n\x8c\x0btouch owned\x85R.")
    (made / "config.json").write_text('{"model_type": "bert"}')
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    header += b" " * (-len(header) % 8)
    (made / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 8)
    (made / "vectors.xyz").write_bytes(bytes(range(7, 250)) * 3)
    return made


def scanned(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ASSAY, "scan", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_the_transcript_is_real(model: Path) -> None:
    shown = re.search(r"```console\n\$ assay scan model\n(.*?)```", TEXT, flags=re.DOTALL)
    assert shown
    done = scanned(model.parent, "model")
    timeless = re.compile(r"\d+\.\d+ s:")
    assert timeless.sub("", done.stdout) == timeless.sub("", shown[1])
    assert done.returncode == 1


def test_the_ignore_file_of_the_page_is_valid_and_holds(model: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", TEXT, flags=re.DOTALL)
    assert block
    entries = tomllib.loads(block[1])["ignore"]
    sources = "".join(path.read_text() for path in (ROOT / "src/assay/inspections").glob("*.py"))
    assert all(f'"{entry["rule"]}"' in sources for entry in entries)
    (model.parent / ".assayignore.toml").write_text(re.sub(r"until = [\d-]+", "until = 2999-01-01", block[1]))
    done = scanned(model.parent, "model")
    assert "weights-twice" not in done.stdout
    assert "1 ignored" in done.stdout
    assert "critical" in done.stdout


def test_exit_statuses_of_the_page(model: Path) -> None:
    assert scanned(model, "config.json", "model.safetensors").returncode == 0
    assert scanned(model, "pytorch_model.bin").returncode == 1
    assert scanned(model, "vectors.xyz").returncode == 2
    assert scanned(model, "no-such-file").returncode == 3
    assert scanned(model, "hf://org/name@main").returncode == 3  # no hub is named
    data = (model / "pytorch_model.bin").read_bytes()
    done = subprocess.run([ASSAY, "scan", "-"], input=data, capture_output=True, check=False)
    assert done.returncode == 1


def test_options_and_variables_of_the_page_exist() -> None:
    text = subprocess.run([ASSAY, "scan", "--help"], capture_output=True, text=True, check=True).stdout
    named = set(re.findall(r"`(--[a-z-]+)", TEXT)) | set(re.findall(r"\$ assay scan (--[a-z-]+) ", TEXT))
    assert {"--quiet", "--fail-on", "--ignore-file", "--no-cache", "--format", "--name"} <= named
    assert all(option in text for option in named)
    sources = "".join(path.read_text() for path in (ROOT / "src/assay/cli").glob("*.py"))
    for variable in ("ASSAY_CACHE_DIR", "XDG_CACHE_HOME", "HF_TOKEN"):
        assert variable in TEXT
        assert variable in sources
