"""Ways to a program, to text that is run, or to a file that a reader of names alone walks past: each of them ran."""

import pytest

from assay.core.finding import Severity
from assay.core.limits import Limits
from assay.inspections.sourcecode_python import judge_python
from assay.sourcecode.python import read_python

CODE = "open('/tmp/x', 'w')"
WAYS = {
    "all functions of a module": "import os\n[v for k, v in vars(os).items() if k == 'sys' + 'tem'][0]('id')",
    "the names of the file": "import os\nlocals()['os'].system('id')",
    "a method that something else calls": (
        "from html.parser import HTMLParser\nimport os\nclass P(HTMLParser):\n"
        "    def handle_data(self, d): os.system(d)\nP().feed('id')"
    ),
    "a folder outside": "import os\nos.makedirs('/etc/x')",
    "a path outside": "from pathlib import Path\nPath('/etc/x').touch()",
    "a log outside": "import logging\nlogging.basicConfig(filename='/etc/x')",
    "a function's own module": f"print.__self__.exec({CODE!r})",
    "what calls a function": "import os\nos.system.__call__('id')",
    "a frame's built-ins": f"import sys\nsys._getframe().f_builtins['exec']({CODE!r})",
    "a traceback": f"try: 1/0\nexcept Exception as e: e.__traceback__.tb_frame.f_builtins['exec']({CODE!r})",
    "the frame of a generator": f"g = (g.gi_frame.f_back.f_builtins['exec']({CODE!r}) for _ in [1])\nlist(g)",
    "what an exception is compared with": "import os\ntry: 1/0\nexcept (os.system('id'), ZeroDivisionError)[1]: ...",
    "an argument's annotation": "def f(x: __import__('os').system('id')): ...",
    "what is returned, by annotation": "def f() -> __import__('os').system('id'): ...",
    "text as an annotation": "def f(x: \"__import__('os').system('id')\"): ...",
    "a variable's annotation that is text": "x: \"__import__('os').system('id')\" = 1",
    "a reference that is evaluated": f"import typing\ntyping.ForwardRef({CODE!r})._evaluate({{}}, {{}}, frozenset())",
    "a format": "import os\nclass F:\n    def __format__(self, s): return str(os.system(s))\nf'{F():id}'",
    "a set item": "import os\nclass T:\n    def __setitem__(s, k, v): os.system(v)\nfor T()['x'] in ['id']: ...",
    "an operator": "import os\nclass A:\n    def __iadd__(s, o): os.system(o)\nq = A()\nq += 'id'",
    "a parser of formulas": f"from sympy.parsing.sympy_parser import parse_expr\nparse_expr({CODE!r})",
    "a template": "import jinja2\njinja2.Template('{{ cycler.__init__.__globals__.os.system(1) }}').render()",
    "a template of an environment": "from jinja2 import Environment\nEnvironment().from_string('{{ x.__class__ }}')",
    "YAML": "import yaml\nyaml.unsafe_load(\"!!python/object/apply:os.system ['id']\")",
    "a logging configuration": "import logging.config as c\nc.dictConfig({'handlers': {'a': {'()': 'os.system'}}})",
    "a helper of torch": "from torch.utils.collect_env import run\nrun('id')",
    "a helper of setuptools": "from setuptools._distutils.spawn import spawn\nspawn(['id'])",
    "a helper of pydoc": "import pydoc\npydoc.pipepager('x', 'id')",
    "a browser": "import webbrowser\nwebbrowser.GenericBrowser(['id']).open('x')",
    "a pipe": "import pipes\nt = pipes.Template()\nt.append('id', '--')",
    "a mail client": "import imaplib\nimaplib.IMAP4_stream('id')",
    "the tests of the file": "import unittest\nclass T(unittest.TestCase): ...\nunittest.main()",
    "the examples of the file": "import doctest\ndoctest.testmod()",
    "a database": "import sqlite3\nsqlite3.connect('/tmp/x')",
    "a file without open": "import io\nio.FileIO('/tmp/x', 'w')",
    "an archive that is written": "import zipfile\nzipfile.ZipFile('/tmp/x', 'w')",
}


@pytest.mark.parametrize("way", WAYS)
def test_code_that_a_loader_runs_is_found_whatever_the_way(way: str) -> None:
    found = list(judge_python(read_python(WAYS[way].encode(), Limits()), loaded=True))
    assert max((j.severity for j in found), default=Severity.NOTE) >= Severity.MEDIUM, found


@pytest.mark.parametrize(
    "text",
    [
        "import typing\ndef f(x: \"int\", y: 'Tensor' = None) -> 'Tuple[int, ...]': ...\ntyping.get_type_hints(f)",
        "from typing import Annotated\ndef f(x: 'Annotated[int, Field(gt=0)]', y: Annotated[int, Field(gt=0)]): ...",
        "import jinja2\njinja2.Template('{{ messages[0].content }}').render()",
        "import logging.config as c\nc.dictConfig({'handlers': {'a': {'class': 'logging.StreamHandler'}}})",
        "import yaml\nyaml.safe_load('a: 1')",
        "class A:\n    def __add__(self, other): return A()\n    def __format__(self, s): return s",
        "import gzip\ngzip.open('x').read()",
        "import os\nos.makedirs(cache, exist_ok=True)\nos.makedirs('cache')",
        "import torch\ndef save(m, p): torch.save(m, p)",
        "import subprocess\nclass A:\n    def build(self): self.x = 1\nA()",
        "import zipfile\nzipfile.ZipFile('x').namelist()",
        "self.model.__self__.forward(x)",
    ],
)
def test_ordinary_code_is_left_alone(text: str) -> None:
    found = [
        j for j in judge_python(read_python(text.encode(), Limits()), loaded=True) if j.severity >= Severity.MEDIUM
    ]
    assert found == []
