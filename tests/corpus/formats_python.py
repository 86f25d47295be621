"""Python that a loader runs, by ways that a search for names walks past."""

from __future__ import annotations

from .sample import EXECUTES, Kit, Maker, Sample

# name → technique, source (`MARK`, `SHELL` and `CODE` stand for the payload), what must be named
_WAYS = {
    "function-self": (
        "the module of a built-in function",
        "print.__self__.exec(CODE)",
        "exec",
    ),
    "function-call": (
        "what calls a function",
        "import os\nos.system.__call__(SHELL)",
        "os.system",
    ),
    "frame": (
        "the built-ins of a frame",
        "import sys\nsys._getframe().f_builtins['exec'](CODE)",
        "exec",
    ),
    "inspect-frame": (
        "the built-ins of a frame, by inspect",
        "import inspect\ninspect.currentframe().f_builtins['exec'](CODE)",
        "exec",
    ),
    "traceback-frame": (
        "the built-ins of a traceback's frame",
        "try:\n    1/0\nexcept Exception as e:\n    e.__traceback__.tb_frame.f_builtins['exec'](CODE)",
        "exec",
    ),
    "generator-frame": (
        "the built-ins of a generator's frame",
        "g = (g.gi_frame.f_back.f_builtins['exec'](CODE) for _ in [1])\nlist(g)",
        "exec",
    ),
    "except": (
        "what an exception is compared with",
        "import os\ntry:\n    1/0\nexcept (os.system(SHELL), ZeroDivisionError)[1]:\n    pass",
        "os.system",
    ),
    "annotation": (
        "the annotation of an argument",
        "def f(x: __import__('os').system(SHELL)): ...",
        "os.system",
    ),
    "annotation-text": (
        "an annotation that is text, and evaluated",
        "import typing\ndef f(x: \"open('MARK', 'w') and int\"): ...\ntyping.get_type_hints(f)",
        "open",
    ),
    "forward-reference": (
        "a reference of typing",
        "import typing\ntyping.ForwardRef(CODE)._evaluate({}, {}, frozenset())",
        "_evaluate",
    ),
    "format": (
        "a format of an f-string",
        "import os\nclass F:\n    def __format__(self, s): return str(os.system(s))\nf'{F():touch MARK}'",
        "os.system",
    ),
    "set-item": (
        "a loop that sets an item",
        "import os\nclass T:\n    def __setitem__(s, k, v): os.system(v)\nfor T()['x'] in [SHELL]: ...",
        "os.system",
    ),
    "operator": (
        "an operator",
        "import os\nclass A:\n    def __iadd__(s, o): os.system(o); return s\nq = A()\nq += SHELL",
        "os.system",
    ),
    "matmul": (
        "an operator that few know",
        "import os\nclass A:\n    __matmul__ = lambda s, o: os.system(o)\nA() @ SHELL",
        "os.system",
    ),
    "template": (
        "a Jinja template",
        "import jinja2\njinja2.Template(\"{{ cycler.__init__.__globals__.os.system('touch MARK') }}\").render()",
        "Template",
    ),
    "yaml": (
        "YAML in the code",
        "import yaml\nyaml.unsafe_load(\"!!python/object/apply:os.system ['touch MARK']\")",
        "unsafe_load",
    ),
    "formula": (
        "a parser of formulas",
        "from sympy.parsing.sympy_parser import parse_expr\ntry:\n    parse_expr(CODE)\nexcept Exception:\n    pass",
        "parse_expr",
    ),
    "logging": (
        "a logging configuration",
        "import logging.config\nlogging.config.dictConfig({'version': 1, 'handlers': {'a': {'()': 'os.system', 'command': SHELL}}})",
        "os.system",
    ),
    "collect-env": (
        "a helper of torch",
        "from torch.utils.collect_env import run\nrun(SHELL)",
        "collect_env.run",
    ),
    "pydoc": (
        "a helper of pydoc",
        "import pydoc\npydoc.pipepager('x', SHELL)",
        "pipepager",
    ),
    "browser": (
        "a browser",
        "import webbrowser\nwebbrowser.GenericBrowser(['touch', 'MARK']).open('x')",
        "GenericBrowser",
    ),
    "mail": (
        "a mail client",
        "import imaplib\ntry:\n    imaplib.IMAP4_stream(SHELL)\nexcept BaseException:\n    pass",
        "IMAP4_stream",
    ),
    "database": (
        "a database",
        "import sqlite3\nsqlite3.connect('MARK').execute('create table a(b)')",
        "sqlite3.connect",
    ),
    "file-io": (
        "a file without open",
        "import io\nio.FileIO('MARK', 'w')",
        "FileIO",
    ),
    "getitem-class": (
        "the items of a class",
        "import os\nclass A:\n    __class_getitem__ = os.system\nA[SHELL]",
        "os.system",
    ),
    "decoded-walk": (
        "an interpreter inside the interpreter",
        "import _xxsubinterpreters as i\nx = i.create()\ni.run_string(x, CODE)",
        "_xxsubinterpreters",
    ),
    "module-search": (
        "all functions of a module, one of them picked",
        "import os\n[v for k, v in vars(os).items() if k == 'sys' + 'tem'][0](SHELL)",
        "os",
    ),
    "own-names": (
        "the names of the file",
        "import os\nlocals()['os'].system(SHELL)",
        "os.system",
    ),
    "called-back": (
        "a method that a parser calls",
        "from html.parser import HTMLParser\nimport os\nclass P(HTMLParser):\n    def handle_data(self, d): os.system(d)\nP().feed(SHELL)",
        "os.system",
    ),
    "folder": (
        "a folder outside",
        "import os\nos.makedirs('MARK')",
        "os.makedirs",
    ),
    "touch": (
        "a file outside, by its path",
        "from pathlib import Path\nPath('MARK').touch()",
        "touch",
    ),
    "log-file": (
        "a log outside",
        "import logging\nlogging.basicConfig(filename='MARK')",
        "basicConfig",
    ),
    "saved": (
        "weights saved outside",
        "import torch\ntorch.save([1], 'MARK')",
        "torch.save",
    ),
}
_NEEDS = {"template": "jinja2", "yaml": "yaml", "formula": "sympy", "collect-env": "torch", "saved": "torch"}


def samples() -> list[Sample]:
    """All of this module."""
    return [
        Sample(f"python-way/modeling_{name.replace('-', '_')}.py", technique, EXECUTES, _made(source), calls=(call, "open"),
               loader="python", needs=(_NEEDS[name],) if name in _NEEDS else ())
        for name, (technique, source, call) in _WAYS.items()
    ]  # fmt: skip


def _made(source: str) -> Maker:
    def make(kit: Kit) -> bytes:
        text = source.replace("SHELL", repr(kit.shell)).replace("CODE", repr(kit.code)).replace("MARK", kit.path)
        return f"{text}\n".encode()

    return make
