"""From an evaluated call to the effect it has, if any."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any, Final

from assay.sourcecode.evaluate import looked_up, sensitive
from assay.sourcecode.table import canonical, kinds_of, table
from assay.sourcecode.values import NOTHING, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assay.sourcecode.evaluate import Evaluator

_SHOWN: Final = 400  # characters of one argument kept
_WRITING: Final = frozenset("wax+")
_OPENERS: Final = frozenset((
    "builtins.open", "io.open", "codecs.open", "os.open", "os.fdopen", "io.FileIO", "_io.open", "_io.FileIO",
    "_pyio.open", "gzip.open", "bz2.open", "lzma.open", "gzip.GzipFile", "bz2.BZ2File", "lzma.LZMAFile",
    "zipfile.ZipFile", "tarfile.open",
))  # fmt: skip
_RENDERERS: Final = (
    "jinja2.Template",
    "Environment().from_string",
    "mako.template.Template",
    "tornado.template.Template",
)
_WAY_OUT: Final = re.compile(
    r"__(?:globals|subclasses|builtins|import|class|mro|base|init|getattribute)__|<%|\bself\.module\b"
)
_PATH_CHANGES: Final = frozenset(
    ["write_text", "write_bytes", "unlink", "rmdir", "symlink_to", "hardlink_to", "rename", "replace", "chmod"]
)
_LIBC: Final = frozenset(
    ("system", "popen", "execve", "execv", "execvp", "execl", "execlp", "fork", "posix_spawn", "ShellExecuteA")
)
_SECRET: Final = re.compile(r"TOKEN|SECRET|PASS|CRED|API_?KEY|PRIVATE", re.IGNORECASE)
_SECRET_FILE: Final = re.compile(
    r"\.ssh/|\.aws/|\.netrc|/etc/(?:shadow|passwd)|\.git-credentials|\.kube/config|\.docker/config|huggingface/token|\.pypirc"
    r"|\.npmrc|wallet\.dat|/proc/(?:self|1)/environ|Login Data|\.gnupg|id_rsa|id_ed25519|cookies\.sqlite"
)
_WHOLE: Final = frozenset(("items", "copy", "values"))
_SAFE_LOADERS: Final = ("SafeLoader", "CSafeLoader", "BaseLoader")


def effects_of_call(evaluator: Evaluator, node: ast.Call) -> Iterator[tuple[str, str, Value]]:
    """(kind, canonical name, value) for each effect of a call; the value carries the tags."""
    function = evaluator.value(node.func)
    arguments = [evaluator.value(a) for a in node.args]
    seen: set[tuple[str, str]] = set()
    for name in sorted(function.names):
        for target in _indirect(name, arguments):
            for kind in sorted(kinds_of(target)):
                if _really(kind, target, node, evaluator) and (kind, target) not in seen:
                    seen.add((kind, target))
                    yield kind, canonical(target).removeprefix("builtins."), function
        if name.endswith("logging.config.dictConfig"):
            yield from ((kind, factory, function) for kind, factory in _factories(node, evaluator))
        kind = _special(name, node, evaluator)
        if kind and (kind, name) not in seen:
            seen.add((kind, name))
            yield kind, canonical(name).removeprefix("builtins."), function
    if _computed(function.names):
        yield "computed-attribute", min(function.names), function


def _factories(node: ast.Call, evaluator: Evaluator) -> Iterator[tuple[str, str]]:
    """(kind, name) of what a logging configuration written out in the call makes its handlers with."""
    for part in (part for argument in node.args for part in ast.walk(argument) if isinstance(part, ast.Dict)):
        for key, value in zip(part.keys, part.values, strict=True):
            text = evaluator.value(value).constant
            if isinstance(key, ast.Constant) and key.value in {"()", "class"} and isinstance(text, str):
                yield from ((kind, text) for kind in sorted(kinds_of(text)))


def _indirect(name: str, arguments: list[Value]) -> set[str]:
    """The function itself, or what `methodcaller("system", …)(os)` calls."""
    return looked_up(name, arguments) if name.startswith("methodcaller:") else {name}


def _computed(names: frozenset[str]) -> bool:
    """Whether a function fetched from a sensitive module under an unknown name is called."""
    return any(name.endswith(".?") and sensitive(frozenset({name[:-2]})) for name in names)


def _really(kind: str, name: str, node: ast.Call, evaluator: Evaluator) -> bool:
    """Whether this call of a listed function has the effect at all: harmless forms are sorted out."""
    tail = name.rpartition(".")[2]
    keywords = {k.arg: evaluator.value(k.value) for k in node.keywords if k.arg}
    if kind == "deserialise":
        return _deserialises(name, tail, keywords, node)
    if kind == "secrets" and ("environ" in name or tail == "getenv"):
        first = evaluator.value(node.args[0]).constant if node.args else None
        return tail in _WHOLE or (isinstance(first, str) and _SECRET.search(first) is not None)
    if kind == "code" and tail == "compile":
        # compile() alone runs nothing; re.compile and model.compile are other functions
        return bool(node.args) and not evaluator.value(node.args[0]).names & {"builtins.ast.parse()"}
    return True


def _deserialises(name: str, tail: str, keywords: dict[str, Value], node: ast.Call) -> bool:
    if name.startswith("torch."):
        return keywords.get("weights_only", NOTHING).constant is not True
    if name.startswith("numpy."):
        return keywords.get("allow_pickle", NOTHING).constant is True
    if name.startswith("yaml.") and tail in {"load", "load_all"}:
        loaders = [k.value for k in node.keywords if k.arg == "Loader"] + node.args[1:2]
        return not any(_ends(loader, _SAFE_LOADERS) for loader in loaders)
    return True


def _ends(node: ast.AST, tails: tuple[str, ...]) -> bool:
    return (isinstance(node, ast.Attribute) and node.attr in tails) or (isinstance(node, ast.Name) and node.id in tails)


def _special(name: str, node: ast.Call, evaluator: Evaluator) -> str:
    """Kinds that depend on the arguments: opening for writing, computed imports, changes of the interpreter."""
    tail = name.rpartition(".")[2]
    first = evaluator.value(node.args[0]) if node.args else NOTHING
    if name.endswith(_RENDERERS) and isinstance(first.constant, str) and _WAY_OUT.search(first.constant):
        return "render"
    if name in _OPENERS or (tail == "open" and "Path()" in name):
        if _writes(name, node, evaluator):
            return "write"
        opened = first.constant if "Path()" not in name else " ".join(first.tags)
        return "secrets" if isinstance(opened, str) and _SECRET_FILE.search(opened) else ""
    if tail == "tofile" or ("pathlib." in name and tail in {*_PATH_CHANGES, "touch", "mkdir"}):
        return "write" if tail in _PATH_CHANGES else "create"
    if tail in {"__import__", "import_module"} and "import" in name:
        return "" if first.known and "partial" not in first.tags else "computed-import"
    return _interpreter_change(name, tail, first)


def _interpreter_change(name: str, tail: str, first: Value) -> str:
    if name.startswith("ctypes.") and tail in _LIBC:
        return "process"
    changes = tail in {"setattr", "delattr"} and sensitive(first.names)
    if changes or name.endswith(("sys.meta_path.insert", "sys.meta_path.append", "sys.path_hooks.append")):
        return "environment-change"
    return "redirect" if name.endswith("os.dup2") else ""


def _writes(name: str, node: ast.Call, evaluator: Evaluator) -> bool:
    if name == "os.open":
        return any("O_W" in text or "O_RDWR" in text or "O_CREAT" in text for text in map(ast.dump, node.args[1:2]))
    position = 0 if "Path()" in name else 1
    modes = [evaluator.value(k.value) for k in node.keywords if k.arg == "mode"]
    modes += [evaluator.value(a) for a in node.args[position : position + 1]]
    return any(isinstance(m.constant, str) and bool(_WRITING & set(m.constant)) for m in modes)


def shown_arguments(evaluator: Evaluator, node: ast.Call) -> tuple[tuple[str, ...], frozenset[str]]:
    """Constant arguments as text, and the tags of all arguments."""
    values = [evaluator.value(a) for a in node.args[:6]]
    values += [evaluator.value(k.value) for k in node.keywords[:6] if k.arg in _TELLING]
    everything = [evaluator.value(a) for a in [*node.args, *(k.value for k in node.keywords)]]
    tags = frozenset[str]().union(*(v.tags for v in everything)) if everything else frozenset[str]()
    return tuple(_shown(v.constant) if v.known else "…" for v in values), tags


_TELLING: Final = frozenset(
    {"args", "cmd", "command", "shell", "url", "target", "source", "executable", "fp", "data", "filename"}
)


def _shown(constant: Any) -> str:
    if isinstance(constant, bytes):
        return constant[:_SHOWN].decode("utf-8", "replace")
    if isinstance(constant, tuple):
        return " ".join(_shown(item) for item in constant[:50])[:_SHOWN]
    return str(constant)[:_SHOWN]


def reference_kinds(value: Value) -> Iterator[tuple[str, str]]:
    """(kind, name) for a dangerous function that is handed on rather than called."""
    for name in sorted(value.names):
        if name.startswith("types."):
            continue  # isinstance(x, types.FunctionType)
        for kind in sorted(kinds_of(name) & {"process", "code", "deserialise", "native"}):
            yield kind, canonical(name).removeprefix("builtins.")


def effects_of_target(evaluator: Evaluator, target: ast.expr) -> Iterator[tuple[str, str]]:
    """(kind, name) of an assignment that changes the interpreter: `builtins.open = f`, `os.environ["PATH"] = x`."""
    if isinstance(target, ast.Attribute) and sensitive(evaluator.value(target.value).names):
        base = min(evaluator.value(target.value).names)
        yield "environment-change", f"{base}.{target.attr}"
    elif isinstance(target, ast.Subscript):
        names, key = evaluator.value(target.value).names, evaluator.value(target.slice).constant
        if any(name.endswith("os.environ") for name in names) and key in table().environment:
            yield "environment-change", f"os.environ[{key!r}]"
        elif isinstance(key, str) and any(name.endswith("sys.modules") for name in names):
            yield "environment-change", f"sys.modules[{key!r}]"


def introspection(node: ast.Attribute) -> bool:
    """Whether the attribute leads from any value to the interpreter."""
    return node.attr in table().attributes
