"""TorchScript code and `torch.export` programs: the functions they call and the expressions they would have evaluated.

Source: `torch/_export/serde/serialize.py` and `schema.py`, `torch/csrc/jit/serialization/python_print.cpp` (PyTorch
2.13).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from assay.core.errors import ContentError, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAX_NODES: Final = 5_000_000
_SHOWN: Final = 20  # expressions and calls kept of one kind
# What sympy's printer writes for sizes: numbers, symbols and its own functions; no attribute, no text, no subscript.
_EXPRESSION: Final = re.compile(r"[\w\s+\-*/(),<>=!&|~%.]*")
_LEAF: Final = re.compile(
    r"(?:Symbol|Dummy)\('[A-Za-z_]\w*'(?:, \w+=(?:True|False))*\)|Float\('[-+.\de]+'(?:, precision=\d+)?\)"
)
# Possessive, and tried at the start of a word only: the time is linear in the text.
_FUNCTION: Final = re.compile(r"\b(\w++)\s*+\(")
_ATTRIBUTE: Final = re.compile(r"\b(?!\d)\w++\s*+\.\s*+(?!\d)\w|\)\s*+\.|__")
_KNOWN_FUNCTIONS: Final = frozenset(
    (
        "Max", "Min", "Mod", "PythonMod", "FloorDiv", "CleanDiv", "CeilDiv", "ModularIndexing", "Where",
        "IntTrueDiv", "FloatTrueDiv", "ToFloat", "TruncToInt", "TruncToFloat", "FloorToInt", "CeilToInt",
        "RoundToInt", "RoundDecimal", "FloatPow", "PowByNatural", "LShift", "RShift", "Abs", "floor", "ceiling",
        "Pow", "And", "Or", "Not", "Eq", "Ne", "Lt", "Le", "Gt", "Ge", "Piecewise", "Integer", "Float", "Rational",
        "Symbol", "Mul", "Add", "sqrt", "log", "exp", "OpaqueUnaryFn_sqrt", "OpaqueUnaryFn_log2", "Identity",
        "BitwiseFn_bitwise_and", "BitwiseFn_bitwise_or", "Heaviside", "Equality",
        "Unequality", "StrictLessThan", "StrictGreaterThan", "LessThan", "GreaterThan", "ITE", "Tuple",
    )
)  # fmt: skip


@dataclass
class ExportedProgram:
    """The graph of a `torch.export` archive.

    Attributes:
        targets: function to number of calls.
        arguments: function to the constant texts handed to it, for the first few calls.
        expressions: expressions that are not arithmetic on sizes.
        schema_version: as stated.
    """

    targets: Counter[str] = field(default_factory=Counter)
    arguments: dict[str, list[str]] = field(default_factory=dict)
    expressions: list[str] = field(default_factory=list)
    schema_version: str = ""


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """A call in TorchScript code: dotted name, constant arguments, line."""

    name: str
    arguments: tuple[str, ...]
    line: int


def read_exported(document: Any) -> ExportedProgram:
    """Walk the JSON of an exported program.

    Raises:
        ContentError: when it is none.
        LimitExceeded: for more than five million values.
    """
    if not isinstance(document, dict) or "graph_module" not in document:
        msg = "no exported program"
        raise ContentError(msg)
    result = ExportedProgram(schema_version=str(document.get("schema_version", ""))[:200])
    stack: list[Any] = [document]
    seen = 0
    while stack:
        node = stack.pop()
        seen += 1
        if seen > _MAX_NODES:
            raise LimitExceeded("members", f"an exported program of more than {_MAX_NODES} values")
        if isinstance(node, list):
            stack += node
        elif isinstance(node, dict):
            _dictionary(node, result)
            stack += node.values()
    return result


def _dictionary(node: dict[str, Any], result: ExportedProgram) -> None:
    target = node.get("target")
    if isinstance(target, str) and "inputs" in node:
        result.targets[target] += 1
        texts = list(_texts(node.get("inputs")))
        kept = result.arguments.setdefault(target, [])
        kept += texts[: _SHOWN - len(kept)]
    expression = node.get("expr_str")
    if isinstance(expression, str) and not plain_expression(expression) and len(result.expressions) < _SHOWN:
        result.expressions.append(expression[:1000])


def _texts(inputs: Any) -> Iterator[str]:
    """Constant text arguments of a node."""
    for item in inputs if isinstance(inputs, list) else []:
        argument = item.get("arg") if isinstance(item, dict) else None
        if not isinstance(argument, dict):
            continue
        for key, value in argument.items():
            if key == "as_string" and isinstance(value, str):
                yield value[:500]
            elif key == "as_strings" and isinstance(value, list):
                yield from (text[:500] for text in value if isinstance(text, str))


def plain_expression(text: str) -> bool:
    """Whether an expression is arithmetic on symbols: it is handed to sympy, which evaluates it as Python."""
    text = _without_leaves(text[:10_001])
    if len(text) > 10_000 or not _EXPRESSION.fullmatch(text) or _ATTRIBUTE.search(text):  # noqa: PLR2004
        return False
    names = (word.lstrip("0123456789") for word in _FUNCTION.findall(text))
    return all(name in _KNOWN_FUNCTIONS for name in names if name)


def _without_leaves(text: str) -> str:
    """The expression with `Symbol('s0', integer=True)` and `Float('1.5', precision=53)` as plain words."""
    return _LEAF.sub("s", text)


def read_script(data: bytes, limit: int) -> tuple[ScriptCall, ...]:
    """Calls in one file of TorchScript code, which is a subset of Python's syntax.

    Raises:
        ContentError: when it does not parse.
        LimitExceeded: when it is longer than `limit` bytes.
    """
    if len(data) > limit:
        raise LimitExceeded("text_bytes", f"TorchScript code of {len(data)} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        msg = f"TorchScript code does not parse: {type(error).__name__}"
        raise ContentError(msg) from error
    calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            calls.append(ScriptCall(_dotted(node.func), tuple(t[:500] for t in texts), node.lineno))
    return tuple(calls)


def _dotted(node: ast.AST) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id if isinstance(node, ast.Name) else "?", *reversed(parts)])[:300]
