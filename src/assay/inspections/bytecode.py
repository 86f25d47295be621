"""How bad a Python code object is, judged by the names and constants in it: it is never run."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from assay.core.finding import Severity
from assay.sourcecode.shell import read_shell
from assay.sourcecode.table import kinds_of, table

if TYPE_CHECKING:
    from assay.formats.marshalled import CodeObject

_REACHES = frozenset(("process", "code", "deserialise", "network", "native", "write"))
_BUILT_IN = frozenset(("exec", "eval", "compile", "open", "__import__", "execfile", "input", "breakpoint"))
_OPENING = frozenset(("getattr", "globals", "vars", "locals", "setattr", "delattr", "__builtins__", "__loader__"))


@dataclass(frozen=True)
class CodeJudgement:
    """What a code object can reach.

    Attributes:
        severity: CRITICAL for calls that reach the system, MEDIUM for code that is not known, LOW for arithmetic.
        calls: dotted names of dangerous calls.
        names: all names it uses.
        strings: its text constants, cut.
        message: for people.
    """

    severity: Severity
    calls: tuple[str, ...]
    names: tuple[str, ...]
    strings: tuple[str, ...]
    message: str


@cache
def _arithmetic() -> frozenset[str]:
    text = (files("assay.inspections") / "data" / "arithmetic-names.toml").read_text("utf-8")
    return frozenset(tomllib.loads(text)["names"])


def judge_code(code: CodeObject) -> CodeJudgement:
    """Judge a code object and all nested in it."""
    every = list(code.all())
    names = tuple(dict.fromkeys(name for c in every for name in c.names))
    strings = tuple(dict.fromkeys(_texts(c.constants) for c in every))
    texts = tuple(t for group in strings for t in group)[:50]
    calls = _calls(every)
    acts = [act for text in texts for act in read_shell(text) if act.kind not in {"install", "download", "run-inline"}]
    if calls or acts:
        what = ", ".join(calls) or f"a command ({acts[0].kind})"
        message = f"its code can call {what}" + (f" with {texts[0][:200]!r}" if texts else "")
        return CodeJudgement(Severity.CRITICAL, calls, names[:200], texts, message)
    opening = sorted(set(names) & _OPENING | {n for n in names if n in table().attributes})
    if opening:
        message = f"its code fetches things by computed names ({', '.join(opening[:5])})"
        return CodeJudgement(Severity.HIGH, (), names[:200], texts, message)
    unknown = sorted(set(names) - _arithmetic())
    if unknown:
        message = f"its code uses {', '.join(unknown[:8])}: what these do is not known"
        return CodeJudgement(Severity.MEDIUM, (), names[:200], texts, message)
    return CodeJudgement(Severity.LOW, (), names[:200], texts, "its code is arithmetic only, by its names")


def _texts(constants: tuple[Any, ...]) -> tuple[str, ...]:
    found: list[str] = []
    stack = list(reversed(constants))
    while stack and len(found) < 50:  # noqa: PLR2004
        item = stack.pop()
        if isinstance(item, str):
            found.append(item[:1000])
        elif isinstance(item, bytes):
            found.append(item[:1000].decode("utf-8", "replace"))
        elif isinstance(item, tuple):
            stack.extend(reversed(item))
    return tuple(found)


def _calls(every: list[CodeObject]) -> tuple[str, ...]:
    """Dangerous calls that the names of one code object put together: `os` and `system`, `exec`, `write_file`."""
    found: dict[str, None] = {}
    for code in every:
        names = code.names[:1000]
        found.update(dict.fromkeys(name for name in names if name in _BUILT_IN))
        found.update(dict.fromkeys(name for name in names if name in _TENSORFLOW))
        roots = [name.rpartition(".")[2] if name in table().modules else name for name in names]
        modules = set(names) | set(roots) | {t for t in _texts(code.constants) if t in table().modules}
        for module in modules:
            for name in names:
                dotted = f"{module}.{name}"
                if kinds_of(dotted) & _REACHES:
                    found[dotted] = None
    return tuple(found)[:20]


# TensorFlow functions that leave the graph (documentation of tf.io, tf.py_function, tf.raw_ops).
_TENSORFLOW = frozenset(
    (
        "py_function", "py_func", "numpy_function", "eager_py_func", "write_file", "WriteFile", "read_file", "ReadFile",
        "gfile", "GFile", "load_op_library", "load_library", "get_file", "load_model", "load_weights", "matching_files",
        "MatchingFiles", "PyFunc", "EagerPyFunc", "PyFuncStateless", "enable_unsafe_deserialization",
    )
)  # fmt: skip
