"""The table of late inspectors looks out for everything that the real ones want."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from assay.inspections.builtin import BUILTIN
from assay.inspections.late import Late
from assay.inspections.parts import Part

LATE = [item for item in BUILTIN if isinstance(item, Late)]
FORMATS = Path(__file__).resolve().parents[2] / "src" / "assay" / "formats"
NAMES = (
    "x", "config.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json", "requirements.txt",
    "constraints.in", "modeling_x.py", "model.safetensors.index.json", "schema.json", "README.md", "LICENSE",
    "archive/code/x.py", "archive/models/model.json", "model.bin", "Dockerfile", "archive/data.pkl",
)  # fmt: skip


def readings() -> set[str]:
    """Every word in quotes in the sniffing modules: all readings there are, and more."""
    text = "".join(path.read_text("utf-8") for path in FORMATS.glob("sniff*.py"))
    return set(re.findall(r'"([a-z0-9]+(?:-[a-z0-9]+)*)"', text)) | {"keras-metadata"}


@pytest.mark.parametrize("late", LATE, ids=lambda late: late.name)
def test_nothing_is_wanted_that_is_not_looked_out_for(late):
    real = late.load()()
    assert (real.name, bool(getattr(real, "local", False))) == (late.name, late.local)
    assert late.version in {"", real.version}
    missed = []
    for reading in sorted(readings()):
        for name in NAMES:
            for inner, within in (((), ()), ((name,), ("zip",)), ((name,), ("torchscript", "zip"))):
                formats = (reading,) if inner or reading == "text" else (reading, "text")
                part = Part(name, inner, formats, io.BytesIO(b""), 0, within=within)
                if late.name == "skops" and name == "schema.json":
                    continue  # an archive with a schema is always sniffed as skops
                if real.wants(part) and not late.might_want(part):
                    missed.append((reading, name, within))
    assert missed == []


def test_a_pickle_wakes_nothing_else(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04N.")
    code = (
        "import sys; from assay.cli.main import main; main(['scan', sys.argv[1]]);"
        "print(*(m for m in sys.modules if m.startswith('assay.')))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    for module in ("sourcecode", "onnx", "keras", "hdf5", "template", "config", "rules", "gguf"):
        assert f".{module}" not in run.stdout.splitlines()[-1], module
